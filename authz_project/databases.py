"""The database, in the form of Django's DATABASES."""

import re
from pathlib import Path
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

pooled = True
"""Whether this process has a connection pool; manage.py sets it before settings are read."""

_SCHEMES = ("postgres", "postgresql", "psql", "pgsql")
_EXAMPLE = "postgres://user:password@host:5432/name"
_UNKNOWN_OPTION = re.compile(r'invalid URI query parameter: "([a-z_]+)"')


def from_url(url: str) -> dict[str, Any]:
    """The database that DATABASE_URL names, read as PostgreSQL's own clients read it.

    Besides host, port, name, user and password, it may set libpq's parameters, such as sslmode.
    Raises ImproperlyConfigured; the sentence shows nothing of the URL but a parameter's name.
    """
    scheme, is_url, rest = url.strip().partition("://")
    if is_url and scheme not in _SCHEMES:
        raise ImproperlyConfigured(
            f"DATABASE_URL names {scheme}; this program needs PostgreSQL 14 or newer, for example "
            f"{_EXAMPLE}."
        )
    if any(mark in rest.rpartition("@")[0] for mark in "@/?#"):
        raise ImproperlyConfigured(
            "DATABASE_URL can't be read: in user, password and name, write @ / ? # as %40, %2F, "
            "%3F and %23."
        )
    try:
        read = conninfo_to_dict(f"postgresql://{rest}") if is_url else {}
    except psycopg.ProgrammingError as problem:  # its message may contain the password
        if option := _UNKNOWN_OPTION.match(str(problem)):
            raise ImproperlyConfigured(
                f"DATABASE_URL sets {option[1]}, which is not a parameter of PostgreSQL's clients. "
                "Remove it."
            ) from None
        read = {}
    found = {name: str(value) for name, value in read.items()}
    host, name = found.pop("host", ""), found.pop("dbname", "")
    if name.startswith("/"):  # an alternative form of a socket directory
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
