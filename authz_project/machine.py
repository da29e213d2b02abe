"""Whether this machine can run the desk. Needs only Python, including old versions.

    python -m authz_project.machine

Prints the name of the requirements file to install. If the embedded PostgreSQL can't be installed
here and DATABASE_URL is not set, it ends with a sentence that says what to do.
"""

import os
import platform
import re
import sys
from pathlib import Path

OLDEST, NEWEST_WITH_ENGINE = (3, 11), (3, 14)
WHOLE, WITHOUT_ENGINE = "requirements.lock", "requirements-external.lock"


def unfit() -> str:
    """Why the desk can't run here, and what to do; "" if it can."""
    if os.name != "posix":
        return "The desk runs on Linux and macOS; on Windows use it in WSL."
    if sys.version_info < OLDEST:
        return f"Python 3.11 or newer is needed; this is {platform.python_version()}."
    return ""


def without_engine() -> str:
    """Why the embedded PostgreSQL can't be installed here; "" if it can."""
    if sys.version_info[:2] > NEWEST_WITH_ENGINE:
        here = f"Python {platform.python_version()}"
    elif sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        here = "a Linux without glibc, such as Alpine"
    else:
        return ""
    return (
        "The embedded PostgreSQL is available for Python 3.11 to 3.14, on macOS and on Linux "
        f"with glibc; this is {here}."
    )


def packages(env_file: Path) -> str:
    """The requirements file to install. Exits with a sentence if the desk would not run."""
    reason = unfit()  # no walrus operator: Python 3.6 and 3.7 must be able to read this
    if reason:
        sys.exit(reason)
    reason = without_engine()
    if reason and not _names_a_database(env_file):
        sys.exit(
            f"{reason} Use a different Python (make run PYTHON=python3.13), or set DATABASE_URL to "
            "a PostgreSQL server: the rest runs here."
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
