"""Draws rooms on floors: an arrow that passes a floor has a place there, as rooms have."""

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean
from typing import TypeAlias

from drawing.rooms import Arrow, Floors, wings
from drawing.svg import WIDTH, rect, svg, text

Point: TypeAlias = tuple[float, float]

WORDS = {
    "simulator": "plays Stripe, fills a demo",
    "views": "the webhook, readiness",
    "admin": "pages for staff",
    "management": "commands",
    "web": "the door, log-in, sessions",
    "webhook": "answers Stripe; duties beside",
    "stand_in": "answers without database",
    "authorize": "decides one request",
    "lifecycle": "what happens afterwards",
    "policies": "changes what decides",
    "queries": "what pages read",
    "verify": "proves the record",
    "purchases": "books one purchase",
    "digest": "read model for lists",
    "cards": "granted or by hand",
    "store": "statements, locks, usage",
    "host": "what a server keeps itself",
    "runtime": "time, connections, metrics",
    "wire": "Stripe's field names",
    "models": "tables",
    "rules": "pure: decides, counts, words",
}
"""A few words for each room that is drawn."""

BOX_W, BOX_H, FLOOR_H, TOP = 150.0, 40.0, 66.0, 34.0
PASS_W, GAP = 8.0, 12.0


@dataclass(slots=True)
class Place:
    """A room, or the place at which an arrow passes a floor; `x` is its middle."""

    name: str
    is_room: bool
    x: float = WIDTH / 2
    above: list["Place"] = field(default_factory=list)
    below: list["Place"] = field(default_factory=list)

    @property
    def width(self) -> float:
        return BOX_W if self.is_room else PASS_W


def picture(floors: Floors, arrows: set[Arrow]) -> str:
    rows = [[Place(room, is_room=True) for room in floor] for floor in floors]
    floor_of = {room: number for number, floor in enumerate(floors) for room in floor}
    place_of = {place.name: place for row in rows for place in row}
    ways = []
    for importer, imported in sorted(arrows, key=lambda arrow: (floor_of[arrow[0]], arrow)):
        passed = range(floor_of[importer] + 1, floor_of[imported])
        way = [place_of[importer]]
        for number in passed:
            way.append(Place(f"{importer} to {imported}", is_room=False))
            rows[number].append(way[-1])
        way.append(place_of[imported])
        for upper, lower in pairwise(way):
            upper.below.append(lower)
            lower.above.append(upper)
        ways.append(way)
    arrange(rows)
    y_of = {id(place): TOP + FLOOR_H * n for n, row in enumerate(rows) for place in row}
    in_services = [n for n, floor in enumerate(floors) if set(floor) & set(wings())]
    top, bottom = TOP + FLOOR_H * in_services[0] - 24, TOP + FLOOR_H * in_services[-1] + BOX_H + 12
    parts = [
        rect("frame", 8, top, WIDTH - 16, bottom - top, 8),
        text("name", 20, top + 20, "services"),
        *(f'<path class="arrow" d="{path(way, y_of)}"/>' for way in ways),
        *(box(place, y_of[id(place)]) for row in rows for place in row if place.is_room),
    ]
    height = TOP + FLOOR_H * (len(rows) - 1) + BOX_H + 16
    said = "Rooms of the desk, each above the rooms it imports; an arrow is an import."
    return svg("The rooms of the desk", said, height, parts)


def arrange(rows: list[list[Place]]) -> None:
    """Order each floor so that few arrows cross, then put each place near what it leads to."""
    best, order = crossings(rows), [list(row) for row in rows]
    for sweep in range(40):
        is_down = sweep % 2 == 0
        for row in rows if is_down else reversed(rows):
            sort_by_neighbours(row, rows, is_down=is_down)
        if crossings(rows) < best:
            best, order = crossings(rows), [list(row) for row in rows]
    rows[:] = order
    for row in rows:
        spread(row, [WIDTH / 2] * len(row))
    for sweep in range(60):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            spread(row, [fmean(one.x for one in place.above + place.below) for place in row])


def sort_by_neighbours(row: list[Place], rows: list[list[Place]], *, is_down: bool) -> None:
    rank = {id(place): n / max(1, len(one) - 1) for one in rows for n, place in enumerate(one)}

    def wanted(place: Place) -> float:
        others = place.above if is_down else place.below
        ranks = [rank[id(other)] for other in others] or [rank[id(place)]]
        return fmean(ranks)

    row.sort(key=wanted)


