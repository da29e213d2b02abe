"""The page after too many wrong passwords."""

from typing import Any

from axes.helpers import get_client_username, get_cool_off
from axes.models import AccessAttempt
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from authorizations.web.peers import network_of_client


def locked_out(request: HttpRequest, _answer: object, credentials: Any) -> HttpResponse:
    """The page that says when to try again, shown instead of the log-in page."""
    name = get_client_username(request, credentials)
    tried = AccessAttempt.objects.filter(username=name, ip_address=network_of_client(request))
    last = tried.order_by("attempt_time").values_list("attempt_time", flat=True).last()
    again_at = (last or timezone.now()) + get_cool_off(request)
    return render(request, "429.html", {"again_at": again_at}, status=429)
