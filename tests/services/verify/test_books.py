"""Checking the books finds every cent that is not where the ledger puts it, and names the place."""

from datetime import UTC, datetime
from typing import Any

import pytest

from authorizations.models import (
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    LedgerEntry,
    Transaction,
    Usage,
)
from tests.support.damage import damage, remove
from tests.support.desk import NOON, Shopper, in_force
from tests.support.lifecycle import Told
from tests.support.verification import differences

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _purchases(one_transaction: None) -> None:
    """Two cards of a group, one with a replacement; limits on all scopes and of all kinds."""
    group = CardGroup.objects.create(name="Team")
    in_force(
        "All",
        spending_limits=[
            {"amount": 90_000, "interval": "monthly"},
            {"count": 50, "interval": "weekly"},
            {"amount": 90_000, "interval": "daily", "categories": ["5462"], "countries": ["FR"]},
            {"amount": 90_000, "interval": "yearly", "cash_only": True},
            {"count": 90, "interval": "all_time", "cash_only": True},
        ],
    )
    in_force("Team", spending_limits=[{"amount": 90_000, "interval": "daily"}], to={"group": group})
    Shopper().asks(1_000)
    Card.objects.filter(pk="ic_1").update(group=group)
    shopper = Shopper()
    purchase = shopper.purchase(2_000)
    shopper.asks(purchase)
    shopper.asks(purchase.increment(500, approved=2_000, at=NOON))
    shopper.asks(3_000, cashback=1_000)
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(700)
    Shopper(card_id="ic_new", card={"replacement_for": "ic_1"}, at=NOON + 90_000).asks(4_000)
    holder = Cardholder.objects.get(pk="ich_1")
    in_force(
        "Hers",
        spending_limits=[{"amount": 90_000, "interval": "monthly"}],
        to={"cardholder": holder},
    )
    shopper.asks(300)


def only(found: list[str]) -> str:
    """The one difference; for damage that must not look like several."""
    [difference] = found
    return difference


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    scopes = {scope.split(":")[0] for scope in Usage.objects.values_list("scope", flat=True)}
    assert scopes == {"card", "cardholder", "group"}
    assert Usage.objects.exclude(filter="").count() > 2
    assert differences() == []


def usage(**filters: Any) -> Usage:
    row = Usage.objects.filter(**filters).order_by("pk").first()
    assert row
    return row


@pytest.mark.parametrize("column", ["amount", "refunded_amount", "count"])
@pytest.mark.parametrize(
    "which",
    [
        {"scope__startswith": "card:", "filter": "", "currency": "eur"},
        {"scope__startswith": "card:", "currency": ""},
        {"scope__startswith": "card:", "filter__contains": "5462"},
        {"scope__startswith": "card:", "filter__contains": "cash_only", "currency": "eur"},
        {"scope__startswith": "cardholder:"},
        {"scope__startswith": "group:"},
    ],
)
def test_a_remembered_sum_that_is_one_off_is_named(which: dict[str, str], column: str) -> None:
    row = usage(**which)
    Usage.objects.filter(pk=row.pk).update(**{column: getattr(row, column) + 1})
    assert f"usage of {row.scope}, {row.window_start} to {row.window_end}" in only(differences())


def test_a_sum_that_was_forgotten_is_no_difference() -> None:
    Usage.objects.all().delete()
    assert differences() == []


def test_a_filter_that_its_key_does_not_stand_for_is_named() -> None:
    row = usage(filter__contains="5462")
    Usage.objects.filter(pk=row.pk).update(filter='{"categories":["5411"]}')
    assert "key of" in only(differences())


@pytest.mark.parametrize("column", ["counted_amount", "refunded_amount"])
def test_a_counted_column_is_compared_with_ledger_books_and_remembered_sums(column: str) -> None:
    row = Authorization.objects.order_by("pk").first()
    assert row
    Authorization.objects.filter(pk=row.pk).update(**{column: getattr(row, column) + 1})
    by_ledger, by_books, *remembered = differences()
    assert by_ledger.startswith(f"authorization {row.pk}: counted")
    assert "after its ledger" in by_ledger
    assert "after its books" in by_books
    assert any(line.startswith("usage of card:ic_1") for line in remembered)
    assert all(line.startswith("usage of ") for line in remembered)


