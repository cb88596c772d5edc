"""The ASGI application, for ASGI servers."""

import os
import sys

from django.core.asgi import get_asgi_application

from timersite import logs
from timersite.env import SettingError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "timersite.settings")
try:
    logs.keep_printed_lines()
    application = get_asgi_application()
except SettingError as error:
    sys.exit(f"timersite: {error}")
