"""What is open, kind by kind: how many, how much money, and what to do."""

from typing import NamedTuple
from urllib.parse import urlencode

from django.urls import reverse

from authorizations.rules.wording.findings import FINDING_TEXTS
from authorizations.services.lifecycle.open_findings import OpenKind, at_stake, open_by_kind


class FindingsOfKind(NamedTuple):
    """`url` is the list of these, `see_url` where all of them are marked as handled."""

    label: str
    advice: str
    how_many: str
    money: list[str]
    url: str
    see_url: str


def summary() -> list[FindingsOfKind]:
    """In the order of how much somebody can do about it."""
    return [_kind(found) for found in open_by_kind()]


def _kind(found: OpenKind) -> FindingsOfKind:
    texts = FINDING_TEXTS[found.kind]
    chosen = urlencode({"state": "open", "kind": found.kind.value})
    return FindingsOfKind(
        label=texts.label,
        advice=texts.advice,
        how_many=f"{found.count:,}",
        money=at_stake((currency, amount) for currency, amount in found.sums if amount),
        url=f"{reverse('admin:authorizations_finding_changelist')}?{chosen}",
        see_url=f"{reverse('admin:authorizations_finding_see')}?kind={found.kind.value}",
    )
