"""The log-ins that `load_demo` makes, which pages name on a developer's own machine."""

PASSWORD = "demo"  # noqa: S105 - known to everybody, which is why this is for demos only
LOGINS = {"operator": "Operations", "auditor": "Auditors", "admin": None}
"""User names and their role; the one without may do everything."""
