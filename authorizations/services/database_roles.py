"""The roles of PostgreSQL that a desk is served with, as SQL.

The triggers that keep the record as it was written belong to the tables' owner, who could drop
them. So the program is served under roles that own nothing: one that answers Stripe and gives up
early, one for people's pages and for commands. Neither may change, delete or empty what is
append-only. Only `migrate` logs in as the owner.
"""

from dataclasses import dataclass
from importlib import import_module

from authorizations.services import budget, digest_sql

APPEND_ONLY: tuple[str, ...] = import_module("authorizations.migrations.0002_guards").APPEND_ONLY


@dataclass(frozen=True)
class Roles:
    """Their names; `rights` cannot log in, the two that serve are members of it."""

    database: str
    schema: str
    owner: str
    webhook: str
    admin: str

    @property
    def rights(self) -> str:
        return f"{self.webhook}_{self.admin}_rights"


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
        CREATE ROLE {name} {kind};
    END IF;
END $$;
"""

OWNERSHIP = """\
-- Everything belongs to the owner; nobody else makes tables.
REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA {schema} TO {owner};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {owner}, {rights};
GRANT USAGE ON SCHEMA {schema} TO {rights};
DO $$ DECLARE statement text; BEGIN
    FOR statement IN
        SELECT format('ALTER TABLE %s OWNER TO {owner}', oid::regclass) FROM pg_class
        WHERE relnamespace = {schema_literal}::regnamespace AND relkind IN ('r', 'p')
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO {owner}', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = {schema_literal}::regnamespace
    LOOP
        EXECUTE statement;
    END LOOP;
END $$;
"""

RIGHTS = """\
-- The program reads and writes...
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {rights};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {rights};
GRANT {rights} TO {webhook}, {admin};
-- ...but leaves the record as it was written,
REVOKE UPDATE, DELETE, TRUNCATE ON
    {append_only}
    FROM {rights};
-- and the list of migrations to the owner.
REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {rights};
-- Lists and charts may be counted anew (manage.py digest --rebuild).
GRANT TRUNCATE ON
    {digest}
    TO {rights};
-- Tables that later versions bring; run all this again after an upgrade.
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {rights};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT USAGE, SELECT ON SEQUENCES TO {rights};
"""


def script(roles: Roles) -> str:
    """The SQL, for a superuser; running it again does no harm."""
    names = {key: quoted(value) for key, value in _words(roles).items()}
    digest = ",\n    ".join(digest_sql.TABLES)
    facts = names | {"append_only": ",\n    ".join(APPEND_ONLY), "digest": digest}
    facts["schema_literal"] = _literal(facts["schema"])
    return "\n".join(
        [
            *(_role(name, "LOGIN") for name in (roles.owner, roles.webhook, roles.admin)),
            _role(roles.rights, "NOLOGIN"),
            OWNERSHIP.format(**facts),
            RIGHTS.format(**facts),
            _settings(roles.webhook, WEBHOOK_SETTINGS),
            _settings(roles.admin, ADMIN_SETTINGS),
        ]
    )


def _words(roles: Roles) -> dict[str, str]:
    words = ("database", "schema", "owner", "webhook", "admin", "rights")
    return {word: getattr(roles, word) for word in words}


def _role(name: str, kind: str) -> str:
    return ROLE.format(literal=_literal(name), name=quoted(name), kind=kind)


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
