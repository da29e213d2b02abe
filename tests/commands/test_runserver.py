"""What runserver says, before it listens and when it does; `make run` itself has its own test."""

import socket
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from pytest_django import Settings

from authorizations.management.commands.runserver import Command
from authorizations.wire.endpoints import listen_command

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _development(settings: Settings) -> None:
    settings.DEBUG = True


def said_when_listening(port: int = 4242, addr: str = "127.0.0.1") -> str:
    command = Command(stdout=StringIO())
    command.addr, command.port, command._raw_ipv6 = addr, str(port), ":" in addr
    command.on_bind(port)
    return str(command.stdout.getvalue())


def test_it_says_where_the_admin_is_and_how_purchases_come() -> None:
    said = said_when_listening()
    assert "http://127.0.0.1:4242/admin/" in said
    assert "python manage.py simulate\n" in said
    assert f"{listen_command(4242)}\n" in said
    assert "two endpoints" in said


def test_on_another_port_the_commands_name_it() -> None:
    said = said_when_listening(4300)
    assert "python manage.py simulate --url http://127.0.0.1:4300/webhook" in said
    assert "localhost:4300/webhook" in said


@pytest.mark.parametrize(
    ("addr", "shown"),
    [
        ("0.0.0.0", "http://127.0.0.1:4242"),  # noqa: S104 - what people type
        ("::1", "http://[::1]:4242"),
    ],
)
def test_the_address_shown_is_one_that_a_browser_opens(addr: str, shown: str) -> None:
    assert f"{shown}/admin/" in said_when_listening(addr=addr)


def test_the_demo_s_log_ins_are_shown_where_they_exist() -> None:
    User.objects.create(username="operator")
    assert "log in as operator (" in said_when_listening()


def test_without_the_demo_no_log_in_is_shown() -> None:
    User.objects.create(username="somebody")
    assert "log in" not in said_when_listening()


def test_outside_development_no_log_in_is_shown(settings: Settings) -> None:
    settings.DEBUG = False
    User.objects.create(username="operator")
    assert "log in" not in said_when_listening()


def test_a_port_in_use_is_told_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} is in use.*choose a different port"):
            call_command("runserver", str(port), use_reloader=False)


def test_an_address_of_another_machine_is_told_as_such() -> None:
    with pytest.raises(CommandError, match=r"Nothing can listen on 192\.0\.2\.1:4300"):
        call_command("runserver", "192.0.2.1:4300", use_reloader=False)


def test_outside_development_what_is_missing_is_named_in_our_words(settings: Settings) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = False, []
    with pytest.raises(ImproperlyConfigured, match=r"ALLOWED_HOSTS is not set\. Set it to"):
        call_command("runserver", "4300", use_reloader=False)
