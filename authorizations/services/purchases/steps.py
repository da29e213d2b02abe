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
    """The steps of a purchase from its present state, each with its cause.

    Each state is counted once, by the merchant that limits know the purchase by. `reported` is the
    state after the event's report, before anything is decided.
    """

    def __init__(self, before: AuthorizationState, merchant: Merchant) -> None:
        self.before = before
        self.last = self.reported = before
        self.counted_before = self.counted = before.counted(merchant)
        self.changes: list[tuple[LedgerCause, CountedUsage]] = []
        self._merchant = merchant

    @property
    def change(self) -> CountedUsage:
        """The change of the counted usage by all steps."""
        return self.counted - self.counted_before

    def to(
        self, cause: LedgerCause, state: AuthorizationState, *, by_hand: bool = False
    ) -> CountedUsage:
        """Add a step to this state; returns its change of the counted usage.

        A step `by_hand` makes an entry even if nothing counts differently.
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
        """Add the steps of an event's report.

        `in_one`: join successive steps with the same cause; a request may list a thousand captures.
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
        """The changes as ledger entries, in order."""
        return [
            rows.entry(event, cause, change, now, author=author, reason=reason)
            for cause, change in self.changes
        ]


def steps_of(
    before: AuthorizationState,
    snapshot: Snapshot | None,
    transactions: Sequence[TransactionSnapshot],
) -> Iterator[tuple[LedgerCause, AuthorizationState]]:
    """The states after each of these. Transactions come first, so that a snapshot that closes the
    authorization only releases what was not captured.
    """
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
    """The transactions with changes, and those that are newer versions without changes."""
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
