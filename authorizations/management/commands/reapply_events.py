"""manage.py reapply_events"""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rich.console import Console
from rich.progress import Progress

from authorizations.management.terminal import console_of
from authorizations.models import UnappliedEvent
from authorizations.services.lifecycle import intake

_Tried = Iterable[tuple[UnappliedEvent, str]]


class Command(BaseCommand):
    help = (
        "Applies events that could not be applied to the books when they came, such as one that "
        "came before its card was known. Names those that still can't be, and why; ends with "
        "status 1 where there are some."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--event", metavar="ID", help="One event alone: its id, evt_….")

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        try:
            if options["event"]:
                waiting = _one(options["event"])
                tried: _Tried = [(waiting, intake.apply_again(waiting))]
            else:
                tried = intake.apply_all()
            applied, left = _follow(console, tried)
        except DatabaseError as error:
            raise CommandError(
                f"The database failed: {str(error).strip()} Run it again when that is put right."
            ) from error
        for sentence in left.values():
            console.print(sentence, markup=False)
        told = f"{applied:,} applied, {len(left):,} still waiting."
        if left:
            raise CommandError(told)
        console.print(told)


def _one(event_id: str) -> UnappliedEvent:
    found = UnappliedEvent.objects.select_related("webhook_request").filter(pk=event_id).first()
    if found is None:
        raise CommandError(
            f"No event {event_id} waits here. Without --event, all that wait are applied."
        )
    if found.applied_at:
        raise CommandError(f"Event {event_id} has been applied already.")
    return found


def _follow(console: Console, tried: _Tried) -> tuple[int, dict[str, str]]:
    """How many were applied, and what stands against each of the others, by its id."""
    applied, left = 0, dict[str, str]()
    total = UnappliedEvent.objects.filter(applied_at=None).count()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Applying events", total=total)
        for waiting, problem in tried:
            if problem:
                left[waiting.pk] = f"{waiting}: {problem}"
            else:
                applied += 1
                left.pop(waiting.pk, None)
            progress.update(task, completed=applied + len(left))
    return applied, left
