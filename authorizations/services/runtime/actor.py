"""Who is changing things: told to each transaction as it begins, for the triggers of the history.

Whatever the transaction then writes is theirs, by whichever statement or function. PostgreSQL
forgets it with the transaction, and with a savepoint what was told in it, so nothing stays on a
connection that goes back to a pool. It costs a statement each time, so only who may change what the
history is about tells: no page that is only opened, and of the decision path what changes a card.
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

_TELL = "SELECT set_config('desk.work', %s, true)"


@dataclass(frozen=True, slots=True)
class _Work:
    """`id` is the same for all changes of one piece of work; `facts` as the history keeps them."""

    id: str
    facts: dict[str, Any]


_current: ContextVar[_Work | None] = ContextVar("work", default=None)


@contextmanager
def acting(*, user: "Who" = None, **facts: str) -> Iterator[None]:
    """What this thread writes meanwhile is the work of `user`.

    `facts` say how: `url` of a page, `command` and `os_user`, `event` of Stripe's, `reason`.
    Inside another, it adds to what that one told. Raises django.db.Error.
    """
    outer = _current.get()
    told = outer.facts if outer else {}
    told = told | {name: mask_text(fact) for name, fact in facts.items()}
    if user is not None and user.is_authenticated:
        told |= {"user": user.pk, "name": user_words(user)}
    token = _current.set(_Work(outer.id if outer else str(uuid4()), told))
    try:
        _tell_if(TransactionStatus.INTRANS)
        yield
    finally:
        _current.reset(token)
        # One that failed is rolled back, to who acted before.
        _tell_if(TransactionStatus.INTRANS)


def user_words(user: "User") -> str:
    """As the history names a user: "Olga Petrova (olga)", or the user name alone."""
    full_name, username = user.get_full_name(), user.get_username()
    return f"{full_name} ({username})" if full_name else username


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Tell the transactions of this connection; for Django's signal of a new one."""
    if _tell_first not in connection.execute_wrappers:
        # In front: Django takes temporary ones from the end.
        connection.execute_wrappers.insert(0, _tell_first)


def tell_at_start() -> None:
    """Before a statement past Django's cursors, which may be the first of its transaction."""
    if _current.get() is not None and not connection.get_autocommit():
        _tell_if(TransactionStatus.IDLE)


def _tell_first(
    execute: Callable[..., Any], statement: str, params: Any, many: Any, context: Any
) -> Any:
    if _current.get() is None:
        return execute(statement, params, many, context)
    # A statement that is a transaction by itself gets one that can be told.
    is_alone = connection.get_autocommit() and _status() is TransactionStatus.IDLE
    with (
        connection.wrap_database_errors,
        connection.connection.transaction() if is_alone else nullcontext(),
    ):
        _tell_if(TransactionStatus.INTRANS if is_alone else TransactionStatus.IDLE)
        return execute(statement, params, many, context)


def _tell_if(status: TransactionStatus) -> None:
    """Who acts now, where the transaction of this thread is in this state."""
    if _status() is status:
        work = _current.get()
        told = json.dumps({"id": work.id, "facts": work.facts}) if work else ""
        with connection.wrap_database_errors:
            connection.connection.execute(_TELL, [told], prepare=False)


def _status() -> TransactionStatus | None:
    if not settings.configured:  # a command that has not read yet which settings it is to use
        return None
    session = connection.connection
    return session.info.transaction_status if session is not None else None
