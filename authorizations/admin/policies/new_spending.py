"""Saving a policy that lets cards spend that could not before: asked first, and ticked.

How many they are is known once all is written; the page is taken back where the tick is missing,
and shown again with it. A tick is good for as many cards as it was asked for.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from unfold.widgets import UnfoldBooleanSwitchWidget

from authorizations.rules.words import cards_words, gained_words

NAME = "lets_spend"


class UnconfirmedError(Exception):
    """So many cards could spend that could not before, and nobody said that they may."""

    def __init__(self, cards: int) -> None:
        super().__init__(gained_words(cards))
        self.cards = cards


class LetsSpend(forms.BooleanField):
    """The tick, for so many cards."""

    def __init__(self, cards: int) -> None:
        super().__init__(
            label=f"Let {cards_words(cards)} spend",
            help_text="No policy grants anything there yet.",
            error_messages={
                "required": f"{gained_words(cards)} Tick this if that is meant, and save again."
            },
            widget=UnfoldBooleanSwitchWidget(attrs={"value": str(cards)}),
        )


def ask_first(request: HttpRequest, cards: int) -> None:
    """Show the page again with the tick; one that was for fewer cards is taken back."""
    posted: Any = request.POST.copy()
    posted.pop(NAME, None)
    request.POST = posted
    messages.warning(
        request,
        f"Not saved yet: {gained_words(cards)} If that is meant, tick “Let {cards_words(cards)} "
        "spend” at the end of the page and save again.",
    )
    setattr(request, _ASKED, cards)


_ASKED = "cards_that_could_spend"


def let_spend(request: HttpRequest) -> int:
    """How many cards a tick is asked for; 0 where none is."""
    asked: int = getattr(request, _ASKED, 0)
    return asked or confirmed(request)


def confirmed(request: HttpRequest) -> int:
    """How many cards were ticked."""
    ticked = request.POST.get(NAME, "")
    return int(ticked) if ticked.isdecimal() and ticked.isascii() and len(ticked) < 10 else 0
