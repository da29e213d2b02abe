"""The Django app."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class AuthorizationsConfig(AppConfig):
    name = "authorizations"
    verbose_name = "Authorization desk"

    def ready(self) -> None:
        from authorizations.services.runtime.actor import watch

        from . import checks  # noqa: F401 - importing registers them

        connection_created.connect(watch)
