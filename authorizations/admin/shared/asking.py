"""Saving what does more than it says: said first, in numbers, and ticked.

What a change does to cards is known once all is written; where a tick is missing the page is taken
back, and shown again with it. A tick is good for as many cards as it was asked for.

An admin takes `AsksFirst` in front of ModelAdmin, puts `names` or `fieldset` at the end of its
page, and calls `require` once it has written. A page with a form of its own uses `fields` and
`ask`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from unfold.widgets import UnfoldBooleanSwitchWidget

from authorizations.admin.shared.types import ModelAdmin
from authorizations.rules.basics.words import about_words, cards_words, gained_words, losing_words
from authorizations.services.policies.counting_ahead import Begun

if TYPE_CHECKING:
    Base = ModelAdmin[Any]
else:
    Base = object


@dataclass(frozen=True, slots=True)
class SavingQuestion:
    """What saving does, the tick that says it is meant, and for how many cards that is good.

    `name` is that of the tick's field; without a number of `cards` it is good for any.
    """

    name: str
    label: str
    sentence: str
    why: str
    cards: int = 0


class UnconfirmedError(Exception):
    """Saving does what nobody has ticked."""

    def __init__(self, questions: Sequence[SavingQuestion]) -> None:
        super().__init__(" ".join(question.sentence for question in questions))
        self.questions = questions


class Tick(forms.BooleanField):
    """The answer to a question."""

    def __init__(self, question: SavingQuestion) -> None:
        required = f"{question.sentence} Tick this if that is meant, and save again."
        value = {"value": str(question.cards)} if question.cards else {}
        super().__init__(
            label=question.label,
            help_text=question.why,
            error_messages={"required": required.strip()},
            widget=UnfoldBooleanSwitchWidget(attrs=value),
        )


def lets_spend(cards: int) -> SavingQuestion:
    return SavingQuestion(
        LETS_SPEND,
        f"Let {cards_words(cards)} spend",
        gained_words(cards),
        "No policy grants anything there yet.",
        cards,
    )


def leaves_without(cards: int) -> SavingQuestion:
    return SavingQuestion(
        LEAVES_WITHOUT,
        f"Leave {cards_words(cards)} without a grant",
        losing_words(cards),
        "No other policy grants anything there.",
        cards,
    )


def counts_first(begun: Begun | None) -> SavingQuestion:
    """What is to be counted is told only where it is asked for."""
    return SavingQuestion(
        COUNTS_FIRST,
        "Decline until it is counted",
        counting_sentence(begun) if begun else "",
        "A limit is new where there are many earlier purchases.",
    )


LETS_SPEND, LEAVES_WITHOUT, COUNTS_FIRST = "lets_spend", "leaves_without", "counts_first"
_OF_CARDS = {LETS_SPEND: lets_spend, LEAVES_WITHOUT: leaves_without}


def counting_sentence(begun: Begun) -> str:
    """ "About 500,000 earlier purchases have to be counted first, which takes about a minute." """
    return (
        f"About {begun.purchases:,} earlier purchases have to be counted first. Until then, about "
        f"{about_words(begun.seconds)}, the purchases that the new limits concern are declined."
    )


class AsksFirst(Base):
    """A page that is shown again with the ticks that are missing."""

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if ticks := fields(request):
            kwargs["form"] = type("Asking", (kwargs.get("form", self.form),), ticks)
        return super().get_form(request, obj, change, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except UnconfirmedError as unconfirmed:
            # Nothing is saved: the same page is shown again, with the ticks that it needs.
            ask(request, unconfirmed)
            return super().changeform_view(request, object_id, form_url, extra_context)


def require(
    request: HttpRequest, *, gained: int = 0, lost: int = 0, begun: Begun | None = None
) -> None:
    """Raises UnconfirmedError where one of these is more than was ticked.

    `gained` and `lost` are numbers of cards that can spend from now on, and that can't any more;
    `begun` is what is to be counted.
    """
    questions = [
        *([lets_spend(gained)] if gained > _ticked(request, LETS_SPEND) else []),
        *([leaves_without(lost)] if lost > _ticked(request, LEAVES_WITHOUT) else []),
    ]
    if begun and begun.windows and not request.POST.get(COUNTS_FIRST):
        questions.append(counts_first(begun))
    if questions:
        raise UnconfirmedError(questions)


def ask(request: HttpRequest, unconfirmed: UnconfirmedError) -> None:
    """Have the page shown again with the ticks; one that was for fewer cards is taken back."""
    posted: Any = request.POST.copy()
    for question in unconfirmed.questions:
        posted.pop(question.name, None)
        messages.warning(
            request,
            f"Not saved yet: {question.sentence} If that is meant, tick “{question.label}” at the "
            "end of the page and save again.",
        )
    request.POST = posted
    setattr(request, _ASKED, unconfirmed.questions)


_ASKED = "asked_first"


def names(request: HttpRequest) -> list[str]:
    """The ticks on the page: those asked for, and those made already."""
    return [question.name for question in _on_page(request)]


def fields(request: HttpRequest) -> dict[str, forms.Field]:
    """The ticks on the page, by name."""
    return {question.name: Tick(question) for question in _on_page(request)}


def fieldset(request: HttpRequest) -> Any:
    """The end of a page that has ticks on it."""
    ticks = tuple(names(request))
    return (("Saving", {"fields": ticks}),) if ticks else ()


def _on_page(request: HttpRequest) -> Iterable[SavingQuestion]:
    asked: Sequence[SavingQuestion] = getattr(request, _ASKED, ())
    found = {question.name: question for question in asked}
    for name, question in _OF_CARDS.items():
        if name not in found and (cards := _ticked(request, name)):
            found[name] = question(cards)
    if COUNTS_FIRST not in found and request.POST.get(COUNTS_FIRST):
        found[COUNTS_FIRST] = counts_first(None)
    return found.values()


def _ticked(request: HttpRequest, name: str) -> int:
    """For how many cards a tick was made."""
    ticked = request.POST.get(name, "")
    return int(ticked) if ticked.isdecimal() and ticked.isascii() and len(ticked) < 10 else 0
