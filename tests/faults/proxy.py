"""A wire between the desk and its database that can be slow, silent, cut or torn."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.faults.database import free_port

COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
COMMITTED = b"C\0\0\0\x0bCOMMIT\0Z\0\0\0\x05I"
"""The server's whole reply to COMMIT."""

_AT_ONCE = struct.pack("ii", 1, 0)
"""Close with a reset."""


class Proxy:
    """Passes bytes on to a port of this machine; the attributes say how, at any time.

    `latency_s` is waited before each piece is passed on; `piece` is its largest size. While
    `is_holding` nothing passes; while `is_refusing` nobody gets through. `cut_reply_at` cuts the
    next reply to COMMIT after so many bytes, `drops_commit` the next COMMIT before it arrives.
    """

    def __init__(self, target: int) -> None:
        self.port, self._target = free_port(), target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self.cuts = 0
        self.heal()
        started = threading.Event()
        threading.Thread(target=self._run, args=(started,), daemon=True).start()
        started.wait()

    def heal(self) -> None:
        self.latency_s, self.piece = 0.0, 65536
        self.is_holding = self.is_refusing = self.drops_commit = False
        self.cut_reply_at: int | None = None

    def reset(self) -> None:
        """Every connection breaks off with a reset."""
        self._loop.call_soon_threadsafe(lambda: [*map(_reset, list(self._writers))])

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        serving = asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=128)
        self._loop.run_until_complete(serving)
        started.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            await asyncio.gather(
                self._pass_on(reader, far_writer, self._sent),
                self._pass_on(far_reader, writer, self._replied),
            )
        except (OSError, _CutError):
            [*map(_reset, both)]
        finally:
            self._writers -= both
            for end in both:
                end.close()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cut: Callable[[bytes], tuple[bytes, bool]],
    ) -> None:
        while data := await reader.read(65536):
            data, is_cut = cut(data)
            piece = self.piece
            for start in range(0, len(data), piece):
                while self.is_holding:
                    await asyncio.sleep(0.01)
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                writer.write(data[start : start + piece])
                await writer.drain()
                if piece == 1:
                    await asyncio.sleep(0)  # so that each goes by itself
            if is_cut:
                self.cuts += 1
                raise _CutError
        if writer.can_write_eof():
            with suppress(OSError):
                writer.write_eof()

    def _sent(self, data: bytes) -> tuple[bytes, bool]:
        place = data.find(COMMIT) if self.drops_commit else -1
        if place < 0:
            return data, False
        self.drops_commit = False
        return data[:place], True

    def _replied(self, data: bytes) -> tuple[bytes, bool]:
        place = data.find(COMMITTED) if self.cut_reply_at is not None else -1
        if place < 0 or self.cut_reply_at is None:
            return data, False
        end, self.cut_reply_at = place + self.cut_reply_at, None
        return data[:end], True


class _CutError(Exception):
    """The connection ends here."""


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    with suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
