"""What pages and exports read: lists, change history, what is left of a limit.

Nothing here writes the record, except for the row of an export.
"""

__all__ = [
    "export_formats",
    "exports",
    "history",
    "listing",
    "listing_decisions",
    "listing_keys",
    "listing_times",
    "remaining",
    "stand_in_rehearsal",
]
