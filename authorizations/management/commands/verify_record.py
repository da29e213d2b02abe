"""manage.py verify_record"""

from collections.abc import Iterator

from rich.console import Console

from authorizations.management.proving import ProofCommand
from authorizations.models import Decision, HistoryEntry, LedgerEntry, ProofRun, WebhookRequest
from authorizations.services.verify.checking import Checked, estimated_count
from authorizations.services.verify.missing_numbers import missing_numbers
from authorizations.services.verify.proofs import Proof
from authorizations.services.verify.ranges import Range, entries_in, requests_in
from authorizations.services.verify.record import KINDS, verify_record


class Command(ProofCommand):
    help = (
        "Checks the rows of the record against each other: each request against its body, "
        "signature and answer, each decision against its request, each ledger entry against its "
        "decision, policy versions against the change history, and the history against itself. "
        "Counts the numbers that no row has. Ends with status 1 if there are differences."
    )
    proof = ProofRun.Command.VERIFY_RECORD
    kinds = KINDS

    def checked(self, proof: Proof) -> Iterator[Checked]:
        yield from verify_record(proof.processes, proof.part)
        proof.missing = missing_numbers(proof.part)

    def rows(self, part: Range) -> int | None:
        if part.is_whole:
            return estimated_count(WebhookRequest, Decision, LedgerEntry, HistoryEntry)
        return requests_in(part).number + entries_in(part).number

    def print_notes(self, console: Console, proof: Proof) -> None:
        if proof.unchecked:
            console.print(
                f"{proof.unchecked:,} signatures can't be checked: their secret is no longer "
                "configured, or a card number was masked in the signed body."
            )
        for what, found in proof.missing.items():
            if count := found["count"]:
                console.print(f"{count:,} numbers of {what} are missing: {found['ranges']}")
