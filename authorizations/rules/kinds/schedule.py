"""The days and hours when a card may pay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from authorizations.rules.basics.clocks import local_time
from authorizations.rules.basics.fields import Fields
from authorizations.rules.basics.parsing import clock, one_of
from authorizations.rules.basics.words import WEEKDAYS, all_of, zone_words
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

MAX_ENTRIES = 50
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DASH = "\N{EN DASH}"


class OpenHours(NamedTuple):
    """On `days` (0 is Monday) from `start` until before `end`, in minutes of the day."""

    days: frozenset[int]
    start: int
    end: int


def _hours(entry: Mapping[str, Any]) -> OpenHours:
    """An entry of a normal document as a value."""
    days = frozenset(DAYS.index(day) for day in entry["days"])
    return OpenHours(days, _minutes(entry["from"]), _minutes(entry["to"]))


def _minutes(time_of_day: str) -> int:
    hour, minute = time_of_day.split(":")
    return int(hour) * 60 + int(minute)


def hours_words(entry: Mapping[str, Any]) -> str:
    """ "Monday to Friday, 8:00-20:00"."""
    days, start, end = _hours(entry)
    if (start, end) == (0, 24 * 60):
        return _days(days)
    return f"{_days(days)}, {_clock(start)}{_DASH}{_clock(end)}"


def _days(days: frozenset[int]) -> str:
    """Three or more consecutive days as "Monday to Friday", else each day by name."""
    first, last = min(days), max(days)
    if len(days) == len(WEEKDAYS):
        return "every day"
    if len(days) > 2 and last - first == len(days) - 1:
        return f"{WEEKDAYS[first]} to {WEEKDAYS[last]}"
    return all_of([WEEKDAYS[day] for day in sorted(days)])


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _read(fields: Fields, key: str) -> list[dict[str, Any]]:
    """Sorted by day and time, each entry once."""
    entries: list[dict[str, Any]] = []
    for fields_of_entry in fields.objects(key, MAX_ENTRIES):
        entry = _read_entry(fields_of_entry)
        if entry not in entries:
            entries.append(entry)
    return sorted(entries, key=lambda e: ([DAYS.index(d) for d in e["days"]], e["from"], e["to"]))


def _read_entry(fields: Fields) -> dict[str, Any]:
    fields.refuse_others(("days", "from", "to"))
    days = sorted(fields.words("days", one_of("day", DAYS)), key=DAYS.index)
    if not fields.has("days") or fields.data["days"] == []:
        fields.problem("days", f"Say on which days: {', '.join(DAYS)}.")
    start, end = fields.value("from", clock, ""), fields.value("to", clock, "")
    for key in ("from", "to"):
        if not fields.has(key):
            fields.problem(key, 'Give the time as "08:00"; a day is from "00:00" to "24:00".')
    if start and end and start >= end:
        fields.problem(
            "to",
            f"{end} is not after {start}: for hours past midnight make two entries, "
            'one to "24:00" and one from "00:00" on the following days.',
        )
    return {"days": days, "from": start, "to": end}


@dataclass(frozen=True, slots=True)
class Schedule(Rule):
    """Hours on the clock of `time_zone`; `limit` has the document's entries and the zone.

    A trace also has the request's instant, in Unix seconds.
    """

    hours: tuple[OpenHours, ...]
    time_zone: str
    limit: Json = field(hash=False)

    reason = DeclineReason.OUTSIDE_SCHEDULE
    texts = ReasonTexts(
        "Outside allowed hours",
        "The purchase was outside the days and hours of the policy.",
        "This card cannot be used at this time. Please try again within its hours.",
    )
    settings = (
        Setting("schedule", Section.WHEN, "Days and hours", FieldKind.HOURS, _read, hours_words),
    )

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        entries, zone_name = normal["schedule"], normal["time_zone"]
        if not entries:
            return None
        limit = {"hours": entries, "time_zone": zone_name}
        return cls(tuple(map(_hours, entries)), zone_name, limit)

    def check(self, request: AuthorizationRequest) -> Ruling:
        at = request.event_created
        now = local_time(self.time_zone, at)
        day, minute = now.weekday(), now.hour * 60 + now.minute
        passed = any(day in days and start <= minute < end for days, start, end in self.hours)
        return Ruling(passed, at, self.limit)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        zone_name = check.limit["time_zone"]
        hours = "; ".join(
            f"{' '.join(day.capitalize() for day in entry['days'])} {entry['from']}-{entry['to']}"
            for entry in check.limit["hours"]
        )
        where = "within" if check.passed else "outside"
        return f"{_shown(check.found, zone_name)} is {where} the schedule ({hours})."

    @classmethod
    def in_headline(cls, check: Check) -> str:
        return _shown(check.found, check.limit["time_zone"])

    def in_summary(self, beside: Sequence[Rule]) -> str:
        hours = ", and ".join(map(hours_words, self.limit["hours"]))
        return f"{hours} {zone_words(self.time_zone)}"


def _shown(at: int, zone_name: str) -> str:
    """ "Sun 03:12 Europe/Paris"."""
    now = local_time(zone_name, at)
    return f"{DAYS[now.weekday()].title()} {now.hour:02}:{now.minute:02} {zone_name}"
