"""The base classes of rules that are an allowed list or a blocked list.

A missing value, such as an unknown country, is never on a list: an allowed list declines it, and a
blocked list lets it pass.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from authorizations.rules.basics.fields import Fields
from authorizations.rules.basics.words import code_words, listed
from authorizations.rules.decision.rule import FieldKind, Rule, Ruling, Section, Setting
from authorizations.rules.decision.values import Check, Json
from authorizations.rules.purchases.events import AuthorizationRequest

SHOWN = 8
"""Maximum entries of a list in a trace; the policy version has the whole list."""

ALLOWED, BLOCKED = "allowed", "blocked"


@dataclass(frozen=True, slots=True)
class ListRule(Rule):
    """A list of allowed entries if `allows`, else of blocked ones; `limit` is for the trace.

    `noun` is the word for what a request has, `plural` that for the listed entries. `missing` says
    that a request has no value. `preposition` precedes the list in a policy's summary.
    """

    allows: bool
    entries: tuple[Any, ...] = field(hash=False)
    limit: Json = field(hash=False)

    noun: ClassVar[str]
    plural: ClassVar[str]
    missing: ClassVar[str]
    preposition: ClassVar[str] = ""

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        for setting in cls.settings:
            if written := normal[setting.key]:
                return cls.listing(written, matching, allows=setting.key.startswith(ALLOWED))
        return None

    @classmethod
    @abstractmethod
    def listing(cls, written: Sequence[Any], matching: int, *, allows: bool) -> Self:
        """The rule with the entries of a normal document."""

    @classmethod
    def refuse(cls, fields: Fields, normal: Mapping[str, Any]) -> None:
        given = [setting.key for setting in cls.settings if fields.data.get(setting.key)]
        if len(given) > 1:
            what = given[1].removeprefix(f"{BLOCKED}_").replace("_", " ")
            fields.problem(given[1], f"Give allowed or blocked {what}, not both.")

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        side = ALLOWED if ALLOWED in check.limit else BLOCKED
        shown = check.limit[side]
        words = ", ".join(map(cls.entry_words, shown))
        if more := check.limit.get("count", len(shown)) - len(shown):
            words += f" and {more:,} more"
        if check.found is None:
            return f"{cls.missing}; {side} {cls.plural}: {words}."
        among = "among" if check.passed == (side == ALLOWED) else "not among"
        found = cls.found_words(check.found)
        return f"{cls.noun} {found} is {among} the {side} {cls.plural} ({words})."

    @classmethod
    def entry_words(cls, entry: Any) -> str:
        """An entry of the list, in words for staff."""
        return code_words(entry)

    @classmethod
    def found_words(cls, found: Json) -> str:
        """What the request has, in words for staff."""
        return f'"{code_words(found)}"'

    def in_summary(self, beside: Sequence[Rule]) -> str:
        start = f"{'only' if self.allows else 'not'} {self.preposition}".strip()
        return f"{start} {listed(self.summary_words())}"

    def summary_words(self) -> list[str]:
        """The entries in words, in the order of a policy's summary."""
        return sorted(map(code_words, self.entries))


@dataclass(frozen=True, slots=True)
class WordsRule(ListRule):
    """A list of plain words; a request has at most one of them."""

    words: frozenset[str]

    @classmethod
    def listing(cls, written: Sequence[str], matching: int, *, allows: bool) -> Self:
        entries = tuple(sorted(written))
        return cls(allows, entries, limit_of(entries, allows=allows), frozenset(entries))

    def check(self, request: AuthorizationRequest) -> Ruling:
        found = self.word_of(request)
        return Ruling((found in self.words) is self.allows, found or None, self.limit)

    def lets(self, word: str) -> bool:
        """Whether a request with this word passes."""
        return (word in self.words) is self.allows

    @classmethod
    @abstractmethod
    def word_of(cls, request: AuthorizationRequest) -> str:
        """The word that the request has; "" if none."""


def limit_of(entries: Sequence[Any], *, allows: bool) -> Json:
    """The part of a list for a trace: its first entries, and the count if there are more."""
    kept = {ALLOWED if allows else BLOCKED: [*entries[:SHOWN]]}
    return kept | ({"count": len(entries)} if len(entries) > SHOWN else {})


def words_of(convert: Callable[[object], str]) -> Callable[[Fields, str], list[Any]]:
    """A `read` for a list of words that `convert` reads one by one."""
    return lambda fields, key: fields.words(key, convert)


def pair(
    what: str,
    section: Section,
    kind: FieldKind,
    read: Callable[[Fields, str], list[Any]],
    words: Callable[[Any], str],
    *,
    labels: tuple[str, str],
    nouns: tuple[str, str],
    help: str = "",  # noqa: A002
    choices: Iterable[tuple[str, str]] = (),
) -> tuple[Setting, Setting]:
    """The settings for an allowed and a blocked list of `what`; `help` is for the first."""
    offered = tuple(choices)
    allowed, blocked = (
        Setting(f"{side}_{what}", section, label, kind, read, words, text, nouns, offered)
        for side, label, text in zip((ALLOWED, BLOCKED), labels, (help, ""), strict=True)
    )
    return allowed, blocked
