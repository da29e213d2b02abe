"""Which cities and postal codes a card may pay in, from the file to the words."""

from typing import Any

import pytest

from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import InvalidPolicyError, completed, controls, normalize
from authorizations.rules.policy.summary import summary
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import cardholder, staff
from authorizations.rules.wording.headline import because
from tests.rules.deciding import applied, decided, reason
from tests.support.builders import authorization_request, merchant
from tests.support.documents import TRAVEL, policy

CITY, CODE = "merchant_city_not_allowed", "merchant_postal_code_not_allowed"


def at(**facts: str) -> AuthorizationRequest:
    return authorization_request(merchant=merchant(**facts))


@pytest.mark.parametrize(
    ("listed", "told", "is_listed"),
    [
        ("Paris", "PARIS", True),
        ("paris", " Paris ", True),
        ("San  Francisco", "SAN FRANCISCO", True),
        ("Saint-\N{LATIN CAPITAL LETTER E WITH ACUTE}tienne", "SAINT-ETIENNE", True),
        ("Paris", "PARIS 18", False),
        ("Paris 18", "PARIS", False),
        ("Paris", "", False),
        ("Paris", "  ", False),
        ("Paris", "\N{COMBINING ACUTE ACCENT}", False),
        ("800-555-0100", "800-555-0100", True),
    ],
)
def test_a_city_is_compared_whole_without_case_accents_and_blanks(
    listed: str, told: str, is_listed: bool
) -> None:
    request = at(city=told)
    assert reason(request, allowed_merchant_cities=[listed]) == (None if is_listed else CITY)
    assert reason(request, blocked_merchant_cities=[listed]) == (CITY if is_listed else None)


@pytest.mark.parametrize(
    ("listed", "told", "is_listed"),
    [
        ("75018", "75018", True),
        ("75018", " 75018 ", True),
        ("75018", "75019", False),
        ("75018", "7501", False),
        ("SW1A 1AA", "sw1a1aa", True),
        ("sw1a1aa", "SW1A  1AA", True),
        ("94107", "94107-1234", False),
        ("94107*", "94107-1234", True),
        ("94107*", "941071234", True),
        ("94107*", "94107", True),
        ("94107-1234", "941071234", True),
        ("75*", "75018", True),
        ("75 *", "75018", True),
        ("75*", "57018", False),
        ("75*", "7", False),
        ("75*", "", False),
        ("75018", "", False),
        ("75018", "-", False),
    ],
)
def test_a_postal_code_is_compared_without_blanks_and_hyphens_whole_or_by_its_beginning(
    listed: str, told: str, is_listed: bool
) -> None:
    request = at(postal_code=told)
    assert reason(request, allowed_merchant_postal_codes=[listed]) == (None if is_listed else CODE)
    assert reason(request, blocked_merchant_postal_codes=[listed]) == (CODE if is_listed else None)


def test_the_document_has_each_place_once_in_capitals() -> None:
    keys = {
        "allowed_merchant_cities": ["lyon", " LYON", "San  Jose"],
        "blocked_merchant_postal_codes": ["sw1a  1aa", "75*", "75*"],
    }
    normal = normalize(policy(**keys))
    assert normal["allowed_merchant_cities"] == ["LYON", "SAN JOSE"]
    assert normal["blocked_merchant_postal_codes"] == ["75*", "SW1A 1AA"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            {"allowed_merchant_cities": [7]},
            'allowed_merchant_cities[0]: Write this as text in "quotes".',
        ),
        (
            {"blocked_merchant_cities": ["\N{ACUTE ACCENT}"]},
            'blocked_merchant_cities[0]: Write a city as networks do, such as "PARIS"',
        ),
        (
            {"allowed_merchant_postal_codes": [75018]},
            'allowed_merchant_postal_codes[0]: Write this as text in "quotes".',
        ),
        *(
            (
                {"blocked_merchant_postal_codes": [nothing]},
                'blocked_merchant_postal_codes[0]: Write a postal code as networks do, such as "94',
            )
            for nothing in ("*", "-", " - *", "\N{ACUTE ACCENT}*")
        ),
        *(
            (
                {"blocked_merchant_postal_codes": [misplaced]},
                "blocked_merchant_postal_codes[0]: Write * only at the end",
            )
            for misplaced in ("*75", "7*5", "75**")
        ),
    ],
)
def test_what_is_no_place_is_said_where_it_stands(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidPolicyError) as refused:
        normalize(policy(**keys))
    [found] = map(str, refused.value.problems)
    assert found.startswith(problem)


