"""The PostgreSQL roles of a desk, as SQL.

The triggers that protect the record belong to the tables' owner, who could drop them. So the
program runs under roles that own nothing, each with the rights its work needs:

- *webhook* answers Stripe, with short timeouts. It writes what Stripe's events cause, and cannot
  read users, log-ins or drafts of policies.
- *admin* serves the pages. It writes no requests and no decisions, and into the ledger only what
  an operator books under their own name.
- *record* runs the commands that write Stripe's events or prove the record: reconcile,
  reapply_events, replay_spool, and the verifying ones.

Only the owner may change, delete or empty append-only tables, and only triggers write the change
history. Only `migrate` logs in as the owner.
"""

from dataclasses import dataclass
from typing import NamedTuple

from authorizations.services.digest import statements
from authorizations.services.runtime import budget


@dataclass(frozen=True)
class Roles:
    """The names of the roles; only `migrate` uses `owner`."""

    database: str
    schema: str
    owner: str
    webhook: str
    admin: str
    record: str


class Rights(NamedTuple):
    """What the roles may do with a table, in PostgreSQL's words.

    `record` names what it may do besides reading everything and writing what the webhook may.
    "UPDATE (a, b)" is a right to these columns only. Locking a row requires the right to update
    some column of it.
    """

    webhook: str = ""
    admin: str = ""
    record: str = ""


_READ = "SELECT"
_ADD = "SELECT, INSERT"
_KEEP = "SELECT, INSERT, UPDATE"
_ALL = "SELECT, INSERT, UPDATE, DELETE"

PEOPLE = Rights(admin=_ALL)
"""Users and log-ins, and what Django stores about them."""

EDITED = Rights(webhook=_READ, admin=_ALL)
DIGEST = Rights(admin=f"{_ALL}, TRUNCATE")
"""The read model of lists and charts, which `digest --rebuild` makes again."""

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
    "authorizations_plannedversion": Rights(webhook=_READ, admin=_ADD),
    "authorizations_plancancellation": Rights(webhook=_READ, admin=_ADD),
    "authorizations_standinswitch": Rights(webhook=_READ, admin=_ADD),
    "authorizations_instruction": Rights(webhook=_READ, admin=_ADD),
    "authorizations_lifting": Rights(webhook=_READ, admin=_ADD),
    # Triggers of the owner's keep it.
    "authorizations_openinstruction": Rights(webhook=_READ, admin=_READ),
    "authorizations_exceptionlimit": Rights(admin=_ALL),
    "authorizations_fundentry": Rights(admin=_ADD),
    # A trigger of the owner's adds it up.
    "authorizations_potsum": Rights(webhook=_READ, admin=_READ),
    "authorizations_exceptionuse": Rights(webhook=_ADD, admin=_READ),
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
    # A function of the owner's copies a finding's state from its newest change.
    "authorizations_finding": Rights(webhook=f"{_ADD}, UPDATE (id)", admin=f"{_ADD}, UPDATE (id)"),
    "authorizations_findingchange": Rights(webhook=_ADD, admin=_ADD),
    "authorizations_findingwindow": Rights(webhook=_ADD, admin=_READ),
    "authorizations_unappliedevent": Rights(webhook=_KEEP, admin="SELECT, UPDATE"),
    "authorizations_reconciliation": Rights(admin=_READ, record=_KEEP),
    # Cards as Stripe reports them. Operators freeze and group them; functions of the owner's copy
    # that to a card's replacement, and group cards by Stripe's metadata.
    "authorizations_card": Rights(
        webhook="SELECT, INSERT, UPDATE (cardholder_id, root_id, replacement_for, last4, brand, "
        "type, currency, status, details_at, metadata, metadata_at)",
        admin=_KEEP,
    ),
    "authorizations_cardholder": Rights(webhook=_KEEP, admin=_KEEP),
    # What operators edit.
    "authorizations_cardgroup": Rights(webhook="SELECT, UPDATE (id)", admin=_ALL),  # to lock it
    "authorizations_policy": EDITED,
    "authorizations_assignment": EDITED,
    "authorizations_programdefaults": Rights(admin=_KEEP),
    **dict.fromkeys(statements.TABLES, DIGEST),
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
    "django_migrations": Rights(webhook=_READ, admin=_READ),
}
"""Every table of the schema; only the owner may use one that is not here."""

