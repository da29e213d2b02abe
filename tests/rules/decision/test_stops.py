"""Freezes and blocks: what they decline, and what is said of it."""

from dataclasses import replace
from typing import Any

import pytest

from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.basics.stops import Stop
from authorizations.rules.decision.decide import decide
from authorizations.rules.decision.values import DeclineReason, PurchaseContext, Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import answer_sentence, cardholder
from authorizations.services.runtime import codec
from tests.rules.deciding import applied
from tests.support.builders import authorization_request, merchant

PROGRAM = Scope(ScopeKind.PROGRAM, "")
LEPIC = authorization_request(merchant=merchant())


def decided(*stops: Stop, asked: AuthorizationRequest = LEPIC) -> Verdict:
    return decide(asked, PurchaseContext(stops=stops), (applied(),), {})


@pytest.mark.parametrize(
    ("terms", "is_met"),
    [
        ({"merchant": {"network_id": "498750001042"}}, True),
        ({"merchant": {"network_id": "498750001043"}}, False),
        ({"merchant": {"contains": "LÉPIC"}}, True),
        ({"merchant": {"is": "boulangerie lepic"}}, True),
        ({"merchant": {"begins_with": "lepic"}}, False),
        ({"merchant": "Lepic"}, True),
        ({"category": "bakeries"}, True),
        ({"category": "airlines_air_carriers"}, False),
        ({"country": "FR"}, True),
        ({"country": "DE"}, False),
    ],
)
def test_a_block_declines_what_it_names_and_nothing_else(
    terms: dict[str, Any], is_met: bool
) -> None:
    decision = decided(Stop(1, PROGRAM, **terms))
    assert decision.approved is not is_met
    assert decision.reason == (DeclineReason.BLOCKED if is_met else None)


def test_a_block_beats_every_list_that_allows_the_merchant() -> None:
    allowing = applied(allowed_merchants=["Lepic"], allowed_merchant_countries=["FR"])
    context = PurchaseContext(stops=(Stop(1, PROGRAM, country="FR"),))
    assert decide(LEPIC, context, (allowing,), {}).reason is DeclineReason.BLOCKED


def test_a_block_on_what_arrived_unreadable_declines() -> None:
    asked = replace(LEPIC, unreadable=("name",), merchant=merchant(name=""))
    decision = decided(Stop(1, PROGRAM, merchant="Casino"), asked=asked)
    assert decision.reason is DeclineReason.FIELD_UNREADABLE
    said = answer_sentence(decision, asked)
    assert "a block needs it" in said


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [
        (
            Stop(3, Scope(ScopeKind.CARD, "ic_1"), author="ada", reason="lost"),
            "The card is frozen (ada: lost).",
        ),
        (
            Stop(3, Scope(ScopeKind.CARDHOLDER, "ich_1"), until=1_700_000_000, author="ada"),
            "All cards of the cardholder are frozen until 14 Nov 2023 22:13 UTC (ada).",
        ),
        (
            Stop(3, Scope(ScopeKind.GROUP, "3"), reason="audit"),
            "All cards of the group are frozen (audit).",
        ),
        (Stop(3, PROGRAM), "All cards of the program are frozen."),
        (
            Stop(3, Scope(ScopeKind.GROUP, "3"), merchant={"begins_with": "Boulan"}, author="ada"),
            "Merchant name begins with “Boulan” is blocked for the card group (ada).",
        ),
        (
            Stop(3, PROGRAM, category="bakeries", until=1_700_000_000, reason="audit"),
            "Category bakeries is blocked for every card until 14 Nov 2023 22:13 UTC (audit).",
        ),
        (Stop(3, PROGRAM, country="FR"), "Country FR is blocked for every card."),
    ],
)
def test_staff_reads_who_stopped_what_and_until_when(stop: Stop, sentence: str) -> None:
    decision = decided(stop)
    assert sentence in answer_sentence(decision, LEPIC)
    assert decision.reason
    told = cardholder(decision.reason, LEPIC)
    assert not {"ada", "lost", "audit", "Boulan"} & set(told.replace(".", "").split())


def test_a_decision_of_before_there_were_stops_is_read_as_without() -> None:
    kept = codec.plain(PurchaseContext(counted=5))
    del kept["stops"]
    assert codec.value(PurchaseContext, kept) == PurchaseContext(counted=5)


def test_what_a_decision_keeps_of_its_stops_decides_again() -> None:
    context = PurchaseContext(
        stops=(Stop(1, PROGRAM, merchant={"contains": "lepic"}), Stop(2, PROGRAM, country="DE"))
    )
    again = codec.value(PurchaseContext, codec.plain(context))
    assert again == context
    assert decide(LEPIC, again, (applied(),), {}) == decide(LEPIC, context, (applied(),), {})


def test_of_several_freezes_the_narrowest_is_the_reason_that_is_said() -> None:
    decision = decided(Stop(1, PROGRAM), Stop(2, Scope(ScopeKind.CARDHOLDER, "ich_1")))
    assert "All cards of the cardholder are frozen" in answer_sentence(decision, LEPIC)
    assert len([check for check in decision.trace if not check.passed]) == 2
