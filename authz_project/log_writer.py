"""Writes log lines to stderr from a thread of its own.

Whoever logs never waits for the reader of stderr: if it stops reading, a purchase is still decided.
Then lines are kept up to a limit, and further ones are counted and left out.
"""

import logging
import os
import sys
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

MOST_WAITING = 10_000
"""Maximum lines that wait for the reader."""

_TOGETHER_S = 0.02
"""How long lines are collected that are written together."""

_MOST_TOGETHER = 500
_LAST_S = 1.0
"""How long the end of the process waits for lines that are not written yet."""


class LogWriter(logging.Handler):
    """A handler that formats a record at once and leaves writing it to `fd` to a thread."""

    def __init__(self, fd: int, most_waiting: int = MOST_WAITING) -> None:
        super().__init__()
        self._fd = fd
        self._most_waiting = most_waiting
        self._lines: SimpleQueue[bytes | Event] = SimpleQueue()
        self._left_out_lock = Lock()
        self._left_out = 0
        Thread(target=self._write_forever, name="log", daemon=True).start()

    def createLock(self) -> None:  # noqa: N802 - its name
        self.lock = None  # formatting needs none, and the queue has its own

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's line to be written; leave it out if too many wait."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - no purchase fails for a line of the log
            line = f"A line of the log can't be written: {record.name}, line {record.lineno}."
        if self._lines.qsize() >= self._most_waiting:
            with self._left_out_lock:
                self._left_out += 1
            return
        self._lines.put(line.encode(errors="backslashreplace") + b"\n")

    def close(self) -> None:
        """Wait a second at most for what is not written yet."""
        written = Event()
        self._lines.put(written)
        written.wait(_LAST_S)
        super().close()

    def _write_forever(self) -> None:
        while True:
            waiting = [self._lines.get()]
            time.sleep(_TOGETHER_S)
            with suppress(Empty):
                while len(waiting) < _MOST_TOGETHER:
                    waiting.append(self._lines.get_nowait())
            self._write(b"".join(line for line in waiting if isinstance(line, bytes)))
            with self._left_out_lock:
                left_out, self._left_out = self._left_out, 0
            if left_out:
                self.handle(_left_out(left_out))
            for written in waiting:
                if isinstance(written, Event):
                    written.set()

    def _write(self, text: bytes) -> None:
        with suppress(OSError):  # nobody can read it any more
            while text:
                text = text[os.write(self._fd, text) :]


def _left_out(count: int) -> logging.LogRecord:
    sentence = "%d lines of the log were left out: nobody read stderr."
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, sentence, (count,), None)


def take_over() -> LogWriter:
    """Replace the root logger's handler of stderr by a LogWriter with the same format.

    What no line shows is not looked up for it: its source, thread and process. See "Optimization"
    in the documentation of logging.
    """
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    writer = LogWriter(sys.stderr.fileno())
    for handler in list(root.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            writer.setFormatter(handler.formatter)
            writer.setLevel(handler.level)
            root.removeHandler(handler)
    root.addHandler(writer)
    return writer
