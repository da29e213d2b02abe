"""What lists of decisions ask of the database, however many rows there are."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from authorizations.models import Decision
from authorizations.services.digest import update
from tests.admin import pages
from tests.support.desk import Shopper, in_force

LIST = pages.list_url(Decision)
QUERIES: tuple[dict[str, str], ...] = (
    {},
    {"outcome": "declined", "reason": "amount_limit_exceeded", "from": "2020-01-01"},
    {"currency": "eur", "amount_from": "1", "country": "FR", "to": "2100-01-01"},
    {"card": "ic_1"},
    {"q": "lovelace"},
    {"q": "4242"},
    {"before": "99999999"},
    {"after": "1"},
)


@pytest.mark.django_db(transaction=True)
def test_no_list_of_decisions_counts_skips_or_looks_for_distinct_values(
    auditor: Client,
) -> None:
    in_force("Travel", spending_limits=[{"amount": 10_000, "interval": "monthly"}])
    for amount in (1_000, 2_000, 9_000):
        Shopper(card={"last4": "4242"}).asks(amount)
    numbers = []
    for _ in range(2):
        update.digest_all(lambda _: None)
        for number in range(8):
            card, holder = f"ic_{number}", f"ich_{number}"
            Shopper(card_id=card, cardholder_id=holder, card={"last4": "4242"}).asks(number)
        numbers.append([checked(auditor, LIST, query) for query in QUERIES])
    # As many queries with more rows.
    assert numbers[0] == numbers[1]
    assert max(numbers[0]) <= 30  # those of the digest and the session included


def checked(client: Client, url: str, query: dict[str, str]) -> int:
    """How many queries the page takes; none of them of the kinds that grow with the table."""
    with CaptureQueriesContext(connection) as captured:
        response: Any = client.get(url, query)
        assert response.context["cl"].result_list
    asked = [query["sql"] for query in captured.captured_queries]
    lists = [sql for sql in asked if sql.lstrip("( ").startswith("SELECT") and "PIECE" not in sql]
    for sql in lists:
        assert " OFFSET " not in sql
        assert "DISTINCT" not in sql
        assert "COUNT(" not in sql
    return len(asked)
