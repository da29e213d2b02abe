"""The states that a purchase goes through in one transaction, and the ledger entries they make."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from authorizations.models import LedgerCause
from authorizations.rules.basics.filters import Merchant
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.purchases.snapshots import Snapshot, TransactionSnapshot
from authorizations.services.store import rows
from authorizations.services.store.ledger_cause import cause_of
from authorizations.services.store.rows import LedgerEntryRow

_CAUSES = {"refund": LedgerCause.REFUND}


class Steps:
    """A purchase from the state it is in, step by step, each with its cause.

    Each state is counted once, by the merchant that limits know the purchase by. `reported` is the
    state with what the event reports, before anything is decided.
    """

    def __init__(self, before: AuthorizationState, merchant: Merchant) -> None:
        self.before = before
        self.last = self.reported = before
        self.counted_before = self.counted = before.counted(merchant)
        self.changes: list[tuple[LedgerCause, CountedUsage]] = []
        self._merchant = merchant

    @property
    def change(self) -> CountedUsage:
        """What all steps changed of what is counted."""
        return self.counted - self.counted_before

    def to(
        self, cause: LedgerCause, state: AuthorizationState, *, by_hand: bool = False
    ) -> CountedUsage:
        """Go on to this state; returns what that changed of what is counted.

        What is booked `by_hand` is an entry even where nothing counts differently.
        """
        counted = state.counted(self._merchant)
        change = counted - self.counted
        if change or by_hand:
            self.changes.append((cause, change))
        self.last, self.counted = state, counted
        return change

    def report(
        self,
        snapshot: Snapshot | None,
        transactions: Sequence[TransactionSnapshot] = (),
        *,
        in_one: bool = False,
    ) -> None:
        """Take in what an event reports.

        `in_one`: of steps in a row with the same cause only the last is one; a request may list a
        thousand captures.
        """
        waiting: tuple[LedgerCause, AuthorizationState] | None = None
        for step in steps_of(self.last, snapshot, transactions):
            if waiting and not (in_one and waiting[0] == step[0]):
                self.to(*waiting)
            waiting = step
        if waiting:
            self.to(*waiting)
        self.reported = self.last

    def entries(
        self, event: PurchaseEvent, now: datetime, *, author: str = "", reason: str = ""
    ) -> list[LedgerEntryRow]:
        """Each change as a row of the ledger, in order."""
        return [
            rows.entry(event, cause, change, now, author=author, reason=reason)
            for cause, change in self.changes
        ]


def steps_of(
    before: AuthorizationState,
    snapshot: Snapshot | None,
    transactions: Sequence[TransactionSnapshot],
) -> Iterator[tuple[LedgerCause, AuthorizationState]]:
    """Money first: so a closing snapshot only gives back what was not captured."""
    news, renewed = news_of(before, transactions)
    state = before.with_transactions(renewed) if renewed else before
    for transaction in news:
        state = state.with_transaction(transaction)
        yield _CAUSES.get(transaction.type, LedgerCause.CAPTURE), state
    if snapshot:
        joined = state.joined(snapshot)
        yield cause_of(state, joined), joined


def news_of(
    state: AuthorizationState, transactions: Sequence[TransactionSnapshot]
) -> tuple[list[TransactionSnapshot], list[TransactionSnapshot]]:
    """Of these transactions what tells something new, and newer versions that say the same."""
    newest = {t.id: t for t in state.transactions}
    news: list[TransactionSnapshot] = []
    renewed: list[TransactionSnapshot] = []
    for transaction in transactions:
        known = newest.get(transaction.id)
        if known is not None and transaction <= known:
            continue
        is_same = known is not None and replace(transaction, at=known.at) == known
        (renewed if is_same else news).append(transaction)
        newest[transaction.id] = transaction
    return news, renewed
