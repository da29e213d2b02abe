"""What needs attention: a few sentences, each with a link to the page that puts it right."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.models import User as Staff
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from authorizations.admin.cards.grants import without_grant_url
from authorizations.admin.home.shown import APPROVED, Shown
from authorizations.admin.policies.planned import turn_words, with_plans
from authorizations.models import Instruction, Policy, RejectedMinute
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
from authorizations.services.policies.stops import in_force
from authorizations.services.webhook import clock

_DECLINED = {
    DeclineReason.INTERNAL_ERROR: "No answer was ready in time.",
    DeclineReason.MALFORMED_REQUEST: "Part of the request could not be read.",
    DeclineReason.WRONG_MODE: "Test and live mode are mixed up: check which webhook points here.",
    DeclineReason.FIELD_UNREADABLE: "A field that a policy checks could not be read. If Stripe "
    "changed its format, all such purchases are declined.",
    DeclineReason.NO_POLICY: "No policy grants it. Assign one that does, if it should pass.",
}
_MAX_NAMED = 3
"""Maximum policies named in one sentence."""

_MAX_COUNTED = 99
"""Work items are counted up to this number and then shown as "99+"."""


class Item(NamedTuple):
    """`what` is the text of the link to `url`; `more` says why, or what to do."""

    what: str
    more: str
    url: str


def attention(user: Staff | AnonymousUser, shown: Shown) -> Iterator[Item]:
    """The items that the user may see. The user may see decisions."""
    yield from waiting_items(user)

    reported = unheard.latest()
    if reported and reported.is_alarming:
        url = f"{reverse('admin:authorizations_decision_changelist')}?outcome={APPROVED}"
        why = (
            "Of the last day's, older than ten minutes. Register a second, ordinary webhook "
            "endpoint at Stripe and add its secret to STRIPE_WEBHOOK_SECRET: without it, no void, "
            "capture or refund arrives."
        )
        what = f"Nothing reported about {reported.unheard:,} of {reported.approvals:,} approvals"
        yield Item(what, why, url)

    declines = dict(shown.figures.reasons)
    if declines.get(DeclineReason.WRONG_MODE):
        declines[DeclineReason.WRONG_MODE] = wrongly_sent(shown.period, at_most=_MAX_COUNTED + 1)
    for reason, why in _DECLINED.items():
        if count := declines.get(reason, 0):
            what = f"{counted(count, 'purchase')} declined"
            yield Item(what, why, shown.decisions(reason=reason))

    if user.has_perm("authorizations.view_rejectedrequest"):
        start, end = shown.period.start, shown.period.end
        minutes = RejectedMinute.objects.filter(minute__gte=start, minute__lt=end)
        if count := minutes.aggregate(sum=Sum("count"))["sum"]:
            url = reverse("admin:authorizations_rejectedrequest_changelist")
            why = "Not signed with this desk's secret. Check it if Stripe sent them."
            yield Item(f"{counted(count, 'message')} refused", why, url)

    if user.has_perm("authorizations.view_policy"):
        found = list(Policy.objects.filter(assignments=None).only("name")[: _MAX_NAMED + 1])
        names = ", ".join(policy.name for policy in found[:_MAX_NAMED])
        more = " and others" if len(found) > _MAX_NAMED else ""
        url = reverse("admin:authorizations_policy_changelist")
        if len(found) == 1:
            url = reverse("admin:authorizations_policy_change", args=[found[0].pk])
        if found:
            yield Item(f"{names}{more}", "Not assigned to any card, so without effect.", url)


def waiting_items(user: Staff | AnonymousUser) -> Iterator[Item]:
    """Items that do not depend on the period shown, and stay until they are dealt with."""
    counts = waiting(timezone.now(), _MAX_COUNTED + 1)
    if (count := counts[FINDINGS]) and user.has_perm("authorizations.view_finding"):
        url = f"{reverse('admin:authorizations_finding_changelist')}?state=open"
        why = "Stripe did not do what was decided here. Look at each and mark it as handled."
        yield Item(f"{_capped(count, 'open mismatch')} with Stripe", why, url)
    if (count := counts[HOLDS]) and user.has_perm("authorizations.view_authorization"):
        url = reverse("admin:authorizations_authorization_past")
        why = "Stripe never reported an end. Look each up at Stripe, and release what has ended."
        yield Item(_capped(count, "overdue hold"), why, url)
    if (count := counts[EVENTS]) and user.has_perm("authorizations.view_unappliedevent"):
        url = f"{reverse('admin:authorizations_unappliedevent_changelist')}?state=waiting"
        why = "Their content is missing from the books. See what the problem is."
        yield Item(f"{_capped(count, 'message')} not processed", why, url)

    if user.has_perm("authorizations.view_instruction"):
        kinds = in_force().order_by().values_list("kind", flat=True)
        # Each kind up to its own maximum: many blocks don't hide a freeze.
        blocks, freezes = (
            kinds.filter(kind=kind)[: _MAX_COUNTED + 1]
            for kind in (Instruction.Kind.BLOCK, Instruction.Kind.FREEZE)
        )
        url = reverse("admin:authorizations_instruction_changelist")
        for kind, count in sorted(Counter(blocks.union(freezes, all=True)).items()):
            what = f"{_capped(count, kind)} in force"
            yield Item(what, "Lift what is settled.", f"{url}?kind={kind}")

    if user.has_perm("authorizations.view_policy"):
        policies = with_plans(Policy.objects.filter(planned_until__gt=timezone.now()))
        found = list(policies.select_related("current_version")[: _MAX_NAMED + 1])
        for policy in found[:_MAX_NAMED]:
            url = reverse("admin:authorizations_policy_change", args=[policy.pk])
            why = "Planned: see what it changes, and cancel what shall not be."
            turns = (
                f"version {turn_words(policy)}" if policy.version_in_force else "not in force yet"
            )
            yield Item(f"{policy}: {turns}", why, url)
        if len(found) > _MAX_NAMED:
            url = reverse("admin:authorizations_instruction_changelist")
            yield Item("More planned versions of policies", "All are listed.", url)

    behind_s = clock.seconds_behind(timezone.now())
    if behind_s and user.has_perm("authorizations.view_webhookrequest"):
        url = reverse("admin:authorizations_webhookrequest_changelist")
        why = (
            "Stripe's signatures have later times than this server's clock. Synchronize it: beyond "
            "300 seconds every signature is refused."
        )
        yield Item(f"Clock {behind_s} seconds behind", why, url)

    if not user.has_perm("authorizations.view_card"):
        return
    cards = cards_without_grant(_MAX_COUNTED + 1)
    if cards is None:
        why = "Counting took too long. The list shows whether any card can't pay."
        yield Item("Cards without a grant not counted", why, without_grant_url())
    elif cards:
        them, own, they = ("it", "its", "it") if cards == 1 else ("them", "their", "they")
        why = (
            f"No policy grants {them} anything, or a policy has no limit in {own} currency, so "
            f"{they} can't pay. The page of a card says which."
        )
        yield Item(f"{_capped(cards, 'card')} without a grant", why, without_grant_url())


def _capped(count: int, noun: str) -> str:
    """ "3 messages", "99+ messages"."""
    if count > _MAX_COUNTED:
        return f"{_MAX_COUNTED}+ {counted(2, noun).removeprefix('2 ')}"
    return counted(count, noun)


def counted(count: int, noun: str) -> str:
    """ "1 purchase", "1,204 purchases", "2 mismatches"."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
