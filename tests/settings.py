"""The site's settings with a data folder that goes away, and cheap passwords."""

import os

from tests import scratch

os.environ["TIMERS_DATA_DIR"] = str(scratch.new_folder("data"))
for _name in [name for name in os.environ if name.startswith("TIMERS_") and name != "TIMERS_DATA_DIR"]:
    del os.environ[_name]
for _name in [name for name in os.environ if name.startswith("PYTHON") and name not in scratch.KEPT]:
    del os.environ[_name]
for _name in ("no_proxy", "NO_PROXY"):  # our servers are on this machine
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1,localhost,::1"]))
_database_url = os.environ.pop("DATABASE_URL", "")

from timersite.settings import *  # noqa: E402, F403

TESTS_POSTGRESQL_URL = _database_url
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
