"""Whether this machine can run the desk. Needs nothing but Python, older ones too.

    python -m authz_project.machine

Prints the list of packages to install here. Where the PostgreSQL that comes along can't be one of
them, and no DATABASE_URL is set either, it ends with a sentence that says what to do.
"""

import os
import platform
import re
import sys
from pathlib import Path

OLDEST, NEWEST_WITH_ENGINE = (3, 11), (3, 14)
WHOLE, WITHOUT_ENGINE = "requirements.lock", "requirements-external.lock"


def unfit() -> str:
    """Why nothing of it runs here, and what to do; empty where it does."""
    if os.name != "posix":
        return "The desk runs on Linux and macOS; on Windows use it in WSL."
    if sys.version_info < OLDEST:
        return f"Python 3.11 or newer is needed; this is {platform.python_version()}."
    return ""


def without_engine() -> str:
    """Why the PostgreSQL that comes along can't be installed here; empty where it can."""
    if sys.version_info[:2] > NEWEST_WITH_ENGINE:
        here = f"Python {platform.python_version()}"
    elif sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        here = "a Linux without glibc, such as Alpine"
    else:
        return ""
    return (
        "The PostgreSQL that comes along is made for Python 3.11 to 3.14, on macOS and on Linux "
        f"with glibc; this is {here}."
    )


def packages(env_file: Path) -> str:
    """The list of packages to install; ends the program where nothing would run with them."""
    reason = unfit()  # no walrus: Python 3.6 and 3.7 are to read this as well
    if reason:
        sys.exit(reason)
    reason = without_engine()
    if reason and not _names_a_database(env_file):
        sys.exit(
            f"{reason} Use another Python (make run PYTHON=python3.13), or set DATABASE_URL to a "
            "PostgreSQL server: the rest runs here."
        )
    return WITHOUT_ENGINE if reason else WHOLE


def _names_a_database(env_file: Path) -> bool:
    if os.environ.get("DATABASE_URL", "").strip():
        return True
    try:
        text = env_file.read_text("utf-8", errors="replace")
    except OSError:
        return False
    return bool(re.search(r"^DATABASE_URL=.", text, re.MULTILINE))


if __name__ == "__main__":
    print(packages(Path(__file__).resolve().parent.parent / ".env"))  # noqa: T201
