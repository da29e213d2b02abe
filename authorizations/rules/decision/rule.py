"""The base class of the rules that a policy can set.

Each kind of rule is a class in a file of its own under rules/kinds. A trace stores a rule's result
as JSON data; the rule turns it into words when it is shown.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Fields, Problem
from authorizations.rules.basics.parsing import flag
from authorizations.rules.decision.values import Check, DeclineReason, Json, PurchaseContext
from authorizations.rules.purchases.events import AuthorizationRequest


class ReasonTexts(NamedTuple):
    """The texts of a decline reason.

    `label` is for lists and filters. `staff` is used if the trace has no details. `cardholder` is
    safe to read out: no scores, no thresholds, no names of policies.
    """

    label: str
    staff: str
    cardholder: str


class Section(StrEnum):
    """The sections of a policy's page that have rules, in the page's order."""

    WHERE = "Where"
    HOW = "How"
    WHEN = "When"


class FieldKind(StrEnum):
    """The kind of form field for a setting on the policy's page."""

    CHOICES = "choices"
    """Some of the setting's `choices`."""

    ONE_CHOICE = "one_choice"
    """One of the setting's `choices`, or none."""

    FREE_WORDS = "free_words"
    """Words that people type."""

    COUNTRIES = "countries"
    CATEGORIES = "categories"
    MERCHANTS = "merchants"
    HOURS = "hours"
    CONDITIONS = "conditions"
    WHOLE_NUMBER = "whole_number"
    MONEY = "money"
    """An amount in the smallest unit of the policy's currency."""

    YES_NO = "yes_no"
    """A switch; its value is False if nothing is set."""

    MOMENT = "moment"
    """A date, or a date and time with an offset from UTC, as text."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of a policy's document that rules read.

    `read` returns the normal form of the document's value: a list, or a single value that is None
    (False for a switch) if nothing is set. It adds any problems to the fields it is given. `words`
    describes an entry of the list, or the value. `nouns` are the singular and plural for an entry,
    empty if the label is enough. `range` has the smallest and largest whole number.
    """

    key: str
    section: Section
    label: str
    field: FieldKind
    read: Callable[[Fields, str], Any]
    words: Callable[[Any], str]
    help: str = ""
    nouns: tuple[str, str] | tuple[()] = ()
    choices: tuple[tuple[str, str], ...] = ()
    range: tuple[int, int] | None = None


def switch(key: str, section: Section, label: str, *, help: str) -> Setting:  # noqa: A002
    """A setting that is on or off."""

    def read(fields: Fields, key: str) -> bool:
        return fields.value(key, flag, default=False)

    return Setting(key, section, label, FieldKind.YES_NO, read, _yes_or_no, help=help)


def _yes_or_no(is_on: bool) -> str:  # noqa: FBT001
    return "yes" if is_on else "no"


class Ruling(NamedTuple):
    """The result of a rule: `found` is what the request has, `limit` what the rule requires.

    Both are JSON data. `found` is None if the request does not have it.
    """

    passed: bool
    found: Json
    limit: Json


class Rule(ABC):
    """A rule of one policy version.

    `asks` has the fields of a request that the rule reads, by the names that
    AuthorizationRequest.unreadable uses, each with its words. Several kinds can read one setting.
    A rule that `spares_exempt` merchants gives way at them (exemption.py); its limit in a trace is
    an object or None.
    """

    __slots__ = ()

    reason: ClassVar[DeclineReason]
    texts: ClassVar[ReasonTexts]
    settings: ClassVar[tuple[Setting, ...]] = ()
    asks: ClassVar[Mapping[str, str]] = {}
    spares_exempt: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        """Return the rule that a normal document sets, or None.

        `matching` is how merchants are matched: see filters.MATCHING.
        """

    def asked_fields(self) -> Iterable[str]:
        """The fields that this rule reads, all that its kind `asks` or some of them."""
        return self.asks

    @classmethod
    def refuse(cls, fields: Fields, normal: Mapping[str, Any]) -> None:
        """Add problems of settings that contradict each other; `normal` has every setting."""

    @abstractmethod
    def check(self, request: AuthorizationRequest) -> Ruling:
        """Evaluate the rule for a request, which alone determines the result."""

    def check_with(self, request: AuthorizationRequest, context: PurchaseContext) -> Ruling | None:
        """Evaluate the rule beside the state of the card; None if it has no say on this request.

        Most rules don't look at it.
        """
        return self.check(request)

    def needs_history(self, request: AuthorizationRequest, context: PurchaseContext) -> bool:
        """Whether the result depends on what the card has bought before."""
        return False

    @classmethod
    @abstractmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        """A sentence on what the rule found and what it requires."""

    @classmethod
    def for_cardholder(cls, request: AuthorizationRequest) -> str:
        """Why the purchase was declined, with nothing the cardholder does not already know."""
        return cls.texts.cardholder

    @classmethod
    def in_headline(cls, check: Check) -> str:
        """What the purchase had, to follow the reason's label; "" for nothing.

        Called only if the check found something.
        """
        return ""

    @abstractmethod
    def in_summary(self, beside: Sequence["Rule"]) -> str:
        """What the rule does, without a full stop; "" if a rule in `beside` already says it."""

    def warnings(
        self, beside: Sequence["Rule"], limits: Sequence[LimitControl]
    ) -> Iterator[Problem]:
        """Likely mistakes, given all rules and limits of the policy."""
        return iter(())


R = TypeVar("R", bound=Rule)


def rule_of(kind: type[R], rules: Iterable[Rule]) -> R | None:
    """The rule of this kind, or None."""
    return next((rule for rule in rules if isinstance(rule, kind)), None)
