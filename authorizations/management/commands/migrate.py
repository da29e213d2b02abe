"""manage.py migrate, one at a time, because several hosts may start at the same moment."""

from typing import Any

from django.core.management.commands import migrate

from authorizations.services.runtime.turns import turn


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:  # they change nothing
            super().handle(*args, **options)
            return

        def say_so() -> None:
            self.stderr.write("Waiting for another `migrate` on this database to end.")

        with turn("migrate", say_so, using=options["database"]):
            super().handle(*args, **options)
