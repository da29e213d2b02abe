"""Writes the pictures of docs/architecture.md."""

from pathlib import Path

from drawing.pictures import drawn

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"

for name, picture in drawn().items():
    (PICTURES / name).write_text(picture, "utf-8")
