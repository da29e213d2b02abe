"""Second factors: with REQUIRE_MFA on, a password alone opens no page.

The admin's log-in page asks for the password, and there is no other log-in page. A session that
has not presented a second factor only reaches the pages for doing so or, if the user has none, for
setting one up, within minutes of entering the password.
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
    """No sign-up, no mail, and re-authentication is by second factor."""

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
            methods.append(("mfa_reauthenticate_webauthn", "Use a security key"))
        if kinds & {Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES}:
            methods.append(("mfa_reauthenticate", "Type a code"))
        return [
            {"id": name, "description": description, "url": reverse(name)}
            for name, description in methods
        ]


class SecondFactor:
    """Middleware; comes after authentication and after allauth's own."""

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
        if not request.user.is_authenticated or name in ALWAYS_OPEN:
            return None
        records: list[dict[str, Any]] = get_authentication_records(request, request.user)
        if any(record["method"] == "mfa" for record in records):
            return None
        methods = get_adapter().get_reauthentication_methods(request.user)
        allowed = [method["id"] for method in methods] or SETTING_UP
        if name in allowed:
            return None
        query = urlencode({"next": request.get_full_path()})
        return redirect(f"{reverse(allowed[0])}?{query}")

    def process_template_response(
        self, request: HttpRequest, response: TemplateResponse
    ) -> TemplateResponse:
        """Add the context of the admin's pages to allauth's, which have the same look."""
        if request.resolver_match and request.resolver_match.view_name.startswith("mfa_"):
            response.context_data = admin.site.each_context(request) | (response.context_data or {})
        return response


def account_links(_request: HttpRequest) -> list[dict[str, str]]:
    """The links in the user's menu."""
    if not settings.REQUIRE_MFA:
        return []
    return [{"title": "Second factors", "link": reverse("mfa_index")}]


@receiver(user_logged_in)
def note_the_password(request: HttpRequest, user: User, **_: object) -> None:
    """Record the log-in, after which a first factor may be set up for a few minutes."""
    if settings.REQUIRE_MFA:
        record_authentication(request, user, "password", reauthenticated=True)


@receiver(authenticator_added)
def note_what_was_set_up(
    request: HttpRequest, user: User, authenticator: Authenticator, **_: object
) -> None:
    """Record that a factor was set up, which counts as presenting it."""
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(request, user, "mfa", type=authenticator.type, reauthenticated=True)
