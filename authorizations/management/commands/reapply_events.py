"""manage.py reapply_events"""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rich.progress import Progress

from authorizations.management.terminal import console_of
from authorizations.models import UnappliedEvent
from authorizations.services.lifecycle import intake


class Command(BaseCommand):
    help = (
        "Applies events that could not be applied to the books when they arrived, such as one that "
        "arrived before its card was known. Prints those that still can't be applied, and why; "
        "ends with status 1 if there are any."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--event", metavar="ID", help="One event alone: its id, evt_….")

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        try:
            if options["event"]:
                event = _waiting_event(options["event"])
                attempts: Iterable[tuple[UnappliedEvent, str]] = [
                    (event, intake.apply_again(event))
                ]
            else:
                attempts = intake.apply_all()
            applied, problems = 0, dict[str, str]()
            total = UnappliedEvent.objects.filter(applied_at=None).count()
            is_plain = not console.is_terminal
            with Progress(console=console, transient=True, disable=is_plain) as progress:
                task = progress.add_task("Applying events", total=total)
                for event, problem in attempts:
                    if problem:
                        problems[event.pk] = f"{event}: {problem}"
                    else:
                        applied += 1
                        problems.pop(event.pk, None)
                    progress.update(task, completed=applied + len(problems))
        except DatabaseError as error:
            raise CommandError(
                f"The database failed: {str(error).strip()} Run it again when that is put right."
            ) from error
        for problem in problems.values():
            console.print(problem, markup=False)
        summary = f"{applied:,} applied, {len(problems):,} still waiting."
        if problems:
            raise CommandError(summary)
        console.print(summary)


def _waiting_event(event_id: str) -> UnappliedEvent:
    found = UnappliedEvent.objects.select_related("webhook_request").filter(pk=event_id).first()
    if found is None:
        raise CommandError(
            f"No event {event_id} waits here. Without --event, all that wait are applied."
        )
    if found.applied_at:
        raise CommandError(f"Event {event_id} has been applied already.")
    return found
