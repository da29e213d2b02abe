"""Policies that work, but hardly as meant."""

from typing import Any

import pytest

from authorizations.rules.policy.document import controls, normalize, path_text, warnings
from tests.support.documents import Document, policy


def warned(**keys: Any) -> list[tuple[str, str]]:
    found = warnings(controls(normalize(policy(**keys))))
    return [(path_text(problem.path), problem.message) for problem in found]


def test_a_shorter_limit_that_allows_no_less_is_pointed_out() -> None:
    assert warned(
        spending_limits=[
            {"amount": 30000, "interval": "monthly"},
            {"amount": 50000, "interval": "daily"},
        ]
    ) == [
        (
            "spending_limits[1].amount",
            (
                "This limit of €500.00 a day is not below the limit of €300.00 a month, so it "
                "never stops a purchase."
            ),
        )
    ]


def test_weeks_reach_over_the_ends_of_months_so_they_can_still_matter() -> None:
    assert warned(
        spending_limits=[
            {"amount": 50000, "interval": "weekly", "countries": ["FR"]},
            {"amount": 30000, "interval": "monthly"},
        ]
    ) == [
        (
            "spending_limits[0].amount",
            (
                "This limit of €500.00 a week in FR is not below the limit of €300.00 a month, so "
                "it hardly ever stops a purchase."
            ),
        )
    ]


@pytest.mark.parametrize(
    ("narrow", "wide", "how_often"),
    [
        (
            {"interval": "monthly", "month_starts": 16},
            {"interval": "yearly", "year_starts": "04-16"},
            "never",
        ),
        (
            {"interval": "monthly", "month_starts": 16},
            {"interval": "yearly", "year_starts": "04-06"},
            "hardly ever",
        ),
        ({"interval": "monthly", "month_starts": 16}, {"interval": "quarterly"}, "hardly ever"),
        (
            {"interval": "quarterly", "year_starts": "01-06"},
            {"interval": "yearly", "year_starts": "04-06"},
            "never",
        ),
        (
            {"interval": "quarterly", "year_starts": "02-06"},
            {"interval": "yearly", "year_starts": "04-06"},
            "hardly ever",
        ),
        (
            {"interval": "quarterly", "year_starts": "07-06"},
            {"interval": "quarterly", "year_starts": "04-06"},
            "never",
        ),
        ({"interval": "monthly", "month_starts": 16}, {"interval": "all_time"}, "never"),
    ],
)
def test_months_and_quarters_reach_over_the_ends_of_years_that_begin_on_another_day(
    narrow: Document, wide: Document, how_often: str
) -> None:
    limits = [{"amount": 50_000} | narrow, {"amount": 30_000} | wide]
    [(path, message)] = warned(spending_limits=limits)
    assert path == "spending_limits[0].amount"
    assert message.endswith(f"so it {how_often} stops a purchase.")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            {"amount": 500, "interval": "monthly"},
            {"amount": 300, "interval": "monthly", "month_starts": 16},
        ),
        (
            {"amount": 500, "interval": "yearly", "year_starts": "04-06"},
            {"amount": 300, "interval": "yearly"},
        ),
        ({"amount": 100, "interval": "daily"}, {"amount": 300, "interval": "monthly"}),
        (
            {"amount": 500, "interval": "daily", "currency": "usd"},
            {"amount": 300, "interval": "monthly"},
        ),
        (
            {"amount": 500, "interval": "daily"},
            {"amount": 300, "interval": "monthly", "countries": ["FR"]},
        ),
        ({"count": 5, "interval": "daily"}, {"amount": 3, "interval": "monthly"}),
        ({"amount": 500, "interval": "rolling", "days": 1}, {"amount": 300, "interval": "daily"}),
        (
            {"amount": 300, "interval": "rolling", "hours": 1},
            {"amount": 500, "interval": "rolling", "hours": 2},
        ),
    ],
)
def test_limits_that_can_both_matter_pass_without_a_word(first: Document, second: Document) -> None:
    assert warned(spending_limits=[first, second]) == []


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"count": 5, "interval": "daily"}, {"count": 5, "interval": "monthly"}),
        (
            {"amount": 5, "interval": "per_authorization"},
            {"amount": 4, "interval": "rolling", "hours": 1},
        ),
        ({"amount": 5, "interval": "rolling", "hours": 1}, {"amount": 4, "interval": "all_time"}),
        (
            {"amount": 5, "interval": "rolling", "hours": 1},
            {"amount": 4, "interval": "rolling", "hours": 2},
        ),
        (
            {"amount": 5, "interval": "daily", "categories": ["5812"]},
            {"amount": 5, "interval": "daily"},
        ),
    ],
)
def test_limits_that_another_covers_are_pointed_out(narrow: Document, wide: Document) -> None:
    key = "amount" if "amount" in narrow else "count"
    grant = {"unlimited": "amount" not in narrow}
    assert [path for path, _ in warned(spending_limits=[narrow, wide], **grant)] == [
        f"spending_limits[0].{key}"
    ]
    assert [path for path, _ in warned(spending_limits=[wide, narrow], **grant)] == [
        f"spending_limits[1].{key}"
    ]


