"""What every rule of a policy is: a value that can be asked alone, and that says what it means.

Each kind of rule is a class in a file of its own under rules/kinds. What the trace of a decision
keeps of a rule is JSON data; words are made of it when it is shown.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Fields, Problem
from authorizations.rules.decision.values import Check, DeclineReason, Json
from authorizations.rules.purchases.events import AuthorizationRequest


class ReasonTexts(NamedTuple):
    """`label` is for lists and filters; `staff` stands where a trace has no more to say.

    `cardholder` is safe to read out: no scores, no thresholds, no names of policies.
    """

    label: str
    staff: str
    cardholder: str


class Section(StrEnum):
    """The parts of a policy's page in which rules stand, in the page's order."""

    WHERE = "Where"
    HOW = "How"
    WHEN = "When"


class FieldKind(StrEnum):
    """What a setting is filled in with on the policy's page."""

    CHOICES = "choices"
    """Words out of the setting's `choices`."""

    FREE_WORDS = "free_words"
    """Words that are typed."""

    COUNTRIES = "countries"
    CATEGORIES = "categories"
    MERCHANTS = "merchants"
    HOURS = "hours"
    WHOLE_NUMBER = "whole_number"
    MOMENT = "moment"
    """A date, or an instant with its offset from UTC, as text."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of a policy's document that belongs to rules.

    `read` gives the normal form of what a document has under the key: a list, or a value that is
    None where nothing is set; it notes what is wrong. `words` says an entry of the list, or the
    value, in words. `nouns` name one entry and several; empty where the label names them.
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


class Ruling(NamedTuple):
    """What became of a rule: `found` is what the request has, `limit` what the rule asks for.

    Both are JSON data; `found` is None where the request does not tell.
    """

    passed: bool
    found: Json
    limit: Json


class Rule(ABC):
    """A rule as one policy version has it.

    `asks` names the fields of a request that the rule looks at, as AuthorizationRequest.unreadable
    does, each with its words. Several kinds may read one setting.
    """

    __slots__ = ()

    reason: ClassVar[DeclineReason]
    texts: ClassVar[ReasonTexts]
    settings: ClassVar[tuple[Setting, ...]] = ()
    asks: ClassVar[Mapping[str, str]] = {}

    @classmethod
    @abstractmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        """The rule that a normal document sets; None where it sets none.

        `matching` is how merchants are matched: see filters.MATCHING.
        """

    @classmethod
    def refuse(cls, fields: Fields, normal: Mapping[str, Any]) -> None:
        """Note what is right by itself, and wrong together; `normal` has every setting."""

    @abstractmethod
    def check(self, request: AuthorizationRequest) -> Ruling:
        """How the purchase stands to the rule; nothing else has a say in it."""

    @classmethod
    @abstractmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        """What the rule found and what it asks for, in a sentence."""

    @classmethod
    def for_cardholder(cls, request: AuthorizationRequest) -> str:
        """Why the purchase was declined, with what the cardholder knows of it anyway."""
        return cls.texts.cardholder

    @classmethod
    def in_headline(cls, check: Check) -> str:
        """What the purchase had, to put behind the reason's label; or nothing.

        Asked only where the check has found something.
        """
        return ""

    @abstractmethod
    def in_summary(self, beside: Sequence["Rule"]) -> str:
        """What the rule does, without a full stop; nothing where a rule `beside` it says it."""

    def warnings(
        self, beside: Sequence["Rule"], limits: Sequence[LimitControl]
    ) -> Iterator[Problem]:
        """What may be a slip, by the rules and limits of the policy that it stands in."""
        return iter(())


R = TypeVar("R", bound=Rule)


def rule_of(kind: type[R], rules: Iterable[Rule]) -> R | None:
    """The rule of this kind; None where there is none."""
    return next((rule for rule in rules if isinstance(rule, kind)), None)
