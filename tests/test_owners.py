"""What root writes in somebody's folder is theirs: one `sudo make run` stands in nobody's way."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from authorizations.services.host import (
    caps,
    host_answers,
    host_files,
    host_memory,
    spool_reader,
    spool_writer,
)
from authz_project import first_env, owners

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")

OWNER, GROUP = 65_534, 65_533


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Somebody else's."""
    os.chown(tmp_path, OWNER, GROUP)
    return tmp_path


@pytest.fixture
def spool_directory(folder: Path, settings: object) -> Iterator[Path]:
    settings.SPOOL_DIR = folder / "state" / "spool"  # type: ignore[attr-defined]
    yield folder / "state" / "spool"
    for path in host_memory.directory().iterdir():
        path.unlink()
    host_memory.directory().rmdir()


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_the_first_env_file_belongs_to_the_owner_of_its_folder(folder: Path) -> None:
    assert first_env.write(folder / ".env")
    assert owner(folder / ".env") == (OWNER, GROUP)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_all_that_the_spool_writes_belongs_to_the_owner_of_its_folder(
    spool_directory: Path,
) -> None:
    spool_writer.append(b"an answer")
    caps.prepare()
    host_answers.mark_whole()
    with host_files.alone("turn.lock", wait=True), spool_reader.replaying(spool_directory):
        pass
    with host_files.replacing(spool_directory / "copy") as new:
        new.write_text("whole")
    record = spool_reader.read(spool_reader.waiting(spool_directory)[0])
    assert record
    spool_reader.keep_aside(spool_reader.waiting(spool_directory)[0], record, "told")

    written = [path for path in spool_directory.parent.rglob("*") if path.exists()]
    assert {path.suffix for path in written} > {".spool", ".txt", ".lock"}
    for path in (spool_directory.parent, *written, *host_memory.directory().iterdir()):
        assert owner(path) == (OWNER, GROUP), path


def test_a_link_laid_for_root_is_not_followed(folder: Path, tmp_path_factory: object) -> None:
    target = folder / "target"
    target.touch()
    (folder / "lock").symlink_to(target)
    owners.touch(folder / "lock")
    assert owner(target) == (0, 0)
