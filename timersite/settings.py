"""All settings of the site. The environment is read only through env.py."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from timers.targets import parse_networks
from timersite import env, logs

_ASSETS = Path(__file__).resolve().parent / "assets"
_IS_INSTALLED = _ASSETS.is_dir()  # a package contains templates and static files, a checkout has them beside it
BASE_DIR = _ASSETS if _IS_INSTALLED else Path(__file__).resolve().parent.parent

# Storage

TIMERS_DATA_DIR = env.folder("TIMERS_DATA_DIR", env.state_folder("timers") if _IS_INSTALLED else BASE_DIR / "data")
DATABASES = {"default": env.database("DATABASE_URL", TIMERS_DATA_DIR / "timers.sqlite3")}
_ON_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
SECRET_KEY = env.secret("TIMERS_SECRET_KEY", kept_in=TIMERS_DATA_DIR / "secret_key" if _ON_SQLITE else None)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# Operator's choices

TIMERS_BASE_URL = env.url("TIMERS_BASE_URL", "http://127.0.0.1:8000")
TIMERS_LOCAL_ROOTS = env.folders("TIMERS_LOCAL_ROOTS", TIMERS_DATA_DIR / "collections")
TIMERS_WORKERS = env.number("TIMERS_WORKERS", os.cpu_count() or 1, minimum=1, maximum=256)
TIMERS_CODE_MODULES = env.words("TIMERS_CODE_MODULES")
TIMERS_ACTIONS = env.kinds("TIMERS_ACTIONS")
TIMERS_SCHEDULES = env.kinds("TIMERS_SCHEDULES")
TIMERS_STORAGES = env.kinds("TIMERS_STORAGES")
TIMERS_CHANNELS = env.kinds("TIMERS_CHANNELS")
TIMERS_METRICS_TOKEN = env.text("TIMERS_METRICS_TOKEN")
TIMERS_CONDUCTOR_OPEN = env.text("TIMERS_CONDUCTOR_OPEN")
TIMERS_ADMIN_USERNAME = env.text("TIMERS_ADMIN_USERNAME", "admin")
TIMERS_ADMIN_PASSWORD = env.text("TIMERS_ADMIN_PASSWORD")
TIMERS_ADMIN_TOKEN = env.text("TIMERS_ADMIN_TOKEN")
TIMERS_SMTP = env.smtp("TIMERS_SMTP_URL")
TIMERS_MAIL_FROM = env.mailbox("TIMERS_MAIL_FROM", f"Timers <timers@{urlsplit(TIMERS_BASE_URL).hostname}>")
try:
    TIMERS_WEBHOOK_NETWORKS = parse_networks(env.text("TIMERS_WEBHOOK_NETWORKS"))
except ValueError as error:
    raise env.SettingError(f"TIMERS_WEBHOOK_NETWORKS: {error}") from error

# Set by `manage.py up` for its child processes: the only loopback target of the demo, and the site's own address
TIMERS_DEMO_TARGET = env.text("TIMERS_DEMO_TARGET")
TIMERS_LISTEN = tuple(
    (parts.hostname, parts.port) for part in env.words("TIMERS_LISTEN") if (parts := urlsplit(f"//{part}"))
)

# The web site

DEBUG = False
ROOT_URLCONF = "timersite.urls"
WSGI_APPLICATION = "timersite.wsgi.application"
ALLOWED_HOSTS = [
    *env.hosts("TIMERS_ALLOWED_HOSTS"),
    urlsplit(TIMERS_BASE_URL).hostname,
    *("localhost", "127.0.0.1", "[::1]"),  # `manage.py up` and probes on this machine
]
_ON_HTTPS = TIMERS_BASE_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [TIMERS_BASE_URL]
APPEND_SLASH = False
INSTALLED_APPS = [
    "timersite.administration.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "django_htmx",
    "csp",
    "django_q",
    "timers",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "timersite.fast_path_middleware.FastPathMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "timersite.too_many_middleware.TooManyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic step is needed
WHITENOISE_AUTOREFRESH = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = ["timers.services.people.passwords.PasswordBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Security of the pages

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _ON_HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _ON_HTTPS else None
SECURE_SSL_REDIRECT = _ON_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked for on this machine, past the proxy
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _ON_HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1024 * 1024  # above the 10 MiB of the API, which answers 413 itself

# Language and time: UTC everywhere, the reader's zone only in templates (checked in timers/checks.py)

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# REST

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_AUTHENTICATION_CLASSES": ["timers.auth.BearerAuthentication", "timers.auth.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Timers",
    "DESCRIPTION": "Runs things on time: transfers, webhooks, workflows and Python functions.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
}

# Workers: django-q only carries wake-ups, the state is in our tables

Q_CLUSTER = {
    "name": "timers",
    "workers": TIMERS_WORKERS,
    "scheduler": False,
    "save_limit": -1,
    "recycle": 100_000,
    "max_rss": 600_000,  # kilobytes
    "bulk": 20,
    "queue_limit": 4 * TIMERS_WORKERS,
    "timeout": 600,
    "retry": 3600,
    "max_attempts": 1,
    "ack_failures": True,
    "guard_cycle": 1,
    "log_level": "WARNING",
    "orm": "default",
    "ALT_CLUSTERS": {},
}
REDIS_URL = env.redis("REDIS_URL")
if REDIS_URL:
    Q_CLUSTER["redis"] = REDIS_URL
    Q_CLUSTER["broker_class"] = "timers.messaging.redis_broker.RedisBroker"
else:
    Q_CLUSTER["broker_class"] = "timers.messaging.broker.DatabaseBroker"

# Logs are for operators; users read events and executions

TIMERS_LOG_FORMAT = logs.chosen_format()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "timersite.logs.formatter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "stream": "ext://sys.__stderr__",  # the original stream, because `sys.stderr` may mark lines as printed
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "timers": {"level": "INFO"},
        "django.request": {"level": "ERROR"},
        "django.security.DisallowedHost": {"handlers": [], "propagate": False},  # the answer 400 is enough
    },
}
