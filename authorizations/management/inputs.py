"""What commands are given: a text in a file or on standard input, and the name of a user."""

import sys
from pathlib import Path

from django.contrib.auth.models import User
from django.core.management.base import CommandError


def text_of(name: str) -> str:
    """The text of a file in UTF-8, of standard input for "-". Raises CommandError."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as problem:
        raise CommandError(f"{name} can't be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not text in UTF-8: save it as such.") from None


def author_named(name: str | None) -> User | None:
    """The user of `--author`; None without one. Raises CommandError."""
    if not name:
        return None
    author = User.objects.filter(username=name).first()
    if author is None:
        raise CommandError(f'--author: there is no user "{name}".')
    return author
