"""Guessing at passwords is stopped; nobody is locked out by somebody elsewhere."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client

pytestmark = pytest.mark.django_db

PASSWORD = "pass-word-1"
LIMIT = 5
HERE, ELSEWHERE, PROXY = "203.0.113.7", "198.51.100.9", "10.0.0.5"


@pytest.fixture(autouse=True)
def olga(db: None) -> User:
    return User.objects.create_superuser("olga", password=PASSWORD)


def log_in(password: str, name: str = "olga", address: str = HERE, **headers: str) -> Any:
    sent = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post("/admin/login/", sent, headers=headers or None)


def guess(times: int = LIMIT, **more: Any) -> Any:
    """The answer to the last of so many wrong passwords."""
    for _ in range(times):
        answer = log_in("a guess", **more)
    return answer


def gets_in(**more: str) -> bool:
    return bool(log_in(PASSWORD, **more).status_code == 302)


def test_the_fifth_wrong_password_is_answered_with_a_page_that_says_when_to_try_again() -> None:
    assert guess(4).status_code == 200
    refused = guess(1)
    assert refused.status_code == 429
    last = AccessAttempt.objects.get().attempt_time
    again = last + timedelta(minutes=15)
    assert f"from <b>{again:%H:%M}</b> (UTC)" in refused.content.decode()


def test_then_the_right_password_does_not_help_either() -> None:
    guess()
    assert log_in(PASSWORD).status_code == 429


def test_from_elsewhere_the_same_name_still_logs_in() -> None:
    guess()
    assert gets_in(address=ELSEWHERE)


def test_other_names_still_log_in_from_there() -> None:
    User.objects.create_superuser("noah", password=PASSWORD)
    guess()
    assert gets_in(name="noah")


def test_another_browser_is_no_way_around() -> None:
    for number in range(5):
        guess(1, user_agent=f"browser {number}")
    assert not gets_in()


def test_a_quarter_of_an_hour_later_it_is_over_even_if_somebody_went_on_trying() -> None:
    guess(9)
    earlier = F("attempt_time") - timedelta(minutes=15, seconds=1)
    AccessAttempt.objects.update(attempt_time=earlier)
    assert gets_in()


def test_trying_during_the_wait_does_not_prolong_it() -> None:
    guess()
    before = AccessAttempt.objects.get().attempt_time
    guess()
    assert AccessAttempt.objects.get().attempt_time == before


def test_logging_in_forgets_the_wrong_ones_before() -> None:
    guess(4)
    assert gets_in()
    guess(4)
    assert gets_in()


def test_what_was_typed_as_a_password_is_kept_nowhere() -> None:
    log_in("a-secret-mistyped")
    kept = AccessAttempt.objects.values().get()
    assert "a-secret-mistyped" not in str(kept)


def test_nobody_gets_a_fresh_count_by_naming_another_address_in_a_header() -> None:
    for number in range(5):
        guess(1, x_forwarded_for=f"192.0.2.{number}")
    assert not gets_in()


def test_behind_a_trusted_proxy_each_client_is_counted_by_itself(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/24")]
    guess(address=PROXY, x_forwarded_for=HERE)
    assert not gets_in(address=PROXY, x_forwarded_for=HERE)
    assert gets_in(address=PROXY, x_forwarded_for=ELSEWHERE)


def test_behind_a_trusted_proxy_only_the_address_it_saw_itself_counts(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/24")]
    for number in range(5):
        guess(1, address=PROXY, **{"X-Forwarded-For": f"192.0.2.{number}, {HERE}"})
    assert not gets_in(address=PROXY, x_forwarded_for=f"192.0.2.99, {HERE}")


def test_all_addresses_of_one_ipv6_customer_count_together() -> None:
    for number in range(5):
        guess(1, address=f"2001:db8:0:1::{number}")
    assert not gets_in(address="2001:db8:0:1::99")
    assert gets_in(address="2001:db8:0:2::99")
