"""`replay_spool`: what waits is brought in, and what can't be is told of."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from authorizations.models import Decision
from authorizations.services.host import spool_reader
from authorizations.services.store import writing as record
from tests.support.desk import Shopper, in_force
from tests.support.spool import answered, asked, leave

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def directory(settings: Any, tmp_path: Path) -> Path:
    settings.SPOOL_DIR = tmp_path
    in_force()
    return tmp_path


def run() -> tuple[str, str]:
    """What was printed, and the error it ended with, or nothing."""
    out = StringIO()
    try:
        call_command("replay_spool", stdout=out)
    except CommandError as problem:
        return out.getvalue(), f"{problem} (status {problem.returncode})"
    return out.getvalue(), ""


def test_it_says_how_many_answers_it_brought_in(directory: Path) -> None:
    record = answered(asked(Shopper(), 100), 100)
    leave(directory, record, answered(asked(Shopper(), 100), None), record)
    printed, error = run()
    assert printed == (
        "2 brought into the books, 0 put in place of another answer on record, "
        "1 on record already.\n"
    )
    assert error == ""
    assert Decision.objects.count() == 2
    assert run()[0].startswith("0 brought into the books")


def test_where_no_spool_was_ever_written_there_is_nothing_to_do(
    settings: Any, tmp_path: Path
) -> None:
    settings.SPOOL_DIR = tmp_path / "none"
    printed, error = run()
    assert printed.startswith("0 brought into the books")
    assert error == ""


def test_damage_is_told_of_until_somebody_has_dealt_with_it(directory: Path) -> None:
    path = leave(directory, *[answered(asked(Shopper(), 100), 100) for _ in range(2)])
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    printed, error = run()
    assert f"{path.name}, byte " in printed
    assert "the checksum of a record is wrong. The file is now" in printed
    assert "1 brought into the books" in printed
    told = f"1 damaged or unreadable: see {directory / 'damaged'}, and read the note beside each."
    assert error.startswith(told)
    assert error.endswith("(status 1)")
    assert run()[1].startswith(told)
    [aside] = spool_reader.damaged(directory)
    aside.unlink()
    assert run()[1] == ""


def test_an_unfinished_record_is_told_of_and_is_no_error(directory: Path) -> None:
    path = leave(directory, answered(asked(Shopper(), 100), 100))
    path.write_bytes(path.read_bytes()[:-1])
    printed, error = run()
    assert "it ends within a record" in printed
    assert "Its answer was never sent." in printed
    assert error == ""


def test_a_database_that_fails_ends_it_with_what_to_do(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(directory, answered(asked(Shopper(), 100), 100))

    def fails(*_: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(record, "write", fails)
    assert run()[1] == (
        "Stopped, and nothing is lost; run it again once this is resolved: server closed the "
        "connection (status 1)"
    )
    monkeypatch.undo()
    assert run()[0].startswith("1 brought into the books")


def test_while_another_process_replays_it_does_not(directory: Path) -> None:
    leave(directory, answered(asked(Shopper(), 100), 100))
    with spool_reader.replaying(directory):
        assert "Another process of this host is replaying the spool." in run()[1]
    assert run()[1] == ""
