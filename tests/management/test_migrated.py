"""Commands over a database that has not got its tables."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments", [["synccodetimers"], ["runtimer", "x"], ["prune"], ["createtoken", "x"], ["createkey", "x"]]
)
def test_a_database_that_is_not_migrated_is_one_sentence(arguments: list[str]) -> None:
    MigrationRecorder.Migration.objects.filter(app="timers").latest("pk").delete()

    with pytest.raises(CommandError, match=r"^The database is not migrated; run python manage\.py migrate\.$"):
        call_command(*arguments)
