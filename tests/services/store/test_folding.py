"""The database folds names for searches as the rules fold them for decisions."""

import unicodedata

import pytest
from django.db import connection

from authorizations.rules.basics.folding import folded
from tests.rules.basics.test_folding import SAME

pytestmark = pytest.mark.django_db


def _folded_by_the_database(names: list[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT authorizations_folded(name) FROM unnest(%s::text[]) WITH ORDINALITY"
            " AS names(name, place) ORDER BY place",
            [names],
        )
        return [name for [name] in cursor.fetchall()]


def test_the_spellings_of_one_name_are_folded_as_the_rules_fold_them() -> None:
    names = [name.replace("\0", "") for pair in SAME for name in pair]
    assert _folded_by_the_database(names) == list(map(folded, names))


def test_the_letters_of_latin_greek_and_cyrillic_are_folded_as_the_rules_fold_them() -> None:
    codes = [
        *(*range(1, 0x250), *range(0x386, 0x530), *range(0x1E00, 0x1E9C)),
        *(*range(0x1E9E, 0x1EFE), *range(0x2010, 0x2034)),
    ]
    characters = [chr(code) for code in codes if unicodedata.name(chr(code), "")]
    wanted = [f"x{character}x" for character in characters]
    found = _folded_by_the_database(wanted)
    assert dict(zip(wanted, found, strict=True)) == {name: folded(name) for name in wanted}


@pytest.mark.parametrize("nothing", ["´", "¨", " ", ""])
def test_nothing_is_nothing_there_too(nothing: str) -> None:
    assert _folded_by_the_database([nothing]) == [""]
