"""Prints how many lives ended, and how many of their events were refused."""

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulator.lives import DECLINED, ENDINGS

_WORDS = {name: ending.words for name, ending in ENDINGS.items()} | {
    DECLINED: "Declined by the server"
}


@dataclass
class LivesTally:
    """Counts lives by ending, and their events; `refusal` is the first refusal's text."""

    endings: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    repeats: int = 0
    refused: int = 0
    differing: int = 0
    refusal: str = ""

    def add(self, is_repeat: bool, problem: str | None) -> None:  # noqa: FBT001
        self.sent += 1
        self.repeats += is_repeat
        if problem:
            self.refused += 1
            self.refusal = self.refusal or problem

    def print(self, console: Console) -> None:
        if not self.sent:
            return
        table = Table()
        table.add_column("Ending")
        table.add_column("Lives", justify="right")
        table.add_column("Share", justify="right")
        for name, words in _WORDS.items():
            if count := self.endings[name]:
                share = count / self.endings.total()
                table.add_row(words, f"{count:,}", f"{share:.0%}")
        console.print(table)
        console.print(
            f"{self.sent:,} events sent, {self.repeats:,} of them for the second time; "
            f"{self.refused:,} refused (not answered 200)."
        )
        if self.refusal:
            console.print(f"[red]The first refusal: {escape(self.refusal)}[/red]")
        if self.differing:
            console.print(f"[red]{self.differing:,} answered differently the second time.[/red]")
