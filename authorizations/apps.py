"""The app as Django sees it."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class AuthorizationsConfig(AppConfig):
    name = "authorizations"
    verbose_name = "Authorization desk"

    def ready(self) -> None:
        from . import checks  # noqa: F401 - importing registers them
        from .services.acting import watch

        connection_created.connect(watch)
