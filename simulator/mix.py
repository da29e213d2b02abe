"""The weights of endings, as typed on the command line: "capture=60,void=10"."""

from collections.abc import Mapping
from difflib import get_close_matches

from simulator.exact import UnclearError
from simulator.lives import ENDINGS

USUAL: Mapping[str, int] = {name: ending.weight for name, ending in ENDINGS.items()}


def parse_mix(typed: str) -> Mapping[str, int]:
    """Weights by ending; endings that are not named do not occur. Raises UnclearError."""
    mix: dict[str, int] = {}
    for part in typed.split(","):
        name, _, weight = (word.strip() for word in part.partition("="))
        if name not in ENDINGS:
            near = get_close_matches(name, ENDINGS, n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise UnclearError(
                f'--mix: There is no ending "{name}".{hint} There are: {", ".join(ENDINGS)}.'
            )
        if name in mix:
            raise UnclearError(f"--mix: {name} is given twice.")
        if not (weight.isascii() and weight.isdecimal() and len(weight) < 10):
            raise UnclearError(
                f'--mix: Write how often {name} occurs as a whole number, as in "{name}=10", not '
                f'"{weight}".'
            )
        mix[name] = int(weight)
    if not any(mix.values()):
        raise UnclearError("--mix: Give at least one ending a weight above 0.")
    return mix
