"""Names are compared by what they say, not by how they happen to be typed or sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.folding import folded

SAME = [
    ("Casino du Lac", "CASINO  DU LAC"),
    ("Casino du Lac", " casino\tdu\N{NO-BREAK SPACE}lac\n"),
    ("Casino du Lac", "Casi\N{SOFT HYPHEN}no du\N{ZERO WIDTH SPACE} Lac\0"),
    ("Taxi Lumière", "TAXI LUMIERE"),
    ("Lumi\N{LATIN SMALL LETTER E WITH GRAVE}re", "Lumie\N{COMBINING GRAVE ACCENT}re"),
    ("McDonald\N{RIGHT SINGLE QUOTATION MARK}s", "MCDONALD'S"),
    ("McDonald\N{ACUTE ACCENT}s", "McDonald`s"),
    ("«Chez Léa»", '"CHEZ LEA"'),
    ("Coca\N{EN DASH}Cola", "COCA-COLA"),
    ("Coca\N{MINUS SIGN}Cola", "COCA\N{NON-BREAKING HYPHEN}COLA"),
    ("Ørsted", "ORSTED"),
    ("Łódź", "LODZ"),
    ("Đakovo", "DAKOVO"),
    ("Işık", "ISIK"),
    ("Ísafjörður", "ISAFJORDUR"),
    ("Æbleskiver", "AEBLESKIVER"),
    ("Cœur", "COEUR"),
    ("Þór", "THOR"),
    ("Straße", "STRASSE"),
    ("\N{FULLWIDTH LATIN CAPITAL LETTER U}\N{FULLWIDTH LATIN SMALL LETTER B}er", "UBER"),
    ("\N{LATIN SMALL LIGATURE FI}nder", "FINDER"),
    ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
    ("ﾊﾞｽ", "バス"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_name_fold_to_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("Uber", "Über Eats"), ("Lac 1", "Lac 2"), ("Du Lac", "Dulac"), ("A&B", "A B"), ("가", "각")],
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert folded(one) != folded(other)
    assert not folded("각").startswith(folded("가"))


@pytest.mark.parametrize("nothing", ["\N{ACUTE ACCENT}", "¨", " \N{ZERO WIDTH JOINER} ", "\n", ""])
def test_accents_and_blanks_alone_fold_to_nothing(nothing: str) -> None:
    assert folded(nothing) == ""


def test_what_every_character_folds_to_is_folded() -> None:
    characters = [chr(code) for code in range(0x1_1000)]
    assert [one for one in characters if folded(folded(one)) != folded(one)] == []


@given(st.text(), st.text())
def test_folding_twice_changes_nothing_and_a_part_stays_a_part(before: str, after: str) -> None:
    assert folded(folded(before)) == folded(before)
    assert folded(after) in folded(f"{before} {after} {before}")
