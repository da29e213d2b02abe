"""How approved purchases end: what the merchant or Stripe does with the hold, if anything."""

from simulator import shopping
from simulator.scene import DAY, HOUR, MINUTE, Events, Scene, question
from simulator.stripe.sample_lives import Life

_CAPTURED_WITHIN = 3 * DAY
_HOLDS_LAST = 7 * DAY
_MOST_INCREMENTS = 3


def forgotten(_: Scene, __: Life) -> Events:
    """No further event: the merchant does nothing, or its event never arrives."""
    yield from ()


def captured(scene: Scene, life: Life) -> Events:
    yield from life.capture(at=scene.within(_CAPTURED_WITHIN))


def captured_in_part(scene: Scene, life: Life) -> Events:
    taken = scene.part(life.amount, 0.4, 0.9)
    lowers = scene.chance.random() < 0.5
    yield from life.capture(taken, lowers_amount=lowers, at=scene.within(_CAPTURED_WITHIN))


def captured_in_turns(scene: Scene, life: Life) -> Events:
    """Several captures, as by shops that ship in parcels."""
    lowers = scene.chance.random() < 0.5
    left = life.amount
    for _ in range(scene.chance.randint(1, 2)):
        taken = scene.part(left, 0.2, 0.6)
        left = max(1, left - taken)
        at = scene.within(_CAPTURED_WITHIN)
        yield from life.capture(taken, close=False, lowers_amount=lowers, at=at)
    yield from life.capture(left, lowers_amount=lowers, at=scene.within(_CAPTURED_WITHIN))


def tipped(scene: Scene, life: Life) -> Events:
    taken = scene.part(life.amount, 1.05, 1.25)
    yield from life.capture(taken, at=scene.within(DAY))


def grown(scene: Scene, life: Life) -> Events:
    """Increments, as by a hotel, then a capture. Not all increments need be approved."""
    for _ in range(scene.chance.randint(1, _MOST_INCREMENTS)):
        scene.within(DAY)
        yield from question(scene, life, scene.part(life.amount, 0.1, 0.6))
    yield from captured(scene, life)


def reversed_in_part(scene: Scene, life: Life) -> Events:
    yield life.reverse(scene.part(life.amount, 0.1, 0.6), at=scene.within(HOUR))
    if life.kept["status"] == "pending":
        yield from captured(scene, life)


def voided(scene: Scene, life: Life) -> Events:
    yield life.reverse(at=scene.within(HOUR))


def lowered_and_raised(scene: Scene, life: Life) -> Events:
    held = life.amount
    yield life.set_amount(0, at=scene.within(HOUR))
    yield life.set_amount(scene.part(held, 0.5, 1), at=scene.within(HOUR))
    yield from captured(scene, life)


def expired(scene: Scene, life: Life) -> Events:
    yield life.expire(at=scene.clock.after(_HOLDS_LAST))


def captured_late(scene: Scene, life: Life) -> Events:
    held = life.amount
    yield from expired(scene, life)
    yield from life.capture(held, at=scene.within(_CAPTURED_WITHIN))


def refunded(scene: Scene, life: Life) -> Events:
    held = life.amount
    yield from captured(scene, life)
    back = held if scene.chance.random() < 0.5 else scene.part(held, 0.1, 0.9)
    yield life.refund(back, at=scene.within(10 * DAY))


def fuelled(scene: Scene, life: Life) -> Events:
    """A fuel pump sets the real amount, within the approved one if that was raised."""
    wanted = shopping.additional_amount(life.purchase, scene.chance)
    allowed = life.amount > life.purchase.amount
    yield life.set_amount(min(wanted, life.amount) if allowed else wanted, at=scene.within(MINUTE))
    yield from captured(scene, life)


def nothing(_scene: Scene, _life: Life) -> Events:
    """No further event: a verified card has no hold."""
    yield from ()
