"""The servers that are compared, each started for its measurement."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PORT = int(os.environ.get("BENCH_PORT") or 4299)
SECRET = f"whsec_{secrets.token_hex(16)}"
GUNICORN = [
    *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{PORT}", "--log-level", "error"),
    *("--worker-class", "gthread", "--workers", "2", "--threads", "4", "--no-control-socket"),
    *("--forwarder-headers", ""),
]


@dataclass(frozen=True)
class Server:
    """A server: its name in the table, and how to start it.

    `notifies`: as systemd does, one waits until it says that its first answers will be quick.
    """

    name: str
    command: list[str]
    notifies: bool = False
    environment: dict[str, str] = field(default_factory=dict)


DESK = Server(
    "the desk",
    [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{PORT}", "--processes", "2"],
    notifies=True,
)
DESK_GUNICORN = Server("the desk, gunicorn", [*GUNICORN, "authz_project.wsgi:application"])
FLASK = Server(
    "quickstart, flask run",
    [sys.executable, "-m", "flask", "run", "--port", str(PORT)],
    environment={"FLASK_APP": "benchmarks.quickstart"},
)
FLASK_GUNICORN = Server("quickstart, gunicorn", [*GUNICORN, "benchmarks.quickstart:app"])


def environment(data: Path) -> dict[str, str]:
    """Production settings, with the benchmark's own database in `data`."""
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1",
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "EMBEDDED_POSTGRES_DIR": str(data),
        "DATABASE_URL": "",
    }


@contextmanager
def running(server: Server, base: dict[str, str], root: Path = ROOT) -> Iterator[int]:
    """The server of the checkout in `root`, answering; its process id. Stopped afterwards."""
    address = f"desk-bench-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(f"\0{address}")
        notified.settimeout(60)
        process = subprocess.Popen(
            server.command,
            cwd=root,
            env=base | server.environment | {"NOTIFY_SOCKET": f"@{address}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if server.notifies and notified.recv(64) != b"READY=1":
                raise RuntimeError(f"{server.name} did not start.")
            _wait_until_up()
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_up() -> None:
    for _ in range(100):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/webhook", timeout=1)
        except urllib.error.HTTPError:
            return  # it answers, if only that the method is wrong
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"No server came up on port {PORT}. Is the port taken?")
