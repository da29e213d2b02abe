"""What nginx lets through, to whom, and with what it adds."""

import json
import re
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from ipaddress import ip_address
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from authorizations.services.runtime.arrival import waited_ms
from authorizations.web.door import MAX_BODY_BYTES
from authorizations.wire.signature import SignatureCause, SignatureError, verify
from tests.deploy import serving
from tests.deploy.conftest import RELEASED
from tests.deploy.serving import HOST, Answer, Ports, ask
from tests.support.missing_programs import needed

SIGNED = {"Stripe-Signature": f"t=1795003200,v1={'0' * 64}"}
"""As Stripe signs; that it is false only the desk can tell."""

STRANGER = "127.0.0.2"


def told(ports: Ports, path: str, body: bytes | None = None, **headers: str) -> dict[str, Any]:
    """What the server behind was asked, by something signed."""
    answer = ask(ports.https, path, body, SIGNED | headers)
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.body)
    return found


def test_nginx_finds_no_fault_with_the_configuration(tmp_path: Path) -> None:
    main = serving.configure(tmp_path, serving.free_ports())
    errors = str(tmp_path / "error.log")
    tested = subprocess.run(
        [needed("nginx"), "-t", "-c", str(main), "-e", errors],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/webhook", "webhook"),
        ("/webhook/", "webhook"),
        ("/webhook.php", "webhook"),
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
    assert ask(mirrored.https, "/webhook", b"x" * (MAX_BODY_BYTES + 1), SIGNED).status == 413


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("path", ["/webhook", "/webhook/", "/webhook.php"])
@pytest.mark.parametrize("host", [HOST, "other.example"])
def test_the_webhook_is_never_redirected(
    mirrored: Ports, scheme: str, path: str, host: str
) -> None:
    if scheme == "https":
        assert ask(mirrored.https, path, b"{}", SIGNED | {"Host": host}).status == 200
    else:
        refused = _over_http(mirrored, path, host, "POST")
        assert refused.status == 403
        assert "HTTPS" in json.loads(refused.body)["error"]["message"]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "path", ["/", "/stripe", "/webhooks", "/webhook.phpx", "/webhook/x", "/static/x", "/readyz"]
)
def test_what_is_sent_elsewhere_gets_a_sentence_and_no_page(
    mirrored: Ports, scheme: str, path: str
) -> None:
    if scheme == "https":
        answer = ask(mirrored.https, path, b"{}", SIGNED)
    else:
        answer = _over_http(mirrored, path, HOST, "POST")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
    assert "/webhook" in json.loads(answer.body)["error"]["message"]


def test_people_who_come_by_http_are_led_to_https(mirrored: Ports) -> None:
    moved = _over_http(mirrored, "/admin/?q=1", HOST, "GET")
    assert (moved.status, moved.headers["Location"]) == (301, f"https://{HOST}/admin/?q=1")


def test_http_leads_to_the_configured_name_only(mirrored: Ports) -> None:
    moved = _over_http(mirrored, "/admin/", "evil.example", "GET")
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


def _over_http(ports: Ports, path: str, host: str, method: str) -> Answer:
    connection = HTTPConnection("127.0.0.1", ports.http, timeout=serving.PATIENCE_SECONDS)
    connection.request(method, path, b"{}", {"Host": host})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return Answer(answer.status, dict(answer.getheaders()), body)


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
    sent = SIGNED | {"Content-Type": "application/json; charset=utf-8"}
    asked = told(mirrored, "/webhook", b"\xef\xbb\xbf{}\0", **sent)
    assert asked["headers"].items() >= sent.items()
    assert asked["length"] == 6


def test_who_tries_many_log_ins_from_one_address_is_slowed_down(mirrored: Ports) -> None:
    answers = statuses_at_once(mirrored, "/admin/login/", "127.0.0.1", 40)
    assert answers["200"] > 0
    assert answers["429"] > 0


# --- strangers


