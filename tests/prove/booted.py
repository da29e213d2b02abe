"""A tree of Debian booted: its own systemd, processes, network and host name beside this machine's.

No virtual machine: namespaces of the kernel that runs, with a cgroup of its own. It reaches nothing
but itself; what asks it something is started in its network (Machine.in_network).
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.prove import LackingError

PACKAGES = ("dbus", "systemd", "systemd-sysv")
_NEEDS = ("unshare", "nsenter", "pivot_root", "mount")
_BOOT_S = 120
_NAME = "desk-prove"
_WITHOUT_WORK = (
    # They would set what belongs to the kernel, which is this machine's.
    *("systemd-binfmt.service", "systemd-modules-load.service", "systemd-sysctl.service"),
    *("console-getty.service", "getty@tty1.service"),
)

# Its own /dev has what a container's has; nothing of this machine is in it.
_BOOTS = r"""
set -e
echo $$ > "$GROUP/cgroup.procs"
exec unshare --mount --pid --net --uts --ipc --cgroup --fork --kill-child sh -ec '
mount --make-rprivate /
mount --bind "$TREE" "$TREE"
cd "$TREE"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 pts dev/pts
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
exec env -i container=desk-prove PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init
'
"""


class Machine:
    """One that boots from a tree, once or again and again."""

    def __init__(self, tree: Path, log: Path) -> None:
        self._tree = tree
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._group = Path()

    def boot(self) -> None:
        """Start it and wait until systemd has started what is enabled."""
        self._group = _cgroups() / f"desk-prove-{os.getpid()}"
        self._group.mkdir(exist_ok=True)
        environment = {**os.environ, "TREE": str(self._tree), "GROUP": str(self._group)}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", _BOOTS], env=environment, stdout=log, stderr=log
            )
        until = time.monotonic() + _BOOT_S
        state = ""
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise LackingError(f"systemd does not boot here: {self._log.read_text()[-500:]}")
            state = self.run("systemctl", "is-system-running", check=False).strip()
            if state in ("running", "degraded"):
                return
            time.sleep(0.3)
        raise AssertionError(f"After {_BOOT_S} s systemd is still {state or 'silent'}.")

    def run(self, *command: str, check: bool = True, stdin: str = "") -> str:
        """What a command printed, run as root inside.

        Raises:
            AssertionError: it failed, and `check`.
        """
        done = subprocess.run(
            [*self._enter("--all", "--root", "--wd"), *command], input=stdin,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"},
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        said = f"{done.stdout}{done.stderr}"
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {said[-3_000:]}"
        return said

    def in_network(self, *command: str) -> list[str]:
        """A command line that runs a program of this machine in the network of that one."""
        return [*self._enter("--net"), *command]

    def process_of(self, unit: str) -> Path:
        """The /proc directory of a unit's main process, as seen inside."""
        return Path("/proc") / self.run("systemctl", "show", "--value", "-pMainPID", unit).strip()

    def shut_down(self) -> None:
        """As by `systemctl poweroff`."""
        assert self._process
        self.run("systemctl", "poweroff", "--no-block", check=False)
        try:
            self._process.wait(timeout=120)
        finally:
            self.cut_off()

    def cut_off(self) -> None:
        """As when the power goes; nothing of it runs any more, whatever state it was in."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
            _remove(self._group)

    def _enter(self, *spaces: str) -> list[str]:
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        [init] = children.read_text("ascii").split() or ["0"]
        return ["nsenter", f"--target={init}", *spaces]


@contextmanager
def machine(tree: Path, log: Path) -> Iterator[Machine]:
    """Yields one that is off, and leaves it off."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [name for name in _NEEDS if shutil.which(name, path=path) is None]:
        raise LackingError(f"Not installed here: {', '.join(missing)}.")
    _cgroups()
    for unit in _WITHOUT_WORK:
        (tree / "etc" / "systemd" / "system" / unit).symlink_to("/dev/null")
    (tree / "etc" / "hostname").write_text(f"{_NAME}\n", "utf-8")
    (tree / "etc" / "hosts").write_text(f"127.0.0.1 localhost {_NAME}\n", "utf-8")
    found = Machine(tree, log)
    try:
        yield found
    finally:
        found.cut_off()


def _cgroups() -> Path:
    """Where cgroups of version 2 are made here."""
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            return Path(fields.split(" ")[4])
    raise LackingError("systemd needs cgroups of version 2, which are not mounted here.")


def _remove(group: Path) -> None:
    """With those that were made in it, once its processes are gone."""
    until = time.monotonic() + 10
    while group.exists():
        try:
            for below in sorted(group.rglob("*/"), reverse=True):
                below.rmdir()
            group.rmdir()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
