"""Stripe's API on a port of this machine: the two lists of Issuing, and the ways they can fail."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qs, urlsplit

from simulator.stripe.samples import Json
from tests.support.desk import NOON

KEY = "rk_test_4eC39HqLyjWDarjtT1zdp7dc"

Trouble = Literal["limited", "failing", "cut", "garbled", "forbidden", "vanished"]


@dataclass
class StripeApi:
    """What Stripe lists: `authorizations` and `transactions`, in any order.

    Each answer takes one of `troubles`, or "" for none, until they are used up; `now` is its
    clock. `asked` keeps every request's path and query.
    """

    authorizations: list[Json] = field(default_factory=list)
    transactions: list[Json] = field(default_factory=list)
    troubles: list[Trouble | Literal[""]] = field(default_factory=list)
    now: int = NOON + 10_000
    most_a_page: int = 100
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    base: str = ""

    def lists(self, *lives: Any) -> None:
        """Add whole lives with their transactions."""
        for life in lives:
            self.authorizations.append(life.kept)
            self.transactions.extend(life.kept["transactions"])

    def page(self, path: str, query: dict[str, str]) -> tuple[int, Json]:
        """As docs.stripe.com/api/issuing/authorizations/list and /api/pagination say."""
        listed = getattr(self, path.removeprefix("/v1/issuing/"))
        since = int(query["created[gte]"])
        rows = sorted(
            (row for row in listed if row["created"] >= since),
            key=lambda row: (row["created"], row["id"]),
            reverse=True,
        )
        if after := query.get("starting_after"):
            ids = [row["id"] for row in rows]
            if after not in ids:
                return 400, _error("invalid_request_error", f"No such object: '{after}'", after)
            rows = rows[ids.index(after) + 1 :]
        most = min(int(query["limit"]), self.most_a_page)
        page = {"object": "list", "data": rows[:most], "has_more": len(rows) > most, "url": path}
        return 200, page


def _error(type_: str, message: str, after: str = "") -> Json:
    param = {"param": "starting_after", "code": "resource_missing"} if after else {}
    return {"error": {"type": type_, "message": message} | param}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: ClassVar[StripeApi]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.api.asked.append((url.path, query))
        trouble = self.api.troubles.pop(0) if self.api.troubles else ""
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self._answer(401, _error("invalid_request_error", "Invalid API Key provided"))
        elif trouble == "limited":
            self._answer(429, _error("rate_limit_error", "Too many requests"), {"Retry-After": "7"})
        elif trouble == "failing":
            self._answer(500, _error("api_error", "An unknown error occurred"))
        elif trouble == "forbidden":
            self._answer(403, _error("invalid_request_error", "The provided key lacks permissions"))
        elif trouble == "vanished":
            self.close_connection = True
        else:
            status, page = self.api.page(url.path, query)
            self._answer(status, page, trouble=trouble)

    def _answer(
        self,
        status: int,
        found: Json,
        headers: dict[str, str] | None = None,
        trouble: str = "",
    ) -> None:
        body = json.dumps(found).encode()
        if trouble == "garbled":
            body = b"<html>Please log in to this network</html>"
        self.send_response_only(status)
        told = {
            "Date": formatdate(self.api.now, usegmt=True),
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Request-Id": f"req_{len(self.api.asked)}",
            "Stripe-Version": self.headers["Stripe-Version"],
        }
        for name, value in (told | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if trouble == "cut":
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base names it
        """Nothing: tests look at `asked`."""


@contextmanager
def stripe_api() -> Iterator[StripeApi]:
    """Stripe's API at `base`, for as long as the context lasts."""
    api = StripeApi()
    handler = type("Handler", (_Handler,), {"api": api})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        api.base = f"http://127.0.0.1:{server.server_port}"
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
