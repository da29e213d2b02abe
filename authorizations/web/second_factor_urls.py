"""Pages of second factors; of allauth's own addresses only those that a desk needs."""

from allauth.mfa.base.views import index, reauthenticate
from allauth.mfa.recovery_codes.views import generate_recovery_codes, view_recovery_codes
from allauth.mfa.totp.views import activate_totp, deactivate_totp
from allauth.mfa.webauthn.views import (
    add_webauthn,
    list_webauthn,
    reauthenticate_webauthn,
    remove_webauthn,
)
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.urls import path, reverse


def log_in_again(request: HttpRequest) -> HttpResponseBase:
    """Where allauth sends those whose password was asked too long ago to set up a factor."""
    logout(request)
    wanted = request.GET.get("next") or reverse("admin:index")
    return redirect_to_login(wanted, reverse("admin:login"))


urlpatterns = [
    path("", index, name="mfa_index"),
    path("log-in-again/", log_in_again, name="account_login"),
    path("code/", reauthenticate, name="mfa_reauthenticate"),
    path("app/", activate_totp, name="mfa_activate_totp"),
    path("app/remove/", deactivate_totp, name="mfa_deactivate_totp"),
    path("key/", reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("keys/", list_webauthn, name="mfa_list_webauthn"),
    path("keys/add/", add_webauthn, name="mfa_add_webauthn"),
    path("keys/<int:pk>/remove/", remove_webauthn, name="mfa_remove_webauthn"),
    path("recovery-codes/", view_recovery_codes, name="mfa_view_recovery_codes"),
    path("recovery-codes/new/", generate_recovery_codes, name="mfa_generate_recovery_codes"),
]
