"""The spool keeps what it says it kept, whatever the disk does."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from authorizations.services.host import spool_reader
from authorizations.services.host.spool_writer import Disk, Spool, SpoolFailedError
from tests.support.timeouts import PATIENCE_S


def spool_in(directory: Path, **options: Any) -> Spool:
    """With a time-out that no busy machine reaches."""
    return Spool(directory, **({"timeout_s": PATIENCE_S} | options))


def kept(directory: Path) -> list[bytes]:
    """Every record of every file."""
    found = []
    for path in spool_reader.waiting(directory):
        place = 0
        while record := spool_reader.read(path, place):
            found.append(record.payload)
            place = record.end
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.001)


class Failing:
    """One of the operations of a disk, which fails from one call on, for some calls."""

    def __init__(self, works: Callable[..., Any], error: int, *, at: int, times: int = 1) -> None:
        self.works, self.error, self.at, self.times = works, error, at, times
        self.calls = 0

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        if self.at <= self.calls < self.at + self.times:
            raise OSError(self.error, os.strerror(self.error))
        return self.works(*args)


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    records = [b"first", b"\0" * 5_000, b"third"]
    for record in records:
        spool.append(record)
    assert kept(tmp_path) == records
    assert (spool.appended, spool.failed) == (3, 0)


def test_a_spool_that_is_not_used_leaves_nothing_behind(tmp_path: Path) -> None:
    spool_in(tmp_path / "none").rotate()
    assert not (tmp_path / "none").exists()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    spool_in(tmp_path / "new" / "spool").append(b"secret")
    [path] = spool_reader.waiting(tmp_path / "new" / "spool")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_disk_has_it_before_append_returns_and_the_directory_names_a_new_file(
    tmp_path: Path,
) -> None:
    done: list[str] = []

    def told(name: str, works: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any) -> Any:
            done.append(name)
            return works(*args)

        return operation

    disk = Disk(
        write=told("write", os.write),
        sync=told("sync", os.fdatasync),
        sync_directory=told("sync directory", os.fsync),
    )
    spool = spool_in(tmp_path, disk=disk)
    spool.append(b"first")
    assert done == ["sync directory", "write", "sync"]
    spool.append(b"second")
    assert done[3:] == ["write", "sync"]


def test_a_write_in_several_pieces_is_one_record(tmp_path: Path) -> None:
    disk = Disk(write=lambda fd, data: os.write(fd, bytes(data)[:3]))
    spool_in(tmp_path, disk=disk).append(b"in many pieces")
    assert kept(tmp_path) == [b"in many pieces"]


@pytest.mark.parametrize(
    ("operation", "works", "error"),
    [
        ("write", os.write, errno.EIO),
        ("write", os.write, errno.ENOSPC),
        ("sync", os.fdatasync, errno.EIO),
        ("sync_directory", os.fsync, errno.EIO),
        ("open", os.open, errno.EROFS),
        ("open", os.open, errno.EMFILE),
    ],
)
def test_after_an_error_the_record_is_not_there_and_the_next_begins_a_new_file(
    tmp_path: Path, operation: str, works: Callable[..., Any], error: int
) -> None:
    opens = operation in ("open", "sync_directory")
    failing = Failing(works, error, at=1 if opens else 2)
    spool = spool_in(tmp_path, disk=Disk(**{operation: failing}))
    before = [] if opens else [b"before"]
    for record in before:
        spool.append(record)
    with pytest.raises(SpoolFailedError, match="Check that the disk has room"):
        spool.append(b"lost")
    spool.append(b"after")
    assert kept(tmp_path) == [*before, b"after"]
    assert (spool.appended, spool.failed) == (len(before) + 1, 1)
    with_records = [path for path in spool_reader.waiting(tmp_path) if path.stat().st_size]
    assert len(with_records) == len(before) + 1


def test_an_error_is_never_tried_again_on_the_same_file(tmp_path: Path) -> None:
    """After a failed fsync the next one succeeds, and tells nothing: the pages are gone."""
    files: list[int] = []

    def sync(fd: int) -> None:
        files.append(os.fstat(fd).st_ino)
        if len(files) == 1:
            raise OSError(errno.EIO, "broken")
        os.fdatasync(fd)

    spool = spool_in(tmp_path, disk=Disk(sync=sync))
    with pytest.raises(SpoolFailedError):
        spool.append(b"lost")
    spool.append(b"after")
    assert len(set(files)) == len(files) == 2


def test_a_full_disk_fails_the_record_and_leaves_those_before_it(tmp_path: Path) -> None:
    """In a process of its own, whose files may have 1,000 bytes."""
    program = f"""
import resource
from pathlib import Path
import django
django.setup()
from authorizations.services.host.spool_writer import Spool, SpoolFailedError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
spool = Spool(Path({str(tmp_path)!r}), timeout_s={PATIENCE_S})
spool.append(b"a" * 600)
try:
    spool.append(b"b" * 600)
