"""What a server process and its host keep by themselves.

Policy versions, the copy that stand-in decides from, caps, recent answers, the spool. Nothing
here needs the database to answer, except where a version is read for the first time.
"""

__all__ = [
    "applied",
    "caps",
    "host_answers",
    "host_files",
    "host_memory",
    "local_copy",
    "recent_answers",
    "recent_merchants",
    "recent_ring",
    "spool_reader",
    "spool_writer",
    "versions",
]
