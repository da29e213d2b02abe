"""A desk of its own to take pictures of: demo data and a busy day, in a database made for it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PROJECT = Path(__file__).resolve().parent.parent.parent
PURCHASES = 150
LIVES = 60
PATIENCE_SECONDS = 60


def environment(directory: Path) -> dict[str, str]:
    """What the desk is started with; nothing of a developer's own."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
        "EMBEDDED_POSTGRES_DIR": str(directory),
        "DATABASE_URL": "",
        "DEBUG": "true",
        "SECRET_KEY": "pictures-only",
        "STRIPE_WEBHOOK_SECRET": "whsec_pictures",
        "TIME_ZONE": "UTC",
    }


@contextmanager
def served(settings: dict[str, str]) -> Iterator[str]:
    """The address of a running desk that has decided purchases today."""
    manage(settings, "migrate", "--verbosity", "0")
    manage(settings, "load_demo")
    with running(settings) as url:
        count = ("--count", str(PURCHASES), "--seed", "pictures")
        manage(settings, "simulate", "--url", f"{url}/webhook", *count)
        lives = ("--lives", str(LIVES), "--seed", "lives")
        manage(settings, "simulate", "--url", f"{url}/webhook", *lives)
        yield url


@contextmanager
def running(settings: dict[str, str]) -> Iterator[str]:
    """The address of a server."""
    port = _free_port()
    server = subprocess.Popen(
        [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
        cwd=PROJECT,
        env=settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}/healthz")
        yield url
    finally:
        server.terminate()
        server.wait()


def manage(settings: dict[str, str], *words: str) -> None:
    command = [sys.executable, "manage.py", *words]
    subprocess.run(command, cwd=PROJECT, env=settings, check=True, stdout=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait(url: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            with urlopen(url):  # noqa: S310 - our own server
                return
        except (URLError, ConnectionError):
            time.sleep(0.2)
    raise TimeoutError(f"{url} did not answer within {PATIENCE_SECONDS} seconds.")
