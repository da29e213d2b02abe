"""A flood of requests that are refused: most of them wait for their answer, purchases do not."""

import asyncio
from typing import Any

import pytest
from django.http import HttpResponse

from authorizations.web import webhook_server
from authorizations.web.webhook_server import REFUSED_AT_ONCE, WebhookServer

Head = tuple[str, str, list[tuple[bytes, bytes]]]

KNOCKING = REFUSED_AT_ONCE + 20
UNSIGNED: Head = ("POST", "/webhook", [(b"content-length", b"2")])
ELSEWHERE: Head = ("GET", "/wp-login.php", [])


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Ends all waiting once it is set; all happens in one second."""
    over = asyncio.Event()

    async def sleep(_: float) -> None:
        await over.wait()

    monkeypatch.setattr(webhook_server, "monotonic", lambda: 7.0)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return over


class Asked:
    """A request to the application, and the status of its answer."""

    def __init__(self, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": headers,
            "client": ("127.0.0.1", 1),
        }
        self.status: int | None = None

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        self.status = self.status or message["status"]


async def settled() -> None:
    """Until nothing happens any more without waiting."""
    turn: asyncio.Future[None]
    for _ in range(20):
        turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turn.set_result, None)
        await turn


@pytest.mark.parametrize(("knock", "status"), [(UNSIGNED, 400), (ELSEWHERE, 404)])
def test_all_but_fifty_in_a_second_wait_while_other_requests_are_answered(
    held_back: asyncio.Event, knock: Head, status: int
) -> None:
    async def flood() -> None:
        server = WebhookServer(lambda _: HttpResponse(b"ok"), {})
        knocking = [Asked(*knock) for _ in range(KNOCKING)]
        tasks = [
            asyncio.create_task(server(each.scope, each.receive, each.send)) for each in knocking
        ]
        await settled()
        assert [each.status for each in knocking] == [status] * REFUSED_AT_ONCE + [None] * 20
        healthy = Asked("GET", "/healthz", [])
        await server(healthy.scope, healthy.receive, healthy.send)
        assert healthy.status == 200
        held_back.set()
        await asyncio.gather(*tasks)
        assert {each.status for each in knocking} == {status}

    asyncio.run(flood())


def test_each_second_has_its_own_fifty(
    held_back: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def flood() -> None:
        server = WebhookServer(lambda _: HttpResponse(b"ok"), {})
        for second in (8.0, 9.0, 10.0):
            monkeypatch.setattr(webhook_server, "monotonic", lambda at=second: at)
            for _ in range(REFUSED_AT_ONCE):
                each = Asked(*ELSEWHERE)
                async with asyncio.timeout(60):
                    await server(each.scope, each.receive, each.send)
                assert each.status == 404
        assert not held_back.is_set()

    asyncio.run(flood())
