"""The disputes over a purchase, on its page: how each stands, and whether it was booked."""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse

from authorizations.admin.shared.facts import Facts, told
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization, Dispute
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import code_words
from authorizations.services.lifecycle.disputes import adjustment_for, disputes_over

_TONES = {Dispute.Status.WON: "approved", Dispute.Status.LOST: "declined"}


class DisputeShown(NamedTuple):
    """`adjust_url` leads to the filled-in form where it was won and nothing is booked for it yet,
    `booked_url` to what was booked.
    """

    status: str
    tone: str
    amount: str
    facts: Facts
    adjust_url: str
    booked_url: str


def disputes_of(row: Authorization, transaction_ids: Iterable[str]) -> list[DisputeShown]:
    return [_shown(row, dispute) for dispute in disputes_over([*transaction_ids])]


def _shown(row: Authorization, dispute: Dispute) -> DisputeShown:
    booked = adjustment_for(dispute, row.pk)
    is_open = dispute.status == Dispute.Status.WON and not booked
    facts = {
        "Opened": exact_time(dispute.created),
        "Reason": code_words(dispute.reason).capitalize(),
        "Lost because": code_words(dispute.loss_reason).capitalize(),
        "Money at Stripe": dispute.get_funds_display(),
        "Transaction": dispute.transaction_id,
        "Dispute": dispute.pk,
    }
    return DisputeShown(
        status=status_words(dispute.status),
        tone=_TONES.get(Dispute.Status(dispute.status), "info")
        if dispute.status in Dispute.Status
        else "neutral",
        amount=format_money(dispute.amount, dispute.currency),
        facts=told(facts),
        adjust_url=_adjust_url(row, dispute) if is_open else "",
        booked_url=_url("ledgerentry_change", booked.pk) if booked else "",
    )


def status_words(status: str) -> str:
    """Of an open word of Stripe's."""
    return dict(Dispute.Status.choices).get(status, code_words(status).capitalize())


def _adjust_url(row: Authorization, dispute: Dispute) -> str:
    return f"{_url('authorization_adjust', row.pk)}?{urlencode({'dispute': dispute.pk})}"


def _url(name: str, key: str | int) -> str:
    return reverse(f"admin:authorizations_{name}", args=[quote(key)])


def won_dispute(row: Authorization, dispute_id: str) -> Dispute | None:
    """The dispute that an adjustment is asked for, if it was won and is over this purchase."""
    won = Dispute.objects.filter(pk=dispute_id, status=Dispute.Status.WON)
    return won.filter(transaction__booked_under=row.pk).first()


def filled_in(row: Authorization, dispute: Dispute) -> dict[str, str]:
    """What the form of an adjustment begins with: no more than the purchase still counts for."""
    amount = min(dispute.amount, row.counted_amount - row.refunded_amount)
    is_known = dispute.currency == row.currency and amount > 0
    return {
        "direction": "give",
        "amount": format_money(amount, row.currency) if is_known else "",
        "reason": f"Dispute {dispute.pk} was won.",
    }
