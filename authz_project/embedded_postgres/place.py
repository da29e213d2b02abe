"""The directories of the embedded server, and the operating system users that own them.

PostgreSQL refuses to run as root. Started by root, it therefore runs as a different user: as the
owner of the directory, or as "nobody". Root then writes only into directories that this user can't
change, so that a compromised server can't place links for root to follow.
"""

import hashlib
import os
import pwd
import stat
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from authz_project.owners import user_name

from .errors import EmbeddedPostgresError

# Owned by root and searchable by all, so that no other user can place links here.
OPEN_TO_ALL = Path("/var/lib")
NOT_AS_ROOT = (
    "PostgreSQL refuses to run as root, and this process may not start it as a different user. Run "
    "as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
)
LOCATION_FILE = "location"
PORT = 5432  # part of the socket's name; the server listens on no network
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103  # the operating system's limit


@dataclass(frozen=True)
class Account:
    """An operating system user."""

    uid: int
    gid: int

    def own(self, path: Path, mode: int) -> None:
        """Give the file or directory to this user, with exactly this mode."""
        if os.geteuid() == 0:
            try:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)
            except PermissionError:  # root may lack the right, as in some containers
                raise EmbeddedPostgresError(NOT_AS_ROOT) from None
        path.chmod(mode)

    def has_a_name(self) -> bool:
        """Whether the user has a name; in containers it may be a number only."""
        return _known_user(self.uid) is not None

    def process_options(self) -> Mapping[str, object]:
        """What subprocess needs to run a program as this user."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_pass(self, directory: Path) -> bool:
        """Whether this user may search the directory and all its parents."""
        return all(self._may_search(part.stat()) for part in (directory, *directory.parents))

    def _may_search(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


@dataclass(frozen=True)
class Place:
    """The directory of one server. `keeper` owns it; `server` runs PostgreSQL."""

    home: Path
    keeper: Account
    server: Account

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def sockets(self) -> Path:
        """The directory of the server's socket: inside, unless the path would be too long.

        Nor may it hold a comma: PostgreSQL's clients read that as a list.
        """
        inside = self.home / "sockets"
        path = os.fsencode(inside / f".s.PGSQL.{PORT}")
        if len(path) <= LONGEST_SOCKET_PATH and b"," not in path:
            return inside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return self._short_parent / f"authorizations-{digest}"

    @property
    def _short_parent(self) -> Path:
        # Not the temporary directory of the moment: every process must find the same.
        return OPEN_TO_ALL if self.keeper.uid == 0 else Path("/tmp")  # noqa: S108

    @property
    def password_file(self) -> Path:
        return self.home / "password"

    @property
    def log(self) -> Path:
        return self.home / "server.log"


def make_directory(path: Path, owner: Account, mode: int) -> None:
    """Make the directory, or make sure that an existing one is really the owner's."""
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner.uid:
            raise EmbeddedPostgresError(
                f"{path} is not a directory of the user {user_name(owner.uid)}. Run this as the "
                f"user {user_name(status.st_uid)}, remove it, or set EMBEDDED_POSTGRES_DIR to a "
                "directory of your own."
            ) from None
    except OSError as refused:
        raise EmbeddedPostgresError(
            f"{path} can't be made ({refused.strerror}). Set EMBEDDED_POSTGRES_DIR to a directory "
            "that can be written, or DATABASE_URL to a PostgreSQL server."
        ) from refused
    owner.own(path, mode)


def accounts(directory: Path) -> tuple[Account, Account]:
    """Who keeps the directory and who runs the server, decided by the owner of it."""
    if os.geteuid() != 0:
        me = Account(os.geteuid(), os.getegid())
        return me, me
    existing = next(part for part in (directory, *directory.parents) if part.exists())
    owner = _known_user(existing.stat().st_uid)
    if owner is not None and owner.pw_uid != 0:
        keeper = Account(owner.pw_uid, owner.pw_gid)
        return keeper, keeper
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(NOT_AS_ROOT) from None
    return Account(0, 0), Account(nobody.pw_uid, nobody.pw_gid)


def prepare(directory: Path) -> None:
    """Make the directory that holds the locks, and usually all the rest."""
    keeper, server = accounts(directory)
    make_directory(directory, keeper, _home_mode(keeper, server))


def find_place(directory: Path) -> Place:
    """The place for the server of a prepared directory. Call it under the start lock."""
    keeper, server = accounts(directory)
    if server == keeper or server.can_pass(directory.parent):
        return Place(directory, keeper, server)
    home = _elsewhere(directory)
    make_directory(home, keeper, _home_mode(keeper, server))
    return Place(home, keeper, server)


def _home_mode(keeper: Account, server: Account) -> int:
    """A different user that runs the server must be able to reach its data, and no more."""
    return 0o700 if server == keeper else 0o711


def open_private(path: Path) -> FileIO:
    """Open a file of the directory's owner for locking; never through a link."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    accounts(path.parent)[0].own(path, 0o600)
    return FileIO(descriptor, "r+")


def _elsewhere(directory: Path) -> Path:
    """A home outside a directory that the server's user can't reach, such as root's.

    The choice is recorded in a file. A copied project makes a choice of its own; a moved one keeps
    the one it had.
    """
    note = directory / LOCATION_FILE
    text = note.read_text() if note.exists() else ""
    home, _, written_in = text.strip().partition("\n")
    copied = written_in != str(directory) and Path(written_in).exists()
    if not home or copied or not Path(home).is_dir():
        home = tempfile.mkdtemp(prefix="authorizations-", dir=OPEN_TO_ALL)
    if written_in != str(directory):
        note.write_text(f"{home}\n{directory}\n")
    return Path(home)


def _known_user(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
