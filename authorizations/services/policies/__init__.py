"""Everything that changes what decides.

Publishing, policy files, assignments, groups, freezing, and counting a new limit ahead.
"""

__all__ = ["assignments", "counting_ahead", "files", "freeze", "groups", "publish"]
