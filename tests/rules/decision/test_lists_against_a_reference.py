"""Lists, conditions and exempt merchants together, against a few lines that say what they mean."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.decision.stand_in import StandInContext, decide_without_usage
from tests.rules.deciding import THOROUGHLY, applied, decided
from tests.support.builders import authorization_request, merchant

CODES, COUNTRIES, NAMES = ("5411", "5812", "7995"), ("DE", "FR", "JP"), ("BAR", "BAZ", "QUX")
FACTS = {"category_code": CODES, "country": COUNTRIES, "name": NAMES}
LISTS = {
    "categories": "category_code",
    "merchant_countries": "country",
    "merchants": "name",
}
OF_CONDITIONS = {"categories": "category_code", "countries": "country", "merchants": "name"}


def some(fact: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(FACTS[fact]), max_size=3, unique=True)


policies = st.fixed_dictionaries(
    {
        **{
            f"{side}_{what}": some(fact)
            for side in ("allowed", "blocked")
            for what, fact in LISTS.items()
        },
        "any_of": st.lists(
            st.fixed_dictionaries({key: some(fact) for key, fact in OF_CONDITIONS.items()}).filter(
                lambda condition: any(condition.values())
            ),
            max_size=3,
        ),
        "exempt_merchants": some("name"),
    }
)
purchases = st.fixed_dictionaries(
    {fact: st.sampled_from(("", *known)) for fact, known in FACTS.items()}
)


def is_allowed(keys: dict[str, Any], facts: dict[str, str]) -> bool:
    if facts["name"] in keys["exempt_merchants"]:
        return True
    for what, fact in LISTS.items():
        allowed, blocked = keys[f"allowed_{what}"], keys[f"blocked_{what}"]
        if facts[fact] in blocked or (allowed and facts[fact] not in allowed):
            return False
    return not keys["any_of"] or any(
        all(not entries or facts[OF_CONDITIONS[key]] in entries for key, entries in it.items())
        for it in keys["any_of"]
    )


@THOROUGHLY
@given(policies, purchases)
def test_a_policy_means_what_a_few_lines_say(keys: dict[str, Any], facts: dict[str, str]) -> None:
    request = authorization_request(merchant=merchant(category="", network_id="", **facts))
    policy = applied(**keys)
    expected = is_allowed(keys, facts)
    assert decided(request, policy).approved is expected
    assert decide_without_usage(request, StandInContext(), (policy,)).approved is expected
