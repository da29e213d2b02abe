"""The roles of PostgreSQL that a desk is served with, as SQL.

The triggers that keep the record as it was written belong to the tables' owner, who could drop
them. So the program is served under roles that own nothing, each with the rights its work needs:

- *webhook* answers Stripe and gives up early. It writes what Stripe's word causes, and knows
  nothing of users, log-ins or what policies are edited from.
- *admin* serves people's pages. It writes no request and no decision, and into the ledger only
  what an operator books under their own name.
- *record* runs the commands that write by Stripe's word or prove the record: reconcile,
  reapply_events, replay_spool, and the verifying ones.

Nobody but the owner may change, delete or empty what is append-only, and only triggers write the
change history. Only `migrate` logs in as the owner.
"""

from dataclasses import dataclass
from typing import NamedTuple

from authorizations.services import budget, digest_sql


@dataclass(frozen=True)
class Roles:
    """Their names; `owner` is for `migrate` alone."""

    database: str
    schema: str
    owner: str
    webhook: str
    admin: str
    record: str


class Rights(NamedTuple):
    """What the roles may do with a table, as statements in PostgreSQL's words.

    `record` may read everything and write what the webhook may, and what is named here besides.
    A column list, as in "UPDATE (a, b)", bounds a right to these columns. Locking a row needs the
    right to update some column of it.
    """

    webhook: str = ""
    admin: str = ""
    record: str = ""


_READ = "SELECT"
_ADD = "SELECT, INSERT"
_KEEP = "SELECT, INSERT, UPDATE"
_ALL = "SELECT, INSERT, UPDATE, DELETE"

PEOPLE = Rights(admin=_ALL)
"""Users, log-ins and what Django keeps of them."""

EDITED = Rights(webhook=_READ, admin=_ALL)
DIGEST = Rights(admin=f"{_ALL}, TRUNCATE")
"""What lists and charts show; counted anew by `digest --rebuild`."""

TABLES: dict[str, Rights] = {
    # The record: written once.
    "authorizations_webhookrequest": Rights(webhook=_ADD, admin=_READ),
    "authorizations_decision": Rights(webhook=_ADD, admin=_READ),
    # A trigger lets the admin enter operators' causes only.
    "authorizations_ledgerentry": Rights(webhook=_ADD, admin=_ADD),
    "authorizations_rejectedrequest": Rights(webhook=_ADD, admin=_READ),
    "authorizations_rejectedminute": Rights(webhook=_KEEP, admin=_READ),
    "authorizations_repeatedminute": Rights(webhook=_KEEP, admin=_READ),
    "authorizations_policyversion": Rights(webhook=_READ, admin=_ADD),
    "authorizations_standinswitch": Rights(webhook=_READ, admin=_ADD),
    "authorizations_export": Rights(admin=_ADD),
    "authorizations_exportend": Rights(admin=_ADD),
    "authorizations_proofrun": Rights(admin=_READ, record=_ADD),
    "authorizations_historyentry": Rights(admin=_READ),
    # The books, derived from it.
    "authorizations_authorization": Rights(webhook=_KEEP, admin="SELECT, UPDATE"),
    "authorizations_transaction": Rights(webhook=_KEEP, admin=_READ),
    "authorizations_dispute": Rights(webhook=_KEEP, admin=_READ),
    "authorizations_usage": Rights(webhook=_ALL, admin=_ALL),
    "authorizations_uncountedwindow": Rights(webhook=_ALL, admin=_ALL),
    # A finding stands as its newest change says: a function of the owner's copies it.
    "authorizations_finding": Rights(webhook=f"{_ADD}, UPDATE (id)", admin=f"{_ADD}, UPDATE (id)"),
    "authorizations_findingchange": Rights(webhook=_ADD, admin=_ADD),
    "authorizations_findingwindow": Rights(webhook=_ADD, admin=_READ),
    "authorizations_unappliedevent": Rights(webhook=_KEEP, admin="SELECT, UPDATE"),
    "authorizations_reconciliation": Rights(admin=_READ, record=_KEEP),
    # Cards as Stripe tells them. Freezing and groups are the operators'; a card that replaces
    # another takes them along by a function of the owner's.
    "authorizations_card": Rights(
        webhook="SELECT, INSERT, UPDATE (cardholder_id, root_id, replacement_for, last4, brand, "
        "type, currency, status, details_at)",
        admin=_KEEP,
    ),
    "authorizations_cardholder": Rights(webhook=_KEEP, admin=_KEEP),
    # What operators edit.
    "authorizations_cardgroup": Rights(webhook="SELECT, UPDATE (id)", admin=_ALL),  # to lock it
    "authorizations_policy": EDITED,
    "authorizations_assignment": EDITED,
    "authorizations_spendinglimit": Rights(admin=_ALL),
    "authorizations_scheduleentry": Rights(admin=_ALL),
    **dict.fromkeys(digest_sql.TABLES, DIGEST),
    # People.
    **dict.fromkeys(
        (
            *("auth_user", "auth_group", "auth_permission", "auth_group_permissions"),
            *("auth_user_groups", "auth_user_user_permissions"),
            *("django_session", "django_admin_log", "django_content_type"),
            *("account_emailaddress", "account_emailconfirmation", "mfa_authenticator"),
            *("axes_accessattempt", "axes_accessattemptexpiration", "axes_accessfailurelog"),
            *("axes_accesslog", "authorizations_shared_cache"),
        ),
        PEOPLE,
    ),
    "pghistory_context": Rights(),
    "django_migrations": Rights(webhook=_READ, admin=_READ),
}
"""Every table of the schema; one that is not here stays the owner's alone."""

