"""The files of deploy/, started: nginx, and the two instances."""

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import IO

from tests.support.missing_programs import needed

PROJECT = Path(__file__).resolve().parent.parent.parent
DEPLOY = PROJECT / "deploy"
HOST = "cards.example.com"
PATIENCE_SECONDS = 300
"""With a machine that has much else to do; nothing here waits for it to pass."""

MAIN = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/desk.conf;
}}
"""


@dataclass(frozen=True)
class Ports:
    """Where everything listens, on 127.0.0.1."""

    http: int
    https: int
    webhook: int
    admin: int


def free_ports() -> Ports:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return Ports(*ports)


def configure(directory: Path, ports: Ports) -> Path:
    """deploy/nginx/desk.conf with other ports, a certificate of its own and more patience.

    To it 127.0.0.1 is one of Stripe's addresses; others of 127.0.0.0/8 are strangers'.
    """
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    keys = ["-keyout", str(directory / "privkey.pem"), "-out", str(directory / "fullchain.pem")]
    command = [needed("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, *keys, *subject], check=True, capture_output=True)
    addresses = (DEPLOY / "nginx" / "stripe-addresses.conf").read_text("utf-8")
    (directory / "stripe-addresses.conf").write_text(f"{addresses}127.0.0.1 1; # ours\n", "utf-8")
    text = (DEPLOY / "nginx" / "desk.conf").read_text("utf-8")
    for written, here in (
        ("listen [::]:80;\n", "\n"),
        ("listen [::]:443 ssl;\n", "\n"),
        ("listen 80;", f"listen 127.0.0.1:{ports.http};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{ports.https} ssl;"),
        ("proxy_read_timeout 30s;", f"proxy_read_timeout {PATIENCE_SECONDS}s;"),
        ("127.0.0.1:8001", f"127.0.0.1:{ports.webhook}"),
        ("127.0.0.1:8002", f"127.0.0.1:{ports.admin}"),
        ("/etc/nginx/desk", str(directory)),
        ("/etc/ssl/desk", str(directory)),
        ("/var/log/nginx", str(directory)),
    ):
        assert written in text, f"{written} is not in desk.conf any more"
        text = text.replace(written, here)
    (directory / "desk.conf").write_text(text, "utf-8")
    main = directory / "nginx.conf"
    # Its workers must be able to read what belongs to whoever runs the tests.
    user = "user root;" if Path.home() == Path("/root") else ""
    main.write_text(MAIN.format(directory=directory, user=user), "utf-8")
    return main


@contextmanager
def nginx(directory: Path, ports: Ports) -> Iterator[None]:
    main = configure(directory, ports)
    with started(
        [needed("nginx"), "-c", str(main), "-e", str(directory / "error.log")], ports.https
    ):
        yield


@contextmanager
def instance_of(
    name: str, port: int, environment: dict[str, str], log: Path, workers: int = 1
) -> Iterator[int]:
    """One instance, as deploy/start starts it; its process id."""
    told = {"INSTANCE": name, "ADDRESS": f"127.0.0.1:{port}", "WEB_CONCURRENCY": f"{workers}"}
    command = [str(DEPLOY / "start")]
    with log.open("wb") as file, started(command, port, environment | told, file) as process_id:
        yield process_id


@contextmanager
def started(
    command: list[str],
    port: int,
    environment: dict[str, str] | None = None,
    log: IO[bytes] | None = None,
) -> Iterator[int]:
    """A server, once it listens; stopped at the end."""
    process = subprocess.Popen(command, env=environment, cwd=PROJECT, stderr=log)
    try:
        _wait_for(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"Nothing listened on port {port} within {PATIENCE_SECONDS} seconds.")


@dataclass(frozen=True)
class Answer:
    """`headers` have names such as Stripe-Version, whatever letters they came in."""

    status: int
    headers: dict[str, str]
    body: bytes


def tls() -> ssl.SSLContext:
    """For a certificate nobody signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it needs none of this machine's authorities
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ask(
    port: int,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    come_from: str = "127.0.0.1",
) -> Answer:
    """One request over HTTPS, sent by POST where there is a body."""
    connection = HTTPSConnection(
        "127.0.0.1", port, timeout=PATIENCE_SECONDS, context=tls(), source_address=(come_from, 0)
    )
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, body, {"Host": HOST, **(headers or {})})
        answer = connection.getresponse()
        headers = {name.title(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    except HTTPException as problem:
        raise AssertionError(f"{path} was not answered: {problem!r}") from problem
    finally:
        connection.close()
