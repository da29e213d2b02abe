"""The filters of the lists of requests, authorizations, ledger entries, exports and proofs."""

from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property

from authorizations.admin.lists.filters import (
    RecordFilters,
    chain_field,
    choice_field,
    long_field,
    row_field,
)
from authorizations.admin.shared.choices import categories, countries, currencies
from authorizations.admin.shared.links import UNKNOWN
from authorizations.models import Authorization, Export, LedgerCause, ProofRun
from authorizations.services.lifecycle.stale_holds import overdue
from authorizations.wire.signature import SignatureCause

_TYPES = [
    (f"issuing_{name}", f"issuing_{name}")
    for name in (
        *("authorization.request", "authorization.created", "authorization.updated"),
        *("card.created", "card.updated", "cardholder.created", "cardholder.updated"),
        *("transaction.created", "transaction.updated"),
    )
]
_MODES = [("live", "Live"), ("test", "Test"), ("unknown", UNKNOWN)]

CAUSE_WORDS: dict[str, str] = {
    SignatureCause.MISSING: "Not signed",
    SignatureCause.MALFORMED: "Signature unreadable",
    SignatureCause.NO_V1: "No v1 signature",
    SignatureCause.TOO_OLD: "Signature too old",
    SignatureCause.TOO_NEW: "Signature from the future",
    SignatureCause.MISMATCH: "Signed with a different secret",
    "not_an_event": "Not an event",
}
"""Why a request was refused, as lists show it."""


class RequestFilters(RecordFilters):
    type = long_field("Event type", _TYPES)
    mode = choice_field("Mode", _MODES)

    @property
    def condition(self) -> Q:
        condition = Q()
        if event_type := self.cleaned_data["type"]:
            condition &= Q(event_type=event_type)
        if mode := self.cleaned_data["mode"]:
            condition &= Q(livemode={"live": True, "test": False, "unknown": None}[mode])
        return condition


class RejectedFilters(RecordFilters):
    cause = choice_field("Cause", list(CAUSE_WORDS.items()))

    @property
    def condition(self) -> Q:
        return _equal(cause=self.cleaned_data["cause"])


class LedgerFilters(RecordFilters):
    cause = choice_field("Entry", list(LedgerCause.choices))
    currency = long_field("Currency", currencies())

    @property
    def condition(self) -> Q:
        return _equal(cause=self.cleaned_data["cause"], currency=self.cleaned_data["currency"])


class AuthorizationFilters(RecordFilters):
    held = choice_field("Held", [("now", "Held now"), ("past", "Overdue")])
    card = row_field("Card", Authorization.card, "No card has this id.")
    cardholder = row_field("Cardholder", Authorization.cardholder, "No cardholder has this id.")
    category = long_field("Category", categories())
    country = long_field("Merchant country", countries())
    currency = long_field("Currency", currencies())
    chain = chain_field()

    @property
    def condition(self) -> Q:
        found = self.cleaned_data
        held = {"past": overdue(timezone.now()), "now": Q(is_held=True), "": Q()}
        return (
            (Q(card__in=self._chain) if found["chain"] else Q())
            & held[found["held"]]
            & _equal(
                card=found["card"],
                cardholder=found["cardholder"],
                category=found["category"],
                merchant_country=found["country"],
                currency=found["currency"],
            )
        )

    @property
    def is_narrow(self) -> bool:
        # No index has the newest rows of several cards together: they are searched day by day.
        is_of_one = any(self.cleaned_data[name] for name in ("card", "cardholder", "held"))
        return is_of_one or len(self._chain) == 1

    @cached_property
    def _chain(self) -> list[str]:
        """The ids of the cards in the chosen card's replacement chain."""
        chain = self.cleaned_data["chain"]
        return list(chain.root.chain.values_list("pk", flat=True)) if chain else []


class ExportFilters(RecordFilters):
    format = choice_field("Format", list(Export.Format.choices))

    @property
    def condition(self) -> Q:
        return _equal(format=self.cleaned_data["format"])


class ProofFilters(RecordFilters):
    command = choice_field("Command", list(ProofRun.Command.choices))
    result = choice_field("Result", list(ProofRun.Result.choices))

    @property
    def condition(self) -> Q:
        return _equal(command=self.cleaned_data["command"], result=self.cleaned_data["result"])


def _equal(**columns: Any) -> Q:
    return Q(**{name: value for name, value in columns.items() if value})
