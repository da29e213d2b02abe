"""Callbacks of unfold that show which desk a page belongs to."""

from django.conf import settings
from django.http import HttpRequest


def whereabouts(request: HttpRequest) -> str:
    """The host name, shown under the site's name."""
    return request.get_host()


def surroundings(_request: HttpRequest) -> list[str] | None:
    """A label for desks that decide no real purchases; None for production."""
    if settings.DEBUG:
        return ["Development", "warning"]
    return ["Test mode", "info"] if settings.STRIPE_LIVEMODE is False else None
