"""The simulator and a server it sends to; a server that stands in for Stripe."""

import socket
from collections.abc import Iterator
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.db import connection
from pytest_django.live_server_helper import LiveServer

from tests.support.stripe_api import KEY, StripeApi, stripe_api


class Simulate:
    """`manage.py simulate` against the live server; returns what it printed."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, **options: Any) -> str:
        out = StringIO()
        call_command("simulate", stdout=out, **({"url": self.url} | options))
        return out.getvalue()


@pytest.fixture
def simulate(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """As quick as our runserver, which doesn't wait for acknowledgements either."""
    server = type(live_server.thread.httpd)
    accept = server.get_request

    def get_request(self: Any) -> tuple[socket.socket, Any]:
        request, address = accept(self)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return request, address

    monkeypatch.setattr(server, "get_request", get_request)
    # One database connection for all that comes over one of HTTP.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    return Simulate(f"{live_server.url}/webhook")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def stripe(settings: LazySettings) -> Iterator[StripeApi]:
    """Stripe's API, as the settings name it."""
    with stripe_api() as api:
        settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = KEY, api.base
        yield api


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """How long was waited before each new try: in tests not at all."""
    waited: list[float] = []
    with patch("time.sleep", waited.append):
        yield waited
