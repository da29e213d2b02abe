"""Answers without the database, and brings those answers into the books once it is back.

`stand_in` decides from the last known copy of cards and policies; `kept_first` writes an answer
to disk before it is sent; `replay` and `late` bring it into the books; `standing_refresh` and
`usage_refresh` keep the copy fresh; `switch` turns stand-in on by hand.
"""

__all__ = [
    "late",
    "replay",
    "spool_watch",
    "stand_in",
    "standing_refresh",
    "switch",
    "usage_refresh",
]
