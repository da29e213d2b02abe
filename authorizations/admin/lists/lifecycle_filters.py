"""The filters of the lists of transactions, findings and unapplied events."""

from django.db.models import F, Q

from authorizations.admin.lists.filters import (
    RecordFilters,
    chain_field,
    choice_field,
    long_field,
    row_field,
)
from authorizations.admin.shared.choices import currencies
from authorizations.models import Authorization, Finding, Transaction
from authorizations.rules.wording.findings import FINDING_TEXTS

_KINDS = [(kind.value, texts.label) for kind, texts in FINDING_TEXTS.items()]
_NO_CARD = "No card has this id."


class TransactionFilters(RecordFilters):
    field_order = ("type", "linked", "from", "to", "currency", "card")
    type = choice_field("Type", [("capture", "Capture"), ("refund", "Refund")])
    linked = choice_field(
        "Authorization", [("yes", "Of an authorization"), ("no", "Without an authorization")]
    )
    currency = long_field("Currency", currencies())
    card = row_field("Card", Transaction.card, _NO_CARD)
    chain = chain_field()

    @property
    def condition(self) -> Q:
        found, condition = self.cleaned_data, Q()
        for name in ("type", "currency", "card"):
            if found[name]:
                condition &= Q(**{name: found[name]})
        if chain := found["chain"]:
            condition &= Q(card__in=list(chain.root.chain.values_list("pk", flat=True)))
        alone = Q(booked_under=F("id"))
        return condition & {"yes": ~alone, "no": alone, "": Q()}[found["linked"]]

    @property
    def is_narrow(self) -> bool:
        return bool(self.cleaned_data["card"] or self.cleaned_data["chain"])


class FindingFilters(RecordFilters):
    field_order = ("state", "kind", "from", "to", "currency", "card")
    state = choice_field("State", list(Finding.State.choices))
    kind = choice_field("Kind", _KINDS)
    currency = long_field("Currency", currencies())
    card = row_field("Card", Authorization.card, _NO_CARD)

    @property
    def condition(self) -> Q:
        condition = Q()
        for name in ("state", "kind", "currency", "card"):
            if chosen := self.cleaned_data[name]:
                condition &= Q(**{name: chosen})
        if self.since:
            condition &= Q(found_at__gte=self.since)
        return condition & (Q(found_at__lt=self.until) if self.until else Q())


class UnappliedFilters(RecordFilters):
    field_order = ("state", "from", "to")
    state = choice_field("State", [("waiting", "Not processed"), ("applied", "Processed later")])

    @property
    def condition(self) -> Q:
        state = self.cleaned_data["state"]
        return Q(applied_at__isnull=state == "waiting") if state else Q()

    @property
    def is_narrow(self) -> bool:
        return bool(self.cleaned_data["state"] == "waiting")
