"""From words to a deed: the commands, what they need, and how their end is told.

The exit status is 0, 1 when the site refused or was not reached, 2 when the words cannot be understood.
"""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from timers.cli import jobs, transfers
from timers.cli.reading import Usage
from timers.client import TimersAPIError, TimersClient

DONE, REFUSED, MISUNDERSTOOD = 0, 1, 2

_DESCRIPTION = "Schedules jobs on a Timers site. TIMERS_URL says where it is, TIMERS_TOKEN who you are."


def main(arguments: Sequence[str] | None = None, *, client: TimersClient | None = None) -> int:
    """Carry out one command and return the exit status; `client` replaces the connection, for tests."""
    parser = build()
    given = parser.parse_args(arguments, Namespace(format="text", url=None))
    try:
        return int(given.carry_out(client or _client(given), given))
    except Usage as error:
        given.parser.print_usage(sys.stderr)
        print(f"{given.parser.prog}: error: {error}", file=sys.stderr)
        return MISUNDERSTOOD
    except TimersAPIError as error:
        print(f"Error: {error}", file=sys.stderr)
        return REFUSED
    except BrokenPipeError:  # who reads has seen enough
        sys.stderr.close()
        return DONE


def build() -> ArgumentParser:
    """Return the parser of all commands."""
    shared = ArgumentParser(add_help=False)
    shared.add_argument(
        "-F", "--format", choices=("text", "json"), default=SUPPRESS, help="text for people, json for programs"
    )
    shared.add_argument("--url", default=SUPPRESS, help="the site; TIMERS_URL when left out")
    parser = ArgumentParser(prog="python -m timers.cli", description=_DESCRIPTION, parents=[shared])
    nouns = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    job = nouns.add_parser("job", help="submit, follow and steer jobs", parents=[shared])
    verbs = job.add_subparsers(title="commands", metavar="VERB", required=True)

    def verb(name: str, carry_out: Any, text: str) -> ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text, parents=[shared])
        made.set_defaults(carry_out=carry_out, parser=made)
        return made

    jobs.add_commands(verb)
    transfers.add_commands(verb)
    return parser


def _client(given: Namespace) -> TimersClient:
    try:
        return TimersClient(given.url)
    except ValueError as error:
        raise Usage(str(error).replace("Give base_url", "Give --url")) from error
