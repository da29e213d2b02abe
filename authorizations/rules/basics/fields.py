"""Reads the objects of a policy file and collects all problems.

A problem never stops the reading, so that people see all of them at once.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

Path: TypeAlias = tuple[str | int, ...]
"""A position in the document: keys of objects, and indexes of lists from 0."""

MAX_ENTRIES = 1000
"""Maximum entries of a list: far more than people need, and still fast in a decision."""

MAX_PROBLEMS = 50
"""Maximum problems in a text."""

T = TypeVar("T")
Default = TypeVar("Default")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to fix: where it is, and one sentence that says what to do."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.message}" if self.path else self.message


class InvalidPolicyError(Exception):
    """An invalid policy, with all its problems; its text has the first of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem_lines(self.problems)))


def problem_lines(problems: Sequence[Problem]) -> list[str]:
    """The first problems, one a line, and how many there are more."""
    lines = [str(problem) for problem in problems[:MAX_PROBLEMS]]
    if more := len(problems) - len(lines):
        lines.append(f"And {more:,} more.")
    return lines


def path_text(path: Path) -> str:
    """A path as text: `spending_limits[1].amount`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_printable(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def quoted(value: object) -> str:
    """A given value in quotes, shortened and printable, for use in a sentence."""
    text = _printable(str(value))
    return f'"{text[:40]}…"' if len(text) > 41 else f'"{text}"'


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def nearest(word: str, known: Mapping[str, str]) -> str:
    """` Did you mean "x"?`, or ""; `known` maps what people may write to our names."""
    names = {name.casefold(): ours for name, ours in known.items()}
    lower = word.casefold()[:100]
    found = [lower] if lower in names else []
    parts = re.findall(r"[^\W_]{4,}", lower)
    if parts and not found:
        found = [name for name in names if all(part in name for part in parts)][:3]
    found = found or difflib.get_close_matches(lower, names, n=1)
    meant = dict.fromkeys(f'"{names[name]}"' for name in found)
    return f" Did you mean {' or '.join(meant)}?" if meant else ""


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object; all objects of a document share `problems`."""

    data: Mapping[str, Any]
    path: Path
    problems: list[Problem]

    def problem(self, key: str, message: str) -> None:
        self.problems.append(Problem((*self.path, key), message))

    def refuse_others(self, known: Iterable[str]) -> None:
        """Add a problem for each unknown key: a misspelt rule must not be ignored silently."""
        names = {name: name for name in known}
        for key in self.data:
            if key not in names:
                hint = nearest(str(key), names) or " Leave it out."
                self.problem(str(key), f"There is no key {quoted(key)}.{hint}")

    def has(self, key: str) -> bool:
        """Whether a value is given, valid or not; null and "" count as not given."""
        return self.data.get(key) not in (None, "")

    def value(self, key: str, convert: Callable[[object], T], default: T) -> T:
        """The value as `convert` returns it; `default` if it is missing or invalid.

        `convert` raises ValueError with one sentence.
        """
        if not self.has(key):
            return default
        return self._converted((*self.path, key), self.data[key], convert, default)

    def words(self, key: str, convert: Callable[[object], str]) -> list[str]:
        """A list of words without duplicates, sorted."""
        return sorted(set(self.entries(key, convert)))

    def entries(self, key: str, convert: Callable[[object], T]) -> list[T]:
        """The entries of a list as `convert` returns them, without invalid ones."""
        found = (
            self._converted((*self.path, key, place), entry, convert, None)
            for place, entry in self._entries(key)
        )
        return [entry for entry in found if entry is not None]

    def objects(self, key: str, max_entries: int) -> Iterator["Fields"]:
        """The objects of a list."""
        for place, entry in self._entries(key, max_entries):
            path = (*self.path, key, place)
            if isinstance(entry, dict):
                yield Fields(entry, path, self.problems)
            else:
                self.problems.append(Problem(path, "Give an object in braces: {…}."))

    def _entries(self, key: str, max_entries: int = MAX_ENTRIES) -> list[tuple[int, object]]:
        if not self.has(key):
            return []
        given = self.data[key]
        if not isinstance(given, list):
            self.problem(key, "Give a list in square brackets: […].")
            return []
        if len(given) > max_entries:
            self.problem(key, f"There are {len(given):,} entries: keep it to {max_entries:,}.")
            return []
        return list(enumerate(given))

    def _converted(
        self, path: Path, given: object, convert: Callable[[object], T], default: Default
    ) -> T | Default:
        try:
            return convert(given)
        except ValueError as wrong:
            self.problems.append(Problem(path, str(wrong)))
            return default
