"""The columns of exported files, by list.

Programs that read the files rely on the names: columns may be added, never renamed.
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

    CSV has the `columns`, JSON Lines also `more`. `long` and `more_long` are the columns of the
    table that these need and that lists do not load. `complete` loads related rows, for all rows
    of a chunk at once. `size` is the number of rows in a chunk.
    """

    name: str
    columns: Columns
    more: Columns
    long: tuple[str, ...] = ()
    more_long: tuple[str, ...] = ()
    complete: Callable[[Sequence[Any]], Sequence[Any]] = lambda rows: rows
    size: int = 500

    def columns_of(self, *, whole: bool) -> Columns:
        """The columns of a CSV file or, if `whole`, of a JSON Lines file."""
        return self.columns | self.more if whole else self.columns

    def rows(self, listed: Sequence[Any], *, whole: bool) -> Sequence[Any]:
        """The rows with everything the columns need, at the cost of a fixed number of queries."""
        columns = self.long + self.more_long if whole else self.long
        if listed and columns:
            rows = type(listed[0]).objects.filter(pk__in=[row.pk for row in listed])
            values = {pk: long for pk, *long in rows.values_list("pk", *columns)}
            for row in listed:
                vars(row).update(zip(columns, values[row.pk], strict=True))
        return self.complete(listed)


@dataclass(frozen=True, slots=True)
class PolicyNamed:
    """A policy by its name and version at the time of the decision."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}, version {self.version}"


@dataclass(frozen=True, slots=True)
class _Decision:
    """A decision with the rows that it refers to."""

    row: Decision
    card: Card | None
    cardholder: Cardholder | None
    policies: list[PolicyNamed]

    @property
    def outcome(self) -> str:
        if not self.row.approved:
            return "declined"
        return "partly_approved" if self.row.is_partial else "approved"


def _with_related_rows(rows: Sequence[Decision]) -> list[_Decision]:
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
    """Reads an amount in units of the row's currency, such as 12.50; None without one."""
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
        "last4": lambda one: one.card and one.card.last4,
        "cardholder": _of("row.cardholder_id"),
        "cardholder_name": lambda one: one.cardholder and one.cardholder.name,
        "outcome": _of("outcome"),
        "reason": _of("row.reason"),
        "reason_label": lambda one: reason_words(one.row),
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
        # A decline by Stripe took the desk no time.
        "duration_ms": lambda one: one.row.duration_us / 1000 or None,
        "explanation": lambda one: staff_sentence(one.row),
        "stand_in": _of("row.stand_in"),
        "supersedes": _of("row.supersedes"),
        "exception": _of("row.exception_id"),
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
    complete=_with_related_rows,
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
        # A signed body is JSON, and so UTF-8.
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
        "card_presence": _of("card_presence"),
        "authorization_method": _of("authorization_method"),
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