except SpoolFailedError as error:
    print(error)
spool.append(b"c" * 600)
"""
    done = run(program)
    assert "File too large" in done
    assert kept(tmp_path) == [b"a" * 600, b"c" * 600]


def run(program: str) -> str:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_directory_that_cannot_be_written_to_is_told_of(tmp_path: Path) -> None:
    """A file in its place, since root may write anywhere."""
    (tmp_path / "spool").write_text("")
    with pytest.raises(SpoolFailedError, match="spool"):
        spool_in(tmp_path / "spool").append(b"lost")


def test_a_disk_that_hangs_fails_the_record_and_takes_it_back_when_it_is_back(
    tmp_path: Path,
) -> None:
    goes_on, hangs = threading.Event(), threading.Event()

    def sync(fd: int) -> None:
        hangs.set()
        assert goes_on.wait(PATIENCE_S)

    spool = spool_in(tmp_path, disk=Disk(sync=sync), timeout_s=0.05)
    with pytest.raises(SpoolFailedError, match="did not answer in time"):
        spool.append(b"given up")
    assert hangs.wait(PATIENCE_S)
    with pytest.raises(SpoolFailedError, match="busy with an earlier record"):
        spool.append(b"not even begun", within_s=PATIENCE_S)  # nobody else waits for it
    goes_on.set()
    again = spool_in(tmp_path)
    again.append(b"after")
    wait_until(lambda: not spool._turn.locked())
    assert kept(tmp_path) == [b"after"]
    assert spool.failed == 2


def test_an_empty_or_endless_record_is_refused(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    for payload in (b"", bytes(17 * 2**20)):
        with pytest.raises(SpoolFailedError, match="invalid record length"):
            spool.append(payload)


def test_records_of_many_threads_stay_whole(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, rotate_bytes=2_000)
    records = [f"{number}:".encode() * (number % 50 + 1) for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(spool.append, records))
    assert sorted(kept(tmp_path)) == sorted(records)
    assert len(spool_reader.waiting(tmp_path)) > 5


def test_a_file_is_held_while_it_can_grow_and_let_go_of_when_asked_to(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append(b"one")
    [path] = spool_reader.waiting(tmp_path)
    assert spool_reader.is_growing(path)
    assert not spool_reader.remove(path, path.stat().st_size)
    spool.rotate()
    assert not spool_reader.is_growing(path)
    spool.append(b"two")
    assert len(spool_reader.waiting(tmp_path)) == 2


def test_a_file_is_let_go_of_when_it_is_long_enough(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, rotate_bytes=100)
    for _ in range(3):
        spool.append(bytes(60))
    wait_until(lambda: not spool._turn.locked())
    sizes = [path.stat().st_size for path in spool_reader.waiting(tmp_path)]
    assert sizes == [136, 68]


def test_a_new_file_that_a_replay_took_for_a_left_one_is_not_written_to(tmp_path: Path) -> None:
    opened: list[Path] = []

    def create(path: Path, flags: int, mode: int) -> int:
        fd = os.open(path, flags, mode)
        opened.append(path)
        if len(opened) == 1:
            assert spool_reader.remove(path, 0)
        return fd

    spool_in(tmp_path, disk=Disk(open=create)).append(b"kept")
    assert len(opened) == 2
    assert kept(tmp_path) == [b"kept"]


def test_a_child_writes_a_file_of_its_own_and_its_parent_goes_on(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.append(b"parent")
    [parents] = spool_reader.waiting(tmp_path)
    child = os.fork()
    if child == 0:
        try:
            spool.append(b"child")
            os._exit(0 if (spool.appended, spool.failed) == (1, 0) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert spool_reader.is_growing(parents)
    spool.append(b"parent again")
    assert sorted(kept(tmp_path)) == [b"child", b"parent", b"parent again"]
    assert len(spool_reader.waiting(tmp_path)) == 2


def test_a_killed_process_lets_go_of_its_file(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
import django
django.setup()
from authorizations.services.host.spool_writer import Spool
Spool(Path({str(tmp_path)!r}), timeout_s={PATIENCE_S}).append(b"answered")
os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(subprocess.CalledProcessError) as died:
        run(program)
    assert died.value.returncode == -signal.SIGKILL
    [path] = spool_reader.waiting(tmp_path)
    assert not spool_reader.is_growing(path)
    assert kept(tmp_path) == [b"answered"]


def test_more_files_can_wait_than_can_be_open(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spool = spool_in(tmp_path, rotate_bytes=1)
    in_use = sum(1 for _ in Path("/proc/self/fd").iterdir())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 10, hard))
        for _ in range(30):
            spool.append(b"x")
        assert len(kept(tmp_path)) == 30
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