@pytest.mark.parametrize(
    "signature",
    [
        f"t=1795003200,v1={'0f' * 32}",
        f"t=1795003200,v1={'0' * 64},v1={'1' * 64},v0={'2' * 64}",  # while a secret is rolled
        f"v0={'2' * 64},v1={'0' * 64},t=1795003200",
    ],
)
def test_a_signature_as_stripe_makes_it_gets_through(mirrored: Ports, signature: str) -> None:
    headers = told(mirrored, "/webhook", b"{}", **{"Stripe-Signature": signature})["headers"]
    assert headers["Stripe-Signature"] == signature
    assert verify_reads(signature)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=1795003200",
        f"v1={'0' * 64}",
        "t=1795003200,v1=",
        f"t=1795003200,v1={'0' * 63}",
        f"t=1795003200,v1={'0' * 65}",
        f"t=1795003200,v1={'Z' * 64}",
        f"t=now,v1={'0' * 64}",
        f"at=1795003200,sv1={'0' * 64}",
        f"t=1795003200;v1={'0' * 64}",
        f"t=1795003200,v1={'0' * 64},{'x' * 4_096}",
    ],
)
def test_what_is_not_signed_as_stripe_signs_costs_the_desk_nothing(
    mirrored: Ports, signature: str
) -> None:
    answer = ask(mirrored.https, "/webhook", b"{}", {"Stripe-Signature": signature})
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert "Stripe-Signature" in json.loads(answer.body)["error"]["message"]
    assert not verify_reads(signature)  # nginx is no stricter than the desk


def verify_reads(header: str) -> bool:
    """Whether the desk would look at the signature itself."""
    try:
        verify(b"{}", header, ["whsec_other"], 1_795_003_200)
    except SignatureError as rejected:
        return rejected.cause is SignatureCause.MISMATCH
    return True


@pytest.mark.parametrize("path", ["/webhook", "/webhook/", "/healthz"])
def test_a_stranger_is_limited_and_no_purchase_ever_is(mirrored: Ports, path: str) -> None:
    of_stranger = statuses_at_once(mirrored, path, STRANGER, 300)
    assert of_stranger["429"] > 0
    assert of_stranger["429"] + of_stranger["200"] == 300
    assert statuses_at_once(mirrored, path, "127.0.0.1", 300) == {"200": 300}


def statuses_at_once(ports: Ports, path: str, come_from: str, times: int) -> Counter[str]:
    """Of so many requests in one piece, on one connection."""
    lines = (f"POST {path} HTTP/1.1", f"Host: {HOST}", "Content-Length: 2", *HEADER_LINES)
    request = "\r\n".join(lines).encode() + b"\r\n\r\n{}"
    last = request.replace(b"Host:", b"Connection: close\r\nHost:")
    address = ("127.0.0.1", ports.https)
    patience = serving.PATIENCE_SECONDS
    found = b""
    with (
        socket.create_connection(address, patience, source_address=(come_from, 0)) as plain,
        serving.tls().wrap_socket(plain, server_hostname=HOST) as secured,
    ):
        secured.sendall(request * (times - 1) + last)
        while piece := secured.recv(65_536):
            found += piece
    return Counter(re.findall(r"HTTP/1\.1 (\d+) ", found.decode()))


HEADER_LINES = [f"{name}: {value}" for name, value in SIGNED.items()]


def test_a_stranger_has_only_so_many_requests_under_way(mirrored: Ports) -> None:
    """Fifteen at once are fewer than may come at once; ten of them wait for an answer."""
    held = SIGNED | {"X-Hold": "until released"}
    with ThreadPoolExecutor(15) as threads:
        asked = [
            threads.submit(ask, mirrored.https, "/webhook", b"{}", held, "127.0.0.3")
            for _ in range(15)
        ]
        turned_away = [it.result().status for it in islice(as_completed(asked), 5)]
        RELEASED.set()
        statuses = Counter(it.result().status for it in asked)
    assert turned_away == [429] * 5
    assert statuses == {429: 5, 200: 10}


