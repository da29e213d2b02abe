"""Lives in which our answer does not count, or is not requested."""

from dataclasses import replace

from simulator import endings
from simulator.scene import DAY, Events, Scene, heard
from simulator.stripe.sample_lives import Life, force_capture, unlinked_refund

_STRIPES_REASONS = (
    "insufficient_funds",
    "suspected_fraud",
    "verification_failed",
    "spending_controls",
    "card_inactive",
)
_TIMEOUT_SECONDS = 2
_DECLINES_ON_TIMEOUT = 0.7
"""The share of accounts whose setting declines on a timeout; the others approve."""


def declined_by_stripe(scene: Scene) -> Events:
    life = _begun(scene)
    reason = scene.chance.choice(_STRIPES_REASONS)
    yield life.answered(approved=False, reason=reason, at=scene.clock.after(0))


def approved_by_stripe(scene: Scene) -> Events:
    life = _begun(scene)
    yield life.answered(approved=True, reason="card_active", at=scene.clock.after(0))
    yield from endings.captured(scene, life)


def too_late(scene: Scene) -> Events:
    life = _begun(scene)
    yield life.ask(at=scene.clock.after(0))
    yield from _by_setting(scene, life, "webhook_timeout")


def not_understood(scene: Scene) -> Events:
    life = _begun(scene)
    yield life.ask(at=scene.clock.after(0))
    yield from _by_setting(scene, life, "webhook_error", "Missing header: Stripe-Version.")


def decided_by_network(scene: Scene) -> Events:
    """Stripe was down after its request: the network did the opposite of our answer."""
    life = _begun(scene)
    answer = heard((yield life.ask(at=scene.clock.after(0))))
    approved = answer is None or not answer.approved
    at = scene.clock.after(_TIMEOUT_SECONDS)
    yield life.answered(approved=approved, reason="network_fallback", at=at)
    if approved:
        yield from endings.captured(scene, life)


def captured_though_declined(scene: Scene) -> Events:
    """Declined, by us or because our approval came too late, but captured by the merchant."""
    life = _begun(scene)
    answer = heard((yield life.ask(at=scene.clock.after(0))))
    reason = "webhook_timeout" if answer and answer.approved else "webhook_declined"
    at = scene.clock.after(_TIMEOUT_SECONDS)
    yield life.answered(approved=False, reason=reason, at=at)
    yield from endings.captured(scene, life)


def captured_unasked(scene: Scene) -> Events:
    """A capture without authorization, as on a ferry or a plane."""
    bought = scene.buys()
    yield force_capture(
        scene.card,
        amount=bought.amount,
        merchant=bought.merchant,
        at=scene.within(DAY),
        chance=scene.chance,
    )


def refunded_unlinked(scene: Scene) -> Events:
    bought = scene.buys()
    yield unlinked_refund(
        scene.card,
        amount=bought.amount,
        merchant=bought.merchant,
        at=scene.within(DAY),
        chance=scene.chance,
    )


def _begun(scene: Scene) -> Life:
    return scene.life_of(replace(scene.buys(), is_amount_controllable=False))


def _by_setting(scene: Scene, life: Life, reason: str, message: str | None = None) -> Events:
    """The account's setting decides instead of us."""
    approved = scene.chance.random() > _DECLINES_ON_TIMEOUT
    at = scene.clock.after(_TIMEOUT_SECONDS)
    yield life.answered(approved=approved, reason=reason, reason_message=message, at=at)
    if approved:
        yield from endings.captured(scene, life)
