"""Every address of the project, found by walking the URL resolver."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_MODEL = re.compile(r"admin/(authorizations|auth)/(\w+)/")


@dataclass(frozen=True)
class Address:
    """`name` is that of the URL with its namespace, or the route where it has none."""

    name: str
    route: str

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.route)

    @property
    def model(self) -> type[Model] | None:
        """The model whose admin has this address."""
        found = _MODEL.match(self.route)
        return apps.get_model(found[1], found[2]) if found else None

    def url(self, **values: Any) -> str:
        """The address with its parameters, each quoted by the admin's rules."""
        return self.raw_url(**{name: quote(str(value)) for name, value in values.items()})

    def raw_url(self, **values: Any) -> str:
        """The address with its parameters as they are."""
        return "/" + _PARAMETER.sub(lambda it: str(values[it[1]]), self.route)


def addresses() -> list[Address]:
    """All there are."""
    return list(_walk(get_resolver().url_patterns, "", ""))


def _walk(patterns: list[Any], route: str, namespace: str) -> Iterator[Address]:
    for pattern in patterns:
        whole = route + _plain(pattern)
        if isinstance(pattern, URLResolver):
            inside = f"{pattern.namespace}:" if pattern.namespace else namespace
            yield from _walk(pattern.url_patterns, whole, inside)
        else:
            yield Address(namespace + pattern.name if pattern.name else whole, whole)


def _plain(pattern: URLPattern | URLResolver) -> str:
    """A route as it is; of a regular expression what matches it, with parameters in <>."""
    text = str(pattern.pattern)
    if isinstance(pattern.pattern, RegexPattern):
        text = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", text.strip("^$"))
        text = re.sub(r".\?", "", text)
    return text
