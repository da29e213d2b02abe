"""What pages and exports read: lists, change history, what remains of limits.

Nothing here writes the record, except for the row of an export.
"""

__all__ = [
    "by_end",
    "by_key",
    "by_time",
    "decisions",
    "export_formats",
    "exports",
    "history",
    "listing",
    "remaining",
    "same_event",
    "stand_in_rehearsal",
]
