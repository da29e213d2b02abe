"""The rooms of the desk and who imports whom, as contracts and code have it."""

import tomllib
from pathlib import Path
from typing import TypeAlias

import grimp

ROOT = Path(__file__).resolve().parents[1]

Arrow: TypeAlias = tuple[str, str]
"""The room that imports, and the room it imports from."""

Floors: TypeAlias = list[list[str]]
"""The rooms of each floor, from the top floor down."""

NOT_DRAWN = {"apps", "checks", "migrations", "templatetags"}
"""Small rooms of Django's, and the tables' history."""


def read_floors() -> Floors:
    """The rooms that are drawn, from the top floor down, as the import contracts have them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers = {
        contract["containers"][0]: [
            [room.strip() for room in layer.replace(":", "|").split("|")]
            for layer in contract["layers"]
        ]
        for contract in contracts["contracts"]
        if contract["type"] == "layers"
    }
    floors: Floors = [["simulator"]]
    for layer in layers["authorizations"]:
        if "services" in layer:
            floors += layers["authorizations.services"]
        elif kept := [room for room in layer if room not in NOT_DRAWN]:
            floors.append(kept)
    return floors


def wings() -> list[str]:
    services = ROOT / "authorizations" / "services"
    return [path.name for path in services.iterdir() if (path / "__init__.py").exists()]


def read_arrows(floors: Floors) -> set[Arrow]:
    """Who imports whom, of the rooms on these floors."""
    package_of = {}
    for room in (room for floor in floors for room in floor):
        is_wing = room in wings()
        package_of[room] = (
            f"authorizations.services.{room}" if is_wing else f"authorizations.{room}"
        )
    package_of["simulator"] = "simulator"
    graph = grimp.build_graph("authorizations", "simulator", cache_dir=None)
    room_of = {
        module: room
        for room, package in package_of.items()
        for module in (package, *graph.find_descendants(package))
    }
    return {
        (room, room_of[imported])
        for module, room in room_of.items()
        for imported in graph.find_modules_directly_imported_by(module)
        if room_of.get(imported, room) != room
    }


def needed(arrows: set[Arrow]) -> set[Arrow]:
    """Without each arrow that a longer way along other arrows stands for."""
    following: dict[str, set[str]] = {}
    for importer, imported in arrows:
        following.setdefault(importer, set()).add(imported)

    def reached(room: str) -> set[str]:
        return following.get(room, set()).union(*map(reached, following.get(room, set())))

    return {
        (importer, imported)
        for importer, imported in arrows
        if not any(imported in reached(other) for other in following[importer])
    }
