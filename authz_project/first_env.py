"""Writes a .env for development. Needs only Python.

    python -m authz_project.first_env [file]

An existing file is left unchanged.
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
"""The variable that only our container image sets; containers are used for development, too."""

WITH_SETTINGS = "if the settings are in /etc/desk, `deploy/desk COMMAND` runs a command with them"


def contents() -> str:
    return (
        "# Made for this machine. .env.example describes every variable.\n"
        "DEBUG=true\n"
        "# The embedded PostgreSQL keeps its data here, beside manage.py.\n"
        "EMBEDDED_POSTGRES_DIR=.postgres\n"
        f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
        "# Purchases made by `manage.py simulate` are signed with it. For Stripe's own, add\n"
        "# after a comma what `stripe listen` prints, or what the Dashboard shows for each of\n"
        "# the two endpoints.\n"
        f"STRIPE_WEBHOOK_SECRET=whsec_{secrets.token_hex(32)}\n"
    )


def write(path: Path) -> bool:
    """Write the file, readable only for the owner of its folder; False if it exists already."""
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
    """Why this folder may be a deployment, whose settings a shell does not have.

    "" in a developer's folder, which belongs to the current user.
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
    """Make the first commands of a Django project work: migrate, createsuperuser, runserver.

    Applies only if nothing is configured, in a folder of the current user's. Only runserver, which
    deployments do not use, writes a .env: a deployment whose variables are missing must not become
    a development server.
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
        print(f"The database is the embedded PostgreSQL in {PROJECT / '.postgres'}.")  # noqa: T201


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / ".env"
    if write(target):
        print(f"Wrote {target} with new secrets.")  # noqa: T201
