"""The filters of the list of decisions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.utils.timezone import is_naive, localtime, make_aware

from authorizations.admin.lists.filters import (
    FIRST_DAY,
    LAST_DAY,
    Chip,
    RecordFilters,
    choice_field,
    long_field,
    row_field,
)
from authorizations.admin.shared.choices import categories, countries, currencies
from authorizations.admin.shared.links import DASH
from authorizations.admin.shared.money import MoneyField
from authorizations.models import Authorization, PolicyVersion
from authorizations.models.audit import REASON_CHOICES
from authorizations.rules.basics.money import format_money, parse_money
from authorizations.rules.wording.stand_in_words import CAUSE_LABELS
from authorizations.services.queries.decisions import STAND_IN, Facets

_OUTCOMES = [
    ("approved", "Approved"),
    ("part", "Partially approved"),
    ("granted", "Approved, also partially"),
    ("exception", "Approved by an exception"),
    ("declined", "Declined"),
]
_AMOUNTS = ("amount_from", "amount_to")
_HOUR = timedelta(hours=1)


class HourField(forms.Field):
    """The start of an hour, in the reader's zone unless it has one. Other pages link with it."""

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            # A plus sign in an address reads as a space.
            at = datetime.fromisoformat(str(value).replace(" ", "+"))
            at = localtime(make_aware(at) if is_naive(at) else at)
        except (ValueError, OverflowError):
            at = None
        if at is None or not FIRST_DAY <= at.date() <= LAST_DAY:
            raise forms.ValidationError("Write the hour such as 2026-11-18T14:00.")
        return at


class DecisionFilters(RecordFilters):
    field_order = (
        *("outcome", "reason", "from", "to", "currency", "amount_from", "amount_to"),
        *("card", "policy", "category", "country", "stand_in"),
    )
    outcome = choice_field("Outcome", _OUTCOMES)
    reason = choice_field("Reason", REASON_CHOICES)
    card = row_field(
        "Card",
        Authorization.card,
        "No card has this id. Type the id into the search instead.",
    )
    policy = row_field("Policy", PolicyVersion.policy, "No policy has this id.")
    category = long_field("Category", categories())
    country = long_field("Merchant country", countries())
    currency = long_field("Currency", currencies())
    stand_in = choice_field("Stand-in", [(STAND_IN, "Any cause"), *CAUSE_LABELS.items()])
    amount_from = MoneyField(label="Amount from")
    amount_to = MoneyField(label="Amount to")
    hour = HourField(label="Hour", widget=forms.HiddenInput)

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).lower()

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        currency = cleaned.get("currency")
        for name in _AMOUNTS:
            if not cleaned.get(name):
                continue
            if not currency:
                self.add_error(name, "Choose a currency as well: amounts are compared in one only.")
                continue
            try:
                cleaned[name] = parse_money(cleaned[name], currency)
            except ValueError as wrong:
                self.add_error(name, str(wrong))
        least, most = (cleaned.get(name) for name in _AMOUNTS)
        if not self.errors and least is not None and most is not None and least > most:
            self.add_error("amount_to", "This is less than “Amount from”.")
        return cleaned

    def facets(self, search: str = "") -> Facets:
        """The filters as the query of the list takes them."""
        found, hour = self.cleaned_data, self.cleaned_data["hour"]
        starts = [at for at in (self.since, hour) if at]
        # In UTC: an hour added to local time ignores a change of the clocks.
        ends = [at for at in (self.until, hour and hour.astimezone(UTC) + _HOUR) if at]
        return Facets(
            outcome=found["outcome"],
            reason=found["reason"],
            since=max(starts, default=None),
            until=min(ends, default=None),
            least=found["amount_from"],
            most=found["amount_to"],
            currency=found["currency"],
            category=found["category"],
            country=found["country"],
            card=found["card"].pk if found["card"] else "",
            policy=found["policy"].pk if found["policy"] else None,
            stand_in=found["stand_in"],
            search=search,
        )

    def chips(self) -> Iterator[Chip]:
        has_amounts = any(self.cleaned_data[name] is not None for name in _AMOUNTS)
        for chip in super().chips():
            if chip.names == ("currency",) and has_amounts:
                least, most = (
                    None if amount is None else format_money(amount, self.cleaned_data["currency"])
                    for amount in (self.cleaned_data[name] for name in _AMOUNTS)
                )
                words = f"From {least}" if least else f"Up to {most}"
                if least and most:
                    words = f"{least}{DASH}{most}"
                yield Chip(words, ("currency", *_AMOUNTS))
            elif chip.names[0] not in _AMOUNTS:
                yield chip
