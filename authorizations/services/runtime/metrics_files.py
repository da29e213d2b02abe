"""Shares metrics between the server processes of a host: each counts into files of its own.

The files are prometheus_client's; /metrics adds them up, whichever process serves it. The counts of
processes that ended are kept in one file for all of them: a sum that shrinks would look like a
restart, and one file for each would pile up. docs/adr/0031-metrics-files.md says why the library's
own mode for several processes is not used.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from prometheus_client import Metric, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from authz_project.file_locks import lock

logger = logging.getLogger(__name__)

_KINDS = ("counter", "histogram", "gauge_livesum")
_ROOM_BYTES = 128 * 1024
_PATIENCE_S = 0.5


def share(directory: Path) -> None:
    """Count this process's metrics into `directory`; must be called before the first is created.

    Creates the directory. A failure is logged and not raised: the desk decides without metrics.
    """
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        with _alone(directory):
            # An earlier process may have had our process id.
            _fold(directory, ended={os.getpid()})
        for kind in _KINDS:
            _make_room(directory / f"{kind}_{os.getpid()}.db")
    except OSError:
        logger.exception(
            "METRICS_DIR, %s, can't be used: /metrics shows each process by itself. Let the "
            "server's user write there, and restart.",
            directory,
        )
        return
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    values.ValueClass = values.get_value_class()


class Shared(Collector):
    """The sums over all processes that count into `directory`, including those that ended."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        """The summed metrics. Raises TimeoutError if another process takes too long to read."""
        with _alone(self._directory):
            _fold(self._directory)
            # A file that is just being created is empty.
            files = [str(file) for file in self._directory.glob("*.db") if file.stat().st_size]
            return list(MultiProcessCollector.merge(files))


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    fd = os.open(directory, os.O_RDONLY)
    try:
        until = monotonic() + _PATIENCE_S
        while not lock(fd, wait=False):
            if monotonic() > until:
                raise TimeoutError(f"{directory} is being read by another process.")
            sleep(0.01)
        yield
    finally:
        os.close(fd)


def _fold(directory: Path, ended: frozenset[int] | set[int] = frozenset()) -> None:
    """Move the counts of processes that ended into the files for all that ended."""
    for path in directory.glob("*.db"):
        kind, _, number = path.stem.rpartition("_")
        if not number.isdigit() or (int(number) not in ended and _is_alive(int(number))):
            continue
        if not kind.startswith("gauge"):
            sums = directory / f"{kind}_ended.db"
            _make_room(sums)
            total = MmapedDict(str(sums))
            try:
                for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
                    total.write_value(key, total.read_value(key)[0] + value, 0.0)
            finally:
                total.close()
        path.unlink()


def _make_room(path: Path) -> None:
    """Write the file to its full size: a mapped page the disk has no room for ends the process."""
    size = path.stat().st_size if path.exists() else 0
    with path.open("ab") as file:
        file.write(bytes(max(0, _ROOM_BYTES - size)))


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to another user
        pass
    return True