def test_a_limit_on_categories_that_are_all_blocked_is_pointed_out() -> None:
    gambling = {"amount": 1, "interval": "daily", "categories": ["7995", "betting_casino_gambling"]}
    flights = {"amount": 2, "interval": "daily", "categories": ["3000-3010"]}
    mixed = {"amount": 3, "interval": "daily", "categories": ["5812", "7995"]}
    found = warned(
        blocked_categories=["betting_casino_gambling", "3000-3299"],
        spending_limits=[gambling, flights, mixed],
    )
    sentence = "This limit has no effect: the policy allows none of its categories."
    assert found == [
        ("spending_limits[0].categories", sentence),
        ("spending_limits[1].categories", sentence),
    ]


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (
            {"categories": ["5812", "3000-3010"], "except_categories": ["5812", "3000-3299"]},
            "categories",
        ),
        ({"countries": ["FR"], "except_countries": ["DE", "FR"]}, "countries"),
        (
            {"merchants": [{"is": "Casino Royal"}], "except_merchants": [{"contains": "casino"}]},
            "merchants",
        ),
        ({"categories": ["5812", "5462"], "except_categories": ["5812"]}, None),
        ({"countries": ["FR"], "except_countries": ["DE"]}, None),
        ({"merchants": ["casino"], "except_merchants": [{"is": "Casino Royal"}]}, None),
        ({"except_categories": ["5812"]}, None),
    ],
)
def test_a_limit_that_leaves_out_all_it_names_is_pointed_out(
    keys: Document, what: str | None
) -> None:
    limits = [{"amount": 1, "interval": "daily"} | keys, {"count": 5, "interval": "daily"} | keys]
    assert warned(unlimited=True, spending_limits=limits) == [
        (
            f"spending_limits[{place}].except_{what}",
            f"This limit has no effect: it leaves out all of its {what}.",
        )
        for place in (0, 1)
        if what
    ]


def test_a_limit_that_leaves_out_all_that_the_policy_allows_is_pointed_out() -> None:
    found = warned(
        allowed_categories=["5812", "bakeries"],
        allowed_merchant_countries=["FR"],
        allowed_merchants=[{"is": "Casino Royal"}],
        spending_limits=[
            {"amount": 1, "interval": "daily", "except_categories": ["5812", "5462"]},
            {"amount": 2, "interval": "daily", "except_countries": ["FR", "DE"]},
            {"amount": 3, "interval": "daily", "categories": ["5812", "7995"]}
            | {"except_categories": ["5812"]},
            {"amount": 4, "interval": "daily", "except_categories": ["5812"]},
            {"amount": 5, "interval": "daily", "except_countries": ["DE"]},
            {"amount": 6, "interval": "daily", "except_merchants": ["casino"]},
            {"amount": 7, "interval": "daily", "except_merchants": [{"begins_with": "Royal"}]},
        ],
    )
    start = "This limit has no effect:"
    assert found == [
        (
            "spending_limits[0].except_categories",
            f"{start} it leaves out all categories that the policy allows.",
        ),
        ("spending_limits[2].categories", f"{start} the policy allows none of its categories."),
        (
            "spending_limits[1].except_countries",
            f"{start} it leaves out all countries that the policy allows.",
        ),
        (
            "spending_limits[5].except_merchants",
            f"{start} it leaves out all merchants that the policy allows.",
        ),
    ]


def test_a_limit_on_ways_of_paying_that_the_policy_does_not_allow_is_pointed_out() -> None:
    """Where they are only blocked, the limit still counts what does not tell."""
    limits = [
        {"amount": 1, "interval": "daily", "card_presences": ["not_present"]},
        {"amount": 2, "interval": "daily", "card_presences": ["present", "not_present"]},
        {"amount": 3, "interval": "daily", "authorization_methods": ["swipe", "chip"]},
    ]
    found = warned(
        allowed_card_presences=["present"],
        allowed_authorization_methods=["contactless"],
        spending_limits=limits,
    )
    start = "This limit has no effect: the policy allows none of its"
    assert found == [
        ("spending_limits[0].card_presences", f"{start} card presences."),
        ("spending_limits[2].authorization_methods", f"{start} authorization methods."),
    ]
    blocked = {
        "blocked_card_presences": ["not_present"],
        "blocked_authorization_methods": ["chip", "swipe"],
    }
    assert warned(**blocked, spending_limits=limits) == []


def test_a_limit_on_places_outside_the_allowed_ones_is_pointed_out() -> None:
    found = warned(
        allowed_categories=["5812"],
        allowed_merchant_countries=["FR"],
        spending_limits=[
            {"amount": 1, "interval": "daily", "categories": ["7995"], "countries": ["DE"]},
            {"amount": 2, "interval": "daily", "categories": ["5812"], "countries": ["FR", "DE"]},
        ],
    )
    assert [path for path, _ in found] == [
        "spending_limits[0].categories",
        "spending_limits[0].countries",
    ]