def test_the_list_of_stripe_s_addresses_is_one() -> None:
    lines = (serving.DEPLOY / "nginx" / "stripe-addresses.conf").read_text("utf-8").splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert len(listed) >= 12
    for line in listed:
        address, _, rest = line.partition(" ")
        assert ip_address(address).is_global
        assert rest == "1;"


RENEW = serving.DEPLOY / "nginx" / "renew-stripe-addresses"


def renewed(directory: Path, listed: str) -> "subprocess.CompletedProcess[str]":
    (directory / "list").write_text(listed, "utf-8")
    command = [str(RENEW), str(directory / "addresses.conf"), str(directory / "list")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


LISTED = "3.18.12.63\n3.130.192.231\r\n13.235.14.237\n2001:db8::7\n"


def test_the_list_is_renewed_and_addresses_of_one_s_own_stay(tmp_path: Path) -> None:
    file = tmp_path / "addresses.conf"
    file.write_text("# old\n192.0.2.1 1;\n10.0.0.7 1; # ours\n", "utf-8")
    assert renewed(tmp_path, LISTED).returncode == 0
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines == [
        "3.18.12.63 1;",
        "3.130.192.231 1;",
        "13.235.14.237 1;",
        "2001:db8::7 1;",
        "10.0.0.7 1; # ours",
    ]
    assert "Nothing has changed" in renewed(tmp_path, LISTED).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["addresses.conf", "list"]


@pytest.mark.parametrize(
    "listed", ["", "<html>Not found</html>\n" * 9, LISTED + "0.0.0.0/0 1; deny all;\n"]
)
def test_what_is_no_list_of_addresses_changes_nothing(tmp_path: Path, listed: str) -> None:
    file = tmp_path / "addresses.conf"
    file.write_text("192.0.2.1 1;\n", "utf-8")
    done = renewed(tmp_path, listed)
    assert done.returncode == 1
    assert "stays as it is" in done.stderr
    assert file.read_text("utf-8") == "192.0.2.1 1;\n"


# --- a process that goes away before it answers


@contextmanager
def deserted(times: int, port: int) -> Iterator[list[bytes]]:
    """A server that hangs up on the first requests, and then answers; what it was asked."""
    asked: list[bytes] = []

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return  # the test is over
            with connection:
                asked.append(connection.recv(65_536))
                if len(asked) > times:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", port)) as listening:
        thread = Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(("times", "status"), [(0, 200), (1, 200), (2, 502)])
def test_a_purchase_is_asked_once_more_where_its_process_went(
    tmp_path: Path, times: int, status: int
) -> None:
    ports = serving.free_ports()
    with serving.nginx(tmp_path, ports), deserted(times, ports.webhook) as asked:
        answer = ask(ports.https, "/webhook", b'{"id": "evt_1"}', SIGNED)
    assert answer.status == status
    assert len(asked) == min(times, 1) + 1
    arrived = []
    for request in asked:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /webhook HTTP/1.1"
        assert body == b'{"id": "evt_1"}'
        headers = dict(line.split(": ", 1) for line in lines[1:])
        assert headers["Host"] == HOST
        assert headers["X-Forwarded-For"] == "127.0.0.1"
        assert headers["X-Forwarded-Proto"] == "https"
        assert headers["Stripe-Signature"] == SIGNED["Stripe-Signature"]
        arrived.append(float(headers["X-Request-Start"].removeprefix("t=")))
    assert arrived[-1] <= arrived[0]  # asked again, it has waited all the longer


def test_what_people_send_is_never_sent_twice(tmp_path: Path) -> None:
    ports = serving.free_ports()
    with serving.nginx(tmp_path, ports), deserted(1, ports.admin) as asked:
        assert ask(ports.https, "/admin/", b"a=1").status == 502
    assert len(asked) == 1
