"""Checks settings and secrets: whether they are set and well-formed, never showing their values."""

import os
from collections.abc import Iterator
from functools import cache

from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.db import connection
from psycopg.pq import Conninfo

from authorizations.services.webhook.health.values import HealthCheck, HealthState

_GIVEN = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "dbname"}
_BESIDE_OPTIONS = ("PGDATESTYLE", "PGTZ", "PGGEQO")  # sent along with each connection
_SPOOL = "authorizations.E007"  # `host.spool` checks it each time


def settings_as_checked() -> Iterator[HealthCheck]:
    """The messages of `manage.py check`; outside development, of `check --deploy`."""
    found = [message for message in _messages() if message.id != _SPOOL]
    for message in found:
        state = HealthState.BAD if message.is_serious() else HealthState.WARN
        hint = f" {message.hint}" if message.hint else ""
        yield HealthCheck("Settings", state, f"{message.msg}{hint}")
    if not found:
        yield HealthCheck("Settings", HealthState.OK, "No problem was found in the settings.")


@cache
def _messages() -> list[CheckMessage]:
    """Cached for the process: its settings do not change."""
    return run_checks(include_deployment_checks=not settings.DEBUG)


def mode() -> Iterator[HealthCheck]:
    if settings.DEBUG:
        what = "DEBUG is true, which is for development only. Unset it on a server."
        yield HealthCheck("Mode", HealthState.WARN, what)
        return
    of = {True: "Live", False: "Test", None: "Live and test"}[settings.STRIPE_LIVEMODE]
    if settings.STRIPE_LIVEMODE is None:
        what = (
            "Live and test events are approved alike: set STRIPE_LIVEMODE to true or false, so "
            "that no test event takes up a limit of a live card."
        )
        yield HealthCheck("Mode", HealthState.WARN, what)
    else:
        yield HealthCheck("Mode", HealthState.OK, f"{of} events are approved, others declined.")


def environment() -> Iterator[HealthCheck]:
    """Environment variables that PostgreSQL's client reads where DATABASE_URL says nothing.

    The embedded server ignores them.
    """
    database = connection.settings_dict
    options = {*database["OPTIONS"], *(_GIVEN[key] for key in _GIVEN if database.get(key))}
    by_variable = {
        (option.envvar or b"").decode(): option.keyword.decode()
        for option in Conninfo.get_defaults()
    } | dict.fromkeys(_BESIDE_OPTIONS, "")
    read = [name for name, key in by_variable.items() if name in os.environ and key not in options]
    if read and database["ENGINE"] != "authz_project.embedded_postgres":
        what = (
            f"{' and '.join(sorted(read))} in the environment apply to the database connection, "
            "as DATABASE_URL does not override them. Unset them, or set them in DATABASE_URL."
        )
        yield HealthCheck("Environment", HealthState.WARN, what)


def secrets() -> Iterator[HealthCheck]:
    """Which secrets are set; `manage.py check` checks their form."""
    number = len(settings.STRIPE_WEBHOOK_SECRETS)
    if not number:
        what = "STRIPE_WEBHOOK_SECRET is not set: every webhook is refused. Set it to Stripe's."
        yield HealthCheck("Secrets", HealthState.BAD, what)
    else:
        secrets = "1 webhook secret is" if number == 1 else f"{number} webhook secrets are"
        yield HealthCheck("Secrets", HealthState.OK, f"{secrets} set.")
    key: str = settings.STRIPE_API_KEY
    if not key:
        what = "STRIPE_API_KEY is not set: `reconcile` can't bring in what the webhook missed."
        yield HealthCheck("API key", HealthState.OK if settings.DEBUG else HealthState.WARN, what)
    elif not key.startswith(("sk_", "rk_")) or any(one.isspace() for one in key):
        what = "STRIPE_API_KEY is neither a secret (sk_...) nor a restricted key (rk_...). Set one."
        yield HealthCheck("API key", HealthState.BAD, what)
    elif settings.STRIPE_LIVEMODE is not None and key[2:].startswith(
        "_test_" if settings.STRIPE_LIVEMODE else "_live_"
    ):
        what = "STRIPE_API_KEY is for a different mode than STRIPE_LIVEMODE. Set one of this mode."
        yield HealthCheck("API key", HealthState.BAD, what)
    elif key.startswith("sk_"):
        what = (
            "STRIPE_API_KEY may do everything at Stripe. A restricted key that may read Issuing "
            "authorizations and transactions is enough."
        )
        yield HealthCheck("API key", HealthState.OK if settings.DEBUG else HealthState.WARN, what)
    else:
        yield HealthCheck("API key", HealthState.OK, "STRIPE_API_KEY is a restricted key.")
