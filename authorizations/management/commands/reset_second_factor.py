"""manage.py reset_second_factor"""

from argparse import ArgumentParser
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = (
        "Deletes the second factors of a user who lost them, including recovery codes. Verify who "
        "is asking first. At the next log-in, the user sets up a new one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *_: Any, username: str, **__: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.")
        Authenticator.objects.filter(user=user).delete()
        self.stdout.write(f"{username} sets up a second factor at the next log-in.")
