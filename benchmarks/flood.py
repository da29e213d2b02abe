"""Floods a server: many connections send purchases with false signatures as fast as they can.

    python -m benchmarks.flood PORT SECONDS CONNECTIONS tls|plain

Prints the number of responses by status, as JSON.
"""

import asyncio
import json
import ssl
import sys
import time
from collections import Counter

HOST = "cards.example.com"
COME_FROM = "127.0.0.2"
BODY = b'{"id": "evt_false", "type": "issuing_authorization.request"}' + b" " * 4_000


async def _knock(
    port: int, context: ssl.SSLContext | None, until: float, seen: Counter[str]
) -> None:
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, local_addr=(COME_FROM, 0)
            )
            try:
                while time.monotonic() < until:
                    writer.write(_request())
                    seen[await _status(reader)] += 1
            finally:
                writer.close()
        except (OSError, asyncio.IncompleteReadError):
            seen["cut off"] += 1


def _request() -> bytes:
    lines = (
        "POST /webhook HTTP/1.1",
        f"Host: {HOST}",
        "Content-Type: application/json",
        f"Stripe-Signature: t={int(time.time())},v1={'0' * 64}",
        f"Content-Length: {len(BODY)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + BODY


async def _status(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    _, _, after = head.partition("content-length:")
    await reader.readexactly(int(after.split("\r\n")[0]))
    return head.split()[1]


async def _flood(port: int, seconds: float, connections: int, *, tls: bool) -> Counter[str]:
    seen: Counter[str] = Counter()
    context = ssl.create_default_context() if tls else None
    if context:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    until = time.monotonic() + seconds
    await asyncio.gather(*(_knock(port, context, until, seen) for _ in range(connections)))
    return seen


if __name__ == "__main__":
    port, seconds, connections, kind = sys.argv[1:]
    found = asyncio.run(_flood(int(port), float(seconds), int(connections), tls=kind == "tls"))
    sys.stdout.write(json.dumps(found))
