"""Changed copies of values that a decision makes many of."""

from typing import Any, TypeVar

T = TypeVar("T")


def changed(value: T, **changes: Any) -> T:
    """A changed copy of a frozen dataclass without slots.

    As dataclasses.replace, which takes three times as long.
    """
    copy = object.__new__(type(value))
    vars(copy).update(vars(value), **changes)
    return copy
