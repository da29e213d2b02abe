"""What the filter of a limit takes in, and what it leaves out again."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authorizations.rules.basics.filters import (
    CategorySet,
    LimitFilter,
    Merchant,
    MerchantEntry,
    MerchantSet,
    UnknownMerchant,
)
from authorizations.rules.kinds.authorization_methods import AUTHORIZATION_METHODS
from authorizations.rules.kinds.card_presences import CARD_PRESENCES
from authorizations.rules.policy.document import controls, filter_of, normalize
from tests.rules.deciding import THOROUGHLY
from tests.support.documents import limit

CATEGORIES = {"bakeries": "5462", "fast_food_restaurants": "5814", "airlines_air_carriers": "4511"}
WORDS = [*CATEGORIES, "5462", "5814", "5400-5499", "3000-3299"]

# Names from few letters and ids from few digits, so that lists and merchants often meet.
names = st.text("ab ", min_size=1, max_size=4).filter(str.strip)
ids = st.sampled_from(["1", "12", "2"])
entries: st.SearchStrategy[MerchantEntry] = st.one_of(
    names,
    ids,
    st.builds(
        lambda key, name: {key: name}, st.sampled_from(["is", "begins_with", "contains"]), names
    ),
    st.builds(lambda id_: {"network_id": id_}, ids),
)
lists_of_merchants = st.lists(entries, max_size=3)
lists_of_categories = st.lists(st.sampled_from(WORDS), max_size=3)
lists_of_countries = st.lists(st.sampled_from(["FR", "DE"]), max_size=2)
lists_of_presences = st.lists(st.sampled_from([*CARD_PRESENCES]), max_size=2)
lists_of_methods = st.lists(st.sampled_from(AUTHORIZATION_METHODS), max_size=3)
found = st.builds(
    lambda category, *facts: Merchant(*category, *facts),
    st.sampled_from([*CATEGORIES.items(), ("", "3001"), ("", "")]),
    st.sampled_from(["FR", "DE", "US", ""]),
    names | st.just(""),
    ids | st.just(""),
    st.sampled_from([*CARD_PRESENCES, "elsewhere", ""]),
    st.sampled_from([*AUTHORIZATION_METHODS, "biometric", ""]),
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "categories": lists_of_categories,
        "countries": lists_of_countries,
        "merchants": lists_of_merchants,
        "except_categories": lists_of_categories,
        "except_countries": lists_of_countries,
        "except_merchants": lists_of_merchants,
        "card_presences": lists_of_presences,
        "authorization_methods": lists_of_methods,
    },
)


def filter_with(keys: Mapping[str, Sequence[MerchantEntry]]) -> LimitFilter:
    return controls(normalize(limit(**keys))).spending_limits[0].filter


@THOROUGHLY
@given(filters, found)
@example({"except_countries": ["FR"]}, Merchant(country=""))
@example({"categories": ["3000-3299"], "except_categories": ["3000-3299"]}, Merchant("", "3001"))
def test_a_limit_is_about_what_is_on_its_lists_and_on_none_of_the_others(
    keys: dict[str, list[MerchantEntry]], merchant: Merchant
) -> None:
    def is_on(prefix: str, *, if_empty: bool) -> list[bool]:
        categories, countries, merchants = (
            keys.get(f"{prefix}{what}", []) for what in ("categories", "countries", "merchants")
        )
        return [
            CategorySet.of(list(map(str, categories))).holds(merchant) if categories else if_empty,
            merchant.country in countries if countries else if_empty,
            MerchantSet.of(merchants).holds(merchant) if merchants else if_empty,
        ]

    uses = [
        (keys.get("card_presences"), merchant.card_presence),
        (keys.get("authorization_methods"), merchant.authorization_method),
    ]
    concern = filter_with(keys)
    assert concern.concerns(merchant) == (
        all(is_on("", if_empty=True))
        and not any(is_on("except_", if_empty=False))
        and all(use in {*named, ""} for named, use in uses if named)
    )
    assert concern.is_told_by(merchant) == all(use for named, use in uses if named)
    assert filter_of(concern.text) == concern
    if concern.all_left_out:
        assert not concern.concerns(merchant)


@given(filters)
def test_of_an_unknown_merchant_nothing_is_left_out(keys: dict[str, list[MerchantEntry]]) -> None:
    assert filter_with(keys).concerns(UnknownMerchant())


@THOROUGHLY
@given(lists_of_merchants, lists_of_merchants, found)
@example(["ab"], [{"is": "ab"}], Merchant(network_id="ab"))
@example([{"network_id": "1"}], ["1"], Merchant(name="shop 1"))
def test_a_list_of_merchants_that_covers_another_has_all_of_them(
    wide: list[MerchantEntry], narrow: list[MerchantEntry], merchant: Merchant
) -> None:
    wider, narrower = MerchantSet.of(wide), MerchantSet.of(narrow)
    if wider.covers(narrower) and narrower.holds(merchant):
        assert wider.holds(merchant)
    assert wider.covers(wider)


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ([{"contains": "Casino"}], [{"is": "Le Casino"}], True),
        ([{"contains": "casino"}], [{"begins_with": "CASINO du"}], True),
        ([{"contains": "casino"}], [{"contains": "casino royal"}], True),
        ([{"begins_with": "casino"}], [{"begins_with": "Casino Royal"}, {"is": "Casino"}], True),
        ([{"begins_with": "casino"}], [{"contains": "casino"}], False),
        ([{"contains": "casino"}], ["casino"], False),  # it may be a network id
        (["casino"], [{"contains": "casino"}], True),
        ([{"network_id": "12"}], [{"network_id": "12"}], True),
        ([{"is": "12"}], [{"network_id": "12"}], False),
    ],
)
def test_a_list_of_merchants_covers_another_by_how_each_is_matched(
    wide: list[MerchantEntry], narrow: list[MerchantEntry], covers: bool
) -> None:
    assert MerchantSet.of(wide).covers(MerchantSet.of(narrow)) is covers


def test_a_filter_that_leaves_nothing_out_keeps_its_text_and_key() -> None:
    keys = {"categories": ["6011"], "countries": ["fr"], "merchants": ["Uber"]}
    plain = filter_with(keys)
    assert (
        plain.text == '{"categories":["6011"],"countries":["FR"],"matching":2,"merchants":["Uber"]}'
    )
    empty = ("except_categories", "except_merchants", "card_presences", "authorization_methods")
    assert filter_with(keys | {key: [] for key in empty}) == plain


def test_a_filter_that_leaves_out_merchants_says_how_they_are_matched() -> None:
    normal = normalize(limit(except_merchants=["Casino du Lac"]))
    before, after = (controls(normal, matching).spending_limits[0].filter for matching in (1, 2))
    assert before.text == '{"except_merchants":["Casino du Lac"]}'
    assert after.text == '{"except_merchants":["Casino du Lac"],"matching":2}'
    shop = Merchant(name="CASINO  DU LAC")
    assert (before.concerns(shop), after.concerns(shop)) == (True, False)
    assert before.key != after.key
