"""The rules about who, where, how and when, one by one."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.basics.filters import MerchantEntry
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.purchases.events import AuthorizationRequest, Verification
from authorizations.rules.wording.explain import staff
from tests.rules.deciding import NEW, applied, decided, instant, reason
from tests.support.builders import authorization_request, merchant

BAKERY = authorization_request()


def the_check(rule: DeclineReason, request: AuthorizationRequest, **keys: Any) -> Check:
    trace = decided(request, applied(**keys)).trace
    [check] = [check for check in trace if check.rule is rule]
    return check


# --- the card, and that there is a policy


def test_a_card_of_ours_that_may_pay_leaves_no_trace() -> None:
    assert decided(BAKERY, applied()).trace == ()


@pytest.mark.parametrize("status", ["inactive", "canceled", "a_word_of_next_year"])
def test_only_an_active_card_pays(status: str) -> None:
    request = replace(BAKERY, card=replace(BAKERY.card, status=status))
    [check] = decided(request, applied()).trace
    assert (check.rule, check.found, check.limit) == ("card_not_active", status, "active")


def test_without_a_policy_nothing_is_approved() -> None:
    decision = decide(replace(BAKERY, amount=0), NEW, (), {})
    assert (decision.approved, decision.reason) == (False, DeclineReason.NO_POLICY)


def test_every_policy_must_pass() -> None:
    strict = applied(allowed_merchant_countries=["DE"])
    assert decided(BAKERY, applied(), applied()).approved
    assert not decided(BAKERY, applied(), strict).approved
    assert not decided(BAKERY, strict, applied()).approved


# --- lists


def shop(**facts: str) -> AuthorizationRequest:
    return replace(BAKERY, merchant=merchant(**facts))


LISTS = {
    "merchant_countries": ("FR", shop(country="FR"), shop(country="DE"), shop(country="")),
    "categories": (
        "bakeries",
        shop(),
        shop(category="taxicabs_limousines", category_code="4121"),
        shop(category="", category_code=""),
    ),
    "merchants": ("lepic", shop(), shop(name="Casino"), shop(name="", network_id="")),
    "card_presences": (
        "present",
        replace(BAKERY, card_presence="present"),
        replace(BAKERY, card_presence="not_present"),
        replace(BAKERY, card_presence=None),
    ),
    "authorization_methods": (
        "chip",
        replace(BAKERY, authorization_method="chip"),
        replace(BAKERY, authorization_method="a_word_of_next_year"),
        replace(BAKERY, authorization_method=""),
    ),
}
"""A word that may be listed; purchases it fits, it does not fit, and that don't tell."""


@pytest.mark.parametrize("what", LISTS)
def test_what_is_not_told_is_on_no_allowed_list_and_on_no_blocked_list(what: str) -> None:
    word, fitting, other, not_told = LISTS[what]
    approved = [decided(r, applied(**{f"allowed_{what}": [word]})).approved for r in
                (fitting, other, not_told)]  # fmt: skip
    blocked = [decided(r, applied(**{f"blocked_{what}": [word]})).approved for r in
               (fitting, other, not_told)]  # fmt: skip
    assert (approved, blocked) == ([True, False, False], [False, True, True])


@pytest.mark.parametrize(
    ("wallet", "expected"),
    [("apple_pay", None), ("google_pay", "wallet_not_allowed"), (None, "wallet_not_allowed")],
)
def test_where_wallets_are_listed_only_they_pay(wallet: str | None, expected: str | None) -> None:
    assert reason(replace(BAKERY, wallet=wallet), allowed_wallets=["apple_pay"]) == expected


@pytest.mark.parametrize(
    ("words", "category", "code", "is_listed"),
    [
        (["bakeries"], "bakeries", "5462", True),
        (["bakeries"], "bakeries", "", True),
        (["bakeries"], "bread_shops_as_renamed", "5462", True),
        (["bakeries"], "", "5462", True),
        (["bakeries"], "bakery", "", False),
        (["5462"], "bakeries", "5462", True),
        (["5462"], "anything", "5463", False),
        (["3000-3299"], "", "3000", True),
        (["3000-3299"], "", "3299", True),
        (["3000-3299"], "", "2999", False),
        (["3000-3299"], "", "3300", False),
        (["3000-3299", "bakeries"], "bakeries", "5462", True),
        (["0700-0800"], "agricultural_cooperative", "0763", True),
        (["miscellaneous"], "miscellaneous", "", True),
        (["miscellaneous"], "", "", False),
    ],
)
def test_categories_are_matched_by_name_by_mcc_of_the_name_by_mcc_and_by_range(
    words: list[str], category: str, code: str, is_listed: bool
) -> None:
    request = shop(category=category, category_code=code)
    assert decided(request, applied(allowed_categories=words)).approved == is_listed
    assert decided(request, applied(blocked_categories=words)).approved != is_listed


