"""Servers work under the roles that a deployed desk is served with, requests and background.

So a right that is missing fails in whichever test needs it, and not at a shop. What a test itself
does on the database, it does as the owner of everything.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import wraps
from types import ModuleType
from typing import Any

import psycopg
from django.core.handlers.base import BaseHandler
from django.db import connection
from django.db.backends.signals import connection_created
from django.http import HttpRequest

from authorizations.services.authorize import rehearsal
from authorizations.services.lifecycle import intake
from authorizations.services.stand_in import local_copy_refresh, replay, replay_one, usage_refresh
from authorizations.services.store import counting, repeats
from authorizations.services.webhook import rejections
from authorizations.services.webhook.database_roles import Roles, quoted, script

OF_THE_WEBHOOK = ("/webhook", "/webhook.php", "/healthz", "/readyz", "/metrics")
"""Addresses that its instance answers, to whoever is not logged in."""

ROLES = ("owner", "webhook", "admin", "record")
PASSWORD = "of-a-role-4-tests"

_role: ContextVar[str] = ContextVar("role", default="")


def names() -> dict[str, str]:
    """The roles' names; each test process has a database, and so roles, of its own."""
    return {role: f"{connection.settings_dict['NAME']}_{role}" for role in ROLES}


def make() -> None:
    """The roles, with a password to log in with, in the tests' database."""
    connection.ensure_connection()
    with psycopg.ClientCursor(connection.connection) as cursor:
        cursor.execute("SELECT current_database(), current_schema()")
        [(database, schema)] = cursor.fetchall()
        cursor.execute(script(Roles(database, schema, **names())).encode())
        for name in names().values():
            cursor.execute(f"ALTER ROLE {quoted(name)} PASSWORD '{PASSWORD}'".encode())


@contextmanager
def served_as(role: str) -> Iterator[None]:
    """What this thread does meanwhile, on whatever connection, it does with the role's rights."""
    token = _role.set(role)
    _take_role(connection.connection)
    try:
        yield
    finally:
        _role.reset(token)
        _take_role(connection.connection)


IN_THE_BACKGROUND: tuple[tuple[ModuleType, str], ...] = (
    (rehearsal, "load_versions"),
    (rehearsal, "rehearse"),
    (replay, "run_for"),
    (replay_one, "replay"),
    (intake, "apply_due"),
    (local_copy_refresh, "renew_switch"),
    (local_copy_refresh, "renew_policies"),
    (local_copy_refresh, "renew_cards"),
    (usage_refresh, "renew_usage"),
    (rejections, "write"),
    (repeats, "write"),
    (counting, "some"),
)
"""What the webhook's instance does beside answering."""


def _under_the_webhooks_role(module: ModuleType, name: str) -> None:
    usual = getattr(module, name)

    @wraps(usual)
    def work(*args: Any, **options: Any) -> Any:
        with served_as("webhook"):
            return usual(*args, **options)

    setattr(module, name, work)


def serve_requests_under_roles() -> None:
    """From now on what servers do is done under their instance's role."""
    for module, name in IN_THE_BACKGROUND:
        _under_the_webhooks_role(module, name)
    usual = BaseHandler.get_response

    def get_response(self: Any, request: HttpRequest) -> Any:
        is_of_webhook = request.path_info.startswith(OF_THE_WEBHOOK) and not request.COOKIES
        role = "webhook" if is_of_webhook else "admin"
        with served_as(role):
            return usual(self, request)

    BaseHandler.get_response = get_response  # type: ignore[method-assign]
    connection_created.connect(_take_role_at_once)


def _take_role_at_once(connection: Any, **_: Any) -> None:
    if _role.get():
        _take_role(connection.connection)


def _take_role(open_connection: Any) -> None:
    if open_connection is None or open_connection.closed:
        return
    role = _role.get()
    with suppress(psycopg.errors.InFailedSqlTransaction):  # it is rolled back, and the role with it
        open_connection.execute(f"SET ROLE {quoted(names()[role]) if role else 'NONE'}")