def crossings(rows: list[list[Place]]) -> int:
    found = 0
    for upper, lower in pairwise(rows):
        rank = {id(place): number for number, place in enumerate(lower)}
        ends = [
            (number, rank[id(one)]) for number, place in enumerate(upper) for one in place.below
        ]
        found += sum((a - c) * (b - d) < 0 for n, (a, b) in enumerate(ends) for c, d in ends[:n])
    return found


def spread(row: list[Place], wanted: list[float]) -> None:
    """Move each place as near as can be to where it is wanted, without overlaps.

    Neighbours that want the same spot form a block, which stands at the mean of its wishes.
    """
    offsets, at = [], 0.0
    for place, following in pairwise([*row, row[-1]]):
        offsets.append(at)
        at += (place.width + following.width) / 2 + GAP
    blocks: list[list[float]] = []
    for wish, offset in zip(wanted, offsets, strict=True):
        blocks.append([wish - offset])
        while len(blocks) > 1 and fmean(blocks[-2]) > fmean(blocks[-1]):
            joined = blocks.pop()
            blocks[-1] += joined
    bases = [fmean(block) for block in blocks for _ in block]
    least, most = row[0].width / 2 + 20, WIDTH - 20 - row[-1].width / 2 - offsets[-1]
    for place, base, offset in zip(row, bases, offsets, strict=True):
        place.x = round(min(max(base, least), most) + offset, 1)


def path(way: list[Place], y_of: dict[int, float]) -> str:
    """From the lower edge of a room to the upper edge of another, past those between."""
    first, *between, last = way
    points: list[Point] = [(port(first, first.below, way[1]), y_of[id(first)] + BOX_H)]
    for place in between:
        points += [(place.x, y_of[id(place)]), (place.x, y_of[id(place)] + BOX_H)]
    points.append((port(last, last.above, way[-2]), y_of[id(last)] - 2))
    drawn = f"M{points[0][0]:g} {points[0][1]:g}"
    for (from_x, from_y), (to_x, to_y) in pairwise(points):
        half = (from_y + to_y) / 2
        drawn += f"C{from_x:g} {half:g} {to_x:g} {half:g} {to_x:g} {to_y:g}"
    return drawn


def port(place: Place, others: list[Place], other: Place) -> float:
    """Where on the edge of a room its arrow to another begins: from left to right as they lie."""
    ordered = sorted(others, key=lambda one: one.x)
    number = next(n for n, one in enumerate(ordered) if one is other)
    step = min(16.0, (BOX_W - 30) / max(1, len(ordered)))
    return round(place.x + (number - (len(ordered) - 1) / 2) * step, 1)


def box(place: Place, y: float) -> str:
    kind = "box"
    if place.name in {"views", "admin", "management", "web"}:
        kind += " pages"
    elif place.name in {"rules", "wire", "models"}:
        kind += " core"
    elif place.name == "simulator":
        kind += " apart"
    return (
        rect(kind, place.x - BOX_W / 2, y, BOX_W, BOX_H, 5)
        + text("name middle", place.x, y + 17, place.name)
        + text("soft middle", place.x, y + 31, WORDS[place.name])
    )


def table(floors: Floors, arrows: set[Arrow]) -> str:
    """All arrows as a table: who imports, from top to bottom, and what, from left to right."""
    rooms = [room for floor in floors for room in floor]
    cell, left, top = 24, 110, 100
    parts = []
    for number, room in enumerate(rooms):
        middle = cell * number + cell / 2
        turned = f"translate({left + middle + 4:g} {top - 8}) rotate(-60)"
        parts.append(text("end", left - 8, top + middle + 4, room))
        parts.append(f'<g transform="{turned}">{text("", 0, 0, room)}</g>')
        for column, imported in enumerate(rooms):
            x, y = left + cell * column, top + cell * number
            parts.append(rect("own" if number == column else "frame", x, y, cell, cell))
            if (room, imported) in arrows:
                parts.append(rect("full", x + 6, y + 6, cell - 12, cell - 12, 2))
    said = "A filled square: the room of this row imports the room of this column."
    size = left + cell * len(rooms) + 50
    return svg("Who imports whom", said, top + cell * len(rooms) + 16, parts, size)
