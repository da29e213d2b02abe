"""`make prove`: the long trials, each on the real parts, before a version goes out.

A trial is a program of its own: it ends with 0 where what it tries holds, with 1 where it does not,
and with CANNOT_RUN where this machine lacks what it needs, which its last line names.
"""

CANNOT_RUN = 77
"""As test programs say by custom that they were skipped."""


class LackingError(Exception):
    """This machine lacks what a trial needs; says what, and how to come by it."""
