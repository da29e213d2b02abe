"""The pictures by their file names."""

from drawing import floors, rooms, sequences, ways


def drawn() -> dict[str, str]:
    """Each picture's file name and text."""
    on_floors = rooms.read_floors()
    arrows = rooms.read_arrows(on_floors)
    return {
        "architecture.svg": floors.picture(on_floors, rooms.needed(arrows)),
        "imports.svg": floors.table(on_floors, arrows),
        "in-short.svg": sequences.picture(ways.IN_SHORT),
        "request.svg": sequences.picture(ways.REQUEST),
        "later-event.svg": sequences.picture(ways.LATER_EVENT),
        "outage.svg": sequences.picture(ways.OUTAGE),
    }