def test_state_city_and_postal_code_are_named_in_this_order_before_the_category() -> None:
    keys: dict[str, Any] = {"allowed_categories": ["5812"]}
    for key, value, expected in (
        ("blocked_merchant_postal_codes", "75*", CODE),
        ("blocked_merchant_cities", "Paris", CITY),
        ("allowed_merchant_states", "CA", "merchant_state_not_allowed"),
    ):
        keys[key] = [value]
        assert reason(at(), **keys) == expected


def test_an_increment_is_judged_by_the_place_it_names() -> None:
    elsewhere = at(city="Nice", postal_code="06000").begun_at(merchant())
    assert reason(elsewhere, allowed_merchant_cities=["Paris"]) == CITY
    assert reason(elsewhere, allowed_merchant_postal_codes=["75*"]) == CODE


def test_the_postal_codes_of_merchant_and_cardholder_are_different_fields() -> None:
    unread = authorization_request(unreadable=("postal_code",))
    assert reason(unread, blocked_merchant_postal_codes=["06*"]) is None
    unread = authorization_request(unreadable=("merchant_postal_code",))
    assert reason(unread, blocked_merchant_postal_codes=["06*"]) == "field_unreadable"
    assert reason(unread, allowed_merchant_cities=["Paris"]) is None


def test_stand_in_asks_them_too() -> None:
    for key, expected in (
        ("blocked_merchant_cities", CITY),
        ("blocked_merchant_postal_codes", CODE),
    ):
        blocked = applied(**{key: ["Paris", "75*"]})
        assert decide_without_usage(at(), StandInContext(), (blocked,)).reason == expected


@pytest.mark.parametrize(
    ("keys", "facts", "words"),
    [
        (
            {"blocked_merchant_cities": ["Paris", "Nice"]},
            {"city": "paris"},
            (
                "Merchant city paris is among the blocked cities (NICE, PARIS).",
                "This card cannot be used with merchants in this city.",
                "merchant city not allowed (paris)",
            ),
        ),
        (
            {"allowed_merchant_postal_codes": ["69*"]},
            {},
            (
                "Merchant postal code 75018 is not among the allowed postal codes (69*).",
                "This card cannot be used with merchants in this area.",
                "merchant postal code not allowed (75018)",
            ),
        ),
        (
            {"allowed_merchant_postal_codes": ["69*"]},
            {"postal_code": ""},
            (
                "The merchant's postal code was not reported; allowed postal codes: 69*.",
                "This card cannot be used with merchants in this area.",
                "merchant postal code not allowed",
            ),
        ),
    ],
)
def test_staff_and_cardholder_are_told(
    keys: dict[str, Any], facts: dict[str, str], words: tuple[str, str, str]
) -> None:
    request = at(**facts)
    decision = decided(request, applied(**keys))
    check = deciding_check(decision.trace)
    assert check
    assert (staff(check, request), cardholder(check, request), because(decision)) == words


def test_the_policys_words() -> None:
    keys = {"allowed_merchant_cities": ["Lyon"], "blocked_merchant_postal_codes": ["75*", "92100"]}
    before, after = normalize(TRAVEL), normalize(TRAVEL | keys)
    sentences = summary(controls(after))
    assert "Only in the cities LYON." in sentences
    assert "Not in the postal codes 75*, 92100." in sentences
    left, right = "\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"
    assert [*map(str, differences(before, after))] == [
        f"City added to {left}Only these cities{right}: LYON",
        f"Postal codes added to {left}Not these postal codes{right}: 75*, 92100",
    ]


def test_a_version_from_before_the_rules_were_known_stays_what_it_was() -> None:
    now = normalize(TRAVEL)
    before = {
        key: value for key, value in now.items() if "cities" not in key and "postal" not in key
    }
    assert controls(before) == controls(now)
    assert completed(before) == now
