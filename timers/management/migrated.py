"""What commands have in common that need the tables."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor


class MigratedCommand(BaseCommand):
    """A command that says in one sentence that the database is away or has not got its tables."""

    requires_migrations_checks = True

    def check_migrations(self) -> None:
        """Raise CommandError unless the database answers and no migration waits; Django calls it before `handle`."""
        try:
            executor = MigrationExecutor(connection)
            waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except DatabaseError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"DATABASE_URL names a database that cannot be used: {reason}") from error
        if waiting:
            raise CommandError("The database is not migrated; run python manage.py migrate.")
