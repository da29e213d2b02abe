"""Who is changing things: told to the database before each write, for the change history.

pghistory's own context puts its settings into the statement itself, which PostgreSQL refuses where
parameters travel apart from it. Ours go before it as a statement of their own, and last only as
long as the transaction: so nothing stays on a connection when it goes back to the pool, whatever
happens. What writes nothing pays nothing, and neither do the statements of the decision path.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from authorizations.rules.basics.card_numbers import mask_text
from authorizations.services.store import statements

if TYPE_CHECKING:  # manage.py comes before the models
    from django.contrib.auth.models import AnonymousUser, User

    Who = User | AnonymousUser | None

_BLANK = r"(?:[\s(]|--[^\n]*\n|/\*.*?\*/)*"
_WRITES = re.compile(_BLANK + r"(INSERT|UPDATE|DELETE|MERGE|WITH)\b", re.IGNORECASE | re.DOTALL)

TELL = """
SELECT set_config('pghistory.context_id', %(id)s, true),
    set_config('pghistory.context_metadata', %(facts)s, true)
"""


@dataclass(slots=True)
class _Acting:
    """Everything told so far; `id` is the same for all changes of one piece of work."""

    id: str
    told: tuple[tuple["Who", dict[str, str]], ...]
    has_written: bool = False

    def facts(self) -> str:
        """As the history keeps it. Asks for the user only now: not every page writes."""
        found: dict[str, Any] = {}
        for user, facts in self.told:
            found |= facts
            if user is not None and user.is_authenticated:
                found |= {"user": user.pk, "name": user_words(user)}
        return json.dumps(found)


_acting: ContextVar[_Acting | None] = ContextVar("acting", default=None)


@contextmanager
def acting(*, user: "Who" = None, **facts: str) -> Iterator[None]:
    """What this thread writes meanwhile is the work of `user`.

    `facts` say how: `url` of a page, `command` and `os_user`, `event` of Stripe's, `reason`.
    Inside another, it adds to what that one told.
    """
    outer = _acting.get()
    facts = {name: mask_text(fact) for name, fact in facts.items()}
    told = (*(outer.told if outer else ()), (user, facts))
    now = _Acting(outer.id if outer else str(uuid4()), told)
    token = _acting.set(now)
    try:
        yield
    finally:
        _acting.reset(token)
        if now.has_written:
            _forget()


def user_words(user: "User") -> str:
    """As the history names a user: "Olga Petrova (olga)", or the user name alone."""
    full_name, username = user.get_full_name(), user.get_username()
    return f"{full_name} ({username})" if full_name else username


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Tell this connection who is acting; for Django's signal of a new one."""
    if _tell_before_writing not in connection.execute_wrappers:
        # In front: Django takes temporary ones from the end.
        connection.execute_wrappers.insert(0, _tell_before_writing)


def _tell_before_writing(
    execute: Callable[..., Any], statement: str, params: Any, many: Any, context: Any
) -> Any:
    now = _acting.get()
    if now is None or not _WRITES.match(str(statement)):
        return execute(statement, params, many, context)
    facts = now.facts()
    # In a transaction of its own where there is none: what was told ends with it.
    with transaction.atomic() if connection.get_autocommit() else nullcontext():
        statements.run(TELL, id=now.id, facts=facts)
        now.has_written = True
        return execute(statement, params, many, context)


def _forget() -> None:
    """The transaction may go on after the work is done; what comes then is somebody else's."""
    if not connection.in_atomic_block or connection.connection is None:
        return
    if connection.connection.info.transaction_status is TransactionStatus.INTRANS:
        statements.run(TELL, id="", facts="")
