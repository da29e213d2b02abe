"""What unfold asks about each request to say which of several desks this is."""

from django.conf import settings
from django.http import HttpRequest


def whereabouts(request: HttpRequest) -> str:
    """Under the name."""
    return request.get_host()


def surroundings(_request: HttpRequest) -> list[str] | None:
    """A label for a desk that decides nothing real."""
    if settings.DEBUG:
        return ["Development", "warning"]
    return ["Test mode", "info"] if settings.STRIPE_LIVEMODE is False else None
