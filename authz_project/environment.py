"""Reads environment variables; settings.py names them all."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured
from environ import Env


def text(name: str, default: str = "") -> str:
    """The variable's value, or the default if it is blank or not set.

    Not through Env(), which takes a leading "$", as a secret may have, for a variable's name.
    """
    value: str = Env.ENVIRON.get(name, "")
    return value if value.strip() else default


def words(name: str, default: str = "") -> list[str]:
    """The parts of a comma-separated variable, without white space around them."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def yes_or_no(name: str) -> bool | None:
    """A variable that is true or false; None if it is not set. Raises ImproperlyConfigured."""
    value = text(name).strip().lower()
    if value in ("", "true", "false", "1", "0"):
        return value in ("true", "1") if value else None
    raise ImproperlyConfigured(f"{name} is {value!r}; write true or false, or leave it out.")


def matching(name: str, default: str, pattern: str, example: str) -> str:
    """A variable whose value must match a pattern. Raises ImproperlyConfigured."""
    value = text(name, default).strip()
    if re.fullmatch(pattern, value):
        return value
    raise ImproperlyConfigured(f"{name} is {value!r}; write it like {example}.")


def networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Addresses and networks, separated by commas. Raises ImproperlyConfigured."""
    try:
        return [ip_network(word) for word in words(name, default)]
    except ValueError as problem:
        raise ImproperlyConfigured(
            f"{name} can't be read ({problem}); write it like 127.0.0.1,10.0.0.0/8."
        ) from None
