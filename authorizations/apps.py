"""The app as Django sees it."""

from django.apps import AppConfig


class AuthorizationsConfig(AppConfig):
    name = "authorizations"
    verbose_name = "Authorization desk"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - importing registers them