@pytest.mark.parametrize(
    ("word", "name", "is_listed"),
    [
        ("498750001042", "Boulangerie Lepic", True),
        ("49875000104", "Boulangerie Lepic", False),
        ("Boulangerie Lepic", "Boulangerie Lepic", True),
        ("boulangerie LEPIC", "Boulangerie Lepic", True),
        ("lepic", "BOULANGERIE LEPIC PARIS 18", True),
        ("strasse", "Bäckerei Hauptstraße", True),
        ("lepique", "Boulangerie Lepic", False),
        ("Casino du Lac", "CASINO DU LAC 1234", True),
        ("Casino du Lac", "CASINO  DU LAC*1234", True),
        ("Taxi Lumière", "TAXI LUMIERE PARIS", True),
        ("Lumière", "LUMIE\N{COMBINING GRAVE ACCENT}RE", True),
        ("McDonald\N{RIGHT SINGLE QUOTATION MARK}s", "MCDONALD'S 112", True),
        ({"network_id": "498750001042"}, "Boulangerie Lepic", True),
        ({"network_id": "Boulangerie Lepic"}, "Boulangerie Lepic", False),
        ({"contains": "498750001042"}, "Boulangerie Lepic", False),
        ({"is": "Boulangerie Lépic"}, "BOULANGERIE  LEPIC", True),
        ({"is": "Boulangerie"}, "Boulangerie Lepic", False),
        ({"begins_with": "boulangerie"}, "Boulangerie Lepic", True),
        ({"begins_with": "lepic"}, "Boulangerie Lepic", False),
        ({"contains": "lepic"}, "Boulangerie Lepic", True),
        ({"contains": "lépicé"}, "Boulangerie Lepic", False),
    ],
)
def test_merchants_are_matched_by_their_whole_network_id_or_by_their_name_as_the_entry_says(
    word: MerchantEntry, name: str, is_listed: bool
) -> None:
    request = shop(name=name)
    assert decided(request, applied(allowed_merchants=[word])).approved == is_listed
    assert decided(request, applied(blocked_merchants=[word])).approved != is_listed


def test_a_network_id_is_the_same_with_the_blanks_that_networks_fill_it_up_with() -> None:
    entry = {"network_id": "498750001042"}
    assert not decided(
        shop(network_id="498750001042   "), applied(blocked_merchants=[entry])
    ).approved


def test_a_rule_names_merchants_as_its_policy_does() -> None:
    entries = ["Uber", {"network_id": "1"}, {"is": "A"}, {"begins_with": "B"}, {"contains": "C"}]
    check = the_check(DeclineReason.MERCHANT_NOT_ALLOWED, BAKERY, blocked_merchants=entries)
    assert check.limit == {"blocked": [*entries[1:], "Uber"]}
    assert staff(check, BAKERY) == (
        "Merchant Boulangerie Lepic is among the blocked merchants (network id 1, name is “A”, "
        "name begins with “B”, name contains “C”, Uber)."
    )


def test_a_rule_tells_what_it_found_and_what_it_wants() -> None:
    check = the_check(
        DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED,
        shop(country=""),
        allowed_merchant_countries=["DE", "FR"],
    )
    assert (check.passed, check.found, check.limit) == (False, None, {"allowed": ["DE", "FR"]})


def test_a_trace_keeps_the_beginning_of_a_long_list_and_how_long_it_is() -> None:
    names = [f"Shop {number}" for number in range(9)]
    rule = DeclineReason.MERCHANT_NOT_ALLOWED
    whole = the_check(rule, BAKERY, blocked_merchants=names[:8])
    assert whole.limit == {"blocked": names[:8]}
    assert staff(whole, BAKERY).endswith("Shop 6, Shop 7).")
    check = the_check(rule, BAKERY, blocked_merchants=names)
    assert check.limit == {"blocked": names[:8], "count": 9}
    assert staff(check, BAKERY).endswith("Shop 7 and 1 more).")


