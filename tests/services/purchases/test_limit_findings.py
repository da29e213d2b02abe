"""Stories of limits that were exceeded by what can't be refused, and of what became of it."""

from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User

from authorizations.models import (
    Assignment,
    Card,
    CardGroup,
    Finding,
    FindingChange,
    FindingWindow,
)
from authorizations.services.lifecycle import adjustments
from authorizations.services.lifecycle.open_findings import see
from authorizations.services.purchases.limit_findings import figures_of
from simulator.stripe.sample_lives import force_capture
from tests.support.desk import NOON, Shopper, deliver, in_force, publish_amount
from tests.support.lifecycle import Told, card_of, findings_of
from tests.support.verification import differences

pytestmark = pytest.mark.django_db

LIMIT = {"amount": 10_000, "interval": "daily"}
EXCEEDED = ("limit_exceeded", 2_000)


def forced(amount: int, shopper: Shopper | None = None, at: int = NOON + 60) -> Finding:
    """A capture that nobody asked about; returns what was found."""
    card = card_of(shopper or Shopper())
    event = force_capture(card, amount=amount, at=at, chance=Random(amount))
    assert deliver(event).status_code == 200
    return Finding.objects.get(authorization=event["data"]["object"]["id"], kind="limit_exceeded")


def became(row: Finding) -> list[tuple[str, int, str]]:
    changes = FindingChange.objects.filter(finding=row).order_by("pk")
    return [(change.what, change.amount, change.state) for change in changes]


def last(row: Finding) -> FindingChange:
    return FindingChange.objects.filter(finding=row).latest("pk")


def operator() -> User:
    return User.objects.create(username="operator")


def test_it_is_gone_once_another_purchase_of_the_day_gives_its_room_back() -> None:
    """80.00 held, 40.00 captured by force: 20.00 over 100.00 a day, until the 80.00 are voided."""
    in_force("Travel", spending_limits=[LIMIT])
    bought = Told(8_000)
    bought.buys()
    row = forced(4_000)
    assert (
        row.description == "Policy Travel (program): Daily limit of €100.00 is exceeded by €20.00."
    )
    assert EXCEEDED in findings_of(row.authorization_id)
    void = bought.life.reverse(at=bought.tick())
    bought.hears(void)
    assert became(row) == [("found", 2_000, "open"), ("gone", 2_000, "gone")]
    assert last(row).event_id == void["id"]
    row.refresh_from_db()
    assert row.state == "gone"
    assert differences() == []


def test_a_smaller_excess_is_told_as_such_and_what_was_seen_stays_seen() -> None:
    in_force("Travel", spending_limits=[LIMIT])
    bought = Told(8_000)
    bought.buys()
    row = forced(4_000)
    see([row.pk], by=operator(), note="Known")
    bought.lowers_by(500)
    bought.lowers_by(1_500)
    assert became(row) == [
        ("found", 2_000, "open"),
        ("seen", 2_000, "seen"),
        ("figures", 1_500, "seen"),
        ("gone", 1_500, "gone"),
    ]
    figures = FindingChange.objects.get(finding=row, what="figures")
    assert (
        figures.description
        == "Policy Travel (program): Daily limit of €100.00 is exceeded by €15.00."
    )


@pytest.mark.parametrize("restore", [True, False])
def test_a_refund_counts_where_the_policy_lets_it(restore: bool) -> None:
    in_force(spending_limits=[LIMIT], refunds_restore=restore)
    bought = Told(8_000)
    bought.buys()
    bought.captures(8_000)
    row = forced(4_000)
    bought.refunds(2_000)
    assert last(row).what == ("gone" if restore else "found")


def test_what_an_operator_books_is_gone_by_that_operator() -> None:
    in_force(spending_limits=[LIMIT])
    bought = Told(8_000)
    bought.buys()
    row = forced(4_000)
    adjustments.adjust(bought.id, -1_999, by=operator(), reason="Agreed with the shop")
    assert last(row).what == "figures"
    adjustments.release(bought.id, by=User.objects.get(), reason="It never came")
    assert (last(row).what, last(row).author, last(row).event_id) == (
        "gone",
        User.objects.get(),
        "",
    )


@pytest.mark.parametrize("amount", [5_000, 1_000_000])
def test_a_policy_edited_later_changes_nothing(amount: int) -> None:
    policy = in_force(spending_limits=[LIMIT])
    bought = Told(8_000)
    bought.buys()
    row = forced(4_000)
    publish_amount(policy, amount)
    other = Told(1_000)
    other.asks()
    assert became(row) == [("found", 2_000, "open")]
    bought.voids()
    assert last(row).what == "gone"


