"""manage.py redecide"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from authorizations.management.terminal import console_of, report
from authorizations.models import Decision, PolicyVersion
from authorizations.services import redecide
from authorizations.services.checking import Difference, estimated_count


class Command(BaseCommand):
    help = (
        "Makes decisions again from their rows alone, and reports what comes out differently from "
        "what is on record: nothing, as it should be. Ends with status 1 where there is something."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--decision", metavar="ID", help="One decision: Stripe's event id.")
        which.add_argument(
            "--all", action="store_true", help="Every decision, and every policy version's hash."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        if options["all"]:
            total = estimated_count(PolicyVersion)
            report(console, redecide.versions(), total=total, what="policy versions")
            total = estimated_count(Decision)
            report(console, redecide.redecide_all(), total=total, what="decisions")
        else:
            report(console, _one(options["decision"]), total=1, what="decisions")


def _one(decision_id: str) -> list[list[Difference]]:
    try:
        return [redecide.redecide(decision_id)]
    except Decision.DoesNotExist:
        raise CommandError(
            f"There is no decision {decision_id}. Its id is that of Stripe's event, evt_…, as the "
            "answer's metadata and the admin show it."
        ) from None