# --- currency


EUROS = {"amount": 9_999, "interval": "daily"}
DOLLARS = EUROS | {"currency": "usd"}


@pytest.mark.parametrize(
    ("limits", "currency", "expected"),
    [
        ([EUROS], "eur", None),
        ([EUROS], "usd", "currency_not_allowed"),
        ([DOLLARS], "usd", None),
        ([DOLLARS], "eur", "currency_not_allowed"),
        ([EUROS, DOLLARS], "eur", None),
        ([EUROS, DOLLARS], "usd", None),
        ([EUROS, DOLLARS], "gbp", "currency_not_allowed"),
        # A limit on a part of the purchases is in a currency all the same.
        ([EUROS | {"countries": ["DE"]}], "usd", "currency_not_allowed"),
        ([{"count": 9, "interval": "daily"}], "usd", None),
        ([], "usd", None),
    ],
)
def test_a_policy_with_amount_limits_can_not_vouch_for_a_currency_in_which_it_has_none(
    limits: list[dict[str, Any]], currency: str, expected: str | None
) -> None:
    for amount in (0, 1_250):
        request = replace(BAKERY, currency=currency, amount=amount)
        assert reason(request, spending_limits=limits) == expected


# --- verification and risk


@pytest.mark.parametrize(
    ("name", "found", "in_person", "elsewhere"),
    [
        ("cvc", "match", True, True),
        ("cvc", "not_provided", True, False),
        ("cvc", "", True, False),
        ("cvc", "mismatch", False, False),
        ("cvc", "a_word_of_next_year", False, False),
        ("postal_code", "match", True, True),
        ("postal_code", "not_provided", True, False),
        ("postal_code", "mismatch", False, False),
        ("three_d_secure", "authenticated", True, True),
        ("three_d_secure", None, True, False),
        ("three_d_secure", "attempt_acknowledged", False, False),
        ("three_d_secure", "failed", False, False),
    ],
)
def test_a_required_verification_must_match_but_in_person_nobody_is_asked_for_it(
    name: str, found: str | None, in_person: bool, elsewhere: bool
) -> None:
    keys: dict[str, Any] = {"required_verification": [name]}
    results: dict[str, Any] = {name: found}
    for presence, passes in (("present", in_person), ("not_present", elsewhere), (None, elsewhere)):
        verification = Verification(**results)
        request = replace(BAKERY, card_presence=presence, verification=verification)
        assert reason(request, **keys) == (None if passes else f"{name}_required")


def test_all_required_verifications_must_pass() -> None:
    verification = Verification(cvc="match", postal_code="mismatch", three_d_secure="failed")
    request = replace(BAKERY, card_presence="not_present", verification=verification)
    policy = applied(required_verification=["cvc", "postal_code", "three_d_secure"])
    assert [check.passed for check in decided(request, policy).trace] == [True, False, False]


@pytest.mark.parametrize(
    ("score", "expected"),
    [(1, None), (70, None), (71, "network_risk_too_high"), (99, "network_risk_too_high"),
     (None, None)],
)  # fmt: skip
def test_a_network_risk_score_may_be_as_high_as_allowed_and_may_be_missing(
    score: int | None, expected: str | None
) -> None:
    request = replace(BAKERY, network_risk_score=score)
    assert reason(request, max_network_risk_score=70) == expected


# --- dates and hours


def moved(event_created: int) -> AuthorizationRequest:
    """The event of this moment about an authorization that began a month before."""
    return replace(BAKERY, event_created=event_created, created=event_created - 30 * 86_400)


