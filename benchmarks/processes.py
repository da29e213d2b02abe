"""What processes have used of the machine, as Linux counts it: processor time and memory."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(*roots: int) -> float:
    """User and system time of these processes and all they have started, ended ones included.

    A child that has ended counts from when its parent has waited for it.
    """
    return sum(_of_tree(root) for root in roots)


def memory_mb(root: int) -> float:
    """The largest proportional share of memory (PSS) that one process under `root` holds."""
    return max(_share_mb(pid) for pid in (*_descendants(root), root))


def _of_tree(root: int) -> float:
    return sum(_of_one(pid) for pid in (root, *_descendants(root)))


def _descendants(root: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found = [root]
    for pid in found:  # grows while it is walked
        found += [child for child, parent in parents.items() if parent == pid]
    return found[1:]


def _of_one(pid: int) -> float:
    fields = _stat(pid)
    # utime, stime, and both of the children that were waited for; see proc(5).
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name; empty where the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _share_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    [share] = [line for line in lines if line.startswith("Pss:")] or ["Pss: 0 kB"]
    return int(share.split()[1]) / 1024
