"""System checks of the settings without which the program must not start.

Outside development (DEBUG is off), a SECRET_KEY, ALLOWED_HOSTS or STRIPE_WEBHOOK_SECRET that is
missing, blank or has white space is an error: without any of them the desk would be open to
attack. In development they may be missing, but not wrong.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, connections

from authorizations.services.runtime import tables
from authorizations.services.stand_in import spool_watch
from authz_project import pooler

TAG = "authorizations"
WEBHOOK_SECRET_PREFIX = "whsec_"  # noqa: S105 - the beginning of every one
DEVELOPMENT_HINT = "For development run `python -m authz_project.first_env`, which writes a .env."


@register(TAG)
def check_secret_key(**_: Any) -> Iterator[CheckMessage]:
    """SECRET_KEY is set and has no white space."""
    if settings.SECRET_KEY.startswith(settings.UNSET_SECRET_KEY):
        if not settings.DEBUG:
            yield Error(
                "SECRET_KEY is not set. Set it to a long random value and keep it secret: "
                "`python -c 'import secrets; print(secrets.token_urlsafe(50))'` prints one.",
                hint=DEVELOPMENT_HINT,
                id="authorizations.E001",
            )
    elif has_white_space(settings.SECRET_KEY) and not settings.DEBUG:
        yield Error(
            "SECRET_KEY contains white space. Check how it was pasted, and remove the white space.",
            id="authorizations.E002",
        )


@register(TAG)
def check_allowed_hosts(**_: Any) -> Iterator[CheckMessage]:
    """ALLOWED_HOSTS is set and well-formed."""
    if settings.DEBUG:
        return
    if not settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS is not set. Set it to the host names of this site, separated by "
            "commas, for example ALLOWED_HOSTS=cards.example.com.",
            hint=DEVELOPMENT_HINT,
            id="authorizations.E003",
        )
    if any(map(has_white_space, settings.ALLOWED_HOSTS)):
        yield Error(
            "ALLOWED_HOSTS has white space inside a name. Separate the names by commas.",
            id="authorizations.E004",
        )


@register(TAG)
def check_webhook_secrets(**_: Any) -> Iterator[CheckMessage]:
    """STRIPE_WEBHOOK_SECRET is set: without it, anybody could send events."""
    if not settings.STRIPE_WEBHOOK_SECRETS and not settings.DEBUG:
        yield Error(
            "STRIPE_WEBHOOK_SECRET is not set. Set it to the signing secret (whsec_...) that "
            "Stripe's Dashboard shows for your webhook endpoint.",
            hint=DEVELOPMENT_HINT,
            id="authorizations.E005",
        )
    for number, secret in enumerate(settings.STRIPE_WEBHOOK_SECRETS, start=1):
        # The secret itself is not shown, because messages are logged.
        if has_white_space(secret) or not is_webhook_secret(secret):
            yield Error(
                f"STRIPE_WEBHOOK_SECRET, secret {number}, is not a signing secret. It starts with "
                "whsec_ and has no white space; several are separated by commas. (An API key, "
                "sk_..., is something else.)",
                id="authorizations.E006",
            )


@register(Tags.database)
def check_pooler(databases: Sequence[str] | None = None, **_: Any) -> Iterator[CheckMessage]:
    """Whether there is a transaction pooler; for `check --database default`.

    Does not connect if other checks fail.
    """
    if databases and not _refuses_the_start():
        with suppress(DatabaseError):  # commands that need the database report it themselves
            connection.ensure_connection()
        if sentence := pooler.sentence():
            yield Info(sentence, id="authorizations.I001")


@register(Tags.database)
def check_tables(databases: Sequence[str] | None = None, **_: Any) -> Iterator[CheckMessage]:
    """Tables of a version before the first release, for which `migrate` finds nothing to apply.

    For `check --database default`, which `migrate` runs first.
    """
    for alias in () if _refuses_the_start() else databases or ():
        with suppress(DatabaseError):  # commands that need the database report it themselves
            if tables.are_of_an_earlier_form(connections[alias]):
                yield Error(tables.OF_AN_EARLIER_FORM, id="authorizations.E008")


@register(TAG, deploy=True)
def check_spool(**_: Any) -> Iterator[CheckMessage]:
    """The spool can be written: it keeps the answers given while the database is away."""
    if problem := spool_watch.unwritable(Path(settings.SPOOL_DIR)):
        yield Error(problem, id="authorizations.E007")


def _refuses_the_start() -> bool:
    return any(found.is_serious() for found in run_checks(tags=[TAG]))


def has_white_space(value: str) -> bool:
    return any(character.isspace() for character in value)


def is_webhook_secret(value: str) -> bool:
    return value.startswith(WEBHOOK_SECRET_PREFIX) and len(value) > len(WEBHOOK_SECRET_PREFIX)


def refuse_unsafe_start() -> None:
    """Raise ImproperlyConfigured, saying what to do, if one of these checks fails.

    For wsgi.py, because a WSGI server runs no checks, and for runserver, which would complain of
    ALLOWED_HOSTS before it runs them.
    """
    problems = [message for message in run_checks(tags=[TAG]) if message.is_serious()]
    if problems:
        sentences = [problem.msg for problem in problems]
        hints = {problem.hint for problem in problems if problem.hint}
        raise ImproperlyConfigured("\n".join([*sentences, *hints]))
