"""Draws a way through the code: who asks whom, from top to bottom."""

from dataclasses import dataclass

from drawing.svg import WIDTH, rect, svg, text

TOP, STEP_H, HEAD_H = 62.0, 34.0, 34.0


@dataclass(frozen=True, slots=True)
class Step:
    """One asks another, or notes something where both are the same.

    `code` is what does it: a module under authorizations, or a name in one. `is_back`: an answer.
    """

    asks: str
    asked: str
    said: str
    code: str = ""
    is_back: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """Everyone on it, from left to right, and its steps; a text between steps is a headline."""

    title: str
    who: tuple[str, ...]
    steps: tuple[Step | str, ...]


def picture(way: Way) -> str:
    gap = (WIDTH - 130) / (len(way.who) - 1)
    x_of = {name: round(65 + gap * number, 1) for number, name in enumerate(way.who)}
    drawn, y = [], TOP
    for step in way.steps:
        if isinstance(step, str):
            drawn.append(f'<path class="life" d="M16 {y - 8:g}H{WIDTH - 16}"/>')
            drawn.append(text("name out", 16, y + 12, step))
            y += HEAD_H
        else:
            y += STEP_H * 0.4
            drawn += note(step, x_of, y) if step.asks == step.asked else message(step, x_of, y)
            y += STEP_H * (1.0 if step.code else 0.7)
    lives = [f'<path class="life" d="M{x:g} 46V{y:g}"/>' for x in x_of.values()]
    heads = [
        rect("box", x - 58, 14, 116, 32, 5) + text("name middle", x, 34, name)
        for name, x in x_of.items()
    ]
    return svg(way.title, "From top to bottom, who asks whom.", y + 14, [*lives, *heads, *drawn])


def message(step: Step, x_of: dict[str, float], y: float) -> list[str]:
    start, end = x_of[step.asks], x_of[step.asked]
    kind = "arrow back" if step.is_back else "arrow"
    towards = 1 if end > start else -1
    line = f'<path class="{kind}" d="M{start:g} {y:g}H{end - towards:g}"/>'
    return [*texts(step, min(start, end) + 8, y), line]


def note(step: Step, x_of: dict[str, float], y: float) -> list[str]:
    x = x_of[step.asks]
    dot = f'<circle class="full" cx="{x:g}" cy="{y - 4:g}" r="3.5"/>'
    return [*texts(step, x + 10, y + 5), dot]


def texts(step: Step, x: float, y: float) -> list[str]:
    """What is said above the line, the code below; from the right edge where it would not fit."""
    kind, at = "out", x
    if x + 6.1 * len(step.said) > WIDTH - 12 or x + 6.8 * len(step.code) > WIDTH - 12:
        kind, at = "out end", WIDTH - 14
    said = [text(kind, at, y - 5, step.said)]
    return [*said, text(f"code {kind}", at, y + 13, step.code)] if step.code else said