@pytest.mark.parametrize(
    ("column", "value"), [("status", "reversed"), ("captured_amount", 1), ("is_held", False)]
)
def test_the_other_columns_are_compared_with_the_books(column: str, value: object) -> None:
    Authorization.objects.filter(counted_amount=700).update(**{column: value})
    assert f": {column} is {value}; expected " in only(differences())


def test_books_that_say_something_else_are_named() -> None:
    row = Authorization.objects.filter(counted_amount=700).get()
    row.books["answers"][0]["amount"] = 701
    row.save()
    assert "amount=701" in only(differences())


def test_books_that_can_t_be_read_are_named() -> None:
    Authorization.objects.filter(counted_amount=700).update(books={"furthest": 5})
    assert only(differences()).endswith("expected readable")


@pytest.mark.parametrize(
    "column", ["amount", "cash_amount", "refunded_amount", "count", "cash_count"]
)
def test_a_ledger_entry_that_is_one_off_is_noticed_on_both_sides(column: str) -> None:
    entry = LedgerEntry.objects.order_by("pk").first()
    assert entry
    damage(entry, **{column: getattr(entry, column) + 1})
    found = differences()
    assert found[0].startswith(f"authorization {entry.authorization_id}: counted")
    assert all(line.startswith("decision evt_") for line in found[1:])
    assert len(found) > 1


def test_a_missing_ledger_entry_is_noticed() -> None:
    entry = LedgerEntry.objects.filter(cause="increment").get()
    remove(entry)
    assert differences()[0].startswith(f"authorization {entry.authorization_id}: counted")


def test_an_entry_in_another_currency_than_its_authorization_s_is_named() -> None:
    entry = LedgerEntry.objects.order_by("pk").last()
    assert entry
    damage(entry, currency="usd")
    assert only(differences()).startswith(f"ledger entry {entry.pk}")


def test_an_entry_without_an_authorization_is_named() -> None:
    entry = LedgerEntry.objects.filter(amount=700).get()
    Authorization.objects.filter(pk=entry.authorization_id).delete()
    assert any(line.startswith(f"ledger entry {entry.pk}: ") for line in differences())


@pytest.mark.parametrize("column", ["card_id", "cardholder_id", "group_id"])
def test_an_authorization_of_nobody_is_named(column: str) -> None:
    row = Authorization.objects.exclude(group=None).order_by("pk")[:1].get()
    nobody = 10**9 if column == "group_id" else "nobody"
    Authorization.objects.filter(pk=row.pk).update(**{column: nobody})
    what = f"{column.removesuffix('_id')} is {nobody}; expected an existing row"
    assert f"authorization {row.pk}: {what}" in differences()


# --- transactions


@pytest.fixture
def captured() -> Transaction:
    """One that is in the books of its purchase."""
    bought = Told(5_000)
    bought.buys()
    bought.captures(4_000)
    assert differences() == []
    return Transaction.objects.get(linked=bought.id)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("type", "refund"),
        ("amount", -4_001),
        ("currency", "usd"),
        ("merchant_amount", -1),
        ("merchant_currency", "usd"),
        ("created", datetime(2026, 1, 1, tzinfo=UTC)),
        ("reported_at", 5),
    ],
)
def test_a_transaction_that_its_books_tell_otherwise_is_named(
    captured: Transaction, column: str, value: object
) -> None:
    Transaction.objects.filter(pk=captured.pk).update(**{column: value})
    found = only(differences())
    assert found.startswith(f"transaction {captured.pk}: type, amounts and times")
    assert "after the books" in found


def test_a_transaction_that_is_only_in_the_books_is_named(captured: Transaction) -> None:
    Transaction.objects.filter(pk=captured.pk).delete()
    found = only(differences())
    assert found.startswith(f"authorization {captured.booked_under}: transaction {captured.pk}")


def test_a_transaction_booked_under_another_purchase_is_named_on_both_sides(
    captured: Transaction,
) -> None:
    elsewhere = Authorization.objects.exclude(pk=captured.booked_under).latest("created")
    Transaction.objects.filter(pk=captured.pk).update(booked_under=elsewhere.pk)
    booked, in_books = sorted(differences(), key=lambda line: "in its books only" in line)
    assert in_books.startswith(f"authorization {captured.booked_under}: transaction")
    assert "expected one with it in its books" in booked


def test_a_transaction_booked_under_nothing_is_named(captured: Transaction) -> None:
    Transaction.objects.filter(pk=captured.pk).update(booked_under="iauth_gone")
    assert any("is iauth_gone; expected an existing row" in line for line in differences())
