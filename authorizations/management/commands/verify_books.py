"""manage.py verify_books"""

from collections.abc import Iterator

from rich.console import Console

from authorizations.management.proving import ProofCommand
from authorizations.models import (
    Authorization,
    Card,
    Decision,
    LedgerEntry,
    ProofRun,
    Transaction,
    Usage,
)
from authorizations.services.verify.books import KINDS, verify_books
from authorizations.services.verify.checking import Checked, estimated_count
from authorizations.services.verify.proofs import Proof
from authorizations.services.verify.ranges import Range, entries_in, requests_in


class Command(ProofCommand):
    help = (
        "Checks the books: every card against its chain, every purchase against its ledger entries "
        "and transactions, every remembered sum against the purchases, every decision's usage "
        "figures against the ledger as it was then, and that no approval exceeded a limit. Ends "
        "with status 1 if there are differences."
    )
    proof = ProofRun.Command.VERIFY_BOOKS
    kinds = KINDS

    def checked(self, proof: Proof) -> Iterator[Checked]:
        return verify_books(proof.processes, proof.part)

    def rows(self, part: Range) -> int | None:
        if part.is_whole:
            return estimated_count(Card, Authorization, Transaction, Usage, Decision, LedgerEntry)
        return requests_in(part).number + entries_in(part).number

    def print_notes(self, console: Console, proof: Proof) -> None:
        if proof.unchecked:
            console.print(
                f"{proof.unchecked:,} usage figures cannot be verified: the card's "
                "replacement chain changed afterwards."
            )
