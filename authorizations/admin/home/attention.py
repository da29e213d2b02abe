"""What somebody should look at: few sentences, each with the page where it is put right."""

from collections.abc import Iterator
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.models import User as Staff
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from authorizations.admin.cards.granted import without_grant_url
from authorizations.admin.home.shown import APPROVED, Shown
from authorizations.models import Policy, RejectedMinute
from authorizations.rules.decision.values import DeclineReason
from authorizations.services.digest.overview import wrongly_sent
from authorizations.services.lifecycle import unheard
from authorizations.services.lifecycle.attention import (
    EVENTS,
    FINDINGS,
    HOLDS,
    cards_without_grant,
    waiting,
)
from authorizations.services.webhook import clock

_DECLINED = {
    DeclineReason.INTERNAL_ERROR: "No answer was ready in time.",
    DeclineReason.MALFORMED_REQUEST: "A part of the request could not be read.",
    DeclineReason.WRONG_MODE: "Test and live mode are mixed up: check which webhook points here.",
    DeclineReason.FIELD_UNREADABLE: "A field that a policy asks for came in a form that can't be "
    "read. Where Stripe now writes it so, all such purchases are declined.",
    DeclineReason.NO_POLICY: "No policy grants it: assign one that does, if it should pass.",
}
_NAMED = 3
_COUNTED = 99


class Item(NamedTuple):
    """`what` leads to the page `url`; `more` says why, or what to do."""

    what: str
    more: str
    url: str


def attention(user: Staff | AnonymousUser, shown: Shown) -> list[Item]:
    """Only what the user may see."""
    return [
        *waiting_items(user),
        *_unheard(),
        *_declined(shown),
        *_rejected(user, shown),
        *_unassigned(user),
    ]


def waiting_items(user: Staff | AnonymousUser) -> Iterator[Item]:
    """What is no matter of the period shown: it waits until somebody has seen to it."""
    counts = waiting(timezone.now(), _COUNTED + 1)
    if (count := counts[FINDINGS]) and user.has_perm("authorizations.view_finding"):
        url = f"{reverse('admin:authorizations_finding_changelist')}?state=open"
        why = "Stripe did otherwise than was decided here. Look at each, and mark it as handled."
        yield Item(f"{_capped(count, 'finding')} open", why, url)
    if (count := counts[HOLDS]) and user.has_perm("authorizations.view_authorization"):
        url = reverse("admin:authorizations_authorization_past")
        why = "Stripe never reported an end. Look it up there, and release what has ended."
        yield Item(_capped(count, "overdue hold"), why, url)
    if (count := counts[EVENTS]) and user.has_perm("authorizations.view_unappliedevent"):
        url = f"{reverse('admin:authorizations_unappliedevent_changelist')}?state=waiting"
        why = "What was told is missing from the books. See what stands against it."
        yield Item(f"{_capped(count, 'message')} not processed", why, url)
    behind_s = clock.seconds_behind(timezone.now())
    if behind_s and user.has_perm("authorizations.view_webhookrequest"):
        url = reverse("admin:authorizations_webhookrequest_changelist")
        why = "Stripe's signatures are dated ahead. Synchronize it: beyond 300 seconds none counts."
        yield Item(f"Clock {behind_s} seconds behind", why, url)
    if not user.has_perm("authorizations.view_card"):
        return
    cards = cards_without_grant(_COUNTED + 1)
    if cards is None:
        why = "They are too many to be counted here: whether any can't pay is told by their list."
        yield Item("Cards not looked through", why, without_grant_url())
    elif cards:
        whom, whose, they = ("it", "its", "it") if cards == 1 else ("them", "their", "they")
        why = (
            f"No policy grants {whom} anything, or one has limits in other currencies than {whose} "
            f"own only, so {they} can't pay. The page of a card says which."
        )
        yield Item(f"{_capped(cards, 'card')} without a grant", why, without_grant_url())


def _unheard() -> Iterator[Item]:
    """The list of decisions, and so this, is shown to those only who may see it."""
    found = unheard.latest()
    if found and found.is_alarming:
        url = f"{reverse('admin:authorizations_decision_changelist')}?outcome={APPROVED}"
        why = (
            "Of the last day's, ten minutes old and more. A second endpoint must be registered at "
            "Stripe, an ordinary webhook endpoint, and its secret be in STRIPE_WEBHOOK_SECRET: "
            "else no void, capture or refund is ever heard of."
        )
        yield Item(f"{found.unheard:,} of {found.approvals:,} approvals unheard of", why, url)


def _declined(shown: Shown) -> Iterator[Item]:
    counts = dict(shown.figures.reasons)
    if counts.get(DeclineReason.WRONG_MODE):
        counts[DeclineReason.WRONG_MODE] = wrongly_sent(shown.period, at_most=_COUNTED + 1)
    for reason, why in _DECLINED.items():
        if count := counts.get(reason, 0):
            yield Item(
                f"{counted(count, 'purchase')} declined", why, shown.decisions(reason=reason)
            )


def _rejected(user: Staff | AnonymousUser, shown: Shown) -> Iterator[Item]:
    if not user.has_perm("authorizations.view_rejectedrequest"):
        return
    period = shown.period
    minutes = RejectedMinute.objects.filter(minute__gte=period.start, minute__lt=period.end)
    if count := minutes.aggregate(sum=Sum("count"))["sum"]:
        url = reverse("admin:authorizations_rejectedrequest_changelist")
        why = "Not signed with the webhook secret of this desk: check it if Stripe sent them."
        yield Item(f"{counted(count, 'request')} rejected", why, url)


def _unassigned(user: Staff | AnonymousUser) -> Iterator[Item]:
    if not user.has_perm("authorizations.view_policy"):
        return
    found = list(Policy.objects.filter(assignments=None).only("name")[: _NAMED + 1])
    if not found:
        return
    names = ", ".join(policy.name for policy in found[:_NAMED])
    more = " and others" if len(found) > _NAMED else ""
    url = reverse("admin:authorizations_policy_changelist")
    if len(found) == 1:
        url = reverse("admin:authorizations_policy_change", args=[found[0].pk])
    yield Item(f"{names}{more}", "Assigned to nobody, so without effect.", url)


def _capped(count: int, noun: str) -> str:
    """ "99+ findings": counted no further."""
    return f"{_COUNTED}+ {noun}s" if count > _COUNTED else counted(count, noun)


def counted(count: int, noun: str) -> str:
    """ "1 purchase", "1,204 purchases"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
