"""Whether a report from Stripe is new, so that reconciling writes only what was missed."""

from collections.abc import Iterable
from dataclasses import replace

from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.snapshots import Snapshot, TransactionSnapshot


def is_news(
    state: AuthorizationState,
    snapshot: Snapshot | None,
    transactions: Iterable[TransactionSnapshot],
) -> bool:
    """Whether the snapshot and transactions change the state; a repeated report does not.

    A hold released by an operator therefore stays released until Stripe reports something other
    than what it reported when the hold was released.
    """
    after = state
    for transaction in transactions:
        after = after.with_transaction(transaction)
    if snapshot:
        after = after.joined(snapshot)
    return _without_times(after) != _without_times(state)


def _without_times(state: AuthorizationState) -> tuple[AuthorizationState, bool, int]:
    """The state without the times of its reports, and what those times decide.

    The same end reported later can end requests made in between.
    """
    same = replace(
        state,
        furthest=_without_time(state.furthest),
        uncaptured=_without_time(state.uncaptured),
        end=state.end and state.end._replace(at=0),
        transactions=tuple(replace(transaction, at=0) for transaction in state.transactions),
    )
    return same, state.is_over, sum(map(state.is_ended, state.answers))


def _without_time(snapshot: Snapshot | None) -> Snapshot | None:
    # The number of transactions only sorts snapshots; the transactions themselves are compared.
    return snapshot and replace(snapshot, at=0, transactions=0)
