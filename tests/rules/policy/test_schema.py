"""The JSON Schema of policy files refuses nothing that an import reads, and knows every key."""

import copy
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from authorizations.rules.basics.fields import Fields
from authorizations.rules.policy.policy_file import read
from authorizations.rules.policy.schema import policy_file_schema
from tests.rules.kinds.test_kinds import EVERY
from tests.support.documents import TRAVEL
from tests.support.policy_files import WHOLE

SCHEMA = settings.BASE_DIR / "docs" / "policy.schema.json"
STOPS: dict[str, Any] = {
    "overrides": [
        {"policy": "Travel", "limit": "monthly", "card": "ic_1", "amount": 1, "reason": "x"},
        {"policy": "Travel", "limit": "tries", "group": "Field team", "count": 1, "reason": "x"},
        {
            "policy": "Team",
            "limit": "daily",
            "cardholder": "ich_1",
            "raise_by": 1,
            "from": None,
            "until": "2027-01-01T00:00:00+01:00",
            "reason": "x",
        },
    ],
    "funds": [
        {
            "policy": "Pots",
            "limit": "pot",
            "card": "ic_1",
            "amount": -5,
            "reference": "R",
            "reason": "x",
        },
        {
            "policy": "Pots",
            "limit": "pot",
            "group": "Field team",
            "cardholder": "ich_1",
            "amount": 5,
            "reference": "R",
            "reason": "x",
        },
    ],
    "exceptions": [
        {
            "card": "ic_1",
            "merchant": {"network_id": "1"},
            "up_to": 0,
            "currency": "eur",
            "until": "2027-01-01",
            "waives": ["amount_limit_exceeded", {"reason": "blocked", "block": {"country": "FR"}}],
            "reason": "x",
            "reference": "R-3",
        },
        {
            "card": "ic_1",
            "category": "5812",
            "up_to": 5,
            "currency": "eur",
            "until": "2027-01-01T00:00:00Z",
            "waives": [{"reason": "count_limit_exceeded", "policy": "Team", "limit": "daily"}],
            "reason": "x",
        },
    ],
    "freezes": [
        {"program": True, "until": "2027-01-01", "reason": "x", "reference": "R-1"},
        {"card": "ic_1", "cardholder": None, "group": "", "program": False, "reason": "x"},
    ],
    "blocks": [
        {"merchant": {"network_id": "1"}, "group": "Field team", "reason": "x"},
        {"category": "3000-3299", "reason": "x", "until": None},
        {"country": "kp", "reason": "x", "reference": "R-2"},
    ],
}
EVERYTHING: dict[str, Any] = {
    "$schema": "docs/policy.schema.json",
    **WHOLE,
    **STOPS,
    "policies": [
        *WHOLE["policies"],
        {"name": "Every rule", "currency": "eur", **EVERY},
        TRAVEL
        | {
            "name": "Every key",
            "planned": [
                {"from": "2027-01-01", "until": None, "name": "", "unlimited": True},
                {"until": "2027-01-01T00:00:00+01:00", "currency": "eur"},
            ],
        },
        {"name": "Later", "planned": [{"from": "2027-01-01", "unlimited": True}]},
        {
            "name": "Pots",
            "spending_limits": [
                {"key": "pot", "funds": True, "currency": "usd", "categories": ["5812"]},
                {"funds": False, "currency": "eur", "amount": 5, "interval": "daily"},
            ],
        },
    ],
}


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(policy_file_schema())


def is_valid(file: Any) -> bool:
    return bool(validator().is_valid(file))


def is_read(file: Any) -> bool:
    return not read(json.dumps(file))[1]


def test_the_schema_beside_the_documents_is_the_program_s() -> None:
    Draft202012Validator.check_schema(policy_file_schema())
    out = StringIO()
    call_command("policy_schema", stdout=out)
    assert out.getvalue() == SCHEMA.read_text("utf-8"), "Run `make schema`."


def example_files() -> Iterator[Any]:
    text = (settings.BASE_DIR / "docs" / "policies.md").read_text("utf-8")
    yield from map(json.loads, re.findall(r"```json\n(.+?)```", text, re.DOTALL))
    yield json.loads(files("simulator").joinpath("demo_policies.json").read_text("utf-8"))
    yield EVERYTHING


def test_every_file_that_comes_along_is_valid() -> None:
    found = list(example_files())
    assert len(found) >= 3
    for file in found:
        assert read(json.dumps(file))[1] == []
        assert [error.message for error in validator().iter_errors(file)] == []


