"""Reading one object of a policy file: hand out its values, note everything that is wrong.

What is wrong never stops the reading, so that people see all problems at once.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

Path: TypeAlias = tuple[str | int, ...]
"""Where in the document: keys of objects and places in lists, from 0."""

MOST_ENTRIES = 1000
"""In one list; far beyond what people keep, and still quick to go through in a decision."""

T = TypeVar("T")
Default = TypeVar("Default")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to put right: where, and one sentence that says what to do."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.message}" if self.path else self.message


class InvalidPolicyError(Exception):
    """A policy that can't work, with all its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def path_text(path: Path) -> str:
    """The path as people write it: `spending_limits[1].amount`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_printable(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def quoted(value: object) -> str:
    """What somebody wrote, short and printable enough to stand in a sentence."""
    text = _printable(str(value))
    return f'"{text[:40]}…"' if len(text) > 41 else f'"{text}"'


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def nearest(word: str, known: Mapping[str, str]) -> str:
    """`Did you mean "x"?`, or nothing; `known` has what people may write, and what we call it."""
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
    """One JSON object; `problems` is shared by all objects of the document."""

    data: Mapping[str, Any]
    path: Path
    problems: list[Problem]

    def problem(self, key: str, message: str) -> None:
        self.problems.append(Problem((*self.path, key), message))

    def refuse_others(self, known: Iterable[str]) -> None:
        """Note each key that nobody reads: a misspelt rule must not be left out in silence."""
        names = {name: name for name in known}
        for key in self.data:
            if key not in names:
                hint = nearest(str(key), names) or " Leave it out."
                self.problem(str(key), f"There is no key {quoted(key)}.{hint}")

    def has(self, key: str) -> bool:
        """Whether something was given, right or wrong; null and "" are ways to leave it out."""
        return self.data.get(key) not in (None, "")

    def value(self, key: str, convert: Callable[[object], T], default: T) -> T:
        """What `convert` makes of the value; `default` where it is left out or wrong.

        `convert` raises ValueError with one sentence.
        """
        if not self.has(key):
            return default
        return self._converted((*self.path, key), self.data[key], convert, default)

    def words(self, key: str, convert: Callable[[object], str]) -> list[str]:
        """A set of words: each once, in alphabetical order, whatever the order given."""
        return sorted(set(self.entries(key, convert)))

    def entries(self, key: str, convert: Callable[[object], T]) -> list[T]:
        """The entries of a list as `convert` reads them, without those that are wrong."""
        found = (
            self._converted((*self.path, key, place), entry, convert, None)
            for place, entry in self._entries(key)
        )
        return [entry for entry in found if entry is not None]

    def objects(self, key: str, most: int) -> Iterator["Fields"]:
        """The objects of a list."""
        for place, entry in self._entries(key, most):
            path = (*self.path, key, place)
            if isinstance(entry, dict):
                yield Fields(entry, path, self.problems)
            else:
                self.problems.append(Problem(path, "Give an object in braces: {…}."))

    def _entries(self, key: str, most: int = MOST_ENTRIES) -> list[tuple[int, object]]:
        if not self.has(key):
            return []
        given = self.data[key]
        if not isinstance(given, list):
            self.problem(key, "Give a list in square brackets: […].")
            return []
        if len(given) > most:
            self.problem(key, f"There are {len(given):,} entries: keep it to {most:,}.")
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
