"""The log-ins that `load_demo` makes, which pages show in development."""

PASSWORD = "demo"  # noqa: S105 - public, for demos only
LOGINS = {"operator": "Operations", "auditor": "Auditors", "admin": None}
"""User names and their role; None is a superuser."""
