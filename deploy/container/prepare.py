"""Run before the servers: migrates the tables, and creates the roles that the servers log in as.

    python deploy/container/prepare.py

DATABASE_URL is that of a superuser, or of the role with CREATEROLE that owns the database. The
passwords of the other roles are in WEBHOOK_PASSWORD, ADMIN_PASSWORD and RECORD_PASSWORD. It may be
run again.
"""

import os
import sys
from pathlib import Path

import django
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz_project.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from authorizations.services.webhook.database_roles import Roles, quoted, script  # noqa: E402

SERVING = ("webhook", "admin", "record")


def main() -> None:
    missing = [name for name in map(_variable, SERVING) if not os.environ.get(name)]
    if missing:
        sys.exit(f"{', '.join(missing)} must be set: compose.yaml says what for.")
    call_command("migrate", interactive=False)
    connection.ensure_connection()
    with psycopg.ClientCursor(connection.connection) as cursor:
        cursor.execute("SELECT current_database(), current_schema()")
        [(database, schema)] = cursor.fetchall()
        names = {role: f"desk_{role}" for role in ("owner", *SERVING)}
        cursor.execute(script(Roles(database, schema, **names)).encode())
        for role in SERVING:
            password = os.environ[_variable(role)].encode()
            # As PostgreSQL keeps it: the password itself gets into no log.
            kept = connection.connection.pgconn.encrypt_password(
                password, names[role].encode(), b"scram-sha-256"
            )
            statement = f"ALTER ROLE {quoted(names[role])} PASSWORD '{kept.decode()}'"
            cursor.execute(statement.encode())
    print("The tables are up to date, and each role has its rights and its password.")


def _variable(role: str) -> str:
    return f"{role.upper()}_PASSWORD"


if __name__ == "__main__":
    main()
