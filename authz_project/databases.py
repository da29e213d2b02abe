"""Which database, in the words of Django's DATABASES."""

import re
from pathlib import Path
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

pooled = True
"""Whether this process keeps connections; manage.py says so before settings are read."""

_SCHEMES = ("postgres", "postgresql", "psql", "pgsql")
_EXAMPLE = "postgres://user:password@host:5432/name"
_UNKNOWN_OPTION = re.compile(r'invalid URI query parameter: "([a-z_]+)"')


def from_url(url: str) -> dict[str, Any]:
    """What DATABASE_URL says, read as PostgreSQL's own clients read it; no other is accepted.

    What it may say beyond host, port, name, user and password are libpq's parameters, such as
    sslmode. Sentences show nothing of it but the name of a parameter.
    """
    scheme, is_url, rest = url.strip().partition("://")
    if is_url and scheme not in _SCHEMES:
        raise ImproperlyConfigured(
            f"DATABASE_URL names {scheme}; this program needs PostgreSQL 14 or newer, for example "
            f"{_EXAMPLE}."
        )
    if any(mark in rest.rpartition("@")[0] for mark in "@/?#"):
        raise ImproperlyConfigured(
            "DATABASE_URL can't be read: where user, password or name hold one of @ / ? #, write "
            "it as %40, %2F, %3F or %23."
        )
    try:
        read = conninfo_to_dict(f"postgresql://{rest}") if is_url else {}
    except psycopg.ProgrammingError as problem:  # what else it says may be the password
        if option := _UNKNOWN_OPTION.match(str(problem)):
            raise ImproperlyConfigured(
                f"DATABASE_URL sets {option[1]}, which is no parameter of PostgreSQL's clients. "
                "Remove it."
            ) from None
        read = {}
    found = {name: str(value) for name, value in read.items()}
    host, name = found.pop("host", ""), found.pop("dbname", "")
    if name.startswith("/"):  # the other way to write a directory of sockets
        host, _, name = name.rpartition("/")
    port = found.pop("port", "")
    if not (name or "service" in found) or not re.fullmatch(r"\d{0,5}(,\d{0,5})*", port):
        raise ImproperlyConfigured(
            f"DATABASE_URL can't be read; write it like {_EXAMPLE}, with % in it as %25."
        )
    return {
        "ENGINE": "authz_project.postgresql",
        "NAME": name,
        "USER": found.pop("user", ""),
        "PASSWORD": found.pop("password", ""),
        "HOST": host,
        "PORT": port,
        "OPTIONS": found,
    }


def embedded(directory: Path) -> dict[str, Any]:
    """The PostgreSQL that comes with the program and is started when first needed."""
    return {
        "ENGINE": "authz_project.embedded_postgres",
        "NAME": "authorizations",
        "DIRECTORY": directory,
    }