def test_it_has_exactly_the_keys_that_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `refuse_others` is told, object by object; every kind of entry is in the file."""
    known: dict[tuple[str, ...], set[str]] = defaultdict(set)
    refuse_others = Fields.refuse_others

    def noted(fields: Fields, keys: Iterable[str]) -> None:
        keys = set(keys)
        known[tuple(str(part) for part in fields.path if isinstance(part, str))] |= keys
        refuse_others(fields, keys)

    monkeypatch.setattr(Fields, "refuse_others", noted)
    assert is_read(EVERYTHING)
    # The policies of a file are read one by one, each as a document of its own.
    at_top = known.pop(())
    of_policies = {"name", "currency", "spending_limits"}
    assert of_policies < at_top
    schema = policy_file_schema()
    policy = objects_of(schema["properties"]["policies"])
    assert at_top | {"planned"} == {*schema["properties"], *policy["properties"]}
    planned = objects_of(policy["properties"]["planned"])
    assert {*planned["properties"]} | {"planned"} == {*policy["properties"], "from", "until"}
    for path, keys in known.items():
        parts = schema if path[0] in schema["properties"] else policy
        for key in path:
            parts = objects_of(parts["properties"][key])
        assert {*parts["properties"]} == keys, path


def objects_of(optional_list: Any) -> Any:
    """The schema of the objects in a list that may be missing."""
    return optional_list["anyOf"][0]["items"]


ODD: list[Any] = [
    *(None, "", " ", "x", "FR", " fr ", "Monthly", "rolling", "eur", "EUR", "5812", "3000 - 3299"),
    *("2027-01-01", "2027-01-01T00:00:00Z", "08:00", "24:00", "04-06", "mon", "ic_1", "Team", "é"),
    *(True, False, 0, 1, 5, 28, 29, 99, 100, -1, 2**53, 2**60, 5.0, 1.5),
    *([], ["FR"], ["mon", "Tue"], [None], [5], {}, {"is": "Uber"}, {"contains": "x"}, {"no": "x"}),
    [{"amount": 5, "interval": "daily", "currency": "eur"}],
    [{"count": 5, "interval": "rolling", "hours": 2}],
    [{"days": ["sat"], "from": "8:00", "to": "20:00"}],
    [{"categories": ["bakeries"]}],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything in a file."""
    yield path
    parts: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        parts = enumerate(value)
    for key, part in parts:
        yield from places(part, (*path, key))


def at(file: Any, path: Iterable[Any]) -> Any:
    for key in path:
        file = file[key]
    return file


PLACES = [path for path in places(EVERYTHING) if path]
VALUES = ODD + [at(EVERYTHING, path) for path in PLACES if len(path) > 2]
WORDS = sorted({path[-1] for path in PLACES if isinstance(path[-1], str)} | {"colour", "days"})


@st.composite
def changed_files(draw: st.DrawFn) -> Any:
    """Everything, with one or two values changed, removed or added."""
    file = copy.deepcopy(EVERYTHING)
    for _ in range(draw(st.integers(1, 2))):
        *outer, key = draw(st.sampled_from(PLACES))
        value = copy.deepcopy(draw(st.sampled_from(VALUES)))
        try:
            parent = at(file, outer)
            change = draw(st.sampled_from(["replace", "remove", "add"]))
            if change == "remove":
                del parent[key]
            elif change == "add" and isinstance(parent, dict):
                parent[draw(st.sampled_from(WORDS))] = value
            else:
                parent[key] = value
        except (KeyError, IndexError, TypeError):
            pass  # an earlier change took it away
    return file


@hypothesis_settings(max_examples=400, deadline=None)
@given(changed_files())
def test_what_is_read_is_valid(file: Any) -> None:
    if is_read(file):
        assert [error.message for error in validator().iter_errors(file)] == []


EUROS = {"name": "A", "currency": "eur"}


def policy(**keys: Any) -> dict[str, Any]:
    return {"policies": [EUROS | keys]}


def limit(**keys: Any) -> dict[str, Any]:
    return policy(spending_limits=[keys])


def own(**keys: Any) -> dict[str, Any]:
    return {
        "policies": [EUROS | {"spending_limits": [{"amount": 1, "interval": "daily"}]}],
        "overrides": [{"policy": "A", "limit": "daily", "card": "ic_1", "reason": "x", **keys}],
    }


def allowed(**keys: Any) -> dict[str, Any]:
    usual = STOPS["exceptions"][0]
    return {"exceptions": [{key: it for key, it in (usual | keys).items() if it is not ...}]}


