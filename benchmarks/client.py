"""Sends prepared requests at their due times, and says how long after them each was answered.

    python -m benchmarks.client PORT CONNECTIONS FILE

The file has three lines for each request: the milliseconds after the start at which it is due,
the signature header, the body. What is due waits for a free connection, and the wait counts: a
server that stops answering is not spared the requests it would have been sent. Where all are due
at 0 this is a closed loop. Prints JSON: for each request, in the file's order, the milliseconds and
the status.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

_Request = tuple[int, float, bytes]
"""Its place in the file, when it is due, and what is sent."""


def _prepared(path: Path) -> list[_Request]:
    lines = path.read_text().splitlines()
    requests = zip(lines[::3], lines[1::3], lines[2::3], strict=True)
    return [
        (place, float(due), _bytes(signature, body.encode()))
        for place, (due, signature, body) in enumerate(requests)
    ]


def _bytes(signature: str, body: bytes) -> bytes:
    head = (
        "POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: {signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _send(
    port: int, waiting: asyncio.Queue[_Request], begun: float, found: dict[int, tuple[float, int]]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        place, due_ms, request = await waiting.get()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length:")[2].split("\r\n")[0])
        await reader.readexactly(length)
        took_ms = (time.monotonic() - begun) * 1000 - due_ms
        found[place] = took_ms, int(head.split()[1])
        waiting.task_done()
        if "connection: close" in head:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)


async def _run(port: int, connections: int, requests: list[_Request]) -> list[tuple[float, int]]:
    waiting: asyncio.Queue[_Request] = asyncio.Queue()
    found: dict[int, tuple[float, int]] = {}
    begun = time.monotonic()
    senders = [asyncio.create_task(_send(port, waiting, begun, found)) for _ in range(connections)]
    for request in requests:
        if (wait := request[1] / 1000 - (time.monotonic() - begun)) > 0:
            await asyncio.sleep(wait)
        waiting.put_nowait(request)
    done = asyncio.create_task(waiting.join())
    await asyncio.wait([done, *senders], return_when=asyncio.FIRST_COMPLETED)
    for sender in senders:
        if sender.done():
            sender.result()  # raises what ended it
        sender.cancel()
    return [found[place] for place in range(len(requests))]


if __name__ == "__main__":
    port, connections, path = sys.argv[1:]
    answers = asyncio.run(_run(int(port), int(connections), _prepared(Path(path))))
    sys.stdout.write(json.dumps(answers))
