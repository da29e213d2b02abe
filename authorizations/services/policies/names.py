"""What policy files name by a name, which may be gone between comparing a file and importing it."""

from collections.abc import Iterable
from typing import TypeVar

from authorizations.models import CardGroup, Policy
from authorizations.rules.basics.fields import quoted

T = TypeVar("T")


class GoneError(Exception):
    """What was there when a file was compared is not there any more."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is gone: it was renamed or deleted meanwhile. Import the file again: nothing "
            "is done twice."
        )


class ByName(dict[str, T]):
    """Of one kind by name; for a name that is not there, `[name]` raises GoneError."""

    def __init__(self, kind: str, found: Iterable[tuple[str, T]]) -> None:
        super().__init__(found)
        self._kind = kind

    def __missing__(self, name: str) -> T:
        raise GoneError(f"The {self._kind} {quoted(name)}")


def policy_ids() -> ByName[int]:
    return ByName("policy", Policy.objects.values_list("name", "pk"))


def group_ids() -> ByName[int]:
    return ByName("group", CardGroup.objects.values_list("name", "pk"))
