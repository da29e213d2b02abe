"""`reconcile` against Stripe's lists: what the webhook never delivered is brought in, once."""

import json
from collections.abc import Iterator
from io import StringIO
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from authorizations.models import (
    Authorization,
    Card,
    Decision,
    Finding,
    LedgerEntry,
    Reconciliation,
    Transaction,
    UnappliedEvent,
    WebhookRequest,
)
from authorizations.services import later
from authorizations.services.settle import CannotApplyError
from authorizations.services.verify_usage import verify_usage
from authorizations.wire import samples
from authorizations.wire.sample_lives import Life, force_capture, unlinked_refund
from authorizations.wire.samples import Json
from tests.desk import NOON, Shopper, deliver, in_force
from tests.stripe_api import KEY, StripeApi, stripe_api
from tests.wire.lifecycles import LIVES

pytestmark = pytest.mark.django_db

SINCE = "2026-11-18"
CARD = samples.card(
    card_id="ic_1",
    holder=samples.cardholder(cardholder_id="ich_1", name="Ada Lovelace", created=NOON),
    created=NOON,
)
WRITTEN = (Authorization, Card, Decision, Finding, LedgerEntry, Transaction, UnappliedEvent)


@pytest.fixture
def stripe(settings: LazySettings) -> Iterator[StripeApi]:
    with stripe_api() as api:
        settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, api.base
        yield api


@pytest.fixture(autouse=True)
def waits() -> Iterator[list[float]]:
    """How long was waited before each new try: in tests not at all."""
    waited: list[float] = []
    with patch("time.sleep", waited.append):
        yield waited


def run(since: str = SINCE) -> tuple[str, str]:
    """What was printed, and the error it ended with, or nothing."""
    out = StringIO()
    try:
        call_command("reconcile", "--since", since, stdout=out)
    except CommandError as problem:
        return out.getvalue(), f"{problem} (status {problem.returncode})"
    return out.getvalue(), ""


def life(amount: int = 5_000, **facts: Any) -> Life:
    return Life(Shopper().purchase(amount, **facts), CARD)


def approved(amount: int = 5_000, **facts: Any) -> Life:
    begun = life(amount, **facts)
    begun.ask(at=NOON)
    begun.answered(approved=True, at=NOON + 1)
    return begun


def delivered(*events: Json) -> None:
    for event in events:
        assert deliver(event).status_code == 200


def counted(lived: Life) -> int:
    row = Authorization.objects.get(pk=lived.kept["id"])
    assert [found for found in verify_usage() if found] == []
    return row.counted_amount


def rows() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in (*WRITTEN, WebhookRequest)}


