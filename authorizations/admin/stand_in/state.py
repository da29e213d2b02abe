"""How stand-in is, in words: for its own page, and for the banner on all pages."""

from dataclasses import dataclass
from typing import NamedTuple

from django.http import HttpRequest

from authorizations.admin.shared.times import exact_time
from authorizations.models import StandInSwitch
from authorizations.rules.basics.words import duration_words
from authorizations.services.host import local_copy
from authorizations.services.stand_in import switch
from authorizations.services.webhook.answering import breaker

MAY_SWITCH = "authorizations.switch_standin"
BREAKER_OPEN = (
    "The database does not answer this server, or too slowly: stand-in answers until it does."
)


@dataclass(frozen=True, slots=True)
class SwitchState:
    """What the newest switch says; `by_hand` is a sentence, `copy` how old the server's copy is."""

    on: bool
    by_hand: str
    outage: str
    copy: str


class Banner(NamedTuple):
    """On every page while stand-in answers."""

    sentences: list[str]
    may_switch_off: bool


def state() -> SwitchState:
    newest = switch.newest()
    on = newest is not None and newest.is_on
    return SwitchState(on, _by_hand(newest), BREAKER_OPEN if breaker.is_open else "", _copy())


def banner(request: HttpRequest) -> Banner | None:
    """For whoever may look at its switch; None while the database decides."""
    if not request.user.has_perm("authorizations.view_standinswitch"):
        return None
    newest = switch.newest()
    by_hand = [_by_hand(newest)] if newest and newest.is_on else []
    sentences = by_hand + ([BREAKER_OPEN] if breaker.is_open else [])
    may_switch_off = bool(by_hand) and request.user.has_perm(MAY_SWITCH)
    return Banner(sentences, may_switch_off) if sentences else None


def who(row: StandInSwitch) -> str:
    return row.author.get_full_name() or row.author.get_username()


def _by_hand(newest: StandInSwitch | None) -> str:
    if newest is None or not newest.is_on:
        return "Off: the database decides, and stand-in answers only where it can't."
    when = exact_time(newest.switched_at)
    return (
        f"Switched on by {who(newest)}, {when}: {newest.reason}. Every purchase is answered by "
        "stand-in."
    )


def _copy() -> str:
    try:
        age_s = round(local_copy.age_s())
    except local_copy.NothingKnownError:
        return "This server has no copy of cards and policies: stand-in would decline everything."
    return f"This server's copy of cards and policies is {duration_words(age_s)} old."
