"""Saving a limit that is new where much was bought: said first, and ticked.

Until the earlier purchases are counted, the ones it concerns are declined. Whether there is
anything to count is known once all is written; the page is taken back where the tick is missing.
"""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from unfold.widgets import UnfoldBooleanSwitchWidget

from authorizations.rules.words import about_words
from authorizations.services.counting_ahead import Begun

NAME = "counts_first"
LABEL = "Decline until it is counted"


class CountingFirstError(Exception):
    """Earlier purchases have to be counted first, and nobody said that this may be."""

    def __init__(self, begun: Begun) -> None:
        super().__init__(counting_sentence(begun))
        self.begun = begun


class CountsFirst(forms.BooleanField):
    """The tick; what is to be counted is told where it is asked for."""

    def __init__(self, begun: Begun | None) -> None:
        sentence = counting_sentence(begun) if begun else ""
        super().__init__(
            label=LABEL,
            help_text="A limit is new where there are many earlier purchases.",
            error_messages={
                "required": f"{sentence} Tick this if that is meant, and save again.".strip()
            },
            widget=UnfoldBooleanSwitchWidget(),
        )


def counting_sentence(begun: Begun) -> str:
    """ "About 500,000 earlier purchases have to be counted first, which takes about a minute." """
    return (
        f"About {begun.purchases:,} earlier purchases have to be counted first. Until then, about "
        f"{about_words(begun.seconds)}, the purchases that the new limits concern are declined."
    )


def ask_first(request: HttpRequest, begun: Begun) -> None:
    """Show the page again with the tick."""
    posted: Any = request.POST.copy()
    posted.pop(NAME, None)
    request.POST = posted
    messages.warning(
        request,
        f"Not saved yet: {counting_sentence(begun)} If that is meant, tick “{LABEL}” at the end of "
        "the page and save again.",
    )
    setattr(request, _ASKED, begun)


_ASKED = "counting_first"


def asked(request: HttpRequest) -> Begun | None:
    """What a tick is asked for."""
    found: Begun | None = getattr(request, _ASKED, None)
    return found


def is_confirmed(request: HttpRequest) -> bool:
    return bool(request.POST.get(NAME))
