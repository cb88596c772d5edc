"""The WSGI application: `gunicorn timersite.wsgi`."""

import os
import sys

from django.core.wsgi import get_wsgi_application

from timersite import logs
from timersite.env import SettingError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "timersite.settings")
try:
    logs.keep_printed_lines()
    site = get_wsgi_application()
except SettingError as error:
    sys.exit(f"timersite: {error}")

from timers.conductor.empty_poll_middleware import EmptyPollMiddleware  # needs the models

application = EmptyPollMiddleware(site)
