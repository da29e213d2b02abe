"""One rule as it was applied, in a sentence or two with figures, for staff."""

from collections.abc import Callable
from datetime import datetime

from authorizations.rules.basics.clocks import FOREVER, local_time
from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.words import (
    category_label,
    category_words,
    code_words,
    duration_words,
    figure_words,
    filter_words,
    instant_words,
    moment_words,
)
from authorizations.rules.decision.unreadable import UNREADABLE_WORDS
from authorizations.rules.decision.values import Check, DeclineReason, LimitFigures
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.reasons import TEXTS
from authorizations.rules.wording.stand_in_words import stand_in_sentence

_SETS = {
    DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED: (
        "Merchant country",
        "countries",
        "The merchant's country was not told",
    ),
    DeclineReason.CATEGORY_NOT_ALLOWED: (
        "Merchant category",
        "categories",
        "The merchant's category was not told",
    ),
    DeclineReason.MERCHANT_NOT_ALLOWED: (
        "Merchant",
        "merchants",
        "The merchant's name was not told",
    ),
    DeclineReason.CARD_PRESENCE_NOT_ALLOWED: (
        "Card presence",
        "card presences",
        "Whether the card was present was not told",
    ),
    DeclineReason.AUTHORIZATION_METHOD_NOT_ALLOWED: (
        "Authorization method",
        "authorization methods",
        "The authorization method was not told",
    ),
    DeclineReason.WALLET_NOT_ALLOWED: ("Wallet", "wallets", "No wallet was used"),
}
"""Rules about lists: what the request has one of, what is listed, and how to say it has none."""

_VERIFICATIONS = {
    DeclineReason.CVC_REQUIRED: "CVC",
    DeclineReason.POSTAL_CODE_REQUIRED: "Postal code",
    DeclineReason.THREE_D_SECURE_REQUIRED: "3-D Secure",
}


_NOT_COUNTED = (
    "what is used of it is not known yet. The many earlier purchases it concerns are being counted."
)


def staff(check: Check, request: AuthorizationRequest) -> str:
    """What the rule found, what it wanted, and by how much the request passed or failed."""
    if check.rule is DeclineReason.STAND_IN:
        return stand_in_sentence(check)
    if check.rule is DeclineReason.LIMIT_NOT_COUNTED_YET and check.figures:
        return f"{limit_words(check.figures)}: {_NOT_COUNTED}"
    if check.figures:
        return limit_sentence(check.figures, request)
    if check.rule in _SETS:
        return _set_sentence(check)
    if check.rule in _VERIFICATIONS:
        return _verification_sentence(check)
    sentence = _SENTENCES.get(check.rule)
    return sentence(check, request) if sentence else TEXTS[check.rule].staff


def limit_sentence(figures: LimitFigures, request: AuthorizationRequest) -> str:
    """The arithmetic of a limit, and when it has room again."""
    sums = _amount_sums(figures, request) if figures.currency else _count_sums(figures)
    again = room_again(figures, request.created)
    return f"{limit_words(figures)}: {sums}.{again and ' '}{again}"


def is_at_pump(figures: LimitFigures, request: AuthorizationRequest) -> bool:
    """Whether the limit was asked for what a fuel pump will hold, not for its token amount."""
    return figures.asked > request.amount


def limit_words(figures: LimitFigures) -> str:
    """ "Monthly limit of €500.00 on fast food restaurants"; "At most 5 purchases in 60 minutes"."""
    most = figure_words(figures.limit, figures.currency)
    concerning = filter_words(figures.filter)
    if figures.interval is Interval.ROLLING:
        return f"At most {most} in {duration_words(figures.rolling_seconds)}{concerning}"
    if figures.interval is Interval.PER_AUTHORIZATION:
        return f"Limit of {most} per purchase{concerning}"
    name = figures.interval.value.replace("_", "-").capitalize()
    return f"{name} limit of {most}{concerning}"


def _amount_sums(figures: LimitFigures, request: AuthorizationRequest) -> str:
    used, asked, total, room = (
        figure_words(figure, figures.currency)
        for figure in (
            figures.used,
            figures.asked,
            figures.used + figures.asked,
            abs(figures.over),
        )
    )
    verdict = f"{room} over" if figures.over > 0 else f"{room} left after it"
    is_held = is_at_pump(figures, request)
    if figures.interval is Interval.PER_AUTHORIZATION and not figures.used:
        return f"{asked} {'held' if is_held else 'asked'}, {verdict}"
    asked += " held" if is_held else ""
    before = "approved before" if figures.interval is Interval.PER_AUTHORIZATION else "used"
    return f"{used} {before} + {asked} = {total}, {verdict}"


def _count_sums(figures: LimitFigures) -> str:
    verdict = f"{figures.over:,} over" if figures.over > 0 else f"{-figures.over:,} left after it"
    return f"{figures.used:,} made + this one = {figures.used + figures.asked:,}, {verdict}"


def room_again(figures: LimitFigures, at: int) -> str:
    """When a limit has room again, seen from the instant `at`; or nothing."""
    if figures.interval is Interval.PER_AUTHORIZATION:
        return ""
    year = local_time(figures.time_zone, at).year
    if figures.interval is Interval.ROLLING:
        if figures.room_at is None:
            return ""
        whole_minute = figures.room_at + -figures.room_at % 60  # never shown too early
        what = "Next room" if figures.over >= 0 else "Next part comes back"
        return f"{what} at {instant_words(whole_minute, figures.time_zone, year)}."
    if figures.end >= FOREVER:
        return "It never resets."
    return f"Resets on {instant_words(figures.end, figures.time_zone, year)}."


