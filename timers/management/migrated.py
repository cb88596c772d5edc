"""The base of management commands that need the database tables."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor


class MigratedCommand(BaseCommand):
    """A command that fails with one sentence when the database does not answer or has not been migrated."""

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        """Raise CommandError unless the database answers and is migrated. Django calls this before `handle`."""
        try:
            executor = MigrationExecutor(connection)
            waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"The database of DATABASE_URL cannot be used: {reason}") from error
        if waiting:
            raise CommandError("The database is not migrated; run python manage.py migrate.")
