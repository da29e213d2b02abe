"""A Debian that was installed a moment ago, in a directory: what a desk is deployed on.

debootstrap makes it, of Debian's own packages. What it made is kept in the user's cache, so that
only the first trial with a list of packages waits for it; each trial has a copy of its own, which
is removed at its end with whatever is mounted in it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.serving import PROJECT
from tests.prove import LackingError

RELEASE = "bookworm"
"""Debian 12: the oldest whose Python the desk runs on."""

_ALWAYS = ("ca-certificates", "python3-minimal", "python3-venv")
_LEFT_OUT = ("var/cache/apt/archives", "usr/share/doc", "usr/share/locale", "usr/share/man")
_MAKES_IT = ("debootstrap", "tar", "chroot", "mount", "umount")


@contextmanager
def debian(packages: Sequence[str], release: str = RELEASE) -> Iterator[Path]:
    """Yields a new tree with Python and `packages`; nothing in it is mounted or runs.

    Raises:
        LackingError: this machine can't make one; says why.
    """
    made = _made(tuple(sorted({*_ALWAYS, *packages})), release)
    directory = Path(tempfile.mkdtemp(prefix="desk-tree-"))
    directory.chmod(0o755)  # whoever runs in it is somebody else
    tree = directory / "tree"
    tree.mkdir()
    try:
        _run("tar", "--extract", "--numeric-owner", "--xattrs", f"--file={made}", f"-C{tree}")
        # Names are looked up as they are on this machine.
        shutil.copyfile("/etc/resolv.conf", tree / "etc" / "resolv.conf")
        yield tree
    finally:
        unmount_all(directory)
        _run("rm", "-rf", "--one-file-system", str(directory))


def in_tree(
    tree: Path, *command: str, environment: dict[str, str] | None = None, user: str = "root"
) -> str:
    """What `command` printed, run in the tree by `user`, with the network of this machine.

    Raises:
        AssertionError: it failed; says what it printed.
    """
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    return _run(
        "chroot", f"--userspec={user}", str(tree), *command, environment=clean | (environment or {})
    )


def unmount_all(below: Path) -> None:
    """Whatever is mounted in the directory, the innermost first."""
    mounted = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    points = [line.split(" ")[4].encode().decode("unicode_escape") for line in mounted]
    for point in reversed(points):
        if Path(point).is_relative_to(below):
            _run("umount", "--lazy", point)


def cache() -> Path:
    """Where what was fetched and made is kept for the next trial."""
    found = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "desk-trees"
    found.mkdir(parents=True, exist_ok=True)
    return found


def wheels() -> Path:
    """What requirements.lock lists, for the Python of the tree; it has no network itself."""
    directory = cache() / "wheels"
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes"),
        *("--only-binary", ":all:", "--python-version", "3.11", "--dest", str(directory)),
        *("-r", str(PROJECT / "requirements.lock")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LackingError(f"The packages of requirements.lock are not to be had: {done.stderr}")
    return directory


def _made(packages: tuple[str, ...], release: str) -> Path:
    """An archive of the tree, made unless it is in the cache."""
    if os.geteuid() != 0:
        raise LackingError("A tree of Debian is made by root only.")
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if missing := [name for name in _MAKES_IT if shutil.which(name, path=path) is None]:
        raise LackingError(
            f"Not installed here: {', '.join(missing)}. On Debian: apt-get install "
            f"{' '.join(missing)}"
        )
    fetched = cache() / "packages"
    fetched.mkdir(exist_ok=True)
    name = hashlib.sha256(" ".join((release, *packages)).encode()).hexdigest()[:16]
    archive = cache() / f"{release}-{name}.tar"
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.exists():
            return archive
        with tempfile.TemporaryDirectory(prefix="desk-debootstrap-") as directory:
            tree = Path(directory) / "tree"
            including = f"--include={','.join(packages)}"
            options = ["--variant=minbase", f"--cache-dir={fetched}", including]
            try:
                _run("debootstrap", *options, release, str(tree))
            except AssertionError as failed:
                raise LackingError(f"debootstrap made no tree: {failed}") from failed
            finally:
                unmount_all(Path(directory))
            begun = archive.with_suffix(".begun")
            left_out = [f"--exclude=./{path}/*" for path in _LEFT_OUT]
            into = (f"--file={begun}", f"-C{tree}", ".")
            _run("tar", "--create", "--numeric-owner", "--xattrs", *left_out, *into)
            begun.rename(archive)
    return archive


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    printed = done.stdout + done.stderr
    said = "\n".join(printed.rstrip().splitlines()[-20:])
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {said}"
    return done.stdout
