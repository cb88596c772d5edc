"""The logger class of gunicorn: `--logger-class timersite.gunicorn_logs.GunicornLogger`."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from timersite import logs


class GunicornLogger(Logger):  # type: ignore[misc]
    """Logger that writes gunicorn's lines in our log format."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in (*self.error_log.handlers, *self.access_log.handlers):
            handler.setFormatter(logs.formatter())
