"""The dates between which a card may pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from authorizations.rules.basics.clocks import local_time
from authorizations.rules.basics.fields import Fields
from authorizations.rules.basics.parsing import end_second, first_second, moment
from authorizations.rules.basics.words import (
    ASK,
    day_words,
    instant_words,
    moment_words,
    zone_words,
)
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
)
from authorizations.rules.decision.values import Check, DeclineReason, Json
from authorizations.rules.purchases.events import AuthorizationRequest


def _setting(key: str, label: str, help_text: str) -> Setting:
    return Setting(
        key,
        Section.WHEN,
        label,
        FieldKind.MOMENT,
        lambda fields, key: fields.value(key, moment, None),
        _written_words,
        help=help_text,
    )


def _written_words(written: str) -> str:
    when = datetime.fromisoformat(written)
    return f"{moment_words(when)} {when:%Z}" if "T" in written else day_words(when)


@dataclass(frozen=True, slots=True)
class _DateRule(Rule):
    """An instant in Unix seconds; `limit` is {"at": …, "time_zone": …} for the trace."""

    at: int
    time_zone: str
    limit: Json = field(hash=False)

    usable: ClassVar[str]
    too: ClassVar[str]

    @classmethod
    def _at(cls, at: int, normal: Mapping[str, Any]) -> Self:
        zone_name = normal["time_zone"]
        return cls(at, zone_name, {"at": at, "time_zone": zone_name})

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        zone_name = check.limit["time_zone"]
        year = local_time(zone_name, request.event_created).year
        edge, when = (instant_words(at, zone_name, year) for at in (check.limit["at"], check.found))
        late = "" if check.passed else f", {cls.too}"
        return f"Usable {cls.usable} {edge}; the purchase was on {when}{late}."

    def day_or_moment(self, *, is_end: bool = False) -> str:
        """A date if `at` is midnight, else date and time; an end is the day before."""
        when = local_time(self.time_zone, self.at)
        if (when.hour, when.minute, when.second) != (0, 0, 0):
            return f"{moment_words(when)} {zone_words(self.time_zone)}"
        return day_words(when - timedelta(days=1) if is_end else when)


@dataclass(frozen=True, slots=True)
class UsableFrom(_DateRule):
    """`at` is the first second at which the card may pay."""

    reason = DeclineReason.NOT_YET_USABLE
    texts = ReasonTexts(
        "Not yet usable",
        "The policy is not valid yet.",
        f"This card cannot be used yet. {ASK}",
    )
    settings = (
        _setting(
            "usable_from",
            "Valid from",
            "Such as 2026-12-31 or 2026-12-31T18:00:00+01:00. Empty: at once.",
        ),
    )
    usable, too = "from", "too early"

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        written = normal["usable_from"]
        return cls._at(first_second(written, normal["time_zone"]), normal) if written else None

    def check(self, request: AuthorizationRequest) -> Ruling:
        at = request.event_created
        return Ruling(at >= self.at, at, self.limit)

    def in_summary(self, beside: Sequence[Rule]) -> str:
        return f"from {self.day_or_moment()} on"


@dataclass(frozen=True, slots=True)
class UsableUntil(_DateRule):
    """`at` is the first second at which the card may no longer pay."""

    reason = DeclineReason.NO_LONGER_USABLE
    texts = ReasonTexts(
        "No longer usable",
        "The policy is no longer valid.",
        f"This card can no longer be used. {ASK}",
    )
    settings = (_setting("usable_until", "Valid until", "That day is included. Empty: no end."),)
    usable, too = "until", "too late"

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        written = normal["usable_until"]
        return cls._at(end_second(written, normal["time_zone"]), normal) if written else None

    @classmethod
    def refuse(cls, fields: Fields, normal: Mapping[str, Any]) -> None:
        first, last = normal["usable_from"], normal["usable_until"]
        zone_name = normal["time_zone"]
        if first and last and first_second(first, zone_name) >= end_second(last, zone_name):
            problem = "This is not after usable_from: no card could ever pay."
            fields.problem("usable_until", problem)

    def check(self, request: AuthorizationRequest) -> Ruling:
        at = request.event_created
        return Ruling(at < self.at, at, self.limit)

    def in_summary(self, beside: Sequence[Rule]) -> str:
        return f"until {self.day_or_moment(is_end=True)}"
