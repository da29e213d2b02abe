"""Whole lives of sample authorizations, as the events that Stripe sends.

A Life keeps its authorization as Stripe would, and emits an event for each change. The changes
follow Stripe's test helpers (/v1/test_helpers/issuing/authorizations) and its guide,
docs.stripe.com/issuing/purchases/authorizations. The clock is the caller's: every `at` is in Unix
seconds. Transactions without an authorization are in sample_transactions.
"""

from copy import deepcopy
from dataclasses import replace
from random import Random

from authorizations.wire.events import AUTHORIZATION_REQUEST
from simulator.stripe.sample_transactions import (
    card_event,
    cardholder_event,
    force_capture,
    hold_or_release,
    transaction,
    transaction_created,
    transaction_updated,
    unlinked_refund,
)
from simulator.stripe.samples import (
    API_VERSION,
    Json,
    Purchase,
    authorization,
    converted,
    event,
    history_entry,
    identifier,
    pending_request,
)

__all__ = [
    "Life",
    "card_event",
    "cardholder_event",
    "described",
    "force_capture",
    "transaction_updated",
    "unlinked_refund",
]

_EXPIRED_IS_A_STATUS_SINCE = "2025-03-31"


class Life:
    """An authorization at Stripe; `purchase` is what its first request is about.

    `chance` draws the ids of its events and transactions; without it they follow from the
    authorization's id. `account` is the connected account's id on Connect. With `balances`, its
    events list the balance transactions by which Stripe holds and releases money. `events` has all
    emitted events, in order, `kept` is Stripe's authorization as it is now, and `open` the amount
    that the merchant may still capture; the authorization's amount does not matter.
    """

    def __init__(
        self,
        purchase: Purchase,
        card: Json,
        *,
        chance: Random | None = None,
        account: str | None = None,
        api_version: str = API_VERSION,
        balances: bool = False,
    ) -> None:
        self.events: list[Json] = []
        self.open = 0
        self._balances = Random(f"balances of {purchase.authorization_id}") if balances else None  # noqa: S311
        self.purchase = self._asked = purchase
        self.chance = chance or Random(purchase.authorization_id)  # noqa: S311 - nothing secret
        self._account = account
        self._api_version = api_version
        self.kept = authorization(purchase, card) | {"pending_request": None}
        self._reported: Json = {}

    @property
    def amount(self) -> int:
        """What Stripe holds now, or rejected."""
        return int(self.kept["amount"])

    def ask(self, amount: int | None = None, *, at: int) -> Json:
        """The issuing_authorization.request: the first, or an increment by `amount`.

        Called again before `answered`, it is Stripe's second attempt at the same request.
        """
        self._ask(amount)
        return self._emit(AUTHORIZATION_REQUEST, at)

    def answered(
        self,
        *,
        approved: bool,
        at: int,
        amount: int | None = None,
        reason: str | None = None,
        reason_message: str | None = None,
    ) -> Json:
        """The .created or, for an increment, .updated event with the outcome of the request.

        `amount` is what was approved if it is not the requested amount: less, or at a fuel pump
        more. `reason` is one of request_history's, by default that of our answer; with others, our
        answer did not count. Without `ask` before, Stripe decided alone, on `amount` or the
        purchase's amount.
        """
        if self.kept["pending_request"] is None:
            self._ask(amount)
        taken = self._asked.amount if amount is None or not approved else amount
        entry = history_entry(
            replace(self._asked, amount=taken, merchant_amount=self._charged(taken)),
            approved=approved,
            at=at,
            reason=reason or ("webhook_approved" if approved else "webhook_declined"),
            reason_message=reason_message,
        )
        is_first = not self.kept["request_history"]
        self._settle(entry)
        return self._emit(f"issuing_authorization.{'created' if is_first else 'updated'}", at)

    def reverse(self, amount: int | None = None, *, at: int) -> Json:
        """The merchant releases `amount` of the hold; all of it (a void) ends the hold."""
        left = 0 if amount is None else max(0, self.amount - amount)
        if not left:
            self.kept["status"] = "closed" if self.kept["transactions"] else "reversed"
        return self.set_amount(left, at=at)

    def set_amount(self, amount: int, *, at: int) -> Json:
        """The merchant changes the held amount without a request.

        For example to 0 for a while or, at a fuel pump, from the estimate to the real amount
        (finalize_amount). The status stays.
        """
        self.open = max(0, self.open + amount - self.amount)
        self._show(amount)
        return self._emit("issuing_authorization.updated", at)

    def expire(self, *, at: int) -> Json:
        """Stripe releases a hold that was not captured in time."""
        knows = self._api_version[:10] >= _EXPIRED_IS_A_STATUS_SINCE
        self.kept["status"] = "expired" if knows else "reversed"
        return self.set_amount(0, at=at)

    def capture(
        self,
        amount: int | None = None,
        *,
        at: int,
        close: bool = True,
        lowers_amount: bool = False,
        merchant_amount: int | None = None,
    ) -> tuple[Json, Json]:
        """The merchant captures `amount`: the transaction's .created, the authorization's .updated.

        By default all that is held or was rejected. A capture is never refused, even if it is more
        than was approved or after the end. Whether Stripe then lowers the authorization's amount
        is not documented. `merchant_amount` is for a changed exchange rate.
        """
        taken = self.amount if amount is None else amount
        charged = self._charged(taken) if merchant_amount is None else merchant_amount
        details = None if self.kept["transactions"] else self.kept["amount_details"]
        captured = self._transact(-taken, -charged, at, details)
        self.open = max(0, self.open - taken)
        if lowers_amount:
            self._show(max(0, self.amount - taken))
        if close:
            self.kept["status"] = "closed"
            self.open = 0
        return captured, self._emit("issuing_authorization.updated", at)

    def refund(self, amount: int, *, at: int) -> Json:
        """The merchant refunds `amount` of what it captured: the transaction's .created."""
        return self._transact(amount, self._charged(amount), at, None)

    def _ask(self, amount: int | None) -> None:
        asked = self._asked
        if self.kept["request_history"]:
            asked = replace(asked, cashback=None, atm_fee=None)
        amount = asked.amount if amount is None else amount
        self._asked = replace(asked, amount=amount, merchant_amount=self._charged(amount))
        self.kept["pending_request"] = pending_request(self._asked)

    def _settle(self, entry: Json) -> None:
        was_approved = self.kept["approved"]
        self.kept["pending_request"] = None
        self.kept["request_history"] = [*self.kept["request_history"], entry]
        if entry["approved"]:
            self.kept |= {"approved": True, "status": "pending"}
            self.open += entry["amount"]
            self._show(entry["amount"] + (self.amount if was_approved else 0))
            more, details = entry["amount_details"], self.kept["amount_details"]
            self.kept["amount_details"] = {
                name: kept if more[name] is None else (kept or 0) + more[name]
                for name, kept in details.items()
            }
        elif not was_approved:
            self.kept |= {"status": "closed", "amount_details": entry["amount_details"]}
            self._show(entry["amount"])

    def _show(self, amount: int) -> None:
        self.kept |= {"amount": amount, "merchant_amount": self._charged(amount)}

    def _charged(self, amount: int) -> int:
        """`amount` in the merchant's currency, at the rate of the first request."""
        first = self.purchase
        if first.merchant_amount is None or not first.amount:
            return converted(amount, first.currency, first.charged_in)
        return round(amount * first.merchant_amount / first.amount)

    def _transact(self, amount: int, charged: int, at: int, details: Json | None) -> Json:
        found = transaction(
            self.kept,
            amount=amount,
            merchant_amount=charged,
            at=at,
            chance=self.chance,
            amount_details=details,
        )
        self.kept["transactions"] = [*self.kept["transactions"], found]
        emitted = transaction_created(
            deepcopy(found),
            chance=self.chance,
            account=self._account,
            api_version=self._api_version,
        )
        self.events.append(emitted)
        return emitted

    def _emit(self, type: str, at: int) -> Json:  # noqa: A002 - Stripe's word
        if self._balances:
            # Hold or release the difference to what is listed so far.
            rows = self.kept["balance_transactions"]
            if change := -self.open - sum(row["amount"] for row in rows):
                row = hold_or_release(self.kept, change, at=at, chance=self._balances)
                self.kept["balance_transactions"] = [*rows, row]
        found, before = deepcopy(self.kept), self._reported
        changed = {name: before[name] for name in before if before[name] != found[name]}
        emitted = event(
            type,
            found,
            event_id=identifier("evt", self.chance),
            created=at,
            previous=changed if type.endswith(".updated") else None,
            account=self._account,
            api_version=self._api_version,
        )
        if type != AUTHORIZATION_REQUEST:
            self._reported = found
        self.events.append(emitted)
        return emitted


def described(life: Life) -> Json:
    """The authorization as Stripe's API returns it now, alone or in a list."""
    return deepcopy(life.kept)
