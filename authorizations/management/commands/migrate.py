"""manage.py migrate, one at a time: several hosts start at the same moment."""

from typing import Any

from django.core.management.commands import migrate

from authorizations.services.runtime.turns import turn


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:  # they change nothing
            super().handle(*args, **options)
            return
        with turn("migrate", self._wait, using=options["database"]):
            super().handle(*args, **options)

    def _wait(self) -> None:
        self.stderr.write("Another migrate is at work on this database: waiting for it to end.")
