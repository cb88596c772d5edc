"""The lines that connect an existing client: to paste as they are, with what was just made filled in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Snippet:
    """Some lines under a title; `id` names their place on the page."""

    id: str
    title: str
    text: str


GLOBUS_ENVIRONMENT = """\
export GLOBUS_SDK_SERVICE_URL_TIMER={base}/globus/
export GLOBUS_SDK_SERVICE_URL_TRANSFER={base}/globus/
export GLOBUS_SDK_SERVICE_URL_AUTH={base}/globus/
export GLOBUS_SDK_SERVICE_URL_FLOWS={base}/globus/
export TIMER_SERVICE_URL={base}/globus"""
GLOBUS_TOKEN = """\
from globus_sdk import AccessTokenAuthorizer, TimersClient

timers = TimersClient(authorizer=AccessTokenAuthorizer("{token}"))
print(timers.list_jobs()["jobs"])"""
GLOBUS_KEY = """\
from globus_sdk import ClientApp, TimersClient

app = ClientApp(client_id="{client_id}", client_secret="{secret}")
timers = TimersClient(app=app)
print(timers.list_jobs()["jobs"])"""
CONDUCTOR_ENVIRONMENT = """\
export CONDUCTOR_SERVER_URL={base}/conductor/api
export CONDUCTOR_AUTH_KEY={client_id}
export CONDUCTOR_AUTH_SECRET={secret}"""
CONDUCTOR_PYTHON = """\
from conductor.client.configuration.configuration import Configuration
from conductor.client.orkes_clients import OrkesClients

clients = OrkesClients(Configuration())  # reads the environment
print(clients.get_scheduler_client().get_all_schedules())"""
OWN = """\
export TIMERS_URL={base} TIMERS_TOKEN={token}
python -m timers.cli job list
curl -H "Authorization: Bearer $TIMERS_TOKEN" $TIMERS_URL/api/v1/timers"""
PYTHON = """\
from timers.client import TimersClient

client = TimersClient()  # reads TIMERS_URL and TIMERS_TOKEN
print([timer["name"] for timer in client.iter_timers()])"""


def lines(base: str, *, token: str = "", client_id: str = "", secret: str = "") -> tuple[list[Snippet], list[Snippet]]:
    """Return the lines of both columns; what is not known stands as an ellipsis, as secrets are shown once."""
    known = {
        "base": base.rstrip("/"),
        "token": token or "tmr_…",
        "client_id": client_id or "CLIENT-ID",
        "secret": secret or "…",
    }

    def filled(id: str, title: str, text: str) -> Snippet:
        return Snippet(id, title, text.format(**known))

    return (
        [
            filled("paste-own", "Command line and REST", OWN),
            filled("paste-python", "Python", PYTHON),
            filled("paste-conductor-environment", "Conductor clients: environment", CONDUCTOR_ENVIRONMENT),
            filled("paste-conductor-python", "conductor-python", CONDUCTOR_PYTHON),
        ],
        [
            filled("paste-globus-environment", "Globus clients: environment", GLOBUS_ENVIRONMENT),
            filled("paste-globus-token", "globus-sdk with a token", GLOBUS_TOKEN),
            filled("paste-globus-key", "globus-sdk with a client key", GLOBUS_KEY),
        ],
    )
