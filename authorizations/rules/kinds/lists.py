"""The base classes of rules that are an allowed list, a blocked list, or both.

A missing value, such as an unknown country, is never on a list: an allowed list declines it, and a
blocked list lets it pass. Of both lists the blocked one wins.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Fields, Problem
from authorizations.rules.basics.words import code_words, listed
from authorizations.rules.decision.rule import FieldKind, Rule, Ruling, Section, Setting
from authorizations.rules.decision.values import Check, Json
from authorizations.rules.purchases.events import AuthorizationRequest

SHOWN = 8
"""Maximum entries of a list in a trace; the policy version has the whole list."""

ALLOWED, BLOCKED = "allowed", "blocked"
_WINS = "Declined even if the other list allows them."


@dataclass(frozen=True, slots=True)
class ListSide:
    """A list of allowed entries if `allows`, else of blocked ones.

    `members` is what the rule looks the purchase up in. `limit` is the list for the trace: its
    first entries, and the count if there are more.
    """

    allows: bool
    entries: tuple[Any, ...] = field(hash=False)
    members: Any
    limit: Json = field(hash=False)

    @classmethod
    def of(cls, entries: Sequence[Any], members: object, *, allows: bool) -> Self:
        limit: dict[str, Any] = {ALLOWED if allows else BLOCKED: [*entries[:SHOWN]]}
        if len(entries) > SHOWN:
            limit["count"] = len(entries)
        return cls(allows, tuple(entries), members, limit)


@dataclass(frozen=True, slots=True)
class ListRule(Rule):
    """An allowed list, a blocked one, or both, the blocked one first; a trace has the deciding one.

    `noun` is the word for what a request has, `plural` that for the listed entries. `missing` says
    that a request has no value. `preposition` precedes the list in a policy's summary. `filter_key`
    is that of a limit's filter that lists the same; empty if there is none. `counts_unreported`
    says whether such a limit also counts purchases that don't report a value.
    """

    lists: tuple[ListSide, ...]

    filter_key: ClassVar[str] = ""
    counts_unreported: ClassVar[bool] = False
    noun: ClassVar[str]
    plural: ClassVar[str]
    missing: ClassVar[str]
    preposition: ClassVar[str] = ""

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        lists = tuple(
            cls.listing(normal[setting.key], matching, allows=setting.key.startswith(ALLOWED))
            for setting in reversed(cls.settings)
            if normal[setting.key]
        )
        return cls(lists) if lists else None

    @classmethod
    @abstractmethod
    def listing(cls, written: Sequence[Any], matching: int, *, allows: bool) -> ListSide:
        """One of the lists of a normal document."""

    @classmethod
    def subject(cls, request: AuthorizationRequest) -> Any:
        """What of the request is looked up in the lists: the merchant, or a part of it."""
        return request.asked_at

    @classmethod
    def holds(cls, members: Any, subject: Any) -> bool:
        """Whether the subject is on the list with these members."""
        held: bool = members.holds(subject)
        return held

    @classmethod
    def examples(cls, members: Any) -> Iterable[Any]:
        """A subject for each of these members."""
        return [*members]

    @classmethod
    def found(cls, subject: Any) -> Json:
        """The subject for the trace; None if the request does not have it."""
        return subject or None

    def check(self, request: AuthorizationRequest) -> Ruling:
        subject, holds = self.subject(request), self.holds
        for listing in self.lists:
            passed = holds(listing.members, subject) is listing.allows
            if not passed:
                break
        return Ruling(passed, self.found(subject), listing.limit)

    def entries(self, *, allows: bool) -> tuple[Any, ...]:
        """The allowed entries, or the blocked ones; none without such a list."""
        return next((it.entries for it in self.lists if it.allows is allows), ())

    def members(self, *, allows: bool) -> Any:
        """What `holds` looks in, of the allowed list or the blocked one; None without it."""
        return next((it.members for it in self.lists if it.allows is allows), None)

    def lets(self, subject: Any) -> bool:
        """Whether requests with this subject pass."""
        return all(self.holds(it.members, subject) is it.allows for it in self.lists)

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
        """An entry of a list, in words for staff."""
        return code_words(entry)

    @classmethod
    def found_words(cls, found: Json) -> str:
        """What the request has, in words for staff."""
        return f'"{code_words(found)}"'

    def in_summary(self, beside: Sequence[Rule]) -> str:
        phrases = []
        for listing in reversed(self.lists):
            start = f"{'only' if listing.allows else 'not'} {self.preposition}".strip()
            phrases.append(f"{start} {listed(self.summary_words(listing.entries))}")
        return ", and ".join(phrases)

    @classmethod
    def summary_words(cls, entries: Sequence[Any]) -> list[str]:
        """The entries in words, in the order of a policy's summary."""
        return sorted(map(code_words, entries))

    def warnings(self, beside: Sequence[Rule], limits: Sequence[LimitControl]) -> Iterator[Problem]:
        """Entries that are on both lists, and limits on what the policy does not allow anyway."""
        blocked = self.entries(allows=False)
        if both := [entry for entry in self.entries(allows=True) if entry in blocked]:
            setting = self.settings[-1]
            words = listed([setting.words(entry) for entry in both])
            yield Problem((setting.key,), f"Allowed and blocked, so blocked: {words}.")
        for place, limit in enumerate(limits if self.filter_key else ()):
            what = key = self.filter_key
            named = getattr(limit.filter, what)
            left_out: Any = getattr(limit.filter, f"except_{what}", frozenset())
            members = named or (left_out and self.members(allows=True))
            if not members or limit.filter.all_left_out:
                continue
            subjects = [*self.examples(members), *([""] if self.counts_unreported else [])]
            if any(self.lets(it) and not self.holds(left_out, it) for it in subjects):
                continue
            message = f"the policy allows none of its {code_words(what)}."
            if not named:
                key, message = f"except_{what}", f"it leaves out all {what} that the policy allows."
            yield Problem(("spending_limits", place, key), f"This limit has no effect: {message}")


@dataclass(frozen=True, slots=True)
class WordsRule(ListRule):
    """Lists of plain words; a request has at most one of them."""

    @classmethod
    def listing(cls, written: Sequence[str], matching: int, *, allows: bool) -> ListSide:
        return ListSide.of(sorted(written), frozenset(written), allows=allows)

    @classmethod
    @abstractmethod
    def subject(cls, request: AuthorizationRequest) -> str:
        """The word that the request has; "" if none."""

    @classmethod
    def holds(cls, members: frozenset[str], subject: str) -> bool:
        return subject in members


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
        for side, label, text in zip((ALLOWED, BLOCKED), labels, (help, _WINS), strict=True)
    )
    return allowed, blocked
