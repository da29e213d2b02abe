"""What several commands do on the terminal."""

from collections.abc import Iterable

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.progress import Progress

from authorizations.services.verify.checking import Difference


def console_of(stdout: OutputWrapper) -> Console:
    """Rich on a command's standard output: plain where that is a file."""
    stdout.ending = ""  # rich ends its own lines
    return Console(file=stdout, highlight=False, soft_wrap=True)  # type: ignore[arg-type]


def report(
    console: Console, checked: Iterable[list[Difference]], *, total: int | None, what: str
) -> None:
    """Print every difference as it is found, and how many there were; CommandError where any."""
    places = wrong = 0
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for found in progress.track(checked, total=total, description=f"Checking {what}"):
            places += 1
            wrong += bool(found)
            for difference in found:
                progress.console.print(str(difference), markup=False)
    if wrong:
        raise CommandError(f"{wrong:,} of {places:,} {what} differ from what they should be.")
    console.print(f"{places:,} {what} checked: all as they should be.")
