"""What a server process and its host keep by themselves.

Policy versions, the copy that stand-in decides from, caps, recent answers, the spool. Nothing
here needs the database to answer, except where a version is read for the first time.
"""

__all__ = [
    "applied",
    "host_answers",
    "host_files",
    "host_memory",
    "recent_answers",
    "recent_merchants",
    "recent_ring",
    "spool",
    "spool_files",
    "stand_in_caps",
    "standing_copy",
    "versions",
]
