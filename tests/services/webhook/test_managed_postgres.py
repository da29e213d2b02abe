"""The roles of the database, made by somebody who is no superuser, as managed services have it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from authorizations.services.webhook.database_roles import Roles, script
from authz_project import databases
from tests.support import database, postgres

pytestmark = pytest.mark.django_db

PASSWORD = secrets.token_hex(16)


@dataclass(frozen=True)
class Managed:
    """A database with the desk's tables, all of it of a role with CREATEROLE."""

    superusers: str
    name: str
    schema: str = "public"

    def url(self, user: str = "") -> str:
        """Its address, for the superuser or somebody else."""
        scheme, _, rest = self.superusers.partition("://")
        who, _, where = rest.rpartition("@")
        who = f"{user}:{PASSWORD}" if user else who
        return f"{scheme}://{who}@{where.rpartition('/')[0]}/{self.name}"

    @contextmanager
    def connected(self, user: str = "") -> Iterator["psycopg.Connection[Any]"]:
        found = databases.from_url(self.url(user))
        named = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
        told = {name: found[key] for name, key in named.items()}
        with psycopg.connect(**told, dbname=found["NAME"], autocommit=True) as opened:
            yield opened

    def run(self, statements: str, user: str = "") -> list[tuple[Any, ...]]:
        with self.connected(user) as opened:
            cursor = opened.execute(statements.encode())
            return cursor.fetchall() if cursor.description else []

    def roles(self, kind: str = "") -> Roles:
        names = {role: f"{self.name[:12]}_{kind}{role}" for role in ("owner", "webhook")}
        others = {role: f"{self.name[:12]}_{kind}{role}" for role in ("admin", "record")}
        return Roles(self.name, self.schema, **names, **others)

    def has_role(self, name: str) -> bool:
        return bool(self.run(f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'"))  # noqa: S608


@pytest.fixture(scope="module", params=["the tests' own", *postgres.installed()], ids=str)
def managed(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any
) -> Iterator[Managed]:
    """One for each PostgreSQL that this machine has."""
    if isinstance(request.param, Path):
        with postgres.serving(request.param) as url:
            yield from _managed(url)
    else:
        with django_db_blocker.unblock():
            url = database.url()
        yield from _managed(url)


def _managed(url: str) -> Iterator[Managed]:
    name = f"managed_{secrets.token_hex(3)}"
    outside = Managed(url, "postgres")
    outside.run(f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
    outside.run(f"CREATE DATABASE {name}", name)
    found = Managed(url, name)
    if outside.run("SELECT current_setting('server_version_num')::int < 150000") == [(True,)]:
        # There everybody may make tables in `public`, and it belongs to a superuser.
        found = Managed(url, name, "desk")
        found.run(f"CREATE SCHEMA desk; ALTER DATABASE {name} SET search_path = desk", name)
    environment = os.environ | {
        "DATABASE_URL": found.url(name),
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
    }
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(migrate, cwd=settings.BASE_DIR, env=environment, check=True)
    yield found
    made = outside.run(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '{name[:12]}%'")  # noqa: S608
    outside.run(f"DROP DATABASE {name}")
    for [role] in sorted(made, reverse=True):
        outside.run(f"DROP ROLE {role}")


def test_it_makes_the_roles_and_makes_them_again_after_an_upgrade(managed: Managed) -> None:
    roles, manager = managed.roles(), managed.name
    assert managed.run("SELECT rolsuper FROM pg_roles WHERE rolname = current_user", manager) == [
        (False,)
    ]
    for _ in range(2):
        managed.run(script(roles), manager)
    owners = f"SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = '{managed.schema}'"  # noqa: S608
    assert managed.run(owners) == [(roles.owner,)]
    # They are not left with the owner's rights, though they may take them again.
    managed.run(f"ALTER ROLE {roles.owner} PASSWORD '{PASSWORD}'", manager)
    may = f"SELECT pg_has_role('{manager}', '{roles.owner}', 'USAGE')"
    assert managed.run(may) == [(False,)]
    managed.run("CREATE TABLE of_an_upgrade (id int)", roles.owner)
    managed.run(script(roles), manager)
    managed.run("DROP TABLE of_an_upgrade", roles.owner)


def test_the_roles_may_what_they_need_and_no_more(managed: Managed) -> None:
    roles, manager = managed.roles(), managed.name
    managed.run(script(roles), manager)
    managed.run(f"ALTER ROLE {roles.webhook} PASSWORD '{PASSWORD}'", manager)
    with managed.connected(roles.webhook) as webhook:
        assert webhook.execute("SELECT count(*) FROM authorizations_decision").fetchone() == (0,)
        assert webhook.execute("SHOW lock_timeout").fetchone() == ("600ms",)
        for refused in (
            "SELECT FROM auth_user",
            "DELETE FROM authorizations_decision",
            "CREATE TABLE of_my_own (id int)",
            f"SET ROLE {roles.owner}",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                webhook.execute(refused.encode())


def test_what_an_extension_brought_stays_as_it_is(managed: Managed) -> None:
    """Managed services put some into every database, of a role that nobody else is."""
    brings = "pg_stat_statements"
    if (brings,) not in managed.run("SELECT name FROM pg_available_extensions"):
        pytest.skip("This PostgreSQL comes without any.")
    owner = f"SELECT viewowner FROM pg_views WHERE viewname = '{brings}'"  # noqa: S608
    managed.run(f"CREATE EXTENSION {brings}")
    before = managed.run(owner)
    assert before
    managed.run(script(managed.roles()), managed.name)
    assert managed.run(owner) == before
    managed.run(f"DROP EXTENSION {brings}")


@pytest.fixture
def as_migrated(managed: Managed) -> None:
    """All belongs to whoever manages the database, as before the first time."""
    owner = managed.roles().owner
    if managed.has_role(owner):
        managed.run(f"REASSIGN OWNED BY {owner} TO {managed.name}")


@pytest.mark.usefixtures("as_migrated")
def test_where_the_tables_are_another_s_nothing_is_done_and_it_says_whose(managed: Managed) -> None:
    roles, other = managed.roles("x"), managed.roles("other").owner
    managed.run(
        f"CREATE ROLE {other}; GRANT CREATE ON SCHEMA {managed.schema} TO {other};"
        f"ALTER TABLE authorizations_card OWNER TO {other}"
    )
    with pytest.raises(psycopg.errors.RaiseException, match=f"belong to {other}"):
        managed.run(script(roles), managed.name)
    assert not managed.has_role(roles.owner)
    managed.run(
        f"ALTER TABLE authorizations_card OWNER TO {managed.name};"
        f"REVOKE ALL ON SCHEMA {managed.schema} FROM {other}"
    )


@pytest.mark.usefixtures("as_migrated")
def test_where_everybody_may_make_tables_and_it_can_t_be_helped_it_says_who_can(
    managed: Managed,
) -> None:
    """As in `public` before PostgreSQL 15."""
    roles, manager, schema = managed.roles("y"), managed.name, managed.schema
    [(owner,)] = managed.run(
        f"SELECT nspowner::regrole FROM pg_namespace WHERE nspname = '{schema}'"  # noqa: S608
    )
    managed.run(f"ALTER SCHEMA {schema} OWNER TO CURRENT_USER")
    managed.run(f"GRANT ALL ON SCHEMA {schema} TO PUBLIC")
    with pytest.raises(psycopg.errors.RaiseException, match="Any role may make tables"):
        managed.run(script(roles), manager)
    assert not managed.has_role(roles.webhook)
    managed.run(f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC")
    managed.run(f"ALTER SCHEMA {schema} OWNER TO {owner}")
