"""manage.py redecide"""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from authorizations.management.proving import ProofCommand
from authorizations.models import Decision, PolicyVersion, ProofRun
from authorizations.services.verify import redecide
from authorizations.services.verify.checking import Checked, estimated_count
from authorizations.services.verify.proofs import Proof
from authorizations.services.verify.ranges import Range, requests_in


class Command(ProofCommand):
    help = (
        "Makes decisions again from their rows alone, and reports every outcome that differs from "
        "the record. Ends with status 1 if there are differences."
    )
    proof = ProofRun.Command.REDECIDE
    kinds = redecide.KINDS

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--decision", metavar="ID", help="One decision: Stripe's event id.")
        which.add_argument(
            "--all",
            action="store_true",
            help="Every decision of the range, and every policy version's hash.",
        )
        super().add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Check first that the decision exists, so that no run is recorded otherwise."""
        decision_id = options["decision"]
        if decision_id is not None and not Decision.objects.filter(pk=decision_id).exists():
            raise CommandError(
                f'There is no decision "{decision_id}". A decision has the id of Stripe\'s event, '
                "evt_…, as the answer's metadata and the admin show it."
            )
        super().handle(*args, **options)

    def checked(self, proof: Proof) -> Iterator[Checked]:
        if not proof.decision:
            yield from redecide.redecide_all(proof.processes, proof.part)
        else:
            yield Checked(redecide.DECISIONS, 1, redecide.redecide(proof.decision))

    def rows(self, part: Range) -> int | None:
        if part.is_whole:
            return estimated_count(Decision, PolicyVersion)
        return requests_in(part).number
