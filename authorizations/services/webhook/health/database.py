"""Checks the database: reachable, up to date, with the rights a server needs, its clock right."""

import re
import time
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.utils import timezone

from authorizations.models import ProofRun
from authorizations.services.cards import grants
from authorizations.services.runtime import tables
from authorizations.services.webhook.database_roles import TABLES
from authorizations.services.webhook.health.values import HealthCheck, HealthState
from authz_project import database_errors, pooler

_NEVER_CHANGED = (
    "authorizations_webhookrequest",
    "authorizations_decision",
    "authorizations_ledgerentry",
)
_PROVED_WITHIN = timedelta(days=3)
_NAMED = 3
_OFF_S, _FAR_OFF_S = 2.0, 60.0
"""The difference of clocks, in seconds, that is a warning, and the one that is wrong."""

_LACKING = """
SELECT wanted.name, wanted.privilege FROM unnest(%s::text[], %s::text[]) AS wanted (name, privilege)
WHERE NOT coalesce(
    CASE WHEN wanted.privilege IN ('SELECT', 'INSERT', 'UPDATE')
        THEN has_any_column_privilege(to_regclass(wanted.name)::oid, wanted.privilege)
        ELSE has_table_privilege(to_regclass(wanted.name)::oid, wanted.privilege) END,
    false
)
"""
_ROLE = """
SELECT current_user, has_table_privilege('authorizations_decision', 'INSERT'),
    has_table_privilege('auth_user', 'SELECT'),
    has_table_privilege('auth_user', 'INSERT'),
    pg_has_role(tableowner, 'USAGE')
FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'authorizations_decision'
"""


def reached() -> HealthCheck:
    """Whether the database answers, and which one it is."""
    began = time.monotonic()
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version'), current_database()")
            version, name = cursor.fetchone()
    except DatabaseError as problem:
        what = database_errors.sentence(problem, connection.settings_dict)
        return HealthCheck("Database", HealthState.BAD, what)
    took_ms = (time.monotonic() - began) * 1000
    what = f"PostgreSQL {version.split()[0]} answers for {name}, within {took_ms:,.0f} ms."
    return HealthCheck("Database", HealthState.OK, what)


def between() -> Iterator[HealthCheck]:
    """Whether this process has noticed a pooler in front of the database."""
    if sentence := pooler.sentence():
        yield HealthCheck("Pooler", HealthState.WARN, sentence)
    else:
        what = "No pooler was noticed in front of the database."
        yield HealthCheck("Pooler", HealthState.OK, what)


def migrations() -> Iterator[HealthCheck]:
    if tables.are_of_an_earlier_form():
        yield HealthCheck("Migrations", HealthState.BAD, tables.OF_AN_EARLIER_FORM)
    elif behind := tables.not_applied():
        what = f"{len(behind)} migrations are not applied, {behind[0]} first: run `migrate`."
        yield HealthCheck("Migrations", HealthState.BAD, what)
    else:
        yield HealthCheck(
            "Migrations", HealthState.OK, "The tables are those this program expects."
        )


