"""The state of stand-in in words, for its page and for the banner on all pages."""

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
BREAKER_OPEN = "The database does not answer this server in time. Stand-in answers until it does."


@dataclass(frozen=True, slots=True)
class SwitchState:
    """The state in sentences.

    `by_hand` is about the switch, `outage` about the database and empty while it answers, `copy`
    about the server's copy of cards and policies.
    """

    on: bool
    by_hand: str
    outage: str
    copy: str


class Banner(NamedTuple):
    """Shown on every page while stand-in answers."""

    sentences: list[str]
    may_switch_off: bool


def state() -> SwitchState:
    newest = switch.newest()
    try:
        age_s = round(local_copy.age_s())
        copy = f"This server's copy of cards and policies is {duration_words(age_s)} old."
    except local_copy.NoCopyError:
        copy = "This server has no copy of cards and policies: stand-in would decline everything."
    return SwitchState(
        on=newest is not None and newest.is_on,
        by_hand=_by_hand(newest),
        outage=BREAKER_OPEN if breaker.is_open else "",
        copy=copy,
    )


def banner(request: HttpRequest) -> Banner | None:
    """The banner for users who may see the switch; None while the database decides."""
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
        return "Off: the database decides. Stand-in answers only if the database can't."
    when = exact_time(newest.switched_at)
    return (
        f"Switched on by {who(newest)}, {when}: {newest.reason}. Every purchase is answered by "
        "stand-in."
    )
