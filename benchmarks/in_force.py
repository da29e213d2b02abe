"""Policy files for two desks: one with limits alone, one with something of each kind in force."""

from typing import Any

from benchmarks import decide, traffic

_FAR = "2199-01-01T00:00:00Z"
_MUCH = 10**12
_WHY = {"reason": "Benchmark"}


def plain() -> dict[str, Any]:
    """A second policy with two limits for every card."""
    limits = [
        {"key": "pot", "amount": _MUCH, "interval": "all_time"},
        {"key": "tries", "count": 1_000_000, "interval": "daily"},
    ]
    return _file(limits)


def instructed() -> dict[str, Any]:
    """The same with funds and attempts in place of the two limits, and more for each card.

    Each card has an own amount and an exception that it does not use, and is left out of a third
    policy; a merchant is blocked everywhere, a card elsewhere is frozen, and a version is planned.
    """
    limits = [
        {"key": "pot", "funds": True},
        {
            "key": "tries",
            "attempts": 1_000,  # some of what the benchmark sends is declined
            "interval": "rolling",
            "minutes": 1,
            "declined_only": True,
            "then_freeze": True,
        },
    ]
    file = _file(limits)
    cards = [{"card": card} for card in traffic.SPREAD.ids()]
    file["policies"][1]["planned"] = [{"from": _FAR, "unlimited": True}]
    file["policies"].append({"name": "Elsewhere", "allowed_merchant_countries": ["KP"]})
    left_out = {"policy": "Elsewhere", "program": True, "except": [card | _WHY for card in cards]}
    file["assignments"].append(left_out)
    daily = {"policy": decide.POLICY["name"], "limit": "daily", "raise_by": 1_000}
    pot = {"policy": "Second", "limit": "pot", "amount": _MUCH, "reference": "Benchmark"}
    once = {"up_to": 100, "currency": "eur", "until": _FAR, "waives": ["no_policy"]}
    return file | {
        "overrides": [daily | card | _WHY for card in cards],
        "funds": [pot | card | _WHY for card in cards],
        "exceptions": [once | card | _WHY for card in cards],
        "freezes": [{"card": "ic_elsewhere", **_WHY}],
        "blocks": [{"merchant": {"network_id": "0000000000"}, **_WHY}],
    }


def _file(limits: list[dict[str, Any]]) -> dict[str, Any]:
    second = {"name": "Second", "currency": "eur", "spending_limits": limits}
    return {
        "policies": [decide.POLICY, second],
        "assignments": [
            {"policy": decide.POLICY["name"], "program": True},
            {"policy": "Second", "program": True},
        ],
    }
