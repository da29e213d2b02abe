"""Stripe's own declines stand among ours, in plain words, and claim nothing that was not asked."""

import csv
import io
from time import time
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from authorizations.models import Authorization, Card, Decision
from tests.admin import pages
from tests.support.builders import CREATED
from tests.support.desk import Shopper, deliver, in_force
from tests.support.lives import life

pytestmark = pytest.mark.django_db

REASON = "stripe:insufficient_funds"


@pytest.fixture
def declined(db: None) -> Decision:
    story = life(4_200)
    deliver(story.answered(approved=False, reason="insufficient_funds", at=CREATED + 1))
    return Decision.objects.get()


def test_the_list_names_the_reason_and_can_be_narrowed_to_it(
    auditor: Client, declined: Decision
) -> None:
    in_force("Travel", spending_limits=[{"amount": 1, "interval": "daily"}])
    Shopper().asks(500)
    page = auditor.get(pages.list_url(Decision), {"reason": REASON})
    assert [row.pk for row in page.context["cl"].result_list] == [declined.pk]
    assert "Stripe: insufficient funds" in page.content.decode()
    assert page.context["cl"].describe() == "Stripe: insufficient funds"


def test_its_page_explains_it_and_has_no_empty_parts(auditor: Client, declined: Decision) -> None:
    page = auditor.get(pages.change_url(declined))
    words = pages.text(page)
    for sentence in (
        "Declined €42.00 at",
        "Stripe declined: the Issuing balance was too low. Top it up.",
        "Please contact your card administrator.",
        "Stripe declined without asking this desk",
        "issuing_authorization.created",
    ):
        assert sentence in words or sentence in page.content.decode(), sentence
    for nothing in ("Check the record", "Answer, as sent", "Every rule", "Time taken"):
        assert nothing not in words


def test_it_is_not_decided_again(auditor: Client, declined: Decision) -> None:
    url = reverse(
        "admin:authorizations_decision_again",
        args=[pages.change_url(declined).split("/")[-3]],
    )
    answer = auditor.post(url)
    assert answer.headers["Location"] == pages.change_url(declined)


def test_exports_say_who_declined_and_why(auditor: Client, declined: Decision) -> None:
    url = reverse("admin:authorizations_decision_export")
    answer: Any = auditor.post(url, {"format": "csv"})
    [row] = csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"), newline=""))
    assert (row["decided_by"], row["reason"]) == ("stripe", REASON)
    assert row["reason_label"] == "Stripe: insufficient funds"
    assert row["explanation"] == "Stripe declined: the Issuing balance was too low. Top it up."
    assert row["duration_ms"] == ""


def test_the_cards_page_and_home_name_it(auditor: Client) -> None:
    now = int(time())
    story = life(4_200, created=now)
    deliver(story.answered(approved=False, reason="insufficient_funds", at=now))
    decided = Decision.objects.get()
    card = auditor.get(pages.change_url(Card.objects.get())).content.decode()
    assert "Stripe: insufficient funds" in card
    reasons = auditor.get("/admin/").context["rankings"][0]
    assert [bar.text for bar in reasons.bars] == ["Stripe: insufficient funds"]
    found = auditor.get(reasons.bars[0].url).context["cl"].result_list
    assert [row.pk for row in found] == [decided.pk]


def test_a_failed_verification_names_the_check_for_staff_and_cardholder(auditor: Client) -> None:
    now = int(time())
    story = life(4_200, created=now, cvc="mismatch", three_d_secure="failed")
    deliver(story.answered(approved=False, reason="verification_failed", at=now))
    decided = Decision.objects.get()
    assert decided.problem == "cvc_check, three_d_secure:failed"
    staff = (
        "Stripe declined: the CVC did not match what Stripe has and 3-D Secure authentication "
        "failed."
    )
    words = pages.text(auditor.get(pages.change_url(decided)))
    assert staff in words
    assert "The security code (CVC) did not match. Please check it and try again." in words
    assert staff in pages.text(auditor.get(pages.change_url(Authorization.objects.get())))
    assert staff in pages.text(auditor.get(pages.change_url(Card.objects.get())))
    answer: Any = auditor.post(reverse("admin:authorizations_decision_export"), {"format": "csv"})
    [row] = csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"), newline=""))
    assert row["explanation"] == staff
    call_command("verify_record", processes=1)


def test_a_reason_nobody_knows_yet_is_told_by_its_code(auditor: Client) -> None:
    story = life()
    deliver(story.answered(approved=False, reason="moon_phase", at=CREATED + 1))
    page = auditor.get(pages.change_url(Decision.objects.get()))
    assert "Stripe: moon phase" in pages.text(page)
