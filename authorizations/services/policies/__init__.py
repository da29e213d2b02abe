"""Changes to what decides purchases.

Publishing at once or as planned, policy files, assignments, groups, freezing, and counting for a
new limit ahead.
"""

__all__ = [
    "assignments",
    "changes",
    "counting_ahead",
    "exclusions",
    "files",
    "freeze",
    "funds",
    "groups",
    "names",
    "own_amounts",
    "own_amounts_table",
    "planned",
    "publish",
    "purchase_exceptions",
    "stops",
]