def test_the_end_of_the_window_changes_nothing_but_what_sinks_in_it_later_does() -> None:
    in_force(spending_limits=[LIMIT])
    bought = Told(8_000)
    bought.buys()
    row = forced(4_000)
    tomorrow = Told(3_000, Shopper(at=NOON + 86_400))
    tomorrow.buys()
    tomorrow.voids()
    assert became(row) == [("found", 2_000, "open")]
    bought.at = NOON + 20 * 86_400
    bought.expires()
    assert last(row).what == "gone"


def test_what_is_true_again_is_back() -> None:
    in_force(spending_limits=[LIMIT])
    other = Told(5_000)
    other.buys()
    bought = Told(5_000)
    bought.buys()
    bought.captures(7_000)
    row = Finding.objects.get(kind="limit_exceeded")
    other.lowers_by(2_000)
    assert last(row).what == "gone"
    bought.captures(1_000)
    assert last(row).what == "back"
    assert ("limit_exceeded", 1_000) in findings_of(bought.id)


def test_a_rolling_limit_is_looked_at_as_it_was_then() -> None:
    """What is bought a day later shares no hour with it."""
    rolling = {"amount": 10_000, "interval": "rolling", "hours": 1}
    in_force(spending_limits=[rolling])
    bought = Told(8_000)
    bought.buys()
    row = forced(4_000)
    far = Told(9_000, Shopper(at=4_000_000_000))
    far.buys()
    bought.voids()
    assert last(row).what == "gone"


def test_a_count_that_was_exceeded_is_gone_when_a_purchase_turns_out_to_be_none() -> None:
    in_force(
        spending_limits=[{"count": 1, "interval": "daily"}, {"amount": 90_000, "interval": "daily"}]
    )
    bought = Told(100)
    bought.asks()
    row = forced(4_000)
    assert (row.amount, row.description.endswith("is exceeded by 1.")) == (0, True)
    bought.stripe("suspected_fraud", approved=False)
    assert last(row).what == "gone"


def test_a_purchase_of_another_card_of_the_group_gives_room_back() -> None:
    group = CardGroup.objects.create(name="Field team")
    policy = in_force(spending_limits=[LIMIT], to={"group": group})
    assert Assignment.objects.get(policy=policy).group == group
    others: list[Any] = []
    for number in (1, 2):
        shopper = Shopper(card_id=f"ic_{number}", cardholder_id=f"ich_{number}")
        shopper.asks(0)
        others.append(shopper)
    Card.objects.update(group=group)
    bought = Told(8_000, others[0])
    bought.buys()
    row = forced(4_000, others[1])
    bought.voids()
    assert last(row).what == "gone"


def test_a_card_that_is_replaced_takes_its_windows_along() -> None:
    in_force(spending_limits=[LIMIT])
    old = Shopper(card_id="ic_old")
    bought = Told(8_000, old)
    bought.buys()
    row = forced(4_000, old)
    Shopper(card_id="ic_older").asks(0)
    Shopper(card_id="ic_old", at=NOON + 60, card={"replacement_for": "ic_older"}).asks(0)
    assert Card.objects.get(pk="ic_old").root_id == "ic_older"
    bought.voids()
    assert last(row).what == "gone"
    assert differences() == []


def test_a_capture_that_finds_its_purchase_leaves_no_finding_where_it_waited() -> None:
    in_force(spending_limits=[LIMIT])
    other = Told(8_000)
    other.buys()
    bought = Told(4_000)
    told = bought.life.ask(at=bought.tick())
    created = bought.life.answered(approved=True, reason="webhook_timeout", at=bought.tick())
    captured, closed = bought.life.capture(4_000, at=bought.tick())
    assert told
    bought.hears(captured)
    waiting = Finding.objects.get(kind="limit_exceeded")
    assert waiting.authorization_id != bought.id
    bought.hears(created, closed)
    assert last(waiting).what == "gone"
    assert EXCEEDED in findings_of(bought.id)
    other.voids()
    assert EXCEEDED not in findings_of(bought.id)
    assert differences() == []


def test_a_month_of_its_own_is_named_and_rows_from_before_there_were_any_are_read() -> None:
    in_force("Travel", spending_limits=[LIMIT | {"interval": "monthly", "month_starts": 16}])
    row = forced(12_000)
    assert row.description == (
        "Policy Travel (program): Monthly limit of €100.00 (from the 16th) is exceeded by €20.00."
    )
    window = row.windows.get()
    assert figures_of(window).begins == (1, 16)
    older = {key: value for key, value in window.figures.items() if key != "begins"}
    assert figures_of(FindingWindow(figures=older)).begins == (1, 1)
    assert differences() == []
