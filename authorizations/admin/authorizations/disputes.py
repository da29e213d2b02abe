"""The disputes over a purchase on its page, and whether an adjustment is booked for each."""

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse

from authorizations.admin.shared.facts import Facts, nonempty
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization, Dispute
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import code_words
from authorizations.services.lifecycle.disputes import adjustment_for, disputes_over

_TONES = {Dispute.Status.WON: "approved", Dispute.Status.LOST: "declined"}


class DisputeShown(NamedTuple):
    """A dispute on the page.

    `adjust_url` is the prefilled form if the dispute was won and no adjustment is booked for it,
    `booked_url` the adjustment that is booked; otherwise they are empty.
    """

    status: str
    tone: str
    amount: str
    facts: Facts
    adjust_url: str
    booked_url: str


def disputes_of(row: Authorization, transaction_ids: Iterable[str]) -> list[DisputeShown]:
    shown = []
    for dispute in disputes_over([*transaction_ids]):
        booked = adjustment_for(dispute, row.pk)
        adjust_url = booked_url = ""
        if booked:
            booked_url = _url("ledgerentry_change", booked.pk)
        elif dispute.status == Dispute.Status.WON:
            adjust_url = _url("authorization_adjust", row.pk)
            adjust_url += f"?{urlencode({'dispute': dispute.pk})}"
        tone = "neutral"  # for a status that this version does not have
        if dispute.status in Dispute.Status:
            tone = _TONES.get(Dispute.Status(dispute.status), "info")
        facts = {
            "Opened": exact_time(dispute.created),
            "Reason": code_words(dispute.reason).capitalize(),
            "Reason of the loss": code_words(dispute.loss_reason).capitalize(),
            "Money at Stripe": dispute.get_funds_display(),
            "Transaction": dispute.transaction_id,
            "Dispute": dispute.pk,
        }
        shown.append(
            DisputeShown(
                status=status_words(dispute.status),
                tone=tone,
                amount=format_money(dispute.amount, dispute.currency),
                facts=nonempty(facts),
                adjust_url=adjust_url,
                booked_url=booked_url,
            )
        )
    return shown


def status_words(status: str) -> str:
    """The label of a dispute's status; the code in words if it is unknown."""
    return dict(Dispute.Status.choices).get(status, code_words(status).capitalize())


def won_dispute(row: Authorization, dispute_id: str) -> Dispute | None:
    """The dispute with this id if it was won and concerns this purchase."""
    won = Dispute.objects.filter(pk=dispute_id, status=Dispute.Status.WON)
    return won.filter(transaction__booked_under=row.pk).first()


def adjustment_initial(row: Authorization, dispute: Dispute) -> dict[str, str]:
    """Initial values of the adjustment form: the amount won, at most what is still counted."""
    amount = min(dispute.amount, row.counted_amount - row.refunded_amount)
    is_known = dispute.currency == row.currency and amount > 0
    return {
        "direction": "give",
        "amount": format_money(amount, row.currency) if is_known else "",
        "reason": f"Dispute {dispute.pk} was won.",
    }


def _url(name: str, key: str | int) -> str:
    return reverse(f"admin:authorizations_{name}", args=[quote(key)])
