"""The database: reached, new enough, up to date, with the rights its work needs, and in time."""

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.utils import timezone

from authorizations.models import ProofRun
from authorizations.services.store import grants, tables
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
"""By how much a clock may differ before somebody should look, and before it is wrong."""

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
    """Whether it answers, and which it is."""
    began = time.monotonic()
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version'), current_database()")
            version, name = cursor.fetchone()
    except DatabaseError as problem:
        told = database_errors.sentence(problem, connection.settings_dict)
        return HealthCheck("Database", HealthState.BAD, told)
    took_ms = (time.monotonic() - began) * 1000
    what = f"PostgreSQL {version.split()[0]} answers for {name}, within {took_ms:,.0f} ms."
    return HealthCheck("Database", HealthState.OK, what)


def between() -> Iterator[HealthCheck]:
    """A pooler, as this process has noticed it or not."""
    if told := pooler.sentence():
        yield HealthCheck("Pooler", HealthState.WARN, told)
    else:
        yield HealthCheck("Pooler", HealthState.OK, "No pooler was noticed before the database.")


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
    """Of the role that is logged in; which of the desk's it is, its own rights tell."""
    with connection.cursor() as cursor:
        cursor.execute(_ROLE)
        role, decides, sees_people, edits_people, owns = cursor.fetchone() or ("", *[False] * 4)
    if not role:
        return  # there are no tables yet: the check of migrations says so
    if owns:
        yield _owner(role)
        return
    kind = "admin" if edits_people else "record" if decides and sees_people else "webhook"
    wanted = [
        (table, privilege)
        for table, given in TABLES.items()
        for privilege in _privileges(
            *(
                (given.webhook, given.record, "SELECT")
                if kind == "record"
                else [getattr(given, kind)]
            )
        )
    ]
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


def _owner(role: str) -> HealthCheck:
    if connection.settings_dict["ENGINE"] == "authz_project.embedded_postgres":
        what = (
            f"{role} is the only role of the PostgreSQL that comes along: triggers alone keep the "
            "record as it was written."
        )
        return HealthCheck("Rights", HealthState.OK, what)
    what = (
        f"{role} owns the tables, and could take the record's triggers away. Serve as the roles "
        "that `manage.py database_roles` makes; only `migrate` logs in as the owner."
    )
    return HealthCheck("Rights", HealthState.WARN, what)


def _privileges(*rights: str) -> set[str]:
    """ "SELECT, UPDATE (a, b)" are SELECT and UPDATE."""
    words = (re.sub(r"\([^)]*\)", "", right).split(",") for right in rights)
    return {word.strip() for some in words for word in some if word.strip()}


def _lacking(wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Of tables and privileges on them those that the role does not have."""
    names, privileges = [table for table, _ in wanted], [privilege for _, privilege in wanted]
    with connection.cursor() as cursor:
        cursor.execute(_LACKING, [names, privileges])
        return [(str(table), str(privilege)) for table, privilege in cursor.fetchall()]


def clock() -> Iterator[HealthCheck]:
    """The database's against this host's; half the way there and back is taken off."""
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        [there] = cursor.fetchone()
    off_s = there - (before + time.time()) / 2
    told = f"The database's clock and this host's are {abs(off_s):,.1f} seconds apart"
    if abs(off_s) < _OFF_S:
        yield HealthCheck("Database's clock", HealthState.OK, f"{told}.")
    else:
        state = HealthState.BAD if abs(off_s) >= _FAR_OFF_S else HealthState.WARN
        what = f"{told}: {'this host' if off_s > 0 else 'the database'} is behind. Synchronize it."
        yield HealthCheck("Database's clock", state, what)


def policies() -> Iterator[HealthCheck]:
    """A purchase needs a policy that grants it: an empty desk declines all."""
    if grants.all_is_declined():
        what = (
            "No policy that grants anything is assigned, so every purchase is declined: make one "
            "under Policies, and assign it."
        )
        yield HealthCheck("Policies", HealthState.BAD, what)
    else:
        yield HealthCheck("Policies", HealthState.OK, "A policy that grants purchases is assigned.")


def people() -> Iterator[HealthCheck]:
    if User.objects.filter(is_active=True, is_superuser=True).exists():
        yield HealthCheck("People", HealthState.OK, "Somebody can log in and give others roles.")
    else:
        what = "Nobody can log in and give others roles: `manage.py createsuperuser` makes one."
        yield HealthCheck("People", HealthState.WARN, what)


def proofs() -> Iterator[HealthCheck]:
    """What the newest run of each proof found."""
    newest = {
        run.command: run for run in ProofRun.objects.order_by("-pk")[:200][::-1] if not run.decision
    }
    different = [run for run in newest.values() if run.result == ProofRun.Result.DIFFERENT]
    for run in different:
        what = f"{run.command} found {run.differences:,} differences last. See Proofs."
        yield HealthCheck("Proofs", HealthState.BAD, what)
    since = timezone.now() - _PROVED_WITHIN
    late = [command for command in ProofRun.Command if not _is_recent(newest.get(command), since)]
    if late and not settings.DEBUG:
        what = (
            f"{' and '.join(late)} did not run to the end in the last three days. "
            "desk-nightly.timer runs them on one host of the desk."
        )
        yield HealthCheck("Proofs", HealthState.WARN, what)
    elif not late and not different:
        yield HealthCheck("Proofs", HealthState.OK, "The record was proved in the last three days.")


def _is_recent(run: ProofRun | None, since: datetime) -> bool:
    return bool(run and run.result != ProofRun.Result.STOPPED and run.ended_at >= since)
