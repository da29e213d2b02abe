"""The log-in form, which refuses the demo's password outside development."""

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
    """Refuses the demo's password, as a database filled by `load_demo` may go into production."""

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if self.cleaned_data.get("password") == demo_logins.PASSWORD and not settings.DEBUG:
            raise ValidationError(
                "This is the demo's password, which is public. An administrator of this server can "
                f"set a new one: python manage.py changepassword {user.get_username()}",
                code="demo_password",
            )


admin.site.login_form = LoginForm