class TestWhatTheWebhookNeverDelivered:
    def test_an_authorization_of_which_nothing_came_takes_its_room(self, stripe: StripeApi) -> None:
        in_force(spending_limits=[{"amount": 6_000, "interval": "daily"}])
        lost = approved(5_000)
        stripe.lists(lost)
        printed, error = run()
        assert not error
        assert (
            "Read 1 authorizations and transactions since 2026-11-18 00:00 UTC: 1 brought in, "
            "0 failed." in printed
        )
        assert counted(lost) == 5_000
        assert Shopper().asks(1_001)["approved"] is False
        assert Shopper().asks(1_000)["approved"] is True

    def test_a_closing_that_was_lost_gives_back_what_was_not_captured(
        self, stripe: StripeApi
    ) -> None:
        in_force()
        lived = approved(5_000)
        delivered(*lived.events)
        lived.capture(3_000, at=NOON + 100)
        stripe.lists(lived)
        assert counted(lived) == 5_000
        assert run()[1] == ""
        assert counted(lived) == 3_000
        entries = LedgerEntry.objects.filter(authorization=lived.kept["id"]).order_by("pk")
        assert [(entry.cause, entry.amount) for entry in entries][-1] == ("closed", -2_000)
        assert entries.reverse()[0].event_id == f"read_{lived.kept['id']}_{stripe.now}"

    def test_a_capture_of_an_older_authorization_is_found_among_the_transactions(
        self, stripe: StripeApi
    ) -> None:
        in_force()
        lived = approved(5_000)
        delivered(*lived.events)
        lived.capture(7_000, at=NOON + 86_400)
        stripe.lists(lived)
        assert run("2026-11-19")[1] == ""
        assert counted(lived) == 7_000

    def test_force_captures_count_and_refunds_without_purchase_are_found(
        self, stripe: StripeApi
    ) -> None:
        for told in (force_capture, unlinked_refund):
            event = told(CARD, amount=900, at=NOON, chance=Random(told.__name__))
            stripe.transactions.append(event["data"]["object"])
        assert "2 brought in" in run()[0]
        assert sorted(Authorization.objects.values_list("counted_amount", flat=True)) == [0, 900]
        assert Finding.objects.get(kind="unlinked_refund").amount == 900

    def test_what_stripe_approved_without_asking_becomes_a_finding(self, stripe: StripeApi) -> None:
        alone = life()
        alone.answered(approved=True, reason="card_active", at=NOON + 1)
        stripe.lists(alone)
        run()
        assert Finding.objects.get().kind == "never_asked"

    def test_each_of_stripes_own_declines_is_listed(self, stripe: StripeApi) -> None:
        declined = life()
        for place, reason in enumerate(("insufficient_funds", "pin_blocked", "suspected_fraud")):
            declined.answered(approved=False, reason=reason, at=NOON + place)
        stripe.lists(declined)
        assert "1 brought in" in run()[0]
        listed = Decision.objects.order_by("decided_at").values_list("reason", flat=True)
        assert list(listed) == [
            "stripe:insufficient_funds",
            "stripe:pin_blocked",
            "stripe:suspected_fraud",
        ]
        assert counted(declined) == 0

    def test_auditors_see_what_was_read_with_every_unknown_field(self, stripe: StripeApi) -> None:
        lost = approved()
        lost.kept["brand_new"] = {"deep": [1.5, None], "big": 10**30, "name": "Zoë \ud83c"}
        stripe.lists(lost)
        run()
        row = WebhookRequest.objects.get()
        assert (row.sender, row.event_type) == ("Stripe's API", "api.issuing_authorization")
        assert (row.answer_status, row.answer_body) == (200, "")
        assert row.headers["Request-Id"] == "req_1"
        assert json.dumps(lost.kept).encode() in bytes(row.body)


class TestWhatIsKnown:
    def test_nothing_at_all_is_written_the_second_time(self, stripe: StripeApi) -> None:
        stripe.lists(*(story() for story in LIVES))
        assert run("2023-11-01")[1] == ""
        before = rows()
        assert before["Authorization"] == len(LIVES)
        stripe.now += 86_400
        printed, error = run("2023-11-01")
        assert ": 0 brought in, 0 failed" in printed
        assert (rows(), error) == (before, "")

    def test_what_the_webhook_delivered_is_not_written_again(self, stripe: StripeApi) -> None:
        in_force()
        for story in LIVES:
            lived = story()
            delivered(*lived.events)
            stripe.lists(lived)
        before = rows()
        run("2023-11-01")
        assert rows() == before

    def test_what_was_read_loses_against_later_events_and_wins_against_late_ones(
        self, stripe: StripeApi
    ) -> None:
        in_force()
        lived = approved(5_000)
        delivered(*lived.events)
        late = lived.set_amount(2_000, at=NOON + 50)
        lived.set_amount(4_000, at=NOON + 60)
        stripe.lists(lived)
        run()
        delivered(late)
        assert counted(lived) == 4_000
        delivered(lived.reverse(at=stripe.now + 1))
        assert counted(lived) == 0


