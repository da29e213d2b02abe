"""The health checks of a desk, for `manage.py doctor` and the Health page.

Each check is a sentence that says how things are and, if something is wrong, what to do. None
shows a secret, writes anything that lasts, or reads more than some hundred rows.

    values      the result of a check
    configured  settings and secrets
    database    the database: reachable, up to date, rights, clock
    host        this host's disk, and what stand-in needs
    traffic     Stripe's requests: its second endpoint, clocks, proxies, versions
"""

import logging
from collections.abc import Callable, Iterable

from django.db import connection, transaction

from authorizations.services.webhook.health import configured, database, host, traffic
from authorizations.services.webhook.health.values import HealthCheck, HealthState
from authz_project import database_errors

__all__ = ["HealthCheck", "HealthState", "examine"]

logger = logging.getLogger(__name__)

_TIMEOUT_MS = 2_000
"""Timeout of each statement: a page waits for them."""

Look = Callable[[], Iterable[HealthCheck]]
_WITHOUT_DATABASE: tuple[tuple[str, Look], ...] = (
    ("Settings", configured.settings_as_checked),
    ("Mode", configured.mode),
    ("Environment", configured.environment),
    ("Secrets", configured.secrets),
    ("Spool", host.spool),
    ("Stand-in", host.stand_in),
)
_WITH_DATABASE: tuple[tuple[str, Look], ...] = (
    ("Pooler", database.between),
    ("Migrations", database.migrations),
    ("Rights", database.rights),
    ("Database's clock", database.clock),
    ("Policies", database.policies),
    ("People", database.people),
    ("Proofs", database.proofs),
    ("Requests", traffic.checks),
)


def examine() -> list[HealthCheck]:
    """Run all checks, in the order of the list. A check that raises is reported as BAD."""
    found = [check for name, look in _WITHOUT_DATABASE for check in _run(name, look)]
    reached = database.reached()
    found.append(reached)
    if reached.state is not HealthState.BAD:
        for name, look in _WITH_DATABASE:
            found += _run(name, look, in_database=True)
    return found


def _run(name: str, look: Look, *, in_database: bool = False) -> list[HealthCheck]:
    try:
        if not in_database:
            return list(look())
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {_TIMEOUT_MS}")
            return list(look())
    except Exception as error:
        if database_errors.is_of_rights(error):
            return []  # left to a different role: no role may read everything
        logger.exception("A check of the desk's health failed: %s.", name)
        why = f"This check failed ({type(error).__name__}): the log says more."
        return [HealthCheck(name, HealthState.BAD, why)]
