"""What a policy does, in sentences for the people who edit it."""

from collections.abc import Iterator

from authorizations.rules.basics.controls import Interval, LimitControl
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import (
    all_of,
    counted_noun,
    duration_words,
    figure_words,
    filter_words,
    fuel_hold_words,
    interval_words,
    listed,
    merchant_place,
)
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.decision.grants import granting_limits
from authorizations.rules.kinds import on_page
from authorizations.rules.policy.partial import currencies_without_parts

ONE_SENTENCE = 160
"""Rules that take at most this many characters together are one sentence."""

_MAX_WITHIN = 2  # limits with filters in the same phrase as those without


def summary(controls: SpendingControls) -> list[str]:
    """The limits and rules, in one sentence if they are short, then the settings."""
    phrases_of_rules = (rule.in_summary(controls.rules) for rule in on_page(controls.rules))
    rules = [*_how_much(controls), *filter(None, phrases_of_rules), *_exempt(controls)]
    together = "; ".join(rules)
    phrases = [together] if rules and len(together) <= ONE_SENTENCE else rules
    sentences = [f"{words[0].upper()}{words[1:]}." for words in phrases]
    granting = granting_limits(controls)
    if not granting and not controls.unlimited:
        sentences.append("Grants no purchase: cards need another policy that does.")
    elif all(limit.filter.text for limit in granting) and not controls.unlimited:
        sentences.append("Grants no other purchase.")
    return [*sentences, *_settings(controls)]


def limit_phrase(limit: LimitControl) -> str:
    """ "€50.00 a month (from the 16th) on bakeries", "5 purchases in 60 minutes".

    Without the freeze that follows: see `then_frozen_words`.
    """
    length = interval_words(limit.interval, limit.rolling_seconds, limit.begins)
    if limit.interval is Interval.FUNDS:
        return f"the funds that are added{filter_words(limit.filter.text)}"
    figure = figure_words(limit.limit_value, limit.currency, limit_noun(limit))
    return f"{figure} {length}{filter_words(limit.filter.text)}"


def limit_noun(limit: LimitControl) -> str:
    """What the limit counts, if it has no currency."""
    is_of_attempts = limit.attempts is not None
    return counted_noun(of_attempts=is_of_attempts, declined_only=limit.declined_only)


def then_frozen_words(limit: LimitControl) -> str:
    """ ", then frozen for 24 hours"; "" for a limit that freezes no card."""
    if limit.then_freeze is None:
        return ""
    if not limit.then_freeze:
        return ", then frozen until somebody lifts it"
    return f", then frozen for {duration_words(limit.then_freeze * 60)}"


def _how_much(controls: SpendingControls) -> Iterator[str]:
    limits = controls.spending_limits
    for currency in dict.fromkeys(limit.currency for limit in limits if limit.amount):
        # In one currency: "up to €500.00 a month, of it €50.00 a day on restaurants".
        ours = [limit for limit in limits if limit.amount and limit.currency == currency]
        wide = [limit_phrase(limit) for limit in ours if not limit.filter.text]
        narrow = [limit_phrase(limit) for limit in ours if limit.filter.text]
        if not wide or len(narrow) > _MAX_WITHIN:
            yield from ([f"up to {all_of(wide)}"] if wide else [])
            yield from (f"up to {phrase}" for phrase in narrow)
        else:
            within = f", of it {all_of(narrow)}" if narrow else ""
            yield f"up to {all_of(wide)}{within}"
    for limit in limits:
        if limit.interval is Interval.FUNDS:
            yield f"up to {limit_phrase(limit)}"
        elif limit.amount == 0:
            whole = "" if limit.filter.text else f" in {limit.currency.upper()}"
            yield f"no spending{filter_words(limit.filter.text)}{whole}"
        if limit.amount is None:
            yield f"at most {limit_phrase(limit)}"
    for limit in controls.attempt_limits:
        yield f"at most {limit_phrase(limit)}{then_frozen_words(limit)}"
    if controls.unlimited:
        amounts = any(limit.amount is not None for limit in limits)
        yield "otherwise unlimited amounts" if amounts else "unlimited amounts"


def _exempt(controls: SpendingControls) -> Iterator[str]:
    if controls.exemption:
        places = [merchant_place(words) for words in controls.exemption.merchants.words]
        yield f"as far as category, place and merchant go, always at {listed(places)}"


def _settings(controls: SpendingControls) -> Iterator[str]:
    if controls.partial_approval and controls.smallest_partial_amount:
        smallest = format_money(controls.smallest_partial_amount, controls.currency)
        others = " or ".join(code.upper() for code in currencies_without_parts(controls))
        never = f"; never in {others}" if others else ""
        yield f"If only a part fits, that part is approved, from {smallest} up{never}."
    elif controls.partial_approval:
        yield "If only a part fits, that part is approved."
    if not controls.refunds_restore:
        yield "Refunds do not free up the limit."
    if controls.fuel_hold:
        yield f"{fuel_hold_words(controls.fuel_hold, controls.currency)}."
    if controls.stand_in_amount and controls.stand_in_cap:
        amounts = (controls.stand_in_amount, controls.stand_in_cap)
        purchase, window = (format_money(amount, controls.currency) for amount in amounts)
        yield (
            f"Without the database: up to {purchase} per purchase and {window} per window of each "
            "limit, but not more than the limit had remaining."
        )
