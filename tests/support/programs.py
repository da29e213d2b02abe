"""Programs of the operating system that tests start. Needs nothing but Python.

    python -m tests.support.programs

installs what is missing where that may be done unasked: with apt, by root or by whoever may become
root without a password. Ends with 1 where something stays missing; the tests that need it are then
skipped, and a line at their end names the packages.
"""

import os
import shutil
import subprocess
import sys

PACKAGES = {
    "chromium": "chromium",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "pgbouncer": "pgbouncer",
}
"""Debian's package of each."""

_ALSO = {"chromium": ("google-chrome",)}
_DAEMONS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where some lie, though an ordinary user's PATH does not lead there."""


def find(name: str) -> str | None:
    """Where the program is."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_DAEMONS}"
    places = (shutil.which(known, path=path) for known in (name, *_ALSO.get(name, ())))
    return next(filter(None, places), None)


def missing() -> list[str]:
    """The packages of what is not there."""
    return [package for name, package in PACKAGES.items() if find(name) is None]


def hint(packages: list[str]) -> str:
    return f"apt-get install {' '.join(packages)}"


def install(packages: list[str]) -> None:
    """With Debian's tool, where that may be."""
    become_root = _become_root()
    if become_root is None or shutil.which("apt-get") is None:
        return
    print(f"Installing what the tests start: {' '.join(packages)}...", flush=True)  # noqa: T201
    # The tests start these programs themselves: no service of them must run.
    quiet = ["env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    wanted = ["install", "-y", "--no-install-recommends", *packages]
    for words in (["update"], wanted):
        done = subprocess.run(
            [*become_root, *quiet, *words], capture_output=True, text=True, check=False
        )
    if done.returncode:
        print("\n".join(done.stderr.splitlines()[-5:]), file=sys.stderr)  # noqa: T201


def _become_root() -> list[str] | None:
    """What a command begins with; None where there is no way without a password."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run([*sudo, "true"], capture_output=True, check=False)
    return None if asked.returncode else sudo


def main() -> None:
    if packages := missing():
        install(packages)
    if packages := missing():
        sys.exit(f"Tests that need these are skipped: {hint(packages)}")


if __name__ == "__main__":
    main()