class TestPages:
    def test_lists_are_read_to_their_end_and_only_since(self, stripe: StripeApi) -> None:
        stripe.most_a_page = 2
        stripe.lists(*(approved(100, created=NOON + place) for place in range(5)))
        stripe.lists(approved(100, created=NOON - 86_400))
        assert "Read 5 authorizations" in run()[0]
        listed, query = stripe.asked[0]
        assert listed == "/v1/issuing/authorizations"
        assert query == {"created[gte]": "1794960000", "limit": "100"}
        assert [query.get("starting_after") for _, query in stripe.asked[1:3]] == [
            sorted(row["id"] for row in stripe.authorizations if row["created"] >= NOON)[3],
            sorted(row["id"] for row in stripe.authorizations if row["created"] >= NOON)[1],
        ]

    @pytest.mark.parametrize("end", [KeyboardInterrupt, DatabaseError])
    def test_interrupted_it_goes_on_where_it_was(
        self, stripe: StripeApi, end: type[BaseException]
    ) -> None:
        stripe.most_a_page = 2
        stripe.lists(*(approved(100, created=NOON + place) for place in range(5)))
        take, taken = later.take, list[Any]()

        def failing(delivery: Any) -> later.Answered:
            taken.append(delivery)
            if len(taken) == 4:
                raise end
            return take(delivery)

        with patch.object(later, "take", failing):
            error = run()[1]
        assert "it goes on where it stopped" in error
        assert error.endswith("(status 130)" if end is KeyboardInterrupt else "(status 1)")
        assert Reconciliation.objects.get().read == 2
        asked = len(stripe.asked)
        printed, error = run()
        assert "Going on with the reading begun on" in printed
        assert "Read 5 authorizations" in printed
        assert not error
        assert stripe.asked[asked][1]["starting_after"]
        assert Authorization.objects.count() == 5
        assert Reconciliation.objects.get().finished_at

    def test_interrupted_among_the_transactions_it_does_not_read_the_authorizations_again(
        self, stripe: StripeApi
    ) -> None:
        stripe.lists(approved())
        stripe.troubles = ["", "forbidden"]
        assert run()[1]
        run()
        assert [listed.rpartition("/")[2] for listed, _ in stripe.asked] == [
            "authorizations",
            "transactions",
            "transactions",
        ]

    @pytest.mark.usefixtures("stripe")
    def test_a_finished_reading_starts_anew(self) -> None:
        run()
        printed, _ = run()
        assert "Going on" not in printed
        assert Reconciliation.objects.exclude(finished_at=None).count() == 2

    def test_where_stripe_no_longer_knows_the_place_it_starts_from_the_top(
        self, stripe: StripeApi
    ) -> None:
        stripe.lists(approved())
        Reconciliation.objects.create(
            since="2026-11-18T00:00Z", started_at="2026-11-18T00:00Z", reached="iauth_gone", read=7
        )
        assert "Read 8 authorizations" in run()[0]


