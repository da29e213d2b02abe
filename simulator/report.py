"""Prints answers: one in words, many in a table."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from authorizations.rules.basics.countries import known_countries
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import category_words, code_words
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.wording.reasons import TEXTS
from simulator.door import Answer
from simulator.street import Kind, Question

APPROVED, IN_PART = "Approved", "Approved in part"


def print_question(console: Console, question: Question) -> None:
    """Print the request in a sentence."""
    purchase, member = question.purchase, question.member
    shop = purchase.merchant
    amount = format_money(purchase.amount, purchase.currency)
    place = known_countries().get(shop.country, shop.country)
    console.print(
        f"\n{member.name}'s card •••• {member.last4} ({escape(member.card_id)}) asks to pay "
        f"[bold]{amount}[/bold] at [bold]{escape(shop.name)}[/bold]\n"
        f"{category_words(shop.category)} (MCC {shop.mcc}), {shop.city}, {place}; "
        f"{code_words(purchase.method)}\n",
    )


def print_answer(console: Console, question: Question, answer: Answer, page: str) -> None:
    """Print the answer, and the address of the page that explains it."""
    purchase = question.purchase
    amount = purchase.amount if answer.amount is None else answer.amount
    if answer.approved:
        money = format_money(amount, purchase.currency)
        console.print(f"[bold green]{_outcome(question, answer)}: {money}[/bold green]")
    else:
        console.print(f"[bold red]Declined: {_outcome(question, answer)}[/bold red]")
        is_known = answer.reason in list(DeclineReason)
        console.print(TEXTS[DeclineReason(answer.reason)].staff if is_known else "")
    console.print(
        f"Answered in {answer.elapsed_ms:.0f} ms. Every rule and figure behind it:\n{page}\n",
    )


def _outcome(question: Question, answer: Answer) -> str:
    """Approved, or the reason's label; the reason itself if this program does not know it."""
    if answer.approved:
        asked = question.purchase.amount
        # A fuel pump may be granted more than it requests.
        return IN_PART if answer.amount is not None and answer.amount < asked else APPROVED
    if answer.reason in list(DeclineReason):
        return TEXTS[DeclineReason(answer.reason)].label
    return answer.reason or "no reason given"


@dataclass
class Tally:
    """Counts many answers."""

    outcomes: Counter[tuple[bool, str]] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)
    elapsed_ms: "array[float]" = field(default_factory=lambda: array("d"))
    differing: list[str] = field(default_factory=list)
    refused: int = 0
    refusal: str = ""

    def add_outcome_event(self, refusal: str) -> None:
        """Count the event of an outcome; `refusal` is "" if the server accepted it."""
        self.refused += bool(refusal)
        self.refusal = self.refusal or refusal

    def add(self, question: Question, answer: Answer) -> None:
        self.kinds[question.kind] += 1
        self.elapsed_ms.append(answer.elapsed_ms)
        if question.kind is Kind.REPEAT:
            if answer.body != question.answered:
                self.differing.append(answer.decision)
            return
        self.outcomes[answer.approved, _outcome(question, answer)] += 1

    def print(self, console: Console) -> None:
        if not self.elapsed_ms:
            return
        table = Table()
        table.add_column("Answer")
        table.add_column("Requests", justify="right")
        table.add_column("Share", justify="right")
        every = self.outcomes.total()
        order = sorted(self.outcomes.items(), key=lambda item: (not item[0][0], -item[1]))
        for (approved, outcome), count in order:
            style = "green" if approved else "red"
            answer = outcome if approved else f"Declined: {outcome}"
            table.add_row(answer, f"{count:,}", f"{count / every:.0%}", style=style)
        console.print(table)
        numbers = (f"{n:,} {kind}{'' if n == 1 else 's'}" for kind, n in self.kinds.items())
        console.print(f"{', '.join(numbers)}.")
        if self.differing:
            console.print(
                f"[red]Answered differently the second time: {', '.join(self.differing)}.[/red]"
            )
        if self.refused:
            console.print(
                f"[red]The events of {self.refused:,} outcomes were refused. The first refusal: "
                f"{escape(self.refusal)}[/red]"
            )
        quickest = sorted(self.elapsed_ms)
        console.print(
            f"Half of the answers within {_share(quickest, 0.5):.1f} ms, "
            f"99 % within {_share(quickest, 0.99):.1f} ms, the slowest {quickest[-1]:.1f} ms."
        )


def _share(ordered: list[float], share: float) -> float:
    """The time within which this share of the requests was answered."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