# The value the program needs. Set here because some poolers do not keep what a session sets.
EVERYBODYS_SETTINGS = {"timezone": "UTC"}
# The program ends its own work earlier (runtime/budget.py). These end what it leaves behind if it
# is stopped itself, such as a lock.
WEBHOOK_SETTINGS = {
    "lock_timeout": f"{budget.LOCK_TIMEOUT_MS}ms",
    "statement_timeout": f"{budget.STATEMENT_TIMEOUT_MS}ms",
    "idle_in_transaction_session_timeout": f"{budget.IDLE_TIMEOUT_MS}ms",
    "client_connection_check_interval": f"{budget.CLIENT_CHECK_MS}ms",
    **EVERYBODYS_SETTINGS,
}
# A page or a command may take longer, but must not block purchases, nor use several processors.
ADMIN_SETTINGS = {
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "30s",
    "client_connection_check_interval": "1s",
    "max_parallel_workers_per_gather": "0",
    **EVERYBODYS_SETTINGS,
}

ROLE = """\
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal}) THEN
        CREATE ROLE {name} LOGIN;
    END IF;
END $$;
"""

JOIN = """\
-- The current role, superuser or not, acts for the owner until the end. Since PostgreSQL 16, a
-- membership has options, and may lack these.
DO $$ DECLARE options text := ''; may boolean := pg_has_role({owner_literal}, 'USAGE'); BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
        options := ' WITH INHERIT TRUE, SET TRUE';
        EXECUTE 'SELECT $1 AND pg_has_role($2, ''SET'')' INTO may USING may, {owner_literal};
    END IF;
    IF NOT may THEN
        EXECUTE 'GRANT {owner} TO CURRENT_USER' || options;
        PERFORM set_config('desk.has_joined', 'yes', true);
    END IF;
END $$;
DO $$ DECLARE other text; BEGIN
    SELECT relowner::regrole INTO other FROM pg_class
    WHERE relnamespace = {schema_literal}::regnamespace AND relname = ANY ({tables})
        AND NOT pg_has_role(relowner, 'USAGE');
    IF FOUND THEN
        RAISE EXCEPTION 'The desk''s tables belong to %.', other
        USING HINT = 'Run this as that role, as a member of it, or as a superuser.';
    END IF;
END $$;
"""

OWNERSHIP = """\
-- Everything belongs to the owner, and no other role makes tables. What belongs to an extension
-- stays, and what is the owner's already is not locked.
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA {schema} TO {owner};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {owner};
GRANT CONNECT ON DATABASE {database} TO {webhook}, {admin}, {record};
GRANT USAGE ON SCHEMA {schema} TO {webhook}, {admin}, {record};
DO $$ DECLARE name text; BEGIN
    FOR name IN
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = {schema_literal}::regnamespace AND relkind IN ('r', 'p', 'v')
            AND NOT pg_get_userbyid(relowner) = {owner_literal}
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO {owner}', name);
    END LOOP;
    FOR name IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = {schema_literal}::regnamespace
            AND NOT pg_get_userbyid(proowner) = {owner_literal}
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO {owner}', name);
    END LOOP;
END $$;
"""

