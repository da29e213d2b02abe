"""Saving what makes a limit new where much was bought: said first, and ticked.

Until the earlier purchases are counted, the ones it concerns are declined. Whether there is
anything to count is known once all is written; the page is taken back where the tick is missing.

An admin takes `AsksBeforeCounting` in front of ModelAdmin, puts the tick into its fieldsets where
`is_on_page`, and calls `require` once it has written.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from unfold.widgets import UnfoldBooleanSwitchWidget

from authorizations.admin.base import ModelAdmin
from authorizations.rules.words import about_words
from authorizations.services.counting_ahead import Begun

if TYPE_CHECKING:
    Base = ModelAdmin[Any]
else:
    Base = object

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


class AsksBeforeCounting(Base):
    """A page that is shown again with the tick where it is missing; its form declares the field."""

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if is_on_page(request):
            form.base_fields[NAME] = CountsFirst(_asked_for(request))
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except CountingFirstError as unconfirmed:
            # Nothing is saved: the same page is shown again, with the tick that it needs.
            _ask(request, unconfirmed.begun)
            return super().changeform_view(request, object_id, form_url, extra_context)


def require(request: HttpRequest, begun: Begun) -> None:
    """Raises CountingFirstError where something is to be counted, and the tick is missing."""
    if begun.windows and not request.POST.get(NAME):
        raise CountingFirstError(begun)


def is_on_page(request: HttpRequest) -> bool:
    """Whether the tick is asked for, or made already."""
    return bool(request.POST.get(NAME)) or _asked_for(request) is not None


def fieldset(request: HttpRequest) -> Any:
    """The end of a page where the tick is on it."""
    return (("Saving", {"fields": (NAME,)}),) if is_on_page(request) else ()


def _ask(request: HttpRequest, begun: Begun) -> None:
    posted: Any = request.POST.copy()
    posted.pop(NAME, None)
    request.POST = posted
    messages.warning(
        request,
        f"Not saved yet: {counting_sentence(begun)} If that is meant, tick “{LABEL}” at the end of "
        "the form and save again.",
    )
    setattr(request, _ASKED, begun)


_ASKED = "counting_first"


def _asked_for(request: HttpRequest) -> Begun | None:
    found: Begun | None = getattr(request, _ASKED, None)
    return found
