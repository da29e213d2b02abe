"""How `reconcile` reads: page by page, from where it was, and through all that can go wrong."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import LazySettings
from django.db import DatabaseError
from django.utils import timezone

from authorizations.models import Authorization, Reconciliation
from authorizations.services.lifecycle import intake
from tests.commands.reconciling import approved, run
from tests.support.desk import NOON
from tests.support.stripe_api import KEY, StripeApi

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("waits")]


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
        take, taken = intake.receive, list[Any]()

        def failing(delivery: Any) -> intake.Answered:
            taken.append(delivery)
            if len(taken) == 4:
                raise end
            return take(delivery)

        with patch.object(intake, "receive", failing):
            error = run()[1]
        assert "with the same --since to continue" in error
        assert error.endswith("(status 130)" if end is KeyboardInterrupt else "(status 1)")
        assert Reconciliation.objects.get().read == 2
        asked = len(stripe.asked)
        printed, error = run()
        assert "Continuing the run started on" in printed
        assert "Read 5 authorizations" in printed
        assert ": 5 brought in, 0 failed." in printed
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

    def test_so_many_days_back_is_the_same_moment_all_day_so_that_it_goes_on(
        self, stripe: StripeApi
    ) -> None:
        stripe.troubles = ["forbidden"]
        assert run("31d")[1]
        assert "Going on" not in run("31d")[0]  # nothing was read yet
        [reading] = Reconciliation.objects.all()
        assert reading.finished_at
        begins = timezone.localtime(reading.since)
        assert (begins.hour, begins.minute, begins.second, begins.microsecond) == (0, 0, 0, 0)
        assert begins.date() == (timezone.localtime() - timedelta(days=31)).date()

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

    def test_a_network_that_is_gone_is_told(self, settings: LazySettings, silent_port: int) -> None:
        settings.STRIPE_API_KEY = KEY
        settings.STRIPE_API_BASE = f"http://127.0.0.1:{silent_port}"
        told = f"Stripe can't be reached at http://127.0.0.1:{silent_port}. Check the network."
        assert told in run()[1]

    @pytest.mark.usefixtures("stripe")
    def test_a_wrong_key_is_told_without_the_key(self, settings: LazySettings) -> None:
        settings.STRIPE_API_KEY = "rk_test_wrong"
        error = run()[1]
        assert "does not accept the key in STRIPE_API_KEY" in error
        assert "rk_test_wrong" not in error

    def test_no_key_is_told_with_what_to_set(self) -> None:
        assert "STRIPE_API_KEY is not set" in run()[1]

    @pytest.mark.parametrize(("live", "key"), [(True, KEY), (False, "sk_live_1")])
    def test_a_key_of_the_other_mode_is_not_used(
        self, stripe: StripeApi, settings: LazySettings, live: bool, key: str
    ) -> None:
        settings.STRIPE_LIVEMODE, settings.STRIPE_API_KEY = live, key
        assert "for the other mode" in run()[1]
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
