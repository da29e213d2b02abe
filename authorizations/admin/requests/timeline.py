"""How long each step of an answer took, as a drawing."""

from typing import Any, NamedTuple

_STEPS = {
    "verified": "Signature checked",
    "looked_up": "Card locked, amounts used looked up",
    "decided": "Decided",
}


class TimelineStep(NamedTuple):
    """One step. `start` and `width` are in percent of the total time."""

    name: str
    took: str
    done: str
    start: float
    width: float


class Timeline(NamedTuple):
    steps: list[TimelineStep]
    total: str


def timeline(timings: Any) -> Timeline | None:
    """The steps in the order in which they ended; None if `timings` can't be read.

    `timings` maps the name of a step to its end, in microseconds since arrival.
    """
    if not isinstance(timings, dict) or not all(isinstance(us, int) for us in timings.values()):
        return None
    ends = sorted(timings.items(), key=lambda step: step[1])
    total = max((us for _, us in ends), default=0)
    if total <= 0:
        return None
    starts = [0, *(us for _, us in ends)]
    steps = [
        TimelineStep(
            name=_STEPS.get(name, name.replace("_", " ").capitalize()),
            took=milliseconds(end - start),
            done=milliseconds(end),
            start=round(start * 100 / total, 2),
            width=round((end - start) * 100 / total, 2),
        )
        for (name, end), start in zip(ends, starts, strict=False)
    ]
    return Timeline(steps, milliseconds(total))


def milliseconds(us: int) -> str:
    return f"{us / 1000:.1f} ms"
