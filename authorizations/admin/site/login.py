"""Logging in; never with the demo's password outside development."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from authorizations.web import demo_logins

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as AuthenticationForm
else:
    from unfold.forms import AuthenticationForm


class LoginForm(AuthenticationForm):
    """A database that `load_demo` filled may be served for real later, its log-ins with it."""

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if self.cleaned_data.get("password") == demo_logins.PASSWORD and not settings.DEBUG:
            raise ValidationError(
                "This password is the demo's, which everybody knows. Whoever runs this server "
                f"sets another: python manage.py changepassword {user.get_username()}",
                code="demo_password",
            )


admin.site.login_form = LoginForm
