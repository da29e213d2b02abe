"""Plays purchases over the desk's door and through a program's reference, and compares them.

Each purchase is captured, voided or refunded in both before the next begins, and now and then
something changes in the program. What comes of it is drawn from one source of chance.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from django.contrib.auth.models import User

from authorizations.models import Card, CardGroup, Cardholder
from authorizations.services.policies import stops
from authorizations.services.policies.files import compare, import_policies
from authorizations.services.queries import remaining
from tests.programs import NAMES
from tests.programs.hack_club import HackClub
from tests.programs.odoo import Odoo
from tests.programs.open_collective import OpenCollective
from tests.programs.program import Attempt, Figure, Program
from tests.support.desk import Shopper
from tests.support.lifecycle import Told

_PROGRAMS: dict[str, Callable[[Random], Program]] = dict(
    zip(NAMES, (HackClub, OpenCollective, Odoo), strict=True)
)
_PURCHASES_A_CHANGE = 10


@dataclass
class Played:
    """What came of it: how many answers had each of our reasons, and how purchases ended."""

    reasons: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    differences: list[str] = field(default_factory=list)


def play(name: str, purchases: int, seed: str) -> Played:
    """So many purchases, or those up to the first that is answered differently."""
    chance = Random(f"{name} {seed}")
    program, played = _PROGRAMS[name](chance), Played()
    operator, _ = User.objects.get_or_create(username="operator")
    bring_into_force(program, operator)
    at = program.begins
    for number in range(1, purchases + 1):
        if number % _PURCHASES_A_CHANGE == 0:
            program.changes(chance)
            bring_into_force(program, operator)
            played.changes += 1
        at = program.next_at(at, chance)
        attempt = program.attempt(at, chance)
        is_approved = program.approves(attempt)
        purchase = told(attempt, balances=chance.randrange(2) == 0)
        answer = purchase.buys()
        reason = str(answer["metadata"]["reason"])
        played.reasons[reason] += 1
        if answer["approved"] != is_approved:
            wanted = "approves" if is_approved else "declines"
            played.differences.append(
                f"Purchase {number}: the desk says {reason}, the program {wanted}: {attempt}"
            )
            return played
        if is_approved:
            program.spends(attempt, attempt.amount)
            ending, difference = end(purchase, attempt.amount, chance)
            program.spends(attempt, difference)
            played.endings[ending] += 1
        at = purchase.at
    for figure, is_left in program.left(at).items():
        if (found := left(figure, at)) != is_left:
            played.differences.append(f"{figure}: the desk says {found}, the program {is_left}")
    return played


def bring_into_force(program: Program, operator: User) -> None:
    """Import what the program says by now, and lift freezes and blocks that it has no more."""
    file = program.policy_file()
    written = json.dumps(file)
    import_policies(written, author=operator, reason="As in the program", allow_new_spending=True)
    assert not compare(written), "A file that was imported changes nothing any more."
    kept = [entry["reference"] for entry in (*file["freezes"], *file["blocks"])]
    for row in stops.in_force().exclude(reference__in=kept):
        stops.lift(row, by=operator, reason="As in the program")


def told(attempt: Attempt, *, balances: bool) -> Told:
    """The purchase as Stripe tells of it; with `balances` it lists balance transactions too."""
    shopper = Shopper(
        card_id=attempt.card,
        cardholder_id=attempt.cardholder,
        at=attempt.at,
        card={
            "currency": attempt.currency,
            "status": attempt.card_status,
            "created": 1_700_000_000,
        },
    )
    purchase = Told(
        attempt.amount,
        shopper,
        balances=balances,
        merchant=attempt.merchant,
        currency=attempt.currency,
    )
    purchase.life.kept["merchant_data"] |= dict.fromkeys(attempt.untold)
    return purchase


def end(purchase: Told, amount: int, chance: Random) -> tuple[str, int]:
    """How an approved purchase ends, and how much more it has taken then than was approved."""
    part = chance.randint(1, amount - 1) if amount > 1 else 0
    endings = ["captured", "voided", "expired", "refunded"] if amount else ["voided"]
    endings += ["captured for more"] if amount else []
    if part:
        endings += ["captured for less", "captured in parts", "lowered", "refunded in part"]
    ending = chance.choice(endings)
    match ending:
        case "captured":
            purchase.captures(amount)
            return ending, 0
        case "captured for more":
            tip = chance.randint(1, amount // 5 + 1)
            purchase.captures(amount + tip)
            return ending, tip
        case "captured for less":
            purchase.captures(part)
            return ending, part - amount
        case "captured in parts":
            purchase.captures(part, close=False)
            purchase.captures(amount - part)
            return ending, 0
        case "lowered":
            purchase.lowers_by(part)
            purchase.captures(amount - part)
            return ending, -part
        case "refunded" | "refunded in part":
            given_back = amount if ending == "refunded" else part
            purchase.captures(amount)
            purchase.refunds(given_back)
            return ending, -given_back
        case "expired":
            purchase.expires()
        case _:
            purchase.voids()
    return ending, -amount


def left(figure: Figure, at: int) -> int:
    """What the desk says is left."""
    assigned_to, target = figure.kind, figure.target
    if group_name := figure.group or (target if assigned_to == "group" else ""):
        group = CardGroup.objects.get(name=group_name)
        assigned_to, target = "group", str(group.pk)
    match figure.kind:
        case "group":
            found = remaining.of_group(group, at)
        case "cardholder":
            found = remaining.of_cardholder(Cardholder.objects.get(pk=figure.target), at)
        case _:
            found = remaining.of_card(Card.objects.get(pk=figure.target), at)
    [is_left] = [
        one.figures.available
        for policy in found
        if policy.policy.controls.name == figure.policy
        and (policy.policy.scope.kind, policy.policy.scope.id) == (assigned_to, target)
        for limit, one in zip(policy.policy.controls.spending_limits, policy.limits, strict=True)
        if limit.key == figure.limit
    ]
    return is_left