@pytest.mark.parametrize(
    ("keys", "wall_clock", "expected"),
    [
        ({"usable_from": "2026-11-18"}, "2026-11-17 23:59:59", "not_yet_usable"),
        ({"usable_from": "2026-11-18"}, "2026-11-18 00:00:00", None),
        ({"usable_until": "2026-11-18"}, "2026-11-18 23:59:59", None),
        ({"usable_until": "2026-11-18"}, "2026-11-19 00:00:00", "no_longer_usable"),
        ({"usable_from": "2026-11-18T12:00+01:00"}, "2026-11-18 11:59:59", "not_yet_usable"),
        ({"usable_from": "2026-11-18T12:00+01:00"}, "2026-11-18 12:00:00", None),
        ({"usable_until": "2026-11-18T12:00+01:00"}, "2026-11-18 11:59:59", None),
        ({"usable_until": "2026-11-18T12:00+01:00"}, "2026-11-18 12:00:00", "no_longer_usable"),
    ],
)
def test_a_policy_is_usable_from_its_first_moment_until_just_before_its_last(
    keys: dict[str, Any], wall_clock: str, expected: str | None
) -> None:
    request = moved(instant(wall_clock, "Europe/Paris"))
    assert reason(request, time_zone="Europe/Paris", **keys) == expected


@pytest.mark.parametrize(
    ("days", "hours", "wall_clock", "is_within"),
    [
        ("wed", "08:00-20:00", "2026-11-18 07:59:59", False),
        ("wed", "08:00-20:00", "2026-11-18 08:00:00", True),
        ("wed", "08:00-20:00", "2026-11-18 19:59:59", True),
        ("wed", "08:00-20:00", "2026-11-18 20:00:00", False),
        ("tue thu", "08:00-20:00", "2026-11-18 12:00:00", False),
        ("wed", "00:00-24:00", "2026-11-17 23:59:59", False),
        # In London it is still Tuesday.
        ("wed", "00:00-24:00", "2026-11-18 00:00:00", True),
        ("wed", "00:00-24:00", "2026-11-18 23:59:59", True),
        ("wed", "00:00-24:00", "2026-11-19 00:00:00", False),
        # The hour from 2 to 3 is left out on 29 March and comes twice on 25 October.
        ("sun", "02:00-03:00", "2026-03-29 01:59:59", False),
        ("sun", "02:00-03:00", "2026-03-29 03:00:00", False),
        ("sun", "02:00-03:00", "2026-10-25 02:00:00", True),
        ("sun", "02:00-03:00", "2026-10-25 02:59:59", True),
        ("sun", "02:00-03:00", "2026-10-25 03:00:00", False),
    ],
)
def test_a_schedule_goes_by_the_clock_on_the_wall_of_the_policys_zone(
    days: str, hours: str, wall_clock: str, is_within: bool
) -> None:
    start, end = hours.split("-")
    schedule = [{"days": days.split(), "from": start, "to": end}]
    expected = None if is_within else "outside_schedule"
    request = moved(instant(wall_clock, "Europe/Paris"))
    assert reason(request, time_zone="Europe/Paris", schedule=schedule) == expected


def test_the_hour_that_comes_twice_when_clocks_go_back_is_within_both_times() -> None:
    schedule = [{"days": ["sun"], "from": "02:00", "to": "03:00"}]
    times = [instant("2026-10-25 02:30", "Europe/Paris", fold=fold) for fold in (0, 1)]
    assert times[1] - times[0] == 3600
    for at in times:
        assert reason(moved(at), time_zone="Europe/Paris", schedule=schedule) is None


def test_of_several_hours_in_a_schedule_one_is_enough() -> None:
    schedule = [
        {"days": ["wed"], "from": "22:00", "to": "24:00"},
        {"days": ["thu"], "from": "00:00", "to": "06:00"},
    ]
    for wall_clock, is_within in [
        ("2026-11-18 21:59", False),
        ("2026-11-18 23:00", True),
        ("2026-11-19 05:00", True),
        ("2026-11-19 23:00", False),
    ]:
        request = moved(instant(wall_clock))
        assert decided(request, applied(schedule=schedule)).approved == is_within


@pytest.mark.parametrize("at", [0, 253_402_300_799])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_dates_and_hours_can_be_told_at_both_ends_of_time(at: int, zone: str) -> None:
    always = {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "00:00"}
    schedule = [always | {"to": "24:00"}]
    keys: dict[str, Any] = {"usable_until": "2026-11-18", "schedule": schedule, "time_zone": zone}
    expected = DeclineReason.NO_LONGER_USABLE if at else None
    assert reason(replace(BAKERY, event_created=at), **keys) == expected