RIGHTS = """\
DO $$ DECLARE name text; BEGIN
    FOR name IN
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = {schema_literal}::regnamespace AND relkind IN ('r', 'p', 'v')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    LOOP
        -- All rights are granted again, so that none of an earlier version remains.
        EXECUTE format('REVOKE ALL ON TABLE %s FROM {webhook}, {admin}, {record}', name);
        EXECUTE format('GRANT SELECT ON TABLE %s TO {record}', name);
    END LOOP;
    FOR name IN
        SELECT oid::regclass FROM pg_class
        WHERE relnamespace = {schema_literal}::regnamespace AND relkind = 'S'
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    LOOP
        EXECUTE format(
            'GRANT USAGE, SELECT ON SEQUENCE %s TO {webhook}, {admin}, {record}', name
        );
    END LOOP;
END $$;
"""

LEAVE = """\
-- PostgreSQL only warns where a right could not be taken away.
DO $$ BEGIN
    IF has_schema_privilege({webhook_literal}, {schema_literal}::regnamespace, 'CREATE') THEN
        RAISE EXCEPTION 'Any role may make tables in the schema {schema}, which belongs to %.',
            (SELECT nspowner::regrole FROM pg_namespace
            WHERE oid = {schema_literal}::regnamespace)
        USING HINT = 'As that role, first: REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC; or begin '
            'with a schema of your own: CREATE SCHEMA desk; ALTER DATABASE {database} SET '
            'search_path = desk; then migrate.';
    END IF;
    IF current_setting('desk.has_joined', true) = 'yes' THEN
        REVOKE {owner} FROM CURRENT_USER;
    END IF;
END $$;
"""


def script(roles: Roles) -> str:
    """The SQL, as one transaction that may be run again.

    To be run by a superuser or, on a managed service, by a role with CREATEROLE that owns the
    database and, the first time, the tables. Needs PostgreSQL 14 or newer.
    """
    names, literals = _named(roles)
    parts = [
        "BEGIN;",
        *(
            ROLE.format(literal=_literal(name), name=quoted(name))
            for name in (roles.owner, roles.webhook, roles.admin, roles.record)
        ),
        *(part.format(**names, **literals) for part in (JOIN, OWNERSHIP)),
        rights(roles),
        *(_settings(roles.webhook, WEBHOOK_SETTINGS), _settings(roles.admin, ADMIN_SETTINGS)),
        _settings(roles.record, ADMIN_SETTINGS),
        LEAVE.format(**names, **literals),
        "COMMIT;",
    ]
    return "\n".join(parts)


def rights(roles: Roles) -> str:
    """The part of the SQL that a new version may change; run it as the tables' owner.

    Run it in one transaction: it revokes all rights and grants them again.
    """
    names, literals = _named(roles)
    grants = []
    for table, given in TABLES.items():
        by_role = {
            "webhook": [given.webhook],
            "admin": [given.admin],
            "record": [given.webhook, given.record],
        }
        for role, some in by_role.items():
            grants += [f"GRANT {right} ON {table} TO {names[role]};" for right in some if right]
    moving = "authorizations_move_chain(text, text)"
    grants.append(f"GRANT EXECUTE ON FUNCTION {moving} TO {names['webhook']}, {names['record']};")
    grouping = "authorizations_group_by_metadata(text[])"
    every = f"{names['webhook']}, {names['admin']}, {names['record']}"
    grants.append(f"GRANT EXECUTE ON FUNCTION {grouping} TO {every};")
    freezing = "authorizations_freeze_card(text, text, text, bigint, int, text)"
    grants.append(f"GRANT EXECUTE ON FUNCTION {freezing} TO {names['webhook']}, {names['record']};")
    return "\n".join([RIGHTS.format(**names, **literals), *grants])


def _named(roles: Roles) -> tuple[dict[str, str], dict[str, str]]:
    """The names as SQL writes them, and as literals."""
    names = {key: quoted(getattr(roles, key)) for key in Roles.__dataclass_fields__}
    literals = {
        "schema_literal": _literal(names["schema"]),
        "owner_literal": _literal(roles.owner),
        "webhook_literal": _literal(roles.webhook),
        "tables": f"ARRAY[{', '.join(map(_literal, TABLES))}]",
    }
    return names, literals


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
