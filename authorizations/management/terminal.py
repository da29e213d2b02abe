"""Terminal output that several commands share."""

from collections.abc import Iterable

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.progress import Progress

from authorizations.services.verify.checking import Difference


def console_of(stdout: OutputWrapper) -> Console:
    """A Rich console on a command's standard output; plain text if that is not a terminal."""
    stdout.ending = ""  # rich ends its own lines
    return Console(file=stdout, highlight=False, soft_wrap=True)  # type: ignore[arg-type]


def report(
    console: Console, checked: Iterable[list[Difference]], *, total: int | None, what: str
) -> None:
    """Print every difference as it is found. Raises CommandError if there are any."""
    pieces = wrong = 0
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for found in progress.track(checked, total=total, description=f"Checking {what}"):
            pieces += 1
            wrong += bool(found)
            for difference in found:
                progress.console.print(str(difference), markup=False)
    if wrong:
        raise CommandError(f"{wrong:,} of {pieces:,} {what} have differences.")
    console.print(f"{pieces:,} {what} checked: no differences found.")