@pytest.mark.parametrize(
    ("limit", "keys", "is_dry"),
    [
        ({"amount": 14_999, "interval": "per_authorization"}, {}, True),
        ({"amount": 14_999, "interval": "daily", "categories": ["5541-5542"]}, {}, True),
        ({"amount": 15_000, "interval": "per_authorization"}, {}, False),
        ({"amount": 14_999, "interval": "daily"}, {"partial_approval": True}, False),
        ({"amount": 14_999, "interval": "daily", "currency": "usd"}, {}, False),
        ({"amount": 14_999, "interval": "daily", "categories": ["5541"]}, {}, False),
        ({"amount": 14_999, "interval": "daily", "cash_only": True}, {}, False),
        ({"amount": 14_999, "interval": "daily", "except_categories": ["5542"]}, {}, False),
        ({"amount": 14_999, "interval": "daily", "except_categories": ["5541"]}, {}, True),
        ({"count": 3, "interval": "daily"}, {"unlimited": True}, False),
    ],
)
def test_a_hold_for_which_a_limit_never_has_room_is_pointed_out(
    limit: dict[str, Any], keys: dict[str, Any], is_dry: bool
) -> None:
    found = warned(fuel_hold=15_000, spending_limits=[limit], **keys)
    assert [path for path, _ in found] == ["fuel_hold"] * is_dry


def test_a_hold_without_room_is_told_with_its_figures() -> None:
    limits = [{"amount": 6_000, "interval": "per_authorization"}]
    assert warned(fuel_hold=15_000, spending_limits=limits) == [
        (
            "fuel_hold",
            "No fuel pump can be used: €150.00 does not fit the limit of €60.00 per purchase.",
        )
    ]


def test_a_policy_that_forbids_nothing_is_pointed_out() -> None:
    nothing = [("", "This policy has no rule and no limit: it grants and forbids nothing.")]
    assert warned() == nothing
    assert warned(fuel_hold=15_000) == nothing
    everything = "This policy is unlimited and has no rule: it approves every purchase."
    assert warned(unlimited=True) == [("", everything)]
    assert warned(unlimited=True, max_network_risk_score=99) == []


NO_GRANT = (
    "This policy grants no purchase, as it has no amount limit and is not unlimited: its cards "
    "need another policy that grants what they may pay."
)


@pytest.mark.parametrize(
    "keys",
    [
        {"blocked_merchants": ["ACME FRAUD"]},
        {"schedule": [{"days": ["mon"], "from": "08:00", "to": "20:00"}]},
        {"spending_limits": [{"count": 5, "interval": "daily"}]},
        {"spending_limits": [{"amount": 0, "interval": "daily", "categories": ["7995"]}]},
    ],
)
def test_a_policy_that_only_forbids_or_counts_is_pointed_out(keys: Document) -> None:
    assert warned(**keys) == [("", NO_GRANT)]
    assert warned(**keys, unlimited=True) == []


def test_unlimited_beside_a_limit_on_everything_is_pointed_out() -> None:
    monthly = {"amount": 50000, "interval": "monthly"}
    on_taxis = {"amount": 5000, "interval": "daily", "categories": ["4121"]}
    in_dollars = {"amount": 5000, "interval": "daily", "currency": "usd", "countries": ["US"]}
    vain = "Unlimited has no effect with the limit of €500.00 a month: remove one of them."
    assert warned(unlimited=True, spending_limits=[monthly]) == [("unlimited", vain)]
    assert warned(unlimited=True, spending_limits=[monthly, on_taxis]) == [("unlimited", vain)]
    assert warned(unlimited=True, spending_limits=[on_taxis]) == []
    assert warned(unlimited=True, spending_limits=[monthly, in_dollars]) == []


def test_a_smallest_part_that_leaves_a_currency_without_parts_is_pointed_out() -> None:
    limits = [
        {"amount": 50000, "interval": "monthly"},
        {"amount": 50000, "interval": "monthly", "currency": "usd"},
        {"count": 5, "interval": "daily"},
    ]
    parts = {"partial_approval": True, "spending_limits": limits}
    assert warned(**parts) == []
    assert warned(**parts, smallest_partial_amount=500) == [
        (
            "smallest_partial_amount",
            (
                "Purchases in USD are never approved in part: the smallest partial amount is in "
                "EUR only. Give these currencies a policy of their own, or leave the smallest "
                "partial amount out."
            ),
        )
    ]
    assert warned(**(parts | {"spending_limits": limits[::2]}), smallest_partial_amount=500) == []


@pytest.mark.parametrize(
    ("keys", "is_warned"),
    [
        ({}, True),
        ({"required_verification": ["three_d_secure"]}, True),
        ({"allowed_card_presences": ["not_present"]}, True),
        ({"blocked_card_presences": ["not_present"]}, False),
        ({"allowed_authorization_methods": ["chip"]}, False),
        ({"required_verification": []}, False),
    ],
)
def test_what_renewals_do_not_bring_is_told_where_it_is_required(
    keys: dict[str, Any], is_warned: bool
) -> None:
    grant = {"spending_limits": [{"amount": 100, "interval": "daily"}]}
    found = warned(**(grant | {"required_verification": ["cvc"]} | keys))
    assert [path for path, _ in found] == ["required_verification"] * is_warned
    assert all("Subscription renewals" in message for _, message in found)
