"""Auditors who search and export while purchases are decided: the admin's instance under load."""

import http.client
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from benchmarks.database import Database
from benchmarks.servers import PORT, ROOT

_PORT = int(os.environ.get("BENCH_ADMIN_PORT") or PORT + 1)
_DECISIONS = "/admin/authorizations/decision/"
_SEARCHES = ("hotel", "zzzz", "restaurant", "a", "grace hopper", "0005")
_LOG_IN = """
import sys, django
django.setup()
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
user, _ = User.objects.get_or_create(
    username="bench", defaults={"is_staff": True, "is_superuser": True}
)
client = Client(headers={"host": "127.0.0.1"})
client.force_login(user)
sys.stdout.write(f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}")
"""


@dataclass
class _Readers:
    """What was answered, and whether to go on."""

    cookie: str
    token: str
    answered: list[int] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def search(self, place: int) -> None:
        while not self.stop.is_set():
            query = urlencode({"q": _SEARCHES[place % len(_SEARCHES)]})
            self._ask("GET", f"{_DECISIONS}?{query}")

    def export(self) -> None:
        while not self.stop.is_set():
            form = urlencode({"format": "csv", "csrfmiddlewaretoken": self.token})
            self._ask("POST", f"{_DECISIONS}export/", form)

    def _ask(self, method: str, address: str, form: str | None = None) -> None:
        headers = {
            "Cookie": self.cookie,
            "Host": "127.0.0.1",
            "X-Forwarded-Proto": "https",
            "Referer": f"https://127.0.0.1{address}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        client = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=60)
        with suppress(OSError, http.client.HTTPException):  # it is stopped at the end
            client.request(method, address, form, headers)
            response = client.getresponse()
            while response.read(1 << 16) and not self.stop.is_set():
                pass
            self.answered.append(response.status)
        client.close()


@contextmanager
def reading(database: Database, searches: int) -> Iterator[None]:
    """An admin's instance of its own, on which so many search all the time, and one exports."""
    logged_in = subprocess.run(
        [sys.executable, "-c", _LOG_IN],
        cwd=ROOT,
        env=database.environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    token = secrets.token_hex(16)
    readers = _Readers(f"{logged_in}; __Host-csrftoken={token}", token)
    process = subprocess.Popen(
        [ROOT / "deploy" / "start"],
        env=database.environment | {"INSTANCE": "admin", "ADDRESS": f"127.0.0.1:{_PORT}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    threads = [
        *(threading.Thread(target=readers.search, args=(place,)) for place in range(searches)),
        threading.Thread(target=readers.export),
    ]
    try:
        _wait_until_up()
        for thread in threads:
            thread.start()
        yield
    finally:
        readers.stop.set()
        process.terminate()
        process.wait(timeout=60)
        for thread in threads:
            thread.join()
    # 503 is what a search gets that takes too long.
    if 200 not in readers.answered or {*readers.answered} - {200, 503}:
        raise RuntimeError(f"The admin's instance answered with {sorted({*readers.answered})}.")


def _wait_until_up() -> None:
    for _ in range(100):
        with suppress(OSError):
            client = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=5)
            client.request("GET", "/healthz", headers={"X-Forwarded-Proto": "https"})
            client.getresponse().read()
            return
        time.sleep(0.1)
    raise RuntimeError(f"No admin came up on port {_PORT}. Is the port taken?")
