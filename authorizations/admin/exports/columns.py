"""What exported rows say: the columns of each list, by name.

Names of columns are a promise to whoever reads the files: add some, never rename one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

from authorizations.admin.shared.explained import staff_sentence
from authorizations.admin.shared.links import parent
from authorizations.admin.shared.outcomes import reason_words
from authorizations.models import Card, Cardholder, Decision
from authorizations.rules.basics.money import in_units
from authorizations.services.host.versions import controls_of
from authorizations.services.queries.export_formats import Columns

_of = attrgetter


@dataclass(frozen=True, slots=True)
class Exported:
    """A list that can be exported.

    CSV has the `columns`, JSON Lines `more` as well; `long` and `more_long` are the columns of the
    table that they need and lists leave out. `complete` adds what rows only name, for all of them
    at once. `size` rows are in memory at a time.
    """

    name: str
    columns: Columns
    more: Columns
    long: tuple[str, ...] = ()
    more_long: tuple[str, ...] = ()
    complete: Callable[[Sequence[Any]], Sequence[Any]] = lambda rows: rows
    size: int = 500

    def columns_of(self, *, whole: bool) -> Columns:
        """What a file says: the `columns`, or the `whole` row."""
        return self.columns | self.more if whole else self.columns

    def rows(self, listed: Sequence[Any], *, whole: bool) -> Sequence[Any]:
        """A list's rows with what the columns need: a fixed number of queries more."""
        _read(listed, self.long + self.more_long if whole else self.long)
        return self.complete(listed)


def _read(rows: Sequence[Any], columns: tuple[str, ...]) -> None:
    """Fill in what was left out when the list was read."""
    if not rows or not columns:
        return
    found = type(rows[0]).objects.filter(pk__in=[row.pk for row in rows])
    values = {pk: long for pk, *long in found.values_list("pk", *columns)}
    for row in rows:
        vars(row).update(zip(columns, values[row.pk], strict=True))


@dataclass(frozen=True, slots=True)
class PolicyNamed:
    """A policy as it was called when it decided."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}, version {self.version}"


@dataclass(frozen=True, slots=True)
class _Decision:
    """A decision with what it only names."""

    row: Decision
    card: Card | None
    cardholder: Cardholder | None
    policies: list[PolicyNamed]

    @property
    def outcome(self) -> str:
        if not self.row.approved:
            return "declined"
        return "partly_approved" if self.row.is_partial else "approved"


def _decisions(rows: Sequence[Decision]) -> list[_Decision]:
    versions = controls_of(policy["version"] for row in rows for policy in row.policies)
    names = {key: controls.name for key, (_, controls) in versions.items()}
    return [
        _Decision(
            row,
            parent(row, "card"),
            parent(row, "cardholder"),
            [
                PolicyNamed(names.get(policy["version"], "Missing"), policy["number"])
                for policy in row.policies
            ],
        )
        for row in rows
    ]


def money_of(name: str, prefix: str = "") -> Callable[[Any], Decimal | None]:
    """An amount of the row in units of the row's currency."""
    amount_of, currency_of = attrgetter(f"{prefix}{name}"), attrgetter(f"{prefix}currency")

    def money(row: Any) -> Decimal | None:
        amount = amount_of(row)
        return None if amount is None else in_units(amount, currency_of(row))

    return money


DECISIONS = Exported(
    "decisions",
    {
        "decided_at": _of("row.decided_at"),
        "event": _of("row.pk"),
        "authorization": _of("row.authorization_id"),
        "card": _of("row.card_id"),
        "last4": lambda it: it.card and it.card.last4,
        "cardholder": _of("row.cardholder_id"),
        "cardholder_name": lambda it: it.cardholder and it.cardholder.name,
        "outcome": _of("outcome"),
        "reason": _of("row.reason"),
        "reason_label": lambda it: reason_words(it.row),
        "decided_by": _of("row.decided_by"),
        "amount": money_of("amount", "row."),
        "amount_in_smallest_unit": _of("row.amount"),
        "currency": _of("row.currency"),
        "approved_amount": money_of("approved_amount", "row."),
        "approved_amount_in_smallest_unit": _of("row.approved_amount"),
        "merchant": _of("row.merchant_name"),
        "category": _of("row.category"),
        "mcc": _of("row.category_code"),
        "merchant_country": _of("row.merchant_country"),
        "policies": _of("policies"),
        # Stripe's own declines took none of our time.
        "duration_ms": lambda it: it.row.duration_us / 1000 or None,
        "explanation": lambda it: staff_sentence(it.row),
        "stand_in": _of("row.stand_in"),
        "supersedes": _of("row.supersedes"),
    },
    {
        "event_created": _of("row.event_created"),
        "problem": _of("row.problem"),
        "request": _of("row.request"),
        "trace": _of("row.trace"),
        "trace_version": _of("row.trace_version"),
        "answer": _of("row.answer"),
    },
    long=("policies", "trace", "request"),
    more_long=("answer",),
    complete=_decisions,
)

REQUESTS = Exported(
    "requests",
    {
        "received_at": _of("received_at"),
        "request": _of("pk"),
        "event": _of("event_id"),
        "event_type": _of("event_type"),
        "mode": lambda row: {True: "live", False: "test"}.get(row.livemode),
        "account": _of("account"),
        "api_version": _of("api_version"),
        "sender": _of("sender"),
        "status": _of("answer_status"),
        "answered_after_ms": lambda row: max(row.timings.values(), default=0) / 1000,
        "signing_key": _of("signing_key"),
        "body_sha256": _of("body_sha256"),
        "masked_sha256": _of("masked_sha256"),
        "repeats": _of("repeats_id"),
    },
    {
        "headers": _of("headers"),
        # What is signed is JSON and so UTF-8: it stays as it is kept.
        "body": lambda row: row.kept_body.decode(errors="replace"),
        "answer": _of("answer_body"),
        "timings_us": _of("timings"),
    },
    more_long=("headers", "body", "answer_body"),
    size=100,  # a body may have 256 kB
)

AUTHORIZATIONS = Exported(
    "authorizations",
    {
        "created": _of("created"),
        "authorization": _of("pk"),
        "card": _of("card_id"),
        "cardholder": _of("cardholder_id"),
        "currency": _of("currency"),
        "counted_amount": money_of("counted_amount"),
        "counted_amount_in_smallest_unit": _of("counted_amount"),
        "counted_cash": money_of("counted_cash"),
        "refunded_amount": money_of("refunded_amount"),
        "captured_amount": money_of("captured_amount"),
        "is_held": _of("is_held"),
        "status": _of("status"),
        "counted_purchases": _of("count"),
        "merchant": _of("merchant_name"),
        "network_id": _of("network_id"),
        "category": _of("category"),
        "mcc": _of("category_code"),
        "merchant_country": _of("merchant_country"),
    },
    {"books": _of("books")},
    more_long=("books",),
)

LEDGER = Exported(
    "ledger",
    {
        "entered_at": _of("entered_at"),
        "entry": _of("pk"),
        "authorization": _of("authorization_id"),
        "event": _of("event_id"),
        "cause": _of("cause"),
        "currency": _of("currency"),
        "amount": money_of("amount"),
        "amount_in_smallest_unit": _of("amount"),
        "cash_amount": money_of("cash_amount"),
        "refunded_amount": money_of("refunded_amount"),
        "purchases": _of("count"),
        "author": _of("author"),
        "reason": _of("reason"),
    },
    {},
)
