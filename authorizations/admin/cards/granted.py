"""What pages say of cards that no policy grants anything."""

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from authorizations.rules.basics.words import lost_words

WITHOUT = "without"


def without_grant_url() -> str:
    """The list of cards, with those alone."""
    return f"{reverse('admin:authorizations_card_changelist')}?grant={WITHOUT}"


def tell_lost(request: HttpRequest, cards: int) -> None:
    """Say that a change leaves cards without a grant, where it does."""
    if cards:
        text = '{} <a href="{}" class="underline">See cards without a grant.</a>'
        messages.warning(request, format_html(text, lost_words(cards), without_grant_url()))
