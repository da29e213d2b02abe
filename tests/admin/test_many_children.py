"""Pages of what has ten thousand others under it: as few statements, and as short."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import Max, Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from authorizations.models import (
    Assignment,
    Authorization,
    Card,
    CardGroup,
    Cardholder,
    Decision,
    LedgerEntry,
    Policy,
)
from tests.admin import pages
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

FEW, MANY = 1_000, 10_000
"""Even few are more than a page shows of them."""
LIMIT: dict[str, Any] = {"spending_limits": [{"amount": 100_000_000, "interval": "monthly"}]}


def multiply(row: Model, number: int, **changed: str) -> None:
    """So many more rows like this one; `changed` are columns as SQL that counts with `n`."""
    fields = [
        field
        for field in row._meta.local_concrete_fields
        if not field.generated and (not field.primary_key or field.attname in changed)
    ]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = ", ".join(
        changed.get(field.attname, f"it.{quote(str(field.column))}") for field in fields
    )
    table, key = quote(row._meta.db_table), quote(str(row._meta.pk.column))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")  # a purchase has left its own
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or the table can't be altered
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")  # no history of each
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} "  # noqa: S608 - our own names
            f"FROM {table} AS it, generate_series(1, %s) AS n WHERE it.{key} = %s",
            [number, row.pk],
        )
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@pytest.fixture
def desk() -> None:
    """A policy, a group, a cardholder and a card with a purchase, each with one child."""
    group = CardGroup.objects.create(name="Field team")
    in_force("Everyday", **LIMIT)
    assert Shopper().reason(100) == "approved"
    Card.objects.update(group=group)
    in_force("Travel", to={"card_id": "ic_1"}, **LIMIT)


def with_cards(number: int, of: str) -> None:
    """In the group, of the cardholder, and each under a policy by itself."""
    card = Card.objects.get(pk="ic_1")
    key, digits = f"'ic_{of}' || n", "lpad(n::text, 4, '0')"
    multiply(card, number, id=key, root_id=key, last4=digits)
    multiply(Assignment.objects.get(card=card), number, card_id=key)


def with_decisions(number: int, of: str) -> None:
    row = Decision.objects.earliest("decided_at", "pk")
    newest = Decision.objects.aggregate(newest=Max("webhook_request"))["newest"]
    multiply(row, number, id=f"'evt_{of}' || n", webhook_request_id=f"{newest} + n")


def with_entries(number: int, of: str) -> None:
    row = LedgerEntry.objects.order_by("pk").first()
    assert row
    multiply(row, number, event_id=f"'evt_{of}' || n")


def urls_with_cards() -> list[str]:
    travel, group = Policy.objects.get(name="Travel"), CardGroup.objects.get()
    of_policy = [
        reverse(f"admin:authorizations_policy_{page}", args=[travel.pk])
        for page in ("assignments", "assign", "history", "differences")
    ]
    rows = (travel, group, Cardholder.objects.get(), Card.objects.get(pk="ic_1"))
    return [
        *of_policy,
        *map(pages.change_url, rows),
        *map(pages.list_url, (Policy, CardGroup, Cardholder, Card)),
        reverse("admin:index"),
    ]


def urls_of_purchases() -> list[str]:
    rows = (Authorization.objects.get(), Cardholder.objects.get(), Card.objects.get())
    return [*map(pages.change_url, (*rows, CardGroup.objects.get())), pages.list_url(Decision)]


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize(
    ("children", "urls"),
    [
        (with_cards, urls_with_cards),
        (with_decisions, urls_of_purchases),
        (with_entries, urls_of_purchases),
    ],
)
def test_a_page_is_as_quick_with_ten_thousand_children_as_with_few(
    operator: Client, children: Callable[[int, str], None], urls: Callable[[], list[str]]
) -> None:
    children(FEW, "few")
    few = {url: _cost(operator, url) for url in urls()}
    children(MANY, "many")
    many = {url: _cost(operator, url) for url in urls()}
    grown = {
        url: (few[url], cost)
        for url, cost in many.items()
        if cost[0] > few[url][0] or cost[1] > few[url][1] * 1.1 + 2_000 or cost[1] > 500_000
    }
    assert grown == {}


def _cost(client: Client, url: str) -> tuple[int, int]:
    """Statements, and bytes."""
    client.get(url)  # what is read once for all pages
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url)
    assert answer.status_code == 200
    return len(captured), len(answer.content)
