"""How a variable of the environment is read; settings.py names them all."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured
from environ import Env


def text(name: str, default: str = "") -> str:
    """The variable as it stands, unless it is blank.

    Not through Env(): that takes a leading "$", quite possible in a secret, for
    the name of another variable.
    """
    value: str = Env.ENVIRON.get(name, "")
    return value if value.strip() else default


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated variable, without the white space around each part."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def yes_or_no(name: str) -> bool | None:
    """true or false; None where the variable is not set."""
    value = text(name).strip().lower()
    if value in ("", "true", "false", "1", "0"):
        return value in ("true", "1") if value else None
    raise ImproperlyConfigured(f"{name} is {value!r}; write true or false, or leave it out.")


def matching(name: str, default: str, pattern: str, example: str) -> str:
    """A variable that must have a certain form."""
    value = text(name, default).strip()
    if re.fullmatch(pattern, value):
        return value
    raise ImproperlyConfigured(f"{name} is {value!r}; write it like {example}.")


def networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Addresses and networks, separated by commas."""
    try:
        return [ip_network(word) for word in words(name, default)]
    except ValueError as problem:
        raise ImproperlyConfigured(
            f"{name} can't be read ({problem}); write it like 127.0.0.1,10.0.0.0/8."
        ) from None
