"""Second factors: with REQUIRE_MFA on, a password alone opens nothing.

The admin's own page asks for the password, and there is no other log-in page. A session in which
no second factor has been shown yet, however it came about, gets only as far as showing one; or,
for somebody who has none, as setting one up, shortly after their password was asked.
"""

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

SETTING_UP = ("mfa_activate_totp", "mfa_add_webauthn")
ALWAYS_OPEN = ("admin:login", "admin:logout", "account_login", "healthz", "readyz")


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth brings no types
    """Nobody signs up, nothing is mailed, and asking again means the second factor."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - its signature
        return False

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        pass

    def get_reauthentication_methods(
        self, user: AbstractBaseUser | AnonymousUser
    ) -> list[dict[str, Any]]:
        kinds = set(Authenticator.objects.filter(user_id=user.pk).values_list("type", flat=True))
        methods = []
        if kinds & {Authenticator.Type.WEBAUTHN}:
            methods.append(_method("mfa_reauthenticate_webauthn", "Use a security key"))
        if kinds & {Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES}:
            methods.append(_method("mfa_reauthenticate", "Type a code"))
        return methods


def _method(name: str, description: str) -> dict[str, Any]:
    return {"id": name, "description": description, "url": reverse(name)}


class SecondFactor:
    """After authentication, and after allauth's own middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _values: object
    ) -> HttpResponseBase | None:
        name = request.resolver_match.view_name if request.resolver_match else ""
        if not settings.REQUIRE_MFA:
            if name.startswith(("mfa_", "account_")):
                raise Http404
            return None
        if not request.user.is_authenticated or name in ALWAYS_OPEN or _was_shown(request):
            return None
        ways = [way["id"] for way in get_adapter().get_reauthentication_methods(request.user)]
        open_to_them = ways or SETTING_UP
        if name in open_to_them:
            return None
        query = urlencode({"next": request.get_full_path()})
        return redirect(f"{reverse(open_to_them[0])}?{query}")

    def process_template_response(
        self, request: HttpRequest, response: TemplateResponse
    ) -> TemplateResponse:
        """Allauth's pages know nothing of the admin whose look they have."""
        if request.resolver_match and request.resolver_match.view_name.startswith("mfa_"):
            response.context_data = admin.site.each_context(request) | (response.context_data or {})
        return response


def account_links(_request: HttpRequest) -> list[dict[str, str]]:
    """In the menu under one's own name."""
    if not settings.REQUIRE_MFA:
        return []
    return [{"title": "Second factors", "link": reverse("mfa_index")}]


def _was_shown(request: HttpRequest) -> bool:
    """Whether a second factor was shown in this session, by the one who is logged in."""
    records: list[dict[str, Any]] = get_authentication_records(request, request.user)
    return any(record["method"] == "mfa" for record in records)


@receiver(user_logged_in)
def note_the_password(request: HttpRequest, user: User, **_: object) -> None:
    """Whoever just typed it may set up a first factor for a few minutes."""
    if settings.REQUIRE_MFA:
        record_authentication(request, user, "password", reauthenticated=True)


@receiver(authenticator_added)
def note_what_was_set_up(
    request: HttpRequest, user: User, authenticator: Authenticator, **_: object
) -> None:
    """Setting one up shows it as well."""
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(request, user, "mfa", type=authenticator.type, reauthenticated=True)
