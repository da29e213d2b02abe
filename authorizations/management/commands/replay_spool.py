"""manage.py replay_spool"""

from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from rich.progress import Progress

from authorizations.management.terminal import console_of
from authorizations.services.host import spool_reader
from authorizations.services.stand_in import replay
from authorizations.services.stand_in.replay_one import CannotReplayError, Replayed
from authz_project import first_env


class Command(BaseCommand):
    help = (
        "Brings answers that were given while the database could not be reached into the books, "
        "each exactly once. Servers do so by themselves; this does it now and prints the result. "
        "Ends with status 1 if an answer could not be brought in, or a file is damaged."
    )
    requires_migrations_checks = True

    def handle(self, *_: Any, **__: Any) -> None:
        console = console_of(self.stdout)
        directory = Path(settings.SPOOL_DIR)
        if settings.DEPLOYED and not settings.SPOOL_DIR_IS_SET:
            raise CommandError(
                f"SPOOL_DIR is not set, and {settings.DEPLOYED}. Set it to the directory that the "
                f"servers write to; {first_env.WITH_SETTINGS}."
            )
        replayed, problems = Counter[Replayed](), 0
        is_plain = not console.is_terminal
        try:
            total = replay.size_bytes(directory)
            with Progress(console=console, transient=True, disable=is_plain) as progress:
                task = progress.add_task("Replaying", total=total)
                for step in replay.steps(directory, with_growing=True):
                    if step.replayed:
                        replayed[step.replayed] += 1
                    problems += bool(step.problem)
                    if step.problem or step.note:
                        progress.console.print(step.problem or step.note, markup=False)
                    progress.advance(task, step.size_bytes)
        except replay.AnotherReplayError as error:
            raise CommandError(f"{error} Run it again in a moment to see the result.") from error
        except (Error, CannotReplayError, OSError) as error:
            raise CommandError(
                "Stopped, and nothing is lost; run it again once this is resolved: "
                f"{str(error).strip()}"
            ) from error
        console.print(
            f"{replayed[Replayed.WRITTEN]:,} brought into the books, "
            f"{replayed[Replayed.CORRECTED]:,} put in place of another answer on record, "
            f"{replayed[Replayed.KNOWN]:,} on record already."
        )
        if damaged := len(spool_reader.damaged(directory)) or problems:
            raise CommandError(
                f"{damaged:,} damaged or unreadable: see {directory / spool_reader.ASIDE}, and "
                "read the note beside each. Move or delete them once they are dealt with."
            )
