"""What a policy does, as a list of plain sentences for the people who keep it."""

from collections.abc import Iterator, Sequence

from authorizations.rules.controls import Choice, ScheduleEntry, SpendingControls, SpendingLimit
from authorizations.rules.money import format_money
from authorizations.rules.words import (
    WEEKDAYS,
    category_words,
    code_words,
    country_words,
    figure_words,
    filter_words,
    instant_words,
    interval_words,
    listed,
)

_VERIFICATIONS = {
    "cvc": "a matching CVC",
    "postal_code": "a matching postal code",
    "three_d_secure": "3-D Secure",
}


def summary(controls: SpendingControls) -> list[str]:
    """Limits first, then where, how and when; one sentence per rule, then the settings."""
    rules = [
        *(_limit(limit) for limit in controls.spending_limits),
        *_where(controls),
        *_how(controls),
        *_when(controls),
    ]
    return [*(rules or ["No rule and no limit: every purchase passes."]), *_settings(controls)]


def _limit(limit: SpendingLimit) -> str:
    length = interval_words(limit.interval, limit.rolling_seconds)
    concerning = filter_words(limit.filter.text)
    if limit.amount is None:
        return f"At most {figure_words(limit.count or 0, '')} {length}{concerning}."
    return f"Up to {format_money(limit.amount, limit.currency)} {length}{concerning}."


def _where(controls: SpendingControls) -> Iterator[str]:
    countries = controls.merchant_countries
    yield from _only("countries", sorted(map(country_words, countries.allowed)))
    yield from _never("countries", sorted(map(country_words, countries.blocked)))
    yield from _only("categories", [*map(category_words, controls.allowed_categories.words)])
    yield from _never("categories", [*map(category_words, controls.blocked_categories.words)])
    yield from _only("merchants", controls.allowed_merchants)
    yield from _never("merchants", controls.blocked_merchants)


def _how(controls: SpendingControls) -> Iterator[str]:
    yield from _chosen("card presences", controls.card_presences)
    yield from _chosen("authorization methods", controls.authorization_methods)
    yield from _chosen("wallets", Choice(controls.allowed_wallets))
    if required := controls.required_verification:
        yield f"Requires {' and '.join(_VERIFICATIONS[name] for name in required)}."
    if controls.max_network_risk_score is not None:
        yield f"Network risk score at most {controls.max_network_risk_score}."


def _chosen(plural: str, choice: Choice) -> Iterator[str]:
    yield from _only(plural, sorted(map(code_words, choice.allowed)))
    yield from _never(plural, sorted(map(code_words, choice.blocked)))


def _only(plural: str, words: Sequence[str]) -> Iterator[str]:
    if words:
        yield f"Only these {plural}: {listed(words)}."


def _never(plural: str, words: Sequence[str]) -> Iterator[str]:
    if words:
        yield f"Not these {plural}: {listed(words)}."


def _when(controls: SpendingControls) -> Iterator[str]:
    if controls.schedule:
        hours = "; ".join(_hours(entry) for entry in controls.schedule)
        yield f"Only {hours} ({controls.time_zone})."
    if controls.usable_from is not None:
        yield f"Usable from {instant_words(controls.usable_from, controls.time_zone)}."
    if controls.usable_until is not None:
        yield f"Usable until {instant_words(controls.usable_until, controls.time_zone)}."


def _hours(entry: ScheduleEntry) -> str:
    """ "Monday to Friday, 08:00-20:00"."""
    if (entry.start, entry.end) == (0, 24 * 60):
        return _days(entry.days)
    return f"{_days(entry.days)}, {_clock(entry.start)}-{_clock(entry.end)}"


def _days(days: frozenset[int]) -> str:
    """Three or more in a row as first to last, else each by its name."""
    first, last = min(days), max(days)
    if len(days) == len(WEEKDAYS):
        return "every day"
    if len(days) > 2 and last - first == len(days) - 1:
        return f"{WEEKDAYS[first]} to {WEEKDAYS[last]}"
    return ", ".join(WEEKDAYS[day] for day in sorted(days))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _settings(controls: SpendingControls) -> Iterator[str]:
    if controls.partial_approval and controls.smallest_partial_amount:
        smallest = format_money(controls.smallest_partial_amount, controls.currency)
        yield f"Where only a part fits, that part is approved, from {smallest} up."
    elif controls.partial_approval:
        yield "Where only a part fits, that part is approved."
    if not controls.refunds_restore:
        yield "Refunds give no room back."
