"""What a command line opens instead of a browser: somebody logs in, agrees, and follows where that leads."""

from __future__ import annotations

import os
import sys

import requests

from tests.acceptance.globus.person import Person

if __name__ == "__main__":
    person = Person(os.environ["WHO"], os.environ["PASSWORD"])
    requests.get(person.agree(sys.argv[1]), timeout=20)
