"""Writes a .env for development, once. Needs nothing but Python.

    python -m authz_project.first_env [file]

An existing file is never touched.
"""

import os
import secrets
import sys
from pathlib import Path

from authz_project import owners

PROJECT = Path(__file__).resolve().parent.parent
FIRST_STEPS = ("migrate", "createsuperuser", "runserver")
CONFIGURED_BY = ("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "STRIPE_WEBHOOK_SECRET")
OF_DEPLOYMENTS = Path("/etc/desk")
IMAGE_MARK = "DESK_IMAGE"
"""The variable that only the container image of ours sets: people develop in containers too."""

WITH_SETTINGS = "where they lie in /etc/desk, `deploy/desk COMMAND` runs a command with them"


def contents() -> str:
    return (
        "# Made for this machine. .env.example describes every variable.\n"
        "DEBUG=true\n"
        "# The PostgreSQL that comes along keeps its data here, beside manage.py.\n"
        "EMBEDDED_POSTGRES_DIR=.postgres\n"
        f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
        "# Purchases made by `manage.py simulate` are signed with it. For Stripe's own, add\n"
        "# after a comma what `stripe listen` prints, or what the Dashboard shows for each of\n"
        "# the two endpoints.\n"
        f"STRIPE_WEBHOOK_SECRET=whsec_{secrets.token_hex(32)}\n"
    )


def write(path: Path) -> bool:
    """Write the file, readable only for the owner of its folder; False where there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as refused:
        sys.exit(
            f"{path} can't be written ({refused.strerror}). Copy the program to a folder of your "
            "own, or set variables instead; .env.example describes them."
        )
    with os.fdopen(descriptor, "w") as file:
        file.write(contents())
        owners.give(descriptor, path.parent)
    return True


def why_deployed(project: Path) -> str:
    """Why this folder may be a deployment's, whose settings a shell does not have.

    Empty where it is a developer's: the folder of whoever runs this.
    """
    owner = project.stat().st_uid
    if os.environ.get(IMAGE_MARK):
        return "this is a container of the desk's image"
    if OF_DEPLOYMENTS.exists():
        return f"this machine serves a desk ({OF_DEPLOYMENTS})"
    if owner != os.geteuid():
        return f"{project} belongs to {owners.user_name(owner)}"
    return ""


def ease_first_steps(arguments: list[str]) -> None:
    """Let a fresh clone start by Django's habits: migrate, createsuperuser, runserver.

    Only where nothing at all is configured, in a folder of the caller's own. Only runserver, which
    no deployment uses, leaves a .env behind: a deployment whose variables got lost must not turn
    into a development server.
    """
    command = arguments[0] if arguments else ""
    if command not in FIRST_STEPS or (PROJECT / ".env").exists():
        return
    if any(name in os.environ for name in CONFIGURED_BY) or why_deployed(PROJECT):
        return
    if command == "runserver":
        write(PROJECT / ".env")
        print("Nothing is configured yet: wrote .env for development, with new secrets.")  # noqa: T201
    else:
        os.environ["DEBUG"] = "true"
    if not os.environ.get("EMBEDDED_POSTGRES_DIR"):
        print(f"The database is the PostgreSQL that comes along, in {PROJECT / '.postgres'}.")  # noqa: T201


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / ".env"
    if write(target):
        print(f"Wrote {target} with new secrets.")  # noqa: T201
