"""manage.py reconcile"""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from authorizations.management.instants import instant_or_day_back
from authorizations.management.terminal import console_of
from authorizations.models import Reconciliation
from authorizations.services.lifecycle import reconcile
from authorizations.services.lifecycle.reconcile import ReconcileOutcome
from authorizations.wire.api import Api, CannotReadError

_GOES_ON = "Run it again with the same --since: it goes on where it stopped."
_INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended


class Command(BaseCommand):
    help = (
        "Reads the authorizations and transactions that Stripe lists, and brings in what the "
        "webhook never delivered. Changes nothing at Stripe; what is known already leaves no "
        "trace here. Interrupted, it goes on when run again with the same --since. Ends with "
        "status 1 where something could not be brought in."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            required=True,
            type=instant_or_day_back,
            metavar="DATE",
            help="Read what was created from this date or ISO time on, such as 2026-11-01, or "
            "from the day so long ago on, such as 31d. In TIME_ZONE, unless it says otherwise.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        api = Api(_key(), settings.STRIPE_API_BASE)
        reading = reconcile.begun(options["since"])
        if reading.read:
            console.print(
                f"Going on with the reading begun on {_words(reading.started_at)}, "
                f"{reading.read:,} read already. What is newer than it is read by the next run."
            )
        try:
            _read(console, api, reading)
        except CannotReadError as problem:
            raise CommandError(f"{problem} {_GOES_ON}") from None
        except DatabaseError as error:
            raise CommandError(f"The database failed: {str(error).strip()} {_GOES_ON}") from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {_GOES_ON}", returncode=_INTERRUPTED) from None
        _sum_up(console, reading)


def _key() -> str:
    key: str = settings.STRIPE_API_KEY
    if not key:
        raise CommandError(
            "STRIPE_API_KEY is not set. Set it to a secret key of Stripe's API, or better to a "
            "restricted one that may read Issuing authorizations and transactions: Dashboard, "
            "Developers, API keys."
        )
    wanted: bool | None = settings.STRIPE_LIVEMODE
    if wanted is not None and key[2:].startswith("_test_" if wanted else "_live_"):
        raise CommandError(
            f"STRIPE_LIVEMODE is {str(wanted).lower()}, but the key in STRIPE_API_KEY is of the "
            "other mode. Set a key of this mode."
        )
    return key


def _read(console: Console, api: Api, reading: Reconciliation) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    is_plain = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_plain) as progress:
        task = progress.add_task(f"Reading {reading.listing}", total=None)
        for outcomes in reconcile.read(reading, api):
            progress.update(task, description=_progress_words(reading, outcomes))
            for outcome in outcomes:
                if outcome.problem:
                    named = outcome.found.id or "Something without an id"
                    progress.console.print(f"{named}: {outcome.problem}", markup=False)


def _progress_words(reading: Reconciliation, outcomes: list[ReconcileOutcome]) -> str:
    created = next((o.found.created for o in reversed(outcomes) if o.found.created), None)
    reached = f", back to {datetime.fromtimestamp(created, UTC):%Y-%m-%d}" if created else ""
    return (
        f"Reading {reading.listing}: {reading.read:,} read, {reading.changed:,} brought in{reached}"
    )


def _sum_up(console: Console, reading: Reconciliation) -> None:
    told = (
        f"Read {reading.read:,} authorizations and transactions since {_words(reading.since)}: "
        f"{reading.changed:,} brought in, {reading.failed:,} failed."
    )
    if reading.failed:
        raise CommandError(
            f"{told} Those wait as unapplied events: `manage.py reapply_events` tries again."
        )
    console.print(told)


def _words(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"
