"""manage.py load_demo"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from authorizations.services.digest import update
from authorizations.services.runtime import decision_log
from authorizations.services.runtime.turns import turn
from authorizations.web import demo_logins
from simulator import demo


class Command(BaseCommand):
    help = (
        "Fills an empty database with demo log-ins, policies, cards and a few days of purchases. "
        "Does nothing if there is a policy already."
    )
    requires_migrations_checks = True

    def handle(self, *_: Any, **__: Any) -> None:
        with turn("load_demo", self._say_that_it_waits):
            self._load()

    def _say_that_it_waits(self) -> None:
        self.stderr.write("Waiting for another process that loads the demo.")

    def _load(self) -> None:
        if not demo.is_needed():
            self.stdout.write("There are policies already: no demo data needed.")
            return
        if not settings.DEBUG:
            raise CommandError(
                "Demo data has log-ins with a public password, so it is for development only. Set "
                "DEBUG=true in .env, or continue without it: "
                "`python manage.py createsuperuser`, then `python manage.py runserver`."
            )
        with decision_log.silence():
            loaded = demo.load()
        update.catch_up(budget_s=60)
        self.stdout.write(
            f"Loaded demo data: {loaded.policies} policies, {loaded.cards} cards, "
            f"{loaded.decisions} decided purchases, and the log-ins "
            f"{', '.join(demo_logins.LOGINS)} (password: {demo_logins.PASSWORD})."
        )
