"""Confirmation of changes with side effects: a tick box with the number of cards, or own amounts.

The effect of a change is known once it is written. If a tick is missing, the transaction is rolled
back and the page is shown again with the tick box. A tick confirms up to the number that it was
shown for.

An admin puts `AsksFirst` before ModelAdmin in its bases and `names` or `fieldset` at the end of its
page, and calls `require` after writing. A page with its own form uses `form`, `ask` and `page`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldBooleanSwitchWidget

from authorizations.admin.shared.types import ModelAdmin
from authorizations.rules.basics.words import about_words, cards_words, gained_words, losing_words
from authorizations.services.policies.changes import NONE_ASLEEP, Asleep
from authorizations.services.policies.counting_ahead import Begun

if TYPE_CHECKING:
    Base = ModelAdmin[Any]
else:
    Base = object


_Form = TypeVar("_Form", bound=forms.Form)


@dataclass(frozen=True, slots=True)
class SavingQuestion:
    """A side effect of saving, to be confirmed by a tick.

    `name` is the field of the tick box, `number` how many cards, or own amounts, it confirms; 0 if
    the effect is not counted.
    """

    name: str
    label: str
    sentence: str
    why: str
    number: int = 0


class UnconfirmedError(Exception):
    """Saving has a side effect that was not confirmed."""

    def __init__(self, questions: Sequence[SavingQuestion]) -> None:
        super().__init__(" ".join(question.sentence for question in questions))
        self.questions = questions


class Tick(forms.BooleanField):
    """The tick box of a question."""

    def __init__(self, question: SavingQuestion) -> None:
        required = f"{question.sentence} To confirm, tick this and save again."
        value = {"value": str(question.number)} if question.number else {}
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
        "No policy lets these cards spend yet.",
        cards,
    )


def leaves_without(cards: int) -> SavingQuestion:
    return SavingQuestion(
        LEAVES_WITHOUT,
        f"Leave {cards_words(cards)} without a grant",
        losing_words(cards),
        "No other policy lets these cards spend.",
        cards,
    )


def counts_first(begun: Begun | None) -> SavingQuestion:
    """The question about counting; without `begun` it has no sentence."""
    return SavingQuestion(
        COUNTS_FIRST,
        "Decline until counted",
        counting_sentence(begun) if begun else "",
        "A new limit applies to cards with many earlier purchases.",
    )


def lets_sleep(amounts: int, sentence: str = "") -> SavingQuestion:
    """The question about own amounts that a version has no limit for."""
    label = "1 own amount" if amounts == 1 else f"{amounts:,} own amounts"
    why = "Of a limit that this version does not have in the same currency and period."
    return SavingQuestion(LETS_SLEEP, f"Let {label} sleep", sentence, why, amounts)


def beside_plans(sentence: str) -> SavingQuestion:
    """The question about planned versions; `sentence` says what happens to them."""
    return SavingQuestion(
        BESIDE_PLANS,
        "Publish beside what is planned",
        sentence,
        "Of several versions the one that begins last is in force.",
    )


LETS_SPEND, LEAVES_WITHOUT, COUNTS_FIRST = "lets_spend", "leaves_without", "counts_first"
LETS_SLEEP, BESIDE_PLANS = "lets_sleep", "beside_plans"
_COUNTED: dict[str, Callable[[int], SavingQuestion]] = {
    LETS_SPEND: lets_spend,
    LEAVES_WITHOUT: leaves_without,
    LETS_SLEEP: lets_sleep,
}


def counting_sentence(begun: Begun) -> str:
    """ "About 500,000 earlier purchases have to be counted first, which takes about a minute." """
    return (
        f"About {begun.purchases:,} earlier purchases have to be counted first. Until then, about "
        f"{about_words(begun.seconds)}, purchases that the new limits apply to are declined."
    )


class AsksFirst(Base):
    """An admin page that asks for missing ticks instead of saving."""

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
            # Nothing was saved: show the same page with the ticks it needs.
            ask(request, unconfirmed)
            return super().changeform_view(request, object_id, form_url, extra_context)


def require(
    request: HttpRequest,
    *,
    gained: int = 0,
    lost: int = 0,
    begun: Begun | None = None,
    asleep: Asleep = NONE_ASLEEP,
    beside: str = "",
) -> None:
    """Raises UnconfirmedError if an effect is larger than the tick on the page confirms.

    `gained` is the number of cards that can spend from now on, `lost` the number of cards that no
    longer can, `begun` the counting of earlier purchases that the change starts, `asleep` the own
    amounts that hold no longer, `beside` what it means for planned versions.
    """
    questions = [
        *([lets_spend(gained)] if gained > _ticked(request, LETS_SPEND) else []),
        *([leaves_without(lost)] if lost > _ticked(request, LEAVES_WITHOUT) else []),
    ]
    if asleep.amounts > _ticked(request, LETS_SLEEP):
        questions.append(lets_sleep(asleep.amounts, str(asleep)))
    if begun and begun.windows and not request.POST.get(COUNTS_FIRST):
        questions.append(counts_first(begun))
    if beside and not request.POST.get(BESIDE_PLANS):
        questions.append(beside_plans(beside))
    if questions:
        raise UnconfirmedError(questions)


def ask(request: HttpRequest, unconfirmed: UnconfirmedError) -> None:
    """Show the page again with the ticks. A tick that confirmed fewer is cleared."""
    posted: Any = request.POST.copy()
    for question in unconfirmed.questions:
        posted.pop(question.name, None)
        messages.warning(
            request,
            f"Not saved yet: {question.sentence} To confirm, tick “{question.label}” at the end "
            "of the page and save again.",
        )
    request.POST = posted
    setattr(request, _ASKED, unconfirmed.questions)


_ASKED = "asked_first"


def names(request: HttpRequest) -> list[str]:
    """Field names of the ticks on the page, both missing and made."""
    return [question.name for question in _on_page(request)]


def fields(request: HttpRequest) -> dict[str, forms.Field]:
    """The fields of the ticks on the page, by name."""
    return {question.name: Tick(question) for question in _on_page(request)}


def form(request: HttpRequest, kind: type[_Form], **options: Any) -> _Form:
    """A form with what was sent, if anything was, and the ticks on the page at its end."""
    found = kind(request.POST if request.method == "POST" else None, **options)
    found.fields |= fields(request)
    return found


def page(
    request: HttpRequest,
    form: forms.Form | None,
    *,
    about: type[Model],
    title: str,
    button: str,
    back: str,
    **more: Any,
) -> HttpResponse:
    """A page of its own with a form, or with none and the way `back`.

    `more` can have `effect`, what sending the form does, in a sentence, and `original`, the row
    that the page belongs to; `row`, `what` and `where` say what is undone.
    """
    context = {
        **admin.site.each_context(request),
        "opts": about._meta,
        "form": form,
        "title": title,
        "button": button,
        "back": back,
        **more,
    }
    return TemplateResponse(request, "admin/authorizations/asked.html", context)


def fieldset(request: HttpRequest) -> Any:
    """A fieldset with the ticks; empty if there are none."""
    ticks = tuple(names(request))
    return (("Confirm", {"fields": ticks}),) if ticks else ()


def _on_page(request: HttpRequest) -> Iterable[SavingQuestion]:
    asked: Sequence[SavingQuestion] = getattr(request, _ASKED, ())
    found = {question.name: question for question in asked}
    for name, question in _COUNTED.items():
        if name not in found and (number := _ticked(request, name)):
            found[name] = question(number)
    if COUNTS_FIRST not in found and request.POST.get(COUNTS_FIRST):
        found[COUNTS_FIRST] = counts_first(None)
    if BESIDE_PLANS not in found and request.POST.get(BESIDE_PLANS):
        found[BESIDE_PLANS] = beside_plans("")
    return found.values()


def _ticked(request: HttpRequest, name: str) -> int:
    """The number that a tick on the page confirms; 0 without a tick."""
    ticked = request.POST.get(name, "")
    return int(ticked) if ticked.isdecimal() and ticked.isascii() and len(ticked) < 10 else 0
