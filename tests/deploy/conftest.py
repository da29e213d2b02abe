"""nginx in front of servers that tell what they were asked, or in front of the desk itself."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.deploy import serving
from tests.deploy.serving import HOST, PROJECT, Ports

SECRET = "whsec_of_the_deployed_desk"


RELEASED = Event()
"""Requests with X-Hold are not answered before."""


class _Mirror(BaseHTTPRequestHandler):
    """Answers with what it was asked, and which of the two servers it is."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Head and body in one piece: a body by itself waits 40 ms until its head is confirmed."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        told = {
            "server": self.server.server_port,  # type: ignore[attr-defined]
            "path": self.path,
            "headers": dict(self.headers),
            "length": len(self.rfile.read(length)),
        }
        if "X-Hold" in self.headers:
            RELEASED.wait(serving.PATIENCE_SECONDS)
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name is http.server's

    def log_message(self, *_: Any) -> None:
        pass


class _Mirrors(ThreadingHTTPServer):
    """As many may wait to be accepted as nginx lets through: it gives up connecting after 1 s."""

    request_queue_size = 128


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """nginx in front of two mirrors."""
    ports = serving.free_ports()
    mirrors = [_Mirrors(("127.0.0.1", port), _Mirror) for port in (ports.webhook, ports.admin)]
    for mirror in mirrors:
        Thread(target=mirror.serve_forever, daemon=True).start()
    with serving.nginx(tmp_path_factory.mktemp("nginx"), ports):
        yield ports
    for mirror in mirrors:
        mirror.shutdown()
        mirror.server_close()


@pytest.fixture(scope="module")
def environment(copied_database: str) -> Iterator[dict[str, str]]:
    """Of a production desk with a database of its own."""
    directory = Path(tempfile.mkdtemp(prefix="desk-"))
    yield {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "authz_project.settings",
        "DEBUG": "false",
        "SECRET_KEY": "deployed-only-7d1f4c9e2b8a5d3f6c0e9b7a4d2f1c8e5b3a6d9f",
        "ALLOWED_HOSTS": HOST,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "TRUST_PROXY_TLS": "true",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DATABASE_URL": copied_database,
        "SPOOL_DIR": str(directory / "spool"),
    }
    shutil.rmtree(directory, ignore_errors=True)


def manage(environment: dict[str, str], *words: str) -> str:
    """What a command of the desk printed."""
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


@dataclass(frozen=True)
class Desk:
    """As deployed."""

    ports: Ports
    webhook_process: int
    webhook_log: Path


@pytest.fixture(scope="module")
def desk(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Both instances behind nginx."""
    ports = serving.free_ports()
    logs = tmp_path_factory.mktemp("logs")
    log = logs / "webhook.log"
    with ExitStack() as stack:
        webhook = serving.instance_of("webhook", ports.webhook, environment, log)
        admin = serving.instance_of("admin", ports.admin, environment, logs / "admin.log")
        process_id = stack.enter_context(webhook)
        stack.enter_context(admin)
        stack.enter_context(serving.nginx(tmp_path_factory.mktemp("nginx"), ports))
        yield Desk(ports, process_id, log)
