"""Mutated requests, drawn from a seed: a few in the suite, 20,000 with `make fuzz`."""

import json
import os
import sys
from collections import Counter

import pytest

from authorizations.models import Decision, LedgerEntry
from tests.hostile.exchange import Answer, exchange
from tests.hostile.mutations import Mutation, mutations
from tests.hostile.watch import harmless, outcome, unharmed
from tests.support.server import Server
from tests.support.verification import redecided

# In a transaction that only reads: what the server commits can be seen in it.
pytestmark = pytest.mark.django_db

CASES = int(os.environ.get("FUZZ_CASES", "300"))
SEED = int(os.environ.get("FUZZ_SEED", "5"))
AT_ONCE = 50
"""So many go between two looks at the workers, the log and an ordinary purchase."""

LIMIT = 10_000


def test_no_mutation_breaks_the_server_or_gets_an_approval_that_nobody_asked_for(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()
    cases = enumerate(mutations(SEED, CASES))
    for _ in range(0, CASES, AT_ONCE):
        with unharmed(server):
            for number, mutation in (next(cases) for _ in range(min(AT_ONCE, CASES))):
                answers = exchange(server.port, mutation.sent())
                _look(answers, mutation, f"seed {SEED}, case {number}: {mutation.sent()!r}")
                seen.update(map(outcome, answers or [NO_ANSWER]))
    assert redecided() == []
    with capsys.disabled():
        told = ", ".join(f"{count} {word}" for word, count in seen.most_common())
        sys.stdout.write(f"\n{CASES} mutated requests, seed {SEED}: {told}\n")


NO_ANSWER = Answer(0, {}, b"")


def _look(answers: list[Answer], mutation: Mutation, case: str) -> None:
    harmless(answers)
    if mutation.raw is None:
        assert len(answers) == 1, case
    for answer in answers:
        if outcome(answer) == "approved":
            assert _asked_for(mutation.body) == _approved(answer), case
            assert mutation.raw is None or mutation.body in mutation.raw, case


def _asked_for(body: bytes) -> int | None:
    """The amount, read by another parser; None where it is none that may be approved."""
    asked = json.loads(body.decode("utf-8-sig"), strict=False)["data"]["object"]
    amount = asked["pending_request"]["amount"]
    is_right = type(amount) is int and 0 <= amount <= LIMIT and asked["card"]["status"] == "active"
    return amount if is_right else None


def _approved(answer: Answer) -> int:
    told = json.loads(answer.body)
    decision = Decision.objects.get(pk=told["metadata"]["decision"])
    assert decision.approved
    held = LedgerEntry.objects.filter(event_id=decision.pk, cause__in=("hold", "increment"))
    assert sum(held.values_list("amount", flat=True)) in (decision.approved_amount, 0)
    return decision.approved_amount
