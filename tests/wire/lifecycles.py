"""Lives of every kind, each with what its events tell step by step."""

from collections.abc import Callable
from typing import TypeAlias

from simulator.stripe.sample_lives import Life
from tests.support.builders import CREATED
from tests.support.lives import approved, life, merchant

T = CREATED
DAY = 86_400
Line: TypeAlias = tuple[str, str | None, int]
"""The last word of an event's type, status ("capture" or "refund" of a transaction), amount."""


def captured_in_full() -> Life:
    story = approved()
    story.capture(at=T + DAY)
    return story


def captured_in_part_and_closed() -> Life:
    story = approved()
    story.capture(6_000, at=T + DAY)
    return story


def captured_several_times() -> Life:
    story = approved()
    story.capture(2_500, close=False, lowers_amount=True, at=T + DAY)
    story.capture(2_500, close=False, at=T + 2 * DAY)
    story.capture(5_000, at=T + 3 * DAY)
    return story


def tipped() -> Life:
    story = approved()
    story.capture(12_000, lowers_amount=True, at=T + DAY)
    return story


def incremented_twice() -> Life:
    story = approved()
    story.ask(2_000, at=T + 60)
    story.answered(approved=True, at=T + 61)
    story.ask(50_000, at=T + 90)
    story.answered(approved=False, at=T + 91)
    story.capture(at=T + DAY)
    return story


def reversed_in_part() -> Life:
    story = approved()
    story.reverse(3_000, at=T + 60)
    return story


def voided() -> Life:
    story = approved()
    story.reverse(at=T + 60)
    return story


def reversed_after_a_capture() -> Life:
    story = approved()
    story.capture(4_000, close=False, lowers_amount=True, at=T + 60)
    story.reverse(at=T + 90)
    return story


def lowered_to_nothing_and_raised() -> Life:
    story = approved()
    story.set_amount(0, at=T + 60)
    story.set_amount(7_000, at=T + 90)
    return story


def captured_after_its_expiry() -> Life:
    story = approved()
    story.expire(at=T + 7 * DAY)
    story.capture(10_000, at=T + 9 * DAY)
    return story


def captured_though_declined() -> Life:
    story = life()
    story.ask(at=T)
    story.answered(approved=False, at=T + 1)
    story.capture(at=T + DAY)
    return story


def refunded() -> Life:
    story = captured_in_full()
    story.refund(2_500, at=T + 3 * DAY)
    return story


def fuelled() -> Life:
    story = life(100, currency="usd", merchant=merchant("5542"), is_amount_controllable=True)
    story.ask(at=T)
    story.answered(approved=True, amount=8_000, at=T + 1)
    story.set_amount(5_417, at=T + 300)
    story.capture(at=T + DAY)
    return story


def never_asked() -> Life:
    story = life()
    story.answered(approved=False, reason="insufficient_funds", at=T + 1)
    return story


def approved_by_stripe_alone() -> Life:
    story = life()
    story.answered(approved=True, reason="card_active", at=T + 1)
    story.answered(approved=True, amount=500, reason="card_active", at=T + 9)
    return story


def declined_for_a_late_answer_then_approved_by_the_network() -> Life:
    story = life()
    story.ask(at=T)
    story.answered(approved=False, reason="webhook_timeout", at=T + 2)
    story.answered(approved=True, amount=9_000, reason="network_fallback", at=T + 3)
    return story


def approved_in_part() -> Life:
    story = life(cashback=2_000, is_amount_controllable=True)
    story.ask(at=T)
    story.answered(approved=True, amount=6_000, at=T + 1)
    return story


def verified_with_nothing() -> Life:
    return approved(0)


ASKED: Line = ("request", "pending", 0)
HELD: Line = ("created", "pending", 10_000)

LIVES: dict[Callable[[], Life], list[Line]] = {
    captured_in_full: [
        ASKED,
        HELD,
        ("created", "capture", -10_000),
        ("updated", "closed", 10_000),
    ],
    captured_in_part_and_closed: [
        ASKED,
        HELD,
        ("created", "capture", -6_000),
        ("updated", "closed", 10_000),
    ],
    captured_several_times: [
        ASKED,
        HELD,
        ("created", "capture", -2_500),
        ("updated", "pending", 7_500),
        ("created", "capture", -2_500),
        ("updated", "pending", 7_500),
        ("created", "capture", -5_000),
        ("updated", "closed", 7_500),
    ],
    tipped: [ASKED, HELD, ("created", "capture", -12_000), ("updated", "closed", 0)],
    incremented_twice: [
        ASKED,
        HELD,
        ("request", "pending", 10_000),
        ("updated", "pending", 12_000),
        ("request", "pending", 12_000),
        ("updated", "pending", 12_000),
        ("created", "capture", -12_000),
        ("updated", "closed", 12_000),
    ],
    reversed_in_part: [ASKED, HELD, ("updated", "pending", 7_000)],
    voided: [ASKED, HELD, ("updated", "reversed", 0)],
    reversed_after_a_capture: [
        ASKED,
        HELD,
        ("created", "capture", -4_000),
        ("updated", "pending", 6_000),
        ("updated", "closed", 0),
    ],
    lowered_to_nothing_and_raised: [
        ASKED,
        HELD,
        ("updated", "pending", 0),
        ("updated", "pending", 7_000),
    ],
    captured_after_its_expiry: [
        ASKED,
        HELD,
        ("updated", "expired", 0),
        ("created", "capture", -10_000),
        ("updated", "closed", 0),
    ],
    captured_though_declined: [
        ASKED,
        ("created", "closed", 10_000),
        ("created", "capture", -10_000),
        ("updated", "closed", 10_000),
    ],
    refunded: [
        ASKED,
        HELD,
        ("created", "capture", -10_000),
        ("updated", "closed", 10_000),
        ("created", "refund", 2_500),
    ],
    fuelled: [
        ASKED,
        ("created", "pending", 8_000),
        ("updated", "pending", 5_417),
        ("created", "capture", -5_417),
        ("updated", "closed", 5_417),
    ],
    never_asked: [("created", "closed", 10_000)],
    approved_by_stripe_alone: [HELD, ("updated", "pending", 10_500)],
    declined_for_a_late_answer_then_approved_by_the_network: [
        ASKED,
        ("created", "closed", 10_000),
        ("updated", "pending", 9_000),
    ],
    approved_in_part: [ASKED, ("created", "pending", 6_000)],
    verified_with_nothing: [ASKED, ("created", "pending", 0)],
}
