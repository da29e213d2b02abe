"""Reads files of variables strictly: `.env` beside manage.py, and a deployment's in /etc/desk.

django-environ prints a line that it can't read, with the secret on it, and continues. Here such a
line is an error, whose text names the file and the line and shows no value. Needs only Python, as
deploy/desk uses it too.
"""

import os
import re
from pathlib import Path

from authz_project.owners import user_name

_LINE = re.compile(r"(?:export )?([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_QUOTED = re.compile(r"""'(?!".*"')[^']*'|["](?:[^"\\]|\\.)*["]""")
_NAME = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*[=:]")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class EnvFileError(ValueError):
    """The file can't be read; the text says where and what to do, and shows no value."""


def lines(path: Path) -> dict[str, str]:
    """The file's lines, `NAME=value`, by name; empty if there is no file.

    Values are in the form that django-environ reads: bare, or in one pair of quotes. Raises
    EnvFileError.
    """
    found: dict[str, str] = {}
    numbers: dict[str, int] = {}
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if problem := _problem(line):
            raise EnvFileError(f"line {number} of {path.name}: {problem}")
        line = line.removeprefix("export ")  # noqa: PLW2901 - no part of it
        name = line.partition("=")[0]
        if name in found:
            raise EnvFileError(
                f"line {number} of {path.name}: {_shown(line)} is already set on line "
                f"{numbers[name]}. Remove one of the two."
            )
        found[name], numbers[name] = line, number
    return found


def values(path: Path) -> dict[str, str]:
    """The variables of a file that systemd reads as well (EnvironmentFile=).

    Raises EnvFileError, also if systemd would read a different value.
    """
    found: dict[str, str] = {}
    for name, line in lines(path).items():
        value = line.partition("=")[2]
        if "\\" in value:
            raise EnvFileError(
                f"{path}: the value of {name} has a backslash, which systemd reads differently. "
                "Choose a value without one; in a DATABASE_URL, write %5C."
            )
        found[name] = value[1:-1] if value[:1] in ("'", '"') else value
    return found


def _text(path: Path) -> str:
    """The content of the file, without a byte order mark, which editors on Windows write."""
    me = user_name(os.geteuid())
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            raise EnvFileError(
                f"{path} is a link to a file that does not exist. Correct or remove the link."
            ) from None
        return ""
    except IsADirectoryError:
        raise EnvFileError(
            f"{path} is a folder, but settings are read from a file of that name. Move the folder."
        ) from None
    except PermissionError:
        raise EnvFileError(
            f"{path} can't be read by {me}: it belongs to {_owner(path)}. Run this as that user, "
            f"or change its owner: `sudo chown {me} {path}`."
        ) from None
    except OSError as problem:
        raise EnvFileError(f"{path} can't be read by {me}: {problem.strerror}.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if raw.startswith(_UTF_16):
            raise EnvFileError(f"{path} is UTF-16. Save it as UTF-8.") from None
        number = raw.count(b"\n", 0, problem.start) + 1
        raise EnvFileError(
            f"line {number} of {path.name}: it is not UTF-8. Save the file as UTF-8."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _owner(path: Path) -> str:
    try:
        return user_name(path.stat().st_uid)
    except OSError:  # its folder can't be read, either
        return "a different user"


def _shown(line: str) -> str:
    """The variable's name, if it is certain that it is not part of the value."""
    named = _NAME.match(line)
    return named[1] if named else "the name"


def _problem(line: str) -> str:
    """What is wrong with a line, without its value; "" if nothing is."""
    name, match = _shown(line), _LINE.fullmatch(line)
    value = match[2] if match else ""
    if not line.replace("\t", " ").isprintable():
        return "it has a character that can't be printed. Type the line again."
    if match is None:
        return f"write NAME=value, without white space before {name} and around the sign =."
    if value.strip() and value != value.strip():
        return f"the value of {name} begins or ends with white space. Write {name}=value."
    if value[:1] in ("'", '"') and not _QUOTED.fullmatch(value):
        return (
            f"the value of {name} begins with a quotation mark. End it with the same one, with no "
            "other in between, or write it without."
        )
    if value[:1] not in ("'", '"') and (" #" in value or "\t#" in value):
        return (
            f"there is a # after {name}. Put comments on lines of their own, and quotes around a "
            "value that contains one."
        )
    return ""
