"""What a policy does, in plain sentences for the people who keep it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from authorizations.rules.basics.clocks import local_time
from authorizations.rules.basics.controls import Choice, LimitControl, OpenHours
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import (
    WEEKDAYS,
    category_label,
    code_words,
    country_words,
    day_words,
    figure_words,
    filter_words,
    fuel_hold_words,
    interval_words,
    listed,
    merchant_place,
    moment_words,
    zone_words,
)
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.policy.partial import currencies_without_parts

ONE_SENTENCE = 160
"""Rules that take no more characters than this stand in one sentence."""

_DASH = "\N{EN DASH}"
_WITHIN = 2  # so many limits within others are told in the same breath

_VERIFICATIONS = {
    "cvc": "a matching CVC",
    "postal_code": "a matching postal code",
    "three_d_secure": "3-D Secure",
}
_PRESENCES = {"present": "in person", "not_present": "online, by phone or by mail"}


def summary(controls: SpendingControls) -> list[str]:
    """How much, where, how and when: one sentence where they are short; then the settings."""
    rules = [*_how_much(controls), *_where(controls), *_how(controls), *_when(controls)]
    together = "; ".join(rules)
    told = [together] if rules and len(together) <= ONE_SENTENCE else rules
    return [*map(_sentence, told), *_granted(controls), *_settings(controls)]


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def limit_phrase(limit: LimitControl) -> str:
    """ "€50.00 a day on fast food restaurants", "5 purchases in 60 minutes"."""
    length = interval_words(limit.interval, limit.rolling_seconds)
    figure = limit.count or 0 if limit.amount is None else limit.amount
    return f"{figure_words(figure, limit.currency)} {length}{_concerning(limit)}"


def _granted(controls: SpendingControls) -> Iterator[str]:
    """What people may take for granted, and is not."""
    granting = [limit for limit in controls.spending_limits if limit.amount]
    if controls.unlimited:
        return
    if not granting:
        yield "Grants no purchase: cards need another policy that does."
    elif all(limit.filter.text for limit in granting):
        yield "Grants no other purchase."


def _concerning(limit: LimitControl) -> str:
    return filter_words(limit.filter.text)


def _how_much(controls: SpendingControls) -> Iterator[str]:
    limits = controls.spending_limits
    for currency in dict.fromkeys(limit.currency for limit in limits if limit.amount):
        yield from _up_to([it for it in limits if it.amount and it.currency == currency])
    for limit in limits:
        if limit.amount == 0:
            whole = "" if limit.filter.text else f" in {limit.currency.upper()}"
            yield f"no spending{_concerning(limit)}{whole}"
        if limit.amount is None:
            yield f"at most {limit_phrase(limit)}"
    if controls.unlimited:
        amounts = any(limit.amount is not None for limit in limits)
        yield "otherwise unlimited amounts" if amounts else "unlimited amounts"


def _up_to(limits: Sequence[LimitControl]) -> Iterator[str]:
    """Amounts of one currency: "up to €500.00 a month, of it €50.00 a day on restaurants"."""
    wide = [limit_phrase(limit) for limit in limits if not limit.filter.text]
    narrow = [limit_phrase(limit) for limit in limits if limit.filter.text]
    if not wide or len(narrow) > _WITHIN:
        yield from ([f"up to {_all_of(wide)}"] if wide else [])
        yield from (f"up to {phrase}" for phrase in narrow)
    else:
        within = f", of it {_all_of(narrow)}" if narrow else ""
        yield f"up to {_all_of(wide)}{within}"


def _where(controls: SpendingControls) -> Iterator[str]:
    countries = controls.merchant_countries
    yield from _only("on", map(category_label, controls.allowed_categories.words))
    yield from _never("on", map(category_label, controls.blocked_categories.words))
    yield from _only("in", sorted(map(country_words, countries.allowed)))
    yield from _never("in", sorted(map(country_words, countries.blocked)))
    yield from _only("at", map(merchant_place, controls.allowed_merchants.words))
    yield from _never("at", map(merchant_place, controls.blocked_merchants.words))


def _how(controls: SpendingControls) -> Iterator[str]:
    presences, methods = controls.card_presences, controls.authorization_methods
    yield from _only("", _named(_PRESENCES, presences.allowed))
    yield from _never("", _named(_PRESENCES, presences.blocked))
    yield from _choice("by", methods)
    yield from _choice("with", Choice(controls.allowed_wallets))
    if required := controls.required_verification:
        yield f"only with {_all_of([_VERIFICATIONS[name] for name in required])}"
    if controls.max_network_risk_score is not None:
        yield f"network risk score at most {controls.max_network_risk_score}"


def _choice(preposition: str, choice: Choice) -> Iterator[str]:
    yield from _only(preposition, sorted(map(code_words, choice.allowed)))
    yield from _never(preposition, sorted(map(code_words, choice.blocked)))


def _named(names: dict[str, str], chosen: Iterable[str]) -> list[str]:
    return [words for name, words in names.items() if name in chosen]


def _only(preposition: str, words: Iterable[str]) -> Iterator[str]:
    yield from _joined(f"only {preposition}", [*words])


def _never(preposition: str, words: Iterable[str]) -> Iterator[str]:
    yield from _joined(f"not {preposition}", [*words])


def _joined(start: str, words: Sequence[str]) -> Iterator[str]:
    if words:
        yield f"{start.strip()} {listed(words)}"


def _when(controls: SpendingControls) -> Iterator[str]:
    if controls.schedule:
        hours = ", and ".join(hours_words(entry) for entry in controls.schedule)
        yield f"{hours} {zone_words(controls.time_zone)}"
    if controls.usable_from is not None:
        yield f"from {_day_or_moment(controls.usable_from, controls.time_zone)} on"
    if controls.usable_until is not None:
        yield f"until {_day_or_moment(controls.usable_until, controls.time_zone, is_end=True)}"


def _day_or_moment(at: int, time_zone: str, *, is_end: bool = False) -> str:
    """Whole days by their date; an end is exclusive, so its last day is the one before."""
    when = local_time(time_zone, at)
    if (when.hour, when.minute, when.second) != (0, 0, 0):
        return f"{moment_words(when)} {zone_words(time_zone)}"
    return day_words(when - timedelta(days=1) if is_end else when)


def hours_words(entry: OpenHours) -> str:
    """ "Monday to Friday, 8:00-20:00"."""
    if (entry.start, entry.end) == (0, 24 * 60):
        return _days(entry.days)
    return f"{_days(entry.days)}, {_clock(entry.start)}{_DASH}{_clock(entry.end)}"


def _days(days: frozenset[int]) -> str:
    """Three or more in a row as first to last, else each by its name."""
    first, last = min(days), max(days)
    if len(days) == len(WEEKDAYS):
        return "every day"
    if len(days) > 2 and last - first == len(days) - 1:
        return f"{WEEKDAYS[first]} to {WEEKDAYS[last]}"
    return _all_of([WEEKDAYS[day] for day in sorted(days)])


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02}"


def _settings(controls: SpendingControls) -> Iterator[str]:
    if controls.partial_approval and controls.smallest_partial_amount:
        smallest = format_money(controls.smallest_partial_amount, controls.currency)
        others = " or ".join(code.upper() for code in currencies_without_parts(controls))
        never = f"; never in {others}" if others else ""
        yield f"Where only a part fits, that part is approved, from {smallest} up{never}."
    elif controls.partial_approval:
        yield "Where only a part fits, that part is approved."
    if not controls.refunds_restore:
        yield "Refunds give no room back."
    if controls.fuel_hold:
        yield f"{fuel_hold_words(controls.fuel_hold, controls.currency)}."
    if controls.stand_in_amount and controls.stand_in_cap:
        amounts = (controls.stand_in_amount, controls.stand_in_cap)
        purchase, window = (format_money(amount, controls.currency) for amount in amounts)
        yield (
            f"While the database is away: up to {purchase} a purchase and {window} in the window "
            "of each limit, as far as the limit had it left."
        )


def _all_of(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
