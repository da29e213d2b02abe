"""Lives of authorizations in one call: say what they are about, the rest is ordinary."""

from typing import Any

from simulator.stripe import samples
from simulator.stripe.sample_lives import Life
from tests.support.builders import CREATED, identifier


def card(*, livemode: bool = False, **overrides: Any) -> samples.Json:
    """Marie Curie's card, whole as Stripe has it."""
    holder = samples.cardholder(
        cardholder_id="ich_marie", name="Marie Curie", created=CREATED - 1000, livemode=livemode
    )
    usual: dict[str, Any] = {"card_id": "ic_marie", "holder": holder, "created": CREATED - 500}
    return samples.card(**(usual | overrides))


def life(
    amount: int = 10_000,
    *,
    paid_by: samples.Json | None = None,
    account: str | None = None,
    api_version: str = samples.API_VERSION,
    balances: bool = False,
    **purchase: Any,
) -> Life:
    """A life that begins at CREATED and asks for `amount`; `purchase` are fields of Purchase."""
    paid_by = paid_by or card(currency=purchase.get("currency", "eur"))
    usual = {"authorization_id": identifier("iauth"), "created": CREATED}
    wanted = {"amount": amount, "currency": paid_by["currency"]} | usual | purchase
    envelope: dict[str, Any] = {"account": account, "api_version": api_version}
    return Life(samples.Purchase(**wanted), paid_by, balances=balances, **envelope)


def approved(amount: int = 10_000, **of: Any) -> Life:
    """A life whose first request was asked at CREATED and approved a second later."""
    begun = life(amount, **of)
    begun.ask(at=CREATED)
    begun.answered(approved=True, at=CREATED + 1)
    return begun


def merchant(mcc: str) -> samples.SampleMerchant:
    return next(shop for shop in samples.MERCHANTS if shop.mcc == mcc)
