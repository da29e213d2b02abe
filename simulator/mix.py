"""Which endings lives are drawn from, as typed on the command line: "capture=60,void=10"."""

from collections.abc import Mapping
from difflib import get_close_matches

from simulator.exact import UnclearError
from simulator.lives import ENDINGS

USUAL: Mapping[str, int] = {name: ending.weight for name, ending in ENDINGS.items()}


def parse_mix(typed: str) -> Mapping[str, int]:
    """Weights by name; endings not named don't come. Raises UnclearError."""
    mix: dict[str, int] = {}
    for part in typed.split(","):
        name, _, weight = (word.strip() for word in part.partition("="))
        if name not in ENDINGS:
            raise UnclearError(f"--mix: {_unknown(name)}")
        if name in mix:
            raise UnclearError(f"--mix: {name} is there twice.")
        mix[name] = _weight(name, weight)
    if not any(mix.values()):
        raise UnclearError("--mix: Give at least one ending a weight above 0.")
    return mix


def _weight(name: str, typed: str) -> int:
    if typed.isascii() and typed.isdecimal() and len(typed) < 10:
        return int(typed)
    raise UnclearError(
        f'--mix: Write how often {name} comes as a whole number, as in "{name}=10"; '
        f'"{typed}" is none.'
    )


def _unknown(name: str) -> str:
    near = get_close_matches(name, ENDINGS, n=1)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    return f'There is no ending "{name}".{hint} There are: {", ".join(ENDINGS)}.'