@pytest.mark.parametrize(
    "file",
    [
        [],
        *(allowed(**{key: ...}) for key in ("card", "up_to", "currency", "until", "waives")),
        allowed(category="bakeries"),
        allowed(waives=[]),
        allowed(waives=["card_frozen"]),
        allowed(waives=[{"policy": "Team"}]),
        allowed(waives=[{"reason": "blocked", "limit": "daily"}]),
        allowed(waives=[{"reason": "blocked", "block": {}}]),
        allowed(up_to=-1),
        allowed(cardholder="ich_1"),
        {"polices": []},
        {"policies": {}},
        {"policies": [{}]},
        {"policies": [{"name": " "}]},
        policy(colour=1),
        policy(name="x" * 101),
        policy(currency="euro"),
        policy(unlimited="yes"),
        policy(week_starts="someday"),
        policy(allowed_categories=["bakery"]),
        policy(allowed_merchant_countries=["XX"]),
        policy(allowed_merchant_countries="FR"),
        policy(blocked_merchants=[{"like": "x"}]),
        policy(blocked_merchants=[{"is": "x", "contains": "x"}]),
        policy(allowed_wallets=["paypal"]),
        policy(network_token="never"),
        policy(max_network_risk_score=100),
        policy(minimum_card_age_days=0),
        policy(first_purchases=["terminal"]),
        policy(first_purchases=["merchant"], first_purchase_amount=0),
        policy(first_purchases=["merchant"], first_purchase_amount=5, currency=None),
        policy(usable_until="soon"),
        policy(schedule=[{"days": ["mon"], "from": "08:00"}]),
        policy(schedule=[{"days": [], "from": "08:00", "to": "20:00"}]),
        policy(any_of=[{"wallets": ["apple_pay"]}]),
        policy(smallest_partial_amount=5),
        policy(stand_in_amount=5),
        policy(fuel_hold=5, currency=None),
        policy(fuel_hold=0),
        limit(interval="daily"),
        limit(amount=5),
        limit(amount=5, count=5, interval="daily"),
        limit(amount=-5, interval="daily"),
        limit(amount=5.5, interval="daily"),
        limit(amount=5, interval="hourly"),
        limit(count=5, interval="per_authorization"),
        limit(count=5, currency="eur", interval="daily"),
        limit(count=5, interval="rolling"),
        limit(count=5, interval="rolling", days=1, hours=1),
        limit(count=5, interval="rolling", days=401),
        limit(count=5, interval="daily", hours=5),
        limit(count=5, interval="weekly", month_starts=5),
        limit(count=5, interval="monthly", month_starts=29),
        limit(count=5, interval="monthly", year_starts="04-06"),
        limit(count=5, interval="daily", key="The first"),
        {"policies": [{"name": "A", "spending_limits": [{"amount": 5, "interval": "daily"}]}]},
        {"groups": [{"name": "G", "cards": "ic_1"}]},
        {"groups": [{"name": "G", "cards": ["ic 1"]}]},
        {"groups": [{"name": "G", "metadata": {"a": "b", "c": "d"}}]},
        {"groups": [{"name": "G", "metadata": {"team": 5}}]},
        {"assignments": [{"policy": "A"}]},
        {"assignments": [{"policy": "A", "card": "ic_1", "group": "G"}]},
        {"assignments": [{"policy": "A", "program": 1}]},
        {"assignments": [{"program": True}]},
        {"assignments": [{"policy": "A", "group": "G", "each": "person"}]},
        {"assignments": [{"policy": "A", "card": "ic_1", "each": "card"}]},
        own(),
        own(amount=5, count=5),
        own(raise_by=0),
        own(amount=5, reason=" "),
        own(amount=5, reason="x" * 501),
        own(amount=5, cardholder="ich_1"),
        own(amount=5, until="31.12.2026"),
        own(amount=5, **{"from": "31.12.2026"}),
        own(amount=5, program=True),
        {"freezes": [{"reason": "x"}]},
        {"freezes": [{"card": "ic_1"}]},
        {"freezes": [{"card": "ic_1", "reason": "x", "country": "FR"}]},
        {"blocks": [{"reason": "x"}]},
        {"blocks": [{"country": "FR", "category": "bakeries", "reason": "x"}]},
        {"blocks": [{"country": "FR", "card": "ic_1", "reason": "x"}]},
    ],
    ids=json.dumps,
)
def test_what_it_refuses_an_import_refuses(file: Any) -> None:
    assert not is_valid(file)
    assert not is_read(file)


def test_words_in_another_spelling_are_read_and_valid() -> None:
    file = policy(
        currency=" EUR",
        week_starts="Monday",
        allowed_merchant_countries=["fr", " DE "],
        allowed_categories=["Bakeries", "3000 \N{EN DASH} 3299"],
        spending_limits=[{"amount": 5, "interval": "Rolling", "hours": 2}],
    )
    assert is_read(file)
    assert is_valid(file)
