"""What nginx lets through, to whom, and with what it adds."""

import json
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from authorizations.services.arrival import waited_ms
from authorizations.views import MAX_BODY_BYTES
from tests.deploy import serving
from tests.deploy.serving import HOST, NGINX, Ports, ask


def told(ports: Ports, path: str, body: bytes | None = None, **headers: str) -> dict[str, Any]:
    """What the server behind was asked."""
    answer = ask(ports.https, path, body, headers)
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_nginx_finds_no_fault_with_the_configuration(tmp_path: Path) -> None:
    assert NGINX
    main = serving.configure(tmp_path, serving.free_ports())
    errors = str(tmp_path / "error.log")
    tested = subprocess.run(
        [NGINX, "-t", "-c", str(main), "-e", errors], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/webhook", "webhook"),
        ("/webhook/", "webhook"),
        ("/healthz", "webhook"),
        ("/readyz", "webhook"),
        ("/metrics", "webhook"),
        ("/", "admin"),
        ("/admin/", "admin"),
        ("/admin/login/", "admin"),
        ("/admin/authorizations/decision/export/?outcome=declined", "admin"),
        ("/static/authorizations/desk.css", "admin"),
    ],
)
def test_each_address_goes_to_its_instance(mirrored: Ports, path: str, instance: str) -> None:
    asked = told(mirrored, path)
    assert asked["server"] == getattr(mirrored, instance)
    assert asked["path"] == path


@pytest.mark.parametrize("path", ["/webhooks", "/webhook/x", "/wp-admin", "/admin", "/.env"])
def test_other_addresses_lead_nowhere(mirrored: Ports, path: str) -> None:
    assert ask(mirrored.https, path).status == 404


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_figures_are_for_the_local_network_only(mirrored: Ports, path: str) -> None:
    assert ask(mirrored.https, path, come_from="127.0.0.2").status == 403
    assert ask(mirrored.https, "/healthz", come_from="127.0.0.2").status == 200


def test_a_body_may_be_as_long_as_the_desk_takes_it_and_no_longer(mirrored: Ports) -> None:
    assert told(mirrored, "/webhook", b"x" * MAX_BODY_BYTES)["length"] == MAX_BODY_BYTES
    assert ask(mirrored.https, "/webhook", b"x" * (MAX_BODY_BYTES + 1)).status == 413


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("path", ["/webhook", "/webhook/"])
@pytest.mark.parametrize("host", [HOST, "other.example"])
def test_the_webhook_is_never_redirected(
    mirrored: Ports, scheme: str, path: str, host: str
) -> None:
    if scheme == "https":
        assert ask(mirrored.https, path, b"{}", {"Host": host}).status == 200
    else:
        assert _over_http(mirrored, path, host).status == 403


def test_people_who_come_by_http_are_led_to_https(mirrored: Ports) -> None:
    moved = _over_http(mirrored, "/admin/?q=1", HOST)
    assert (moved.status, moved.headers["Location"]) == (301, f"https://{HOST}/admin/?q=1")


def test_http_leads_to_the_configured_name_only(mirrored: Ports) -> None:
    moved = _over_http(mirrored, "/admin/", "evil.example")
    assert moved.headers["Location"] == f"https://{HOST}/admin/"


@pytest.mark.parametrize(
    ("cipher", "is_taken"),
    [
        ("ECDHE+AESGCM", True),
        ("ECDHE+CHACHA20", True),
        ("AES128-GCM-SHA256", False),  # the key decrypts what was recorded
        ("ECDHE-RSA-AES128-SHA256", False),
        ("ECDHE-RSA-AES256-SHA", False),
    ],
)
def test_of_tls_1_2_only_modern_ciphers_are_taken(
    mirrored: Ports, cipher: str, is_taken: bool
) -> None:
    context = serving.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)
    with socket.create_connection(("127.0.0.1", mirrored.https)) as plain, ExitStack() as stack:
        if not is_taken:
            stack.enter_context(pytest.raises(ssl.SSLError, match="handshake failure"))
        context.wrap_socket(plain, server_hostname=HOST).close()


def _over_http(ports: Ports, path: str, host: str) -> Any:
    connection = HTTPConnection("127.0.0.1", ports.http, timeout=serving.PATIENCE_SECONDS)
    connection.request("POST", path, b"{}", {"Host": host})
    answer = connection.getresponse()
    connection.close()
    return answer


def test_the_desk_is_told_when_the_request_arrived_and_understands_it(mirrored: Ports) -> None:
    before = time.time()
    headers = told(mirrored, "/webhook", b"{}", **{"X-Request-Start": "t=1"})["headers"]
    environ = {"HTTP_X_REQUEST_START": headers["X-Request-Start"], "REMOTE_ADDR": "127.0.0.1"}
    in_an_hour = before + 3600
    # nginx looks at its clock once per round, which may be a little before.
    assert 3_590_000 < waited_ms(environ, in_an_hour) <= 3_601_000


def test_what_a_client_says_of_where_it_came_from_is_replaced(mirrored: Ports) -> None:
    claimed = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"}
    headers = told(mirrored, "/webhook", b"{}", **claimed)["headers"]
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["Host"] == HOST


def test_signatures_and_bodies_arrive_as_they_were_sent(mirrored: Ports) -> None:
    sent = {"Stripe-Signature": "t=1,v1=ab", "Content-Type": "application/json; charset=utf-8"}
    asked = told(mirrored, "/webhook", b"\xef\xbb\xbf{}\0", **sent)
    assert asked["headers"].items() >= sent.items()
    assert asked["length"] == 6


def test_who_tries_many_log_ins_from_one_address_is_slowed_down(mirrored: Ports) -> None:
    answers = [ask(mirrored.https, "/admin/login/", b"x").status for _ in range(40)]
    assert answers[0] == 200
    assert answers[-1] == 429