def rights() -> Iterator[HealthCheck]:
    """The rights of the current role. Which of the desk's roles it is follows from its rights."""
    with connection.cursor() as cursor:
        cursor.execute(_ROLE)
        role, decides, sees_people, edits_people, owns = cursor.fetchone() or ("", *[False] * 4)
    if not role:
        return  # there are no tables yet: the check of migrations says so
    if owns and connection.settings_dict["ENGINE"] == "authz_project.embedded_postgres":
        what = (
            f"{role} is the only role of the embedded PostgreSQL: triggers alone keep the record "
            "as it was written."
        )
        yield HealthCheck("Rights", HealthState.OK, what)
        return
    if owns:
        what = (
            f"{role} owns the tables, so it could drop the record's triggers. Serve as the roles "
            "that `manage.py database_roles` makes; only `migrate` logs in as the owner."
        )
        yield HealthCheck("Rights", HealthState.WARN, what)
        return
    kind = "admin" if edits_people else "record" if decides and sees_people else "webhook"
    wanted = []
    for table, given in TABLES.items():
        record = f"{given.webhook}, {given.record}, SELECT"
        rights = record if kind == "record" else getattr(given, kind)
        # "SELECT, UPDATE (a, b)" stands for SELECT and UPDATE.
        words = re.sub(r"\([^)]*\)", "", rights).split(",")
        wanted += [(table, privilege) for privilege in {word.strip() for word in words} - {""}]
    lacking = _lacking(wanted)
    if lacking:
        named = ", ".join(f"{privilege} on {table}" for table, privilege in lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        what = (
            f"{role} lacks {named}{more}. Run what `manage.py database_roles` prints: after each "
            "upgrade a new table has no rights until then."
        )
        yield HealthCheck("Rights", HealthState.BAD, what)
    forbidden = [(table, right) for table in _NEVER_CHANGED for right in ("DELETE", "TRUNCATE")]
    if len(_lacking(forbidden)) < len(forbidden):
        what = f"{role} may delete what is on record: run what `manage.py database_roles` prints."
        yield HealthCheck("Rights", HealthState.BAD, what)
    elif not lacking:
        yield HealthCheck("Rights", HealthState.OK, f"{role} has the rights of the {kind} role.")


def _lacking(wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (table, privilege) pairs of `wanted` that the current role lacks."""
    names, privileges = [table for table, _ in wanted], [privilege for _, privilege in wanted]
    with connection.cursor() as cursor:
        cursor.execute(_LACKING, [names, privileges])
        return [(str(table), str(privilege)) for table, privilege in cursor.fetchall()]


def clock() -> Iterator[HealthCheck]:
    """The database's clock against this host's, allowing for half of the round trip."""
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        [there] = cursor.fetchone()
    off_s = there - (before + time.time()) / 2
    found = f"The database's clock and this host's are {abs(off_s):,.1f} seconds apart"
    if abs(off_s) < _OFF_S:
        yield HealthCheck("Database's clock", HealthState.OK, f"{found}.")
    else:
        state = HealthState.BAD if abs(off_s) >= _FAR_OFF_S else HealthState.WARN
        what = f"{found}: {'this host' if off_s > 0 else 'the database'} is behind. Synchronize it."
        yield HealthCheck("Database's clock", state, what)


def policies() -> Iterator[HealthCheck]:
    """Whether any policy grants purchases: otherwise all are declined."""
    if grants.all_is_declined():
        what = (
            "No assigned policy grants purchases, so every purchase is declined: create one under "
            "Policies, and assign it."
        )
        yield HealthCheck("Policies", HealthState.BAD, what)
    else:
        yield HealthCheck("Policies", HealthState.OK, "A policy that grants purchases is assigned.")


def people() -> Iterator[HealthCheck]:
    if User.objects.filter(is_active=True, is_superuser=True).exists():
        what = "There is an active superuser, who can give others roles."
        yield HealthCheck("People", HealthState.OK, what)
    else:
        what = (
            "There is no active superuser, who could give others roles: "
            "`manage.py createsuperuser` makes one."
        )
        yield HealthCheck("People", HealthState.WARN, what)


def proofs() -> Iterator[HealthCheck]:
    """The result of the newest run of each proof."""
    newest = {
        run.command: run for run in ProofRun.objects.order_by("-pk")[:200][::-1] if not run.decision
    }
    different = [run for run in newest.values() if run.result == ProofRun.Result.DIFFERENT]
    for run in different:
        what = f"The last {run.command} found {run.differences:,} differences. See Proofs."
        yield HealthCheck("Proofs", HealthState.BAD, what)
    since = timezone.now() - _PROVED_WITHIN
    complete = {
        command
        for command, run in newest.items()
        if run.result != ProofRun.Result.STOPPED and run.ended_at >= since
    }
    late = [command for command in ProofRun.Command if command not in complete]
    if late and not settings.DEBUG:
        what = (
            f"{' and '.join(late)} did not complete in the last three days. "
            "desk-nightly.timer runs them on one host of the desk."
        )
        yield HealthCheck("Proofs", HealthState.WARN, what)
    elif not late and not different:
        yield HealthCheck("Proofs", HealthState.OK, "The record was proved in the last three days.")
