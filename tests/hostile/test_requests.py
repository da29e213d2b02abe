"""Wrong wrapping and wrong signatures, over a raw socket."""

import pytest

from tests.hostile.exchange import exchange, post
from tests.hostile.framing import NO_REQUEST, REQUESTS
from tests.hostile.requests import Request, purchase
from tests.hostile.signatures import SIGNATURES, purchase_signed
from tests.hostile.watch import expected_rows, harmless, outcomes, unharmed
from tests.support.server import Server

# In a transaction that only reads: what the server commits can be seen in it.
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_purchase_in_wrong_wrapping_is_answered_or_refused_and_does_no_harm(
    server: Server, request_: Request
) -> None:
    with unharmed(server) as new:
        answers = exchange(server.port, request_.made())
    harmless(answers)
    assert outcomes(answers) == request_.outcomes
    assert new == expected_rows(request_.outcomes)


@pytest.mark.parametrize(
    ("told", "sent"), [pytest.param(*case[1:], id=case[0]) for case in NO_REQUEST]
)
def test_what_is_no_request_gets_no_further(server: Server, told: str, sent: bytes) -> None:
    with unharmed(server) as new:
        answers = exchange(server.port, sent)
    harmless(answers)
    assert outcomes(answers) == told
    assert not new


@pytest.mark.parametrize(
    ("told", "headers"), [pytest.param(*case[1:], id=case[0]) for case in SIGNATURES]
)
def test_a_wrong_signature_names_its_cause_and_leaves_nothing_of_a_purchase(
    server: Server, told: str, headers: list[str]
) -> None:
    with unharmed(server) as new:
        answers = exchange(server.port, purchase_signed(headers))
    harmless(answers)
    assert outcomes(answers) == told
    assert new == expected_rows(told)


def test_a_signature_under_a_name_that_only_looks_like_its_own_is_none(server: Server) -> None:
    body, header = purchase()
    with unharmed(server):
        answers = exchange(server.port, post(body, header.replace("-", "_", 1)))
    assert outcomes(answers) == "missing"
