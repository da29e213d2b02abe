"""What tests of `reconcile` share: Ada's purchases, and the command as people run it."""

from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command

from authorizations.models import Authorization
from simulator.stripe import samples
from simulator.stripe.sample_lives import Life
from tests.support.desk import NOON, Shopper
from tests.support.verification import differences

SINCE = "2026-11-18"
CARD = samples.card(
    card_id="ic_1",
    holder=samples.cardholder(cardholder_id="ich_1", name="Ada Lovelace", created=NOON),
    created=NOON,
)


def run(since: str = SINCE) -> tuple[str, str]:
    """What was printed, and the error it ended with, or nothing."""
    out = StringIO()
    try:
        call_command("reconcile", "--since", since, stdout=out)
    except CommandError as problem:
        return out.getvalue(), f"{problem} (status {problem.returncode})"
    return out.getvalue(), ""


def life(amount: int = 5_000, **facts: Any) -> Life:
    return Life(Shopper().purchase(amount, **facts), CARD)


def approved(amount: int = 5_000, **facts: Any) -> Life:
    begun = life(amount, **facts)
    begun.ask(at=NOON)
    begun.answered(approved=True, at=NOON + 1)
    return begun


def counted(lived: Life) -> int:
    row = Authorization.objects.get(pk=lived.kept["id"])
    assert differences() == []
    return row.counted_amount
