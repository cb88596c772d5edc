"""The site's settings with a data folder that goes away, and cheap passwords."""

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="timers-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["TIMERS_DATA_DIR"] = _folder
for _name in [name for name in os.environ if name.startswith("TIMERS_") and name != "TIMERS_DATA_DIR"]:
    del os.environ[_name]
_database_url = os.environ.pop("DATABASE_URL", "")

from timersite.settings import *  # noqa: E402, F403

TESTS_POSTGRESQL_URL = _database_url
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