# Of 900 ms that an answer may take (docs/why.md). The program ends its own work after 700 ms; these
# are for what it leaves behind when it is stopped itself, such as a lock.
WEBHOOK_SETTINGS = {
    "lock_timeout": f"{budget.LOCK_TIMEOUT_MS}ms",
    "statement_timeout": f"{budget.STATEMENT_TIMEOUT_MS}ms",
    "idle_in_transaction_session_timeout": "1s",
    "client_connection_check_interval": "250ms",
}
# A page or a command may take longer; it may not hold what purchases wait for.
ADMIN_SETTINGS = {
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
    "client_connection_check_interval": "1s",
}

ROLE = """\
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal}) THEN
        CREATE ROLE {name} LOGIN;
    END IF;
END $$;
"""

OWNERSHIP = """\
-- Everything belongs to the owner; nobody else makes tables.
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA {schema} TO {owner};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {owner};
GRANT CONNECT ON DATABASE {database} TO {webhook}, {admin}, {record};
GRANT USAGE ON SCHEMA {schema} TO {webhook}, {admin}, {record};
DO $$ DECLARE statement text; BEGIN
    FOR statement IN
        SELECT format('ALTER TABLE %s OWNER TO {owner}', oid::regclass) FROM pg_class
        WHERE relnamespace = {schema_literal}::regnamespace AND relkind IN ('r', 'p', 'v')
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO {owner}', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = {schema_literal}::regnamespace
    LOOP
        EXECUTE statement;
    END LOOP;
END $$;
-- Every right anew, so that one of an earlier version does not stay.
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {webhook}, {admin}, {record};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {record};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {webhook}, {admin}, {record};
"""


def script(roles: Roles) -> str:
    """The SQL, for a superuser; running it again does no harm."""
    names = {key: quoted(getattr(roles, key)) for key in Roles.__dataclass_fields__}
    moving = "authorizations_move_chain(text, text)"
    parts = [
        *(_role(name) for name in (roles.owner, roles.webhook, roles.admin, roles.record)),
        OWNERSHIP.format(**names, schema_literal=_literal(names["schema"])),
        *_grants(names),
        f"GRANT EXECUTE ON FUNCTION {moving} TO {names['webhook']}, {names['record']};",
        *(_settings(roles.webhook, WEBHOOK_SETTINGS), _settings(roles.admin, ADMIN_SETTINGS)),
        _settings(roles.record, ADMIN_SETTINGS),
    ]
    return "\n".join(parts)


def _grants(names: dict[str, str]) -> list[str]:
    """A line for each table and role."""
    lines = []
    for table, rights in TABLES.items():
        given = {
            "webhook": [rights.webhook],
            "admin": [rights.admin],
            "record": [rights.webhook, rights.record],
        }
        for role, told in given.items():
            lines += [f"GRANT {right} ON {table} TO {names[role]};" for right in told if right]
    return lines


def _role(name: str) -> str:
    return ROLE.format(literal=_literal(name), name=quoted(name))


def _settings(name: str, settings: dict[str, str]) -> str:
    lines = (f"ALTER ROLE {quoted(name)} SET {key} = '{value}';" for key, value in settings.items())
    return "\n".join(lines)


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
