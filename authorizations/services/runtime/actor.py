"""Sets who is changing things, for the triggers that write the history.

Each transaction gets it as a setting when it begins, so all its changes are attributed, by any
statement or function. The setting ends with the transaction, or with the savepoint it was made in,
so a connection returned to a pool keeps nothing. It costs a statement, so only code that changes
what the history covers sets it: no page that is only viewed, and on the decision path only what
changes a card.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.conf import settings
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from authorizations.rules.basics.card_numbers import mask_text

if TYPE_CHECKING:  # manage.py comes before the models
    from django.contrib.auth.models import AnonymousUser, User

    Who = User | AnonymousUser | None

_SET = "SELECT set_config('desk.work', %s, true)"


@dataclass(frozen=True, slots=True)
class _Work:
    """Who acts, and how: `id` is shared by all changes of one request or command."""

    id: str
    facts: dict[str, Any]


_current: ContextVar[_Work | None] = ContextVar("work", default=None)


@contextmanager
def acting(*, user: "Who" = None, **facts: str) -> Iterator[None]:
    """Attribute what this thread writes in the block to `user`.

    `facts` say how: `url` of a page, `command` and `os_user`, Stripe's `event`, `reason`. A nested
    block adds to the facts of the outer one. Raises django.db.Error.
    """
    token = _current.set(_with(facts, user))
    try:
        _set_if(TransactionStatus.INTRANS)
        yield
    finally:
        _current.reset(token)
        # In a failed transaction the rollback restores the outer one.
        _set_if(TransactionStatus.INTRANS)


def _with(facts: dict[str, str], user: "Who" = None) -> _Work:
    """What this thread does now, with further facts."""
    outer = _current.get()
    merged = outer.facts if outer else {}
    merged = merged | {name: mask_text(fact) for name, fact in facts.items()}
    if user is not None and user.is_authenticated:
        merged |= {"user": user.pk, "name": user_words(user)}
    return _Work(outer.id if outer else str(uuid4()), merged)


def _text(work: _Work) -> str:
    return json.dumps({"id": work.id, "facts": work.facts})


def setting(**facts: str) -> str:
    """The setting desk.work of a transaction in which this thread acts, with further facts.

    For statements that set it themselves: `SELECT set_config('desk.work', …, true)`.
    """
    return _text(_with(facts))


def user_words(user: "User") -> str:
    """A user's name as in the history: "Olga Petrova (olga)", or the user name alone."""
    full_name, username = user.get_full_name(), user.get_username()
    return f"{full_name} ({username})" if full_name else username


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Set the actor in this connection's transactions; a receiver of connection_created."""
    if _set_first not in connection.execute_wrappers:
        # In front, because Django removes temporary wrappers from the end.
        connection.execute_wrappers.insert(0, _set_first)


def set_at_start() -> None:
    """Set the actor before a statement that is run without Django's cursor.

    It may be the first of its transaction.
    """
    if _current.get() is not None and not connection.get_autocommit():
        _set_if(TransactionStatus.IDLE)


def _set_first(
    execute: Callable[..., Any], statement: str, params: Any, many: Any, context: Any
) -> Any:
    if _current.get() is None:
        return execute(statement, params, many, context)
    # A statement in autocommit mode gets a transaction, so that the setting applies to it.
    is_alone = connection.get_autocommit() and _status() is TransactionStatus.IDLE
    with (
        connection.wrap_database_errors,
        connection.connection.transaction() if is_alone else nullcontext(),
    ):
        _set_if(TransactionStatus.INTRANS if is_alone else TransactionStatus.IDLE)
        return execute(statement, params, many, context)


def _set_if(status: TransactionStatus) -> None:
    """Set the actor if this thread's transaction is in this state."""
    if _status() is status:
        work = _current.get()
        value = _text(work) if work else ""
        with connection.wrap_database_errors:
            connection.connection.execute(_SET, [value], prepare=False)


def _status() -> TransactionStatus | None:
    if not settings.configured:  # a command that has not chosen its settings yet
        return None
    session = connection.connection
    return session.info.transaction_status if session is not None else None
