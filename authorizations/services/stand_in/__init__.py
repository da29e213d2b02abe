"""Answers without the database, and brings those answers into the books once it is back.

`answers` decides from the latest local copy of cards and policies; `durable_answer` writes an
answer to disk before it is sent; `replay` and `replay_one` bring it into the books;
`local_copy_refresh` and `usage_refresh` keep the copy fresh; `switch` turns stand-in on by hand.
"""

__all__ = [
    "answers",
    "local_copy_refresh",
    "replay",
    "replay_one",
    "spool_watch",
    "switch",
    "usage_refresh",
]
