"""Damage in the spool: what stands before it is read, and nothing after it is skipped silently."""

from pathlib import Path

import pytest

from authorizations.services.host import spool_reader
from authorizations.services.host.spool_reader import DamagedError
from authorizations.services.host.spool_writer import HEADER, Spool

RECORDS = [b'{"one":1}', b'{"two":"and more"}', b'{"three":[3,3,3]}']


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three records that nobody writes any more."""
    spool = Spool(tmp_path, timeout_s=60)
    for record in RECORDS:
        spool.append(record)
    spool.rotate()
    [path] = spool_reader.waiting(tmp_path)
    return path


def read(path: Path) -> tuple[list[bytes], DamagedError | None]:
    """The records up to the end or the damage, and the damage."""
    found, place = [], 0
    try:
        while record := spool_reader.read(path, place):
            found.append(record.payload)
            place = record.end
    except DamagedError as damage:
        return found, damage
    return found, None


def ends() -> list[int]:
    """Where each record ends."""
    places, end = [], 0
    for record in RECORDS:
        end += HEADER.size + len(record)
        places.append(end)
    return places


@pytest.mark.parametrize("flipped", [0x01, 0x80, 0xFF])
def test_a_byte_damaged_anywhere_is_found_and_never_taken_for_an_unfinished_record(
    path: Path, flipped: int
) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= flipped
        path.write_bytes(damaged)
        before = [record for record, end in zip(RECORDS, ends(), strict=True) if end <= place]
        found, damage = read(path)
        assert found == before, place
        assert damage is not None, place
        assert not damage.is_unfinished, place
        assert damage.start == ([0, *ends()][len(before)])


def test_a_file_cut_anywhere_gives_its_whole_records_and_an_unfinished_one(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        found, damage = read(path)
        assert found == [
            record for record, end in zip(RECORDS, ends(), strict=True) if end <= length
        ]
        if length in (0, *ends()):
            assert damage is None
        else:
            assert damage is not None
            assert damage.is_unfinished, length


@pytest.mark.parametrize(
    ("tail", "is_unfinished", "told"),
    [
        (bytes(3), True, "ends within"),
        (bytes(4_096), True, "ends within"),
        (b"\xff" * 40, False, "can't have"),
        (HEADER.pack(0, 7) + b"x", False, "can't have 0 bytes"),
        (HEADER.pack(9, 1) + b"123456789", False, "checksum"),
        (HEADER.pack(9_000, 1) + b"123456789", True, "ends within"),
    ],
    ids=["zeros", "a page of zeros", "ones", "empty", "wrong sum", "torn"],
)
def test_what_follows_the_last_whole_record_is_told_apart(
    path: Path, tail: bytes, is_unfinished: bool, told: str
) -> None:
    path.write_bytes(path.read_bytes() + tail)
    found, damage = read(path)
    assert found == RECORDS
    assert damage is not None
    assert (damage.is_unfinished, damage.start) == (is_unfinished, ends()[-1])
    assert told in damage.sentence


def test_a_file_that_somebody_damaged_lies_aside_whole_with_a_note(path: Path) -> None:
    content = path.read_bytes()[:-1] + b"?"
    path.write_bytes(content)
    damage = read(path)[1]
    assert damage
    place = spool_reader.set_aside(path, damage)
    assert place.read_bytes() == content
    assert not path.exists()
    note = place.with_name(place.name + ".txt").read_text()
    assert "Byte 43: the checksum of a record is wrong." in note
    assert "move it back" in note
    assert spool_reader.damaged(path.parent) == [place]


def test_the_state_tells_files_bytes_and_since_when(path: Path) -> None:
    state = spool_reader.state(path.parent)
    begun = int(path.name.partition("-")[0]) / 1e9
    assert (state.files, state.size_bytes, state.damaged) == (1, ends()[-1], 0)
    assert state.since_s == begun
    path.unlink()
    assert spool_reader.state(path.parent).since_s is None
