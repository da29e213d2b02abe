"""State that a server process and its host keep outside the database.

Policy versions, the local copy that stand-in decides from, caps, recent answers, the spool, the
turns of heavy reads. Only the first read of a policy version needs the database.
"""

__all__ = [
    "applied",
    "caps",
    "heavy_reads",
    "host_answers",
    "host_files",
    "host_memory",
    "instructions",
    "local_copy",
    "recent_answers",
    "recent_merchants",
    "recent_ring",
    "spool_reader",
    "spool_writer",
    "versions",
]
