"""Which database, in the words of Django's DATABASES."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environ import Env

_SCHEMES = ("postgres", "postgresql", "psql", "pgsql")


def from_url(url: str) -> dict[str, Any]:
    """What DATABASE_URL says; only PostgreSQL is accepted."""
    scheme, is_url, _ = url.strip().partition("://")
    example = "postgres://user:password@host:5432/name"
    if is_url and scheme not in _SCHEMES:
        raise ImproperlyConfigured(
            f"DATABASE_URL names {scheme}; this program needs PostgreSQL 14 or newer, for example "
            f"{example}."
        )
    try:
        database = dict(Env.db_url_config(url.strip())) if is_url else {}
    except ValueError:  # its details would show the password
        database = {}
    if not database.get("NAME"):
        raise ImproperlyConfigured(f"DATABASE_URL can't be read; write it like {example}.")
    return database


def embedded(directory: Path) -> dict[str, Any]:
    """The PostgreSQL that comes with the program and is started when first needed."""
    return {
        "ENGINE": "authz_project.embedded_postgres",
        "NAME": "authorizations",
        "DIRECTORY": directory,
    }
