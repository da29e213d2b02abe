"""What somebody else does in the middle of a piece of work."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


def right_after(
    patch: pytest.MonkeyPatch, module: ModuleType, function: str, do: Callable[[], object]
) -> None:
    """Do something once, as soon as this function of a module has returned."""
    real = getattr(module, function)

    def return_and_do(*args: Any) -> Any:
        patch.setattr(module, function, real)
        found = real(*args)
        do()
        return found

    patch.setattr(module, function, return_and_do)