def _set_sentence(check: Check) -> str:
    subject, plural, missing = _SETS[check.rule]
    side, _, entries = (check.wanted or "").partition(": ")
    listed = _listed_words(check.rule, entries)
    if check.found is None:
        return f"{missing}; {side} {plural}: {listed}."
    is_among = check.passed == (side == "allowed")
    found = _found_words(check.rule, check.found)
    return f"{subject} {found} is {'' if is_among else 'not '}among the {side} {plural} ({listed})."


def _listed_words(rule: DeclineReason, entries: str) -> str:
    if rule is DeclineReason.MERCHANT_NOT_ALLOWED:
        return entries  # names may hold anything, commas too
    words = category_label if rule is DeclineReason.CATEGORY_NOT_ALLOWED else code_words
    return ", ".join(words(entry) for entry in entries.split(", "))


def _found_words(rule: DeclineReason, found: str) -> str:
    if rule in {DeclineReason.MERCHANT_NOT_ALLOWED, DeclineReason.MERCHANT_COUNTRY_NOT_ALLOWED}:
        return found
    if rule is not DeclineReason.CATEGORY_NOT_ALLOWED:
        return f'"{code_words(found)}"'
    code, _, name = found.partition(" ")
    return f"{category_label(name)} ({category_words(code)})" if name else category_words(code)


def _verification_sentence(check: Check) -> str:
    found = code_words(check.found) if check.found else "not told"
    if check.wanted in {"match", "authenticated"}:
        wanted = f"the policy requires {check.wanted}"
    elif check.passed:
        wanted = str(check.wanted)
    else:
        wanted = "in person it may be missing, but not wrong"
    return f"{_VERIFICATIONS[check.rule]} result: {found}; {wanted}."


def _unreadable(check: Check, _: AuthorizationRequest) -> str:
    words = [UNREADABLE_WORDS.get(field, field) for field in (check.found or "").split(", ")]
    them = "them" if len(words) > 1 else "it"
    return (
        f"The {' and the '.join(words)} came in a form that can't be read, and the policy asks for "
        f"{them}: declined to be safe."
    )


def _not_granted(check: Check, _: AuthorizationRequest) -> str:
    none = (
        "none applies to the card. Assign one to the card, its cardholder, its group or the program"
    )
    return f"No policy grants this purchase: {check.found or none}."


def _not_active(check: Check, request: AuthorizationRequest) -> str:
    return f"The card is {check.found or request.card.status}; only active cards may pay."


def _not_yet_usable(check: Check, request: AuthorizationRequest) -> str:
    first = _iso_words((check.wanted or "").removeprefix("from "), request)
    late = "" if check.passed else ", too early"
    return f"Usable from {first}; the purchase was on {_iso_words(check.found, request)}{late}."


def _no_longer_usable(check: Check, request: AuthorizationRequest) -> str:
    end = _iso_words((check.wanted or "").removeprefix("before "), request)
    late = "" if check.passed else ", too late"
    return f"Usable until {end}; the purchase was on {_iso_words(check.found, request)}{late}."


def _iso_words(iso: str | None, request: AuthorizationRequest) -> str:
    when = datetime.fromisoformat(iso or "")
    year = datetime.fromtimestamp(request.event_created, when.tzinfo).year
    return f"{moment_words(when, year)} {when:%Z}"


def _currency(check: Check, request: AuthorizationRequest) -> str:
    asked = (check.found or request.currency).upper()
    if check.passed:
        return f"The policy has amount limits in {asked}."
    return f"The policy has no amount limit in {asked}, only in {(check.wanted or '').upper()}."


def _risk(check: Check, _: AuthorizationRequest) -> str:
    highest = (check.wanted or "").removeprefix("at most ")
    if check.found is None:
        return f"No network risk score was told; the highest allowed is {highest}."
    verdict = "is not above" if check.passed else "is above"
    return f"Network risk score {check.found} {verdict} the highest allowed, {highest}."


def _schedule(check: Check, _: AuthorizationRequest) -> str:
    hours = "; ".join(_days_first(entry) for entry in (check.wanted or "").split("; "))
    return f"{check.found} is {'within' if check.passed else 'outside'} the schedule ({hours})."


def _days_first(entry: str) -> str:
    """ "Mon Tue 08:00-20:00" for "mon tue 08:00-20:00"."""
    return " ".join(word.capitalize() for word in entry.split(" "))


_SENTENCES: dict[DeclineReason, Callable[[Check, AuthorizationRequest], str]] = {
    DeclineReason.CARD_NOT_ACTIVE: _not_active,
    DeclineReason.FIELD_UNREADABLE: _unreadable,
    DeclineReason.NO_POLICY: _not_granted,
    DeclineReason.NOT_YET_USABLE: _not_yet_usable,
    DeclineReason.NO_LONGER_USABLE: _no_longer_usable,
    DeclineReason.CURRENCY_NOT_ALLOWED: _currency,
    DeclineReason.NETWORK_RISK_TOO_HIGH: _risk,
    DeclineReason.OUTSIDE_SCHEDULE: _schedule,
}
