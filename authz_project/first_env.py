"""Writes a .env for development, once. Needs nothing but Python.

    python authz_project/first_env.py [file]

An existing file is never touched.
"""

import os
import secrets
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def contents() -> str:
    return (
        "# Made for this machine. .env.example describes every variable.\n"
        "DEBUG=true\n"
        f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
        "# Purchases made by `manage.py simulate` are signed with it. For Stripe's own, add\n"
        "# after a comma what `stripe listen` or the Dashboard shows.\n"
        f"STRIPE_WEBHOOK_SECRET=whsec_{secrets.token_hex(32)}\n"
    )


def write(path: Path) -> bool:
    """Write the file, readable only for its owner; False where there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.write(contents())
    return True


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / ".env"
    if write(target):
        print(f"Wrote {target} with new secrets.")  # noqa: T201
