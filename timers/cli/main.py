"""The entry point of the command line: parses the arguments, runs the command, returns the exit status.

The exit status is 0 for success, 1 when the site refused or was not reached, 2 for wrong arguments.
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

_DESCRIPTION = "Schedules jobs on a Timers site. Set its address in TIMERS_URL and your token in TIMERS_TOKEN."


def main(arguments: Sequence[str] | None = None, *, client: TimersClient | None = None) -> int:
    """Run one command and return its exit status. `client` replaces the connection, for tests."""
    parser = build()
    options = parser.parse_args(arguments, Namespace(format="text", url=None))
    try:
        return int(options.carry_out(client or _client(options), options))
    except Usage as error:
        options.parser.print_usage(sys.stderr)
        print(f"{options.parser.prog}: error: {error}", file=sys.stderr)
        return MISUNDERSTOOD
    except TimersAPIError as error:
        print(f"Error: {error}", file=sys.stderr)
        return REFUSED
    except BrokenPipeError:  # the reader of our output, such as `head`, has closed it
        sys.stderr.close()
        return DONE


def build() -> ArgumentParser:
    """Return the parser of all commands."""
    shared = ArgumentParser(add_help=False)
    shared.add_argument(
        "-F",
        "--format",
        choices=("text", "json"),
        default=SUPPRESS,
        help="output format: text for people, json for programs",
    )
    shared.add_argument("--url", default=SUPPRESS, help="address of the site (default: TIMERS_URL)")
    parser = ArgumentParser(prog="python -m timers.cli", description=_DESCRIPTION, parents=[shared])
    nouns = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    job = nouns.add_parser("job", help="submit, list and control jobs", parents=[shared])
    verbs = job.add_subparsers(title="commands", metavar="VERB", required=True)

    def verb(name: str, carry_out: Any, text: str) -> ArgumentParser:
        command = verbs.add_parser(name, help=text, description=text, parents=[shared])
        command.set_defaults(carry_out=carry_out, parser=command)
        return command

    jobs.add_commands(verb)
    transfers.add_commands(verb)
    return parser


def _client(options: Namespace) -> TimersClient:
    try:
        return TimersClient(options.url)
    except ValueError as error:
        raise Usage(str(error).replace("Give base_url", "Give --url")) from error
