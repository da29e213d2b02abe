"""Folding: a single spelling for the many ways to write a name.

"Taxi Lumière" and "TAXI  LUMIERE" fold to the same text, so that a policy or a search finds a name
in any spelling. Both sides of a comparison are folded.

Decisions depend on this: the result for a text must never change. A different folding needs a new
version in `filters.MATCHING`, and this one remains.
"""

import re
import unicodedata
from functools import lru_cache

_SIGNS = (
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2035\u2039\u203a\u02b9\u02bb\u02bc\u02bd`", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u02ba\u301d\u301e", '"')
    | dict.fromkeys("\u2212\u2043\u207b\u208b\u02d7", "-")
)
"""Typographic quotes and dashes; other dashes are recognized by their category."""

_LETTERS = {
    "\N{LATIN SMALL LETTER AE}": "ae",
    "\N{LATIN SMALL LIGATURE OE}": "oe",
    "\N{LATIN SMALL LETTER THORN}": "th",
    "\N{LATIN SMALL LETTER ETH}": "d",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    "\N{LATIN SMALL LETTER KRA}": "k",
    "\N{LATIN SMALL LETTER ENG}": "n",
}
"""Letters that do not decompose, as networks write them in ASCII."""

_BASE_LETTER = re.compile("LATIN SMALL LETTER (?:DOTLESS |LONG )?([A-Z]) WITH .+")
"""Letters whose name includes a stroke or hook: O WITH STROKE."""

_APOSTROPHE = re.compile("(?<=\\w)\N{ACUTE ACCENT}(?=\\w)")
"""An accent typed as an apostrophe, between letters; elsewhere it is a mark, and dropped."""


@lru_cache(maxsize=16_384)
def folded(text: str) -> str:
    """The text without case, marks and typographic differences, and with single spaces.

    Empty if nothing remains, as of a single accent.
    """
    characters = _APOSTROPHE.sub("'", text).translate(_CHARACTERS)
    # Composed again, else a Korean syllable could match the beginning of a different one.
    return " ".join(unicodedata.normalize("NFC", characters).split())


class _Characters(dict[int, str]):
    """What each character folds to, computed on first use: a table for str.translate."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        # A double prime would decompose into two quotes.
        simple = _SIGNS.get(character) or unicodedata.normalize(
            "NFKD", unicodedata.normalize("NFKD", character).casefold()
        )
        found = self[code] = "".join(map(_simplified, simple))
        return found


_CHARACTERS = _Characters()


def _simplified(character: str) -> str:
    """A decomposed, lower-case character as networks write it."""
    category = unicodedata.category(character)
    if character.isspace():
        return " "
    if character in _SIGNS:
        return _SIGNS[character]
    if category == "Pd":
        return "-"
    # Marks and invisible characters: control characters, joiners, soft hyphens.
    if category[0] == "M" or category in {"Cc", "Cf"}:
        return ""
    base = _BASE_LETTER.fullmatch(unicodedata.name(character, ""))
    return base[1].lower() if base else _LETTERS.get(character, character)
