"""Cards that no policy grants anything: a link to their list, and a warning after changes."""

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from authorizations.rules.basics.words import lost_words

WITHOUT = "without"


def without_grant_url() -> str:
    """The list of cards, filtered to those without a grant."""
    return f"{reverse('admin:authorizations_card_changelist')}?grant={WITHOUT}"


def warn_of_lost_grants(request: HttpRequest, cards: int) -> None:
    """Warn that a change left `cards` cards without a grant; nothing for 0."""
    if cards:
        text = '{} <a href="{}" class="underline">See cards without a grant.</a>'
        messages.warning(request, format_html(text, lost_words(cards), without_grant_url()))
