"""Which cards can spend at all, and how many a change lets spend or leaves without a grant."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authorizations.models import Card, CardGroup, Cardholder, Policy
from authorizations.services.cards.grants import (
    GrantDifference,
    of_policy,
    policy_changed,
    without_grant,
)
from authorizations.services.policies import groups
from authorizations.services.policies.assignments import Targets, assign, unassign
from authorizations.services.policies.files import NewSpendingError, compare, import_policies
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

LIMIT: dict[str, Any] = {"spending_limits": [{"amount": 10_000, "interval": "daily"}]}
DOLLARS = [{"amount": 10_000, "interval": "daily", "currency": "usd"}]
FORBIDS: dict[str, Any] = {"blocked_merchants": ["ACME FRAUD"], "unlimited": False}


def card(id_: str, currency: str = "eur", **columns: Any) -> Card:
    return Card.objects.create(id=id_, currency=currency, **columns)


def cards_without() -> set[str]:
    return set(Card.objects.filter(without_grant()).values_list("pk", flat=True))


# --- cards without a grant


def test_a_card_has_no_grant_until_a_policy_grants_something_in_its_currency() -> None:
    for currency in ("eur", "usd", ""):
        card(f"ic_{currency}", currency)
    assert cards_without() == {"ic_eur", "ic_usd", "ic_"}
    in_force("Block", **FORBIDS)
    in_force("Count", unlimited=False, spending_limits=[{"count": 5, "interval": "daily"}])
    in_force("Nothing", spending_limits=[{"amount": 0, "interval": "daily"}])
    assert cards_without() == {"ic_eur", "ic_usd", "ic_"}
    in_force("Euros", **LIMIT)
    assert cards_without() == {"ic_usd"}  # of a card whose currency is not told any will do
    in_force("Everything")
    assert cards_without() == {"ic_usd"}  # which the policies with limits in euros decline


def test_a_grant_comes_through_the_card_its_chain_its_cardholder_or_its_group() -> None:
    group, holder = CardGroup.objects.create(name="G"), Cardholder.objects.create(pk="ich_1")
    first = card("ic_first")
    card("ic_second", root=first, replacement_for="ic_first")
    card("ic_held", cardholder=holder)
    card("ic_grouped", group=group)
    card("ic_other")
    card("ic_gone", status=Card.Status.CANCELED)
    everyone = {"ic_first", "ic_second", "ic_held", "ic_grouped", "ic_other"}
    assert cards_without() == everyone
    in_force("Card", to={"card": first}, **LIMIT)
    assert cards_without() == everyone - {"ic_first", "ic_second"}
    in_force("Holder", to={"cardholder": holder}, **LIMIT)
    in_force("Group", to={"group": group})
    assert cards_without() == {"ic_other"}


def test_a_policy_that_was_never_published_grants_nothing() -> None:
    card("ic_1")
    policy = in_force(**LIMIT)
    Policy.objects.filter(pk=policy.pk).update(current_version=None)
    assert cards_without() == {"ic_1"}


def test_a_card_shows_as_soon_as_it_is_told_of() -> None:
    in_force("Dollars", currency="usd", **LIMIT)
    assert cards_without() == set()
    assert Shopper(card_id="ic_new").reason(100) == "no_policy"
    assert cards_without() == {"ic_new"}


def test_a_policy_with_limits_in_another_currency_stops_the_cards_it_is_assigned_to() -> None:
    group, holder = CardGroup.objects.create(name="G"), Cardholder.objects.create(pk="ich_1")
    first = card("ic_first")
    card("ic_second", root=first, replacement_for="ic_first")
    card("ic_held", cardholder=holder)
    card("ic_grouped", group=group)
    card("ic_other")
    card("ic_usd", "usd", group=group)
    card("ic_untold", "", group=group)
    in_force("Baseline", **LIMIT)
    in_force("Unlimited dollars", to={"card_id": "ic_usd"})
    dollars = {"currency": "usd", **LIMIT}
    assert cards_without() == {"ic_usd"}  # Baseline has no limit in dollars
    in_force("Baseline", spending_limits=[*LIMIT["spending_limits"], *DOLLARS])
    assert cards_without() == set()
    in_force("Card", to={"card": first}, **dollars)
    assert cards_without() == {"ic_first", "ic_second"}
    in_force("Holder", to={"cardholder": holder}, unlimited=True, **dollars)
    in_force("Group", to={"group": group}, **dollars)
    assert cards_without() == {"ic_first", "ic_second", "ic_held", "ic_grouped"}
    assert Shopper(card_id="ic_grouped").reason(100) == "currency_not_allowed"
    assert Shopper(card_id="ic_other", cardholder_id="ich_2").reason(100) == "approved"
    in_force("Everybody", **dollars)
    assert cards_without() == {"ic_first", "ic_second", "ic_held", "ic_grouped", "ic_other"}


# --- what a change does


def changed(policy: Policy, **document: Any) -> GrantDifference:
    """What saving the policy with this document does; `to` adds an assignment."""
    before = of_policy(policy)
    in_force(policy.name, **({"to": {"program": True}} | document))
    return policy_changed(policy, before, of_policy(policy))


def test_a_policy_that_begins_to_grant_lets_those_spend_that_could_not() -> None:
    for id_, currency in (("ic_1", "eur"), ("ic_2", "eur"), ("ic_3", "usd"), ("ic_4", "")):
        card(id_, currency)
    policy = in_force("P", **FORBIDS)
    in_force("Own", to={"card_id": "ic_1"}, **LIMIT)
    assert changed(policy, **LIMIT) == GrantDifference(gained=2)  # ic_2 and ic_4
    assert changed(policy, **(LIMIT | FORBIDS)) == GrantDifference()
    assert changed(policy, currency="usd", **LIMIT) == GrantDifference(gained=1, lost=2)
    assert changed(policy) == GrantDifference(gained=2)  # unlimited
    assert changed(policy, **FORBIDS) == GrantDifference(lost=3)


def test_a_policy_that_begins_to_decline_a_currency_counts_the_cards_it_stops() -> None:
    for id_, currency in (("ic_1", "eur"), ("ic_2", "eur"), ("ic_3", "usd"), ("ic_4", "")):
        card(id_, currency)
    in_force("Baseline", spending_limits=[*LIMIT["spending_limits"], *DOLLARS])
    second = in_force("Second", **FORBIDS)
    before = of_policy(second)
    in_force("Second", spending_limits=DOLLARS)
    assert policy_changed(second, before, of_policy(second)) == GrantDifference(lost=2)
    assert cards_without() == {"ic_1", "ic_2"}
    assert changed(second, **FORBIDS) == GrantDifference(gained=2)


def test_a_card_that_joins_a_group_with_limits_in_another_currency_is_stopped() -> None:
    group = CardGroup.objects.create(name="G")
    card("ic_1")
    in_force("Baseline", **LIMIT)
    in_force("Group", to={"group": group}, spending_limits=DOLLARS)
    assert groups.move("ic_1", group).without_grant == 1
    assert cards_without() == {"ic_1"}
    assert groups.move("ic_1", None).without_grant == 0
    assert cards_without() == set()


def test_an_assignment_that_comes_or_goes_counts_for_the_cards_it_concerns() -> None:
    group, holder = CardGroup.objects.create(name="G"), Cardholder.objects.create(pk="ich_1")
    first = card("ic_first", group=group)
    card("ic_second", root=first, replacement_for="ic_first", cardholder=holder)
    card("ic_third", cardholder=holder)
    policy = in_force("P", to={"card": first}, **LIMIT)
    own = policy.assignments.filter(card=first)
    assert unassign(policy, own) == GrantDifference(lost=2)
    assert not own.exists()
    both = Targets(groups=(group.pk,), cardholders=(holder.pk,))
    assert assign(policy, both).difference == GrantDifference(gained=3)
    of_holder = policy.assignments.filter(cardholder=holder)
    assert unassign(policy, of_holder) == GrantDifference(lost=1)  # the chain has its group's


def plan(sql: str, params: Any, settings: dict[str, str]) -> str:
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"SET LOCAL {name} = {value}")
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture
def declined() -> Policy:
    """Something of everything: a policy that declines, by each way, and others that grant."""
    group, holder = CardGroup.objects.create(name="G"), Cardholder.objects.create(pk="ich_1")
    in_force("Baseline", **LIMIT)
    for scope in ({"group": group}, {"cardholder": holder}, {"card": card("ic_1")}):
        in_force("Dollars", to=scope, spending_limits=DOLLARS)
    return in_force("Everywhere", spending_limits=[*LIMIT["spending_limits"], *DOLLARS])


def test_cards_without_a_grant_are_found_set_by_set_however_little_memory_there_is(
    declined: Policy,
) -> None:
    """A set looked through again for each card takes minutes where there are many."""
    found = Card.objects.filter(without_grant()).order_by().values("pk")
    told = plan(*found.query.sql_with_params(), {"work_mem": "'64kB'", "enable_hashagg": "off"})
    assert "SubPlan" not in told
    assert "Join" in told


def test_what_a_change_for_every_card_does_is_found_set_by_set(
    declined: Policy, django_assert_max_num_queries: Any
) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert changed(declined, **FORBIDS) == GrantDifference()
    [asked] = [query["sql"] for query in captured if "at_scope AS" in query["sql"]]
    # Cards are read in one go: by which index, where they are few, is up to the planner.
    only = dict.fromkeys(("nestloop", "indexscan", "indexonlyscan", "bitmapscan"), "off")
    told = plan(asked, None, {f"enable_{name}": value for name, value in only.items()})
    assert "SubPlan" not in told
    # The only loop left is over the four scopes of each card.
    assert [line for line in told.splitlines() if "Seq Scan on authorizations_card" in line]


def test_cards_that_leave_a_group_lose_what_only_the_group_granted() -> None:
    group, other = CardGroup.objects.create(name="G"), CardGroup.objects.create(name="Other")
    for number in range(4):
        card(f"ic_{number}", group=group)
    in_force("Group", to={"group": group}, **LIMIT)
    in_force("Own", to={"card_id": "ic_0"}, **LIMIT)
    assert groups.save(group, ["ic_3"]).without_grant == 2
    assert groups.move("ic_3", other).without_grant == 1
    assert groups.move("ic_3", group).without_grant == 0
    assert groups.save(other, ["ic_3", "ic_1"]).without_grant == 1
    assert cards_without() == {"ic_1", "ic_2", "ic_3"}


# --- policy files

FILE: dict[str, Any] = {
    "policies": [{"name": "P", "currency": "eur", **LIMIT}],
    "groups": [{"name": "G", "cards": ["ic_1", "ic_new"]}],
    "assignments": [{"policy": "P", "group": "G"}],
}


def lines(file: dict[str, Any]) -> Iterable[str]:
    return [
        line
        for line in compare(json.dumps(file)).lines()
        if " card" in line and line[0].isdecimal()
    ]


def test_a_file_says_how_many_cards_it_would_let_spend_and_imports_only_where_that_is_meant() -> (
    None
):
    card("ic_1")
    written = json.dumps(FILE)
    assert lines(FILE) == ["2 cards could spend that could not before."]
    with pytest.raises(NewSpendingError, match="2 cards could spend that could not before"):
        import_policies(written)
    assert not Policy.objects.exists()
    assert set(Card.objects.values_list("pk", flat=True)) == {"ic_1"}
    assert import_policies(written, allow_new_spending=True).grants == GrantDifference(gained=2)
    assert cards_without() == set()
    assert import_policies(written).grants == GrantDifference()


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"policies": [{"name": "P", **FORBIDS}]}, GrantDifference(lost=2)),
        ({"policies": [{"name": "P", "unlimited": True}]}, GrantDifference()),
        ({"groups": [{"name": "G", "cards": ["ic_1"]}]}, GrantDifference(lost=1)),
        ({"groups": [{"name": "H", "cards": ["ic_1"]}]}, GrantDifference(lost=1)),
        ({"groups": [{"name": "G", "cards": ["ic_2"]}]}, GrantDifference(gained=1, lost=2)),
        ({"assignments": []}, GrantDifference(lost=2)),
        ({"assignments": [{"policy": "P", "program": True}]}, GrantDifference(gained=1)),
        ({"assignments": [{"policy": "P", "card": "ic_2"}]}, GrantDifference(gained=1, lost=2)),
        (
            {
                "policies": [{"name": "P"}, {"name": "Q", "unlimited": True}],
                "assignments": [{"policy": "Q", "cardholder": "ich_1"}],
            },
            GrantDifference(gained=1, lost=2),
        ),
        (
            {
                "groups": [{"name": "New", "cards": ["ic_2"]}],
                "assignments": [{"policy": "P", "group": "New"}, {"policy": "P", "group": "G"}],
            },
            GrantDifference(gained=1),
        ),
        ({"policies": [{"name": "P", **LIMIT, "currency": "usd"}]}, GrantDifference(lost=1)),
        (
            {
                "policies": [
                    {"name": "P", "currency": "eur", **LIMIT},
                    {"name": "Dollars", "spending_limits": DOLLARS},
                ],
                "assignments": [
                    {"policy": "P", "group": "G"},
                    {"policy": "Dollars", "program": True},
                ],
            },
            GrantDifference(lost=1),  # of ic_new nobody knows the currency
        ),
    ],
)
def test_what_a_file_does_to_grants_is_what_it_says_it_would(
    change: dict[str, Any], difference: GrantDifference
) -> None:
    holder = Cardholder.objects.create(pk="ich_1")
    card("ic_1")
    card("ic_2", cardholder=holder)
    import_policies(json.dumps(FILE), allow_new_spending=True)
    before = cards_without()
    written = json.dumps(FILE | change)
    told = compare(written).grants
    assert import_policies(written, allow_new_spending=True).grants == told
    after = cards_without()
    assert told == GrantDifference(gained=len(before - after), lost=len(after - before))
    assert told == difference
