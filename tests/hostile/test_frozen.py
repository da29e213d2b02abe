"""Hostile requests once more, while the database stands still: some of each table.

`make prove TRIALS=hostile` sends them all.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from authorizations.services.host import spool_reader
from simulator.stripe import samples
from tests.hostile.bodies import LATER
from tests.hostile.cases import TABLES, Case, some, whole
from tests.hostile.exchange import exchange, post
from tests.hostile.framing import NO_REQUEST, REQUESTS
from tests.hostile.frozen import CAP, LIMIT, FrozenDesk, frozen_desk
from tests.hostile.requests import signed
from tests.hostile.signatures import SIGNATURES, purchase_signed
from tests.hostile.watch import outcome, outcomes, watched
from tests.support.builders import request_event

pytestmark = pytest.mark.slow

AT_ONCE = 8


def _signed(cases: Callable[[], Iterator[Case]]) -> Callable[[], Iterator[Case]]:
    return lambda: ((name, told, post(body, signed(body))) for name, told, body in cases())


WRAPPED: dict[str, Callable[[], Iterator[Case]]] = {
    "wrapping": lambda: ((str(asked), asked.outcomes, asked.made()) for asked in REQUESTS),
    "no requests": lambda: iter(NO_REQUEST),
    "signatures": lambda: (
        (name, told, purchase_signed(headers)) for name, told, headers in SIGNATURES
    ),
}
SENT = WRAPPED | {name: _signed(cases) for name, cases in TABLES.items()}


@pytest.fixture(scope="module")
def desk() -> Iterator[FrozenDesk]:
    with frozen_desk() as desk:
        yield desk


def test_until_the_desk_has_found_out_each_is_answered_all_the_same(desk: FrozenDesk) -> None:
    first = [next(cases()) for cases in SENT.values()]
    with watched(desk.server), ThreadPoolExecutor(AT_ONCE) as senders:
        assert [*filter(None, senders.map(lambda case: desk.unexpected([case]), first))] == []
    with watched(desk.server), ThreadPoolExecutor(AT_ONCE) as senders:
        while not desk.is_found_out():
            list(senders.map(desk.answers, [ordinary() for _ in range(AT_ONCE)]))


@pytest.mark.parametrize("table", SENT)
def test_each_is_answered_as_ever_but_by_stand_in(desk: FrozenDesk, table: str) -> None:
    with watched(desk.server):
        assert desk.unexpected(some(SENT[table]())) == {}


def test_without_a_signature_none_of_them_is_even_read(desk: FrozenDesk) -> None:
    bodies = [(name, body) for cases in TABLES.values() for name, _, body in some(cases())]
    with watched(desk.server):
        assert desk.unexpected((name, "missing", post(body)) for name, body in bodies) == {}


# The last two, in this order: the cap is used up, and the outage ends.


def test_it_all_ends_at_the_cap(desk: FrozenDesk) -> None:
    told = [outcomes(desk.answers(ordinary(LIMIT))) for _ in range(CAP // LIMIT + 1)]
    assert set(told) <= {"approved", "stand_in"}
    assert told[-1] == "stand_in"


def test_afterwards_what_was_answered_is_on_record_and_no_more(desk: FrozenDesk) -> None:
    later = [case for kind in LATER for case in whole(kind)]
    again = [post(body, signed(body)) for _, _, body in later]
    assert {outcomes(desk.answers(sent)) for sent in again} == {"try_again"}
    with watched(desk.server):
        desk.thaw()
        assert {outcomes(exchange(desk.server.port, sent)) for sent in again} == {"received"}
        [answer] = exchange(desk.server.port, ordinary())
    assert (outcome(answer), b"stand_in" in answer.body) == ("approved", False)
    recorded = desk.rows("SELECT answer FROM authorizations_decision WHERE stand_in <> ''")
    assert Counter(answer for [answer] in recorded) == Counter(desk.decided)
    [[spent]] = desk.rows(
        "SELECT sum(approved_amount) FROM authorizations_decision WHERE stand_in <> ''"
    )
    assert CAP - LIMIT < spent <= CAP
    held = "SELECT event_id, amount FROM authorizations_ledgerentry WHERE cause = 'hold'"
    approved = "SELECT id, approved_amount FROM authorizations_decision WHERE approved"
    assert set(desk.rows(held)) == set(desk.rows(approved))
    assert not spool_reader.damaged(desk.spool_dir)
    assert desk.password
    assert desk.password not in desk.server.log
    desk.verify_books()


def ordinary(amount: int = 100) -> bytes:
    body = samples.to_bytes(request_event(amount=amount))
    return post(body, signed(body))
