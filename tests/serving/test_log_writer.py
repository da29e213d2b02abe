"""Lines of the log, and a reader who reads them or does not."""

import fcntl
import logging
import os
import re
from collections.abc import Iterator

import pytest

from authz_project.log_writer import LogWriter

READ, WRITE = 0, 1


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The smallest there is: 4,096 bytes."""
    ends = os.pipe()
    fcntl.fcntl(ends[WRITE], fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    os.close(ends[WRITE])


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("tests", logging.INFO, __file__, 1, text, (), None)


def test_lines_are_written_in_order_and_the_last_before_it_closes(pipe: tuple[int, int]) -> None:
    writer = LogWriter(pipe[WRITE])
    for number in range(100):
        writer.handle(line(f"{number} \N{EURO SIGN}"))
    writer.close()
    text = os.read(pipe[READ], 4096).decode()
    assert text == "".join(f"{number} \N{EURO SIGN}\n" for number in range(100))
    os.close(pipe[READ])


def test_whoever_logs_waits_for_no_reader_and_what_was_left_out_is_counted(
    pipe: tuple[int, int],
) -> None:
    writer = LogWriter(pipe[WRITE], most_waiting=50)
    for _ in range(2_000):
        writer.handle(line("x" * 199))
    read, left_out = b"", 0
    while read.count(b"x" * 199) + left_out < 2_000:
        read += os.read(pipe[READ], 65536)
        said = re.findall(rb"(\d+) lines of the log were left out: nobody read stderr.\n", read)
        left_out = sum(map(int, said))
    assert 50 <= read.count(b"x" * 199) < 2_000
    assert left_out == 2_000 - read.count(b"x" * 199)
    os.close(pipe[READ])


def test_a_reader_who_has_gone_stops_nobody(pipe: tuple[int, int]) -> None:
    os.close(pipe[READ])
    writer = LogWriter(pipe[WRITE])
    writer.handle(line("Nobody hears this."))
    writer.close()
