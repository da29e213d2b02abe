"""The usage of a limit window as a plain tuple, because verification handles millions of them."""

from collections.abc import Iterable
from typing import TypeAlias

Used: TypeAlias = tuple[int, int, int]
"""Amount and refunds in the smallest currency unit, and the number of purchases."""

NOTHING_USED: Used = (0, 0, 0)


def plus(one: Used, more: Used) -> Used:
    return one[0] + more[0], one[1] + more[1], one[2] + more[2]


def minus(one: Used, less: Used) -> Used:
    return one[0] - less[0], one[1] - less[1], one[2] - less[2]


def total(parts: Iterable[Used]) -> Used:
    found = NOTHING_USED
    for part in parts:
        found = plus(found, part)
    return found
