"""Settings and secrets: whether they are there and of the right form, never what they are."""

from collections.abc import Iterator
from functools import cache

from django.conf import settings
from django.core.checks import CheckMessage, run_checks

from authorizations.services.health.values import HealthCheck, State

_SPOOL = "authorizations.E007"  # looked at by itself, each time


def settings_as_checked() -> Iterator[HealthCheck]:
    """What `check` knows; outside development what `check --deploy` does."""
    found = [message for message in _checked() if message.id != _SPOOL]
    for message in found:
        state = State.BAD if message.is_serious() else State.WARN
        hint = f" {message.hint}" if message.hint else ""
        yield HealthCheck("Settings", state, f"{message.msg}{hint}")
    if not found:
        yield HealthCheck("Settings", State.OK, "Every setting is as it should be.")


@cache
def _checked() -> list[CheckMessage]:
    """Once for each process, as settings do not change in it."""
    return run_checks(include_deployment_checks=not settings.DEBUG)


def mode() -> Iterator[HealthCheck]:
    if settings.DEBUG:
        what = "DEBUG is true: for a developer's own machine only. Leave it out where others come."
        yield HealthCheck("Mode", State.WARN, what)
        return
    of = {True: "Live", False: "Test", None: "Live and test"}[settings.STRIPE_LIVEMODE]
    if settings.STRIPE_LIVEMODE is None:
        what = (
            "Live and test events are approved alike: set STRIPE_LIVEMODE to true or false, so "
            "that no test event takes up a limit of a live card."
        )
        yield HealthCheck("Mode", State.WARN, what)
    else:
        yield HealthCheck("Mode", State.OK, f"{of} events are approved, others declined.")


def secrets() -> Iterator[HealthCheck]:
    """Their form is what `check` looks at; here it is which there are."""
    number = len(settings.STRIPE_WEBHOOK_SECRETS)
    if not number:
        what = "STRIPE_WEBHOOK_SECRET is not set: every webhook is refused. Set it to Stripe's."
        yield HealthCheck("Secrets", State.BAD, what)
    else:
        secrets = "1 webhook secret is" if number == 1 else f"{number} webhook secrets are"
        yield HealthCheck("Secrets", State.OK, f"{secrets} set.")
    key: str = settings.STRIPE_API_KEY
    if not key:
        what = "STRIPE_API_KEY is not set: `reconcile` can't bring in what the webhook missed."
        yield HealthCheck("API key", State.OK if settings.DEBUG else State.WARN, what)
    elif not key.startswith(("sk_", "rk_")) or any(one.isspace() for one in key):
        what = "STRIPE_API_KEY is no secret key (sk_...) and no restricted one (rk_...). Set one."
        yield HealthCheck("API key", State.BAD, what)
    elif settings.STRIPE_LIVEMODE is not None and key[2:].startswith(
        "_test_" if settings.STRIPE_LIVEMODE else "_live_"
    ):
        what = "STRIPE_API_KEY is of the other mode than STRIPE_LIVEMODE. Set a key of this mode."
        yield HealthCheck("API key", State.BAD, what)
    elif key.startswith("sk_"):
        what = (
            "STRIPE_API_KEY may do everything at Stripe. A restricted key that may read Issuing "
            "authorizations and transactions is enough."
        )
        yield HealthCheck("API key", State.OK if settings.DEBUG else State.WARN, what)
    else:
        yield HealthCheck("API key", State.OK, "STRIPE_API_KEY is a restricted key.")