class TestTroubles:
    def test_stripe_is_waited_for_as_long_as_it_asks(
        self, stripe: StripeApi, waits: list[float]
    ) -> None:
        stripe.troubles = ["limited"]
        assert run()[1] == ""
        assert waits == [7]

    @pytest.mark.parametrize("trouble", ["failing", "cut", "vanished"])
    def test_a_passing_trouble_is_passed_over(
        self, stripe: StripeApi, waits: list[float], trouble: Any
    ) -> None:
        stripe.lists(approved())
        stripe.troubles = [trouble]
        assert run()[1] == ""
        assert Authorization.objects.count() == 1
        assert len(waits) == 1

    @pytest.mark.parametrize(
        ("trouble", "sentence"),
        [
            ("limited", "Stripe keeps asking to slow down."),
            ("failing", "Stripe answered with status 500: An unknown error occurred"),
            ("cut", "Stripe can't be reached at http://127.0.0.1:"),
            ("garbled", "Stripe's answer can't be read as a list."),
            ("forbidden", "may not read Issuing. Give it read permission"),
        ],
    )
    def test_a_lasting_trouble_is_told_in_a_sentence(
        self, stripe: StripeApi, trouble: Any, sentence: str
    ) -> None:
        stripe.troubles = [trouble] * 20
        error = run()[1]
        assert sentence in error
        assert error.endswith("(status 1)")
        assert "Traceback" not in error

    def test_a_network_that_is_gone_is_told(self, settings: LazySettings) -> None:
        settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, "http://127.0.0.1:9"
        assert "Stripe can't be reached at http://127.0.0.1:9. Check the network." in run()[1]

    @pytest.mark.usefixtures("stripe")
    def test_a_wrong_key_is_told_without_the_key(self, settings: LazySettings) -> None:
        settings.STRIPE_API_KEY = "rk_test_wrong"
        error = run()[1]
        assert "does not take the key in STRIPE_API_KEY" in error
        assert "rk_test_wrong" not in error

    def test_no_key_is_told_with_what_to_set(self) -> None:
        assert "STRIPE_API_KEY is not set" in run()[1]

    @pytest.mark.parametrize(("live", "key"), [(True, KEY), (False, "sk_live_1")])
    def test_a_key_of_the_other_mode_is_not_used(
        self, stripe: StripeApi, settings: LazySettings, live: bool, key: str
    ) -> None:
        settings.STRIPE_LIVEMODE, settings.STRIPE_API_KEY = live, key
        assert "of the other mode" in run()[1]
        assert stripe.asked == []

    @pytest.mark.parametrize(
        ("since", "sentence"),
        [
            ("yesterday", "'yesterday' can't be read. Write a date, such as 2026-11-01"),
            ("2026-13-01", "can't be read"),
            ("9999-12-31", "must lie in the past"),
            ("1969-12-31", "not before 1970"),
        ],
    )
    def test_a_wrong_date_is_told(self, since: str, sentence: str) -> None:
        assert sentence in run(since)[1]


class TestWhatCannotBeBroughtIn:
    def test_it_is_kept_with_its_sentence_and_the_reading_goes_on(self, stripe: StripeApi) -> None:
        odd, fine = approved(created=NOON + 1), approved(created=NOON)
        odd.kept["amount"] = "much"
        stripe.lists(odd, fine)
        printed, error = run()
        assert f"{odd.kept['id']}: A part could not be read: data.object.amount" in printed
        assert "Read 2 authorizations" in error
        assert "1 brought in, 1 failed. Those wait as unapplied events" in error
        assert counted(fine) == 5_000
        assert UnappliedEvent.objects.get().webhook_request.answer_status == 200

    def test_read_again_it_waits_once_and_no_longer_when_it_can_be_read(
        self, stripe: StripeApi
    ) -> None:
        odd = approved()
        stripe.lists(odd)
        odd.kept["amount"] = "much"
        run()
        stripe.now += 60
        run()
        waiting = UnappliedEvent.objects.get()
        assert waiting.pk == f"read_{odd.kept['id']}_{stripe.now}"
        odd.kept["amount"] = 5_000
        assert run()[1] == ""
        waiting.refresh_from_db()
        assert waiting.applied_at

    def test_what_waits_can_be_applied_again_as_it_was_read(self, stripe: StripeApi) -> None:
        lost = approved()
        stripe.lists(lost)
        refused = "Its card keeps changing."
        with patch("authorizations.services.later.settle") as settle:
            settle.side_effect = CannotApplyError(refused, is_final=False)
            assert "1 failed" in run()[1]
        assert UnappliedEvent.objects.get().error == refused
        assert later.apply_again(UnappliedEvent.objects.get()) == ""
        assert counted(lost) == 5_000
        assert run()[1] == ""
        assert UnappliedEvent.objects.get().applied_at

    def test_something_without_an_id_is_kept_too(self, stripe: StripeApi) -> None:
        nameless = approved()
        stripe.lists(nameless)
        nameless.kept["id"] = ["a", "b"]
        printed, error = run()
        assert "Something without an id: A part could not be read: id: expected an id" in printed
        assert "1 failed" in error
