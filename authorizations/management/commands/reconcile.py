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
from authorizations.wire.api import Api, CannotReadError

_CONTINUE = "Run it again with the same --since to continue."
_INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


class Command(BaseCommand):
    help = (
        "Reads the authorizations and transactions that Stripe lists, and brings in what the "
        "webhook never delivered. Changes nothing at Stripe, and records nothing that is known "
        "already. If interrupted, run it again with the same --since to continue. Ends with "
        "status 1 if something could not be brought in."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since",
            required=True,
            type=instant_or_day_back,
            metavar="DATE",
            help="Read what was created since this date or ISO time, such as 2026-11-01, or since "
            "the beginning of a day, such as 31d for 31 days ago. In TIME_ZONE, unless given.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        api = Api(_key(), settings.STRIPE_API_BASE)
        reading = reconcile.begun(options["since"])
        if reading.read:
            console.print(
                f"Continuing the run started on {_words(reading.started_at)}, with "
                f"{reading.read:,} read already. The next run reads what is newer."
            )
        try:
            _read(console, api, reading)
        except CannotReadError as problem:
            raise CommandError(f"{problem} {_CONTINUE}") from None
        except DatabaseError as error:
            raise CommandError(f"The database failed: {str(error).strip()} {_CONTINUE}") from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {_CONTINUE}", returncode=_INTERRUPTED) from None
        summary = (
            f"Read {reading.read:,} authorizations and transactions since "
            f"{_words(reading.since)}: {reading.changed:,} brought in, {reading.failed:,} failed."
        )
        if reading.failed:
            raise CommandError(
                f"{summary} Those wait as unapplied events: `manage.py reapply_events` tries again."
            )
        console.print(summary)


def _key() -> str:
    """The API key. Raises CommandError if it is missing or for a different mode."""
    key: str = settings.STRIPE_API_KEY
    if not key:
        raise CommandError(
            "STRIPE_API_KEY is not set. Set it to a secret key of Stripe's API, or better to a "
            "restricted one that may read Issuing authorizations and transactions: Dashboard, "
            "Developers, API keys."
        )
    livemode: bool | None = settings.STRIPE_LIVEMODE
    if livemode is not None and key[2:].startswith("_test_" if livemode else "_live_"):
        raise CommandError(
            f"STRIPE_LIVEMODE is {str(livemode).lower()}, but the key in STRIPE_API_KEY is for the "
            "other mode. Set a key of this mode."
        )
    return key


def _read(console: Console, api: Api, reading: Reconciliation) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    is_plain = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=is_plain) as progress:
        task = progress.add_task(f"Reading {reading.listing}", total=None)
        for outcomes in reconcile.read(reading, api):
            created = next((o.found.created for o in reversed(outcomes) if o.found.created), None)
            words = (
                f"Reading {reading.listing}: {reading.read:,} read, {reading.changed:,} brought in"
            )
            if created:
                words += f", back to {datetime.fromtimestamp(created, UTC):%Y-%m-%d}"
            progress.update(task, description=words)
            for outcome in outcomes:
                if outcome.problem:
                    name = outcome.found.id or "An object without an id"
                    progress.console.print(f"{name}: {outcome.problem}", markup=False)


def _words(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M %Z}"
