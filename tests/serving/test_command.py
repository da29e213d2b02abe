"""manage.py serve, started in ways in which it can't serve."""

import os
import socket
import subprocess
import sys

import pytest
from django.conf import settings


def refused(*words: str, **variables: str) -> str:
    """What it says, in one sentence without a traceback."""
    done = subprocess.run(
        [sys.executable, "manage.py", "serve", *words],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("address", ["8001", "localhost", ":8001", "localhost:", "localhost:99999"])
def test_an_address_that_cannot_be_read_is_named_with_an_example(address: str) -> None:
    said = refused("--bind", address)
    assert f"--bind is {address}; write an address and a port, such as 127.0.0.1:8001." in said


def test_a_port_that_is_taken_is_named_with_a_different_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused("--bind", f"127.0.0.1:{port}")
    assert f"Port {port} is in use" in said
    assert f"--bind 127.0.0.1:{port + 1}." in said


def test_an_address_of_a_different_machine_is_refused() -> None:
    assert "Nothing can listen on 192.0.2.1:8001: " in refused("--bind", "192.0.2.1:8001")


def test_a_server_has_at_least_one_process() -> None:
    assert "--processes takes a number from 1 to 64." in refused("--processes", "0")


def test_without_a_secret_it_does_not_start() -> None:
    said = refused(DJANGO_SETTINGS_MODULE="authz_project.settings", DEBUG="false", SECRET_KEY=" ")
    assert "SECRET_KEY is not set." in said
