"""The open findings by kind: number, money concerned and what to do."""

from typing import NamedTuple
from urllib.parse import urlencode

from django.urls import reverse

from authorizations.rules.wording.findings import FINDING_TEXTS
from authorizations.services.lifecycle.open_findings import at_stake, open_by_kind


class FindingsOfKind(NamedTuple):
    """`url` is the list of the open ones, `see_url` the page that marks all of them as handled."""

    label: str
    advice: str
    how_many: str
    money: list[str]
    url: str
    see_url: str


def summary() -> list[FindingsOfKind]:
    """The kinds with open findings, those an operator can do most about first."""
    kinds = []
    for found in open_by_kind():
        texts = FINDING_TEXTS[found.kind]
        filters = urlencode({"state": "open", "kind": found.kind.value})
        of_kind = FindingsOfKind(
            label=texts.label,
            advice=texts.advice,
            how_many=f"{found.count:,}",
            money=at_stake((currency, amount) for currency, amount in found.sums if amount),
            url=f"{reverse('admin:authorizations_finding_changelist')}?{filters}",
            see_url=f"{reverse('admin:authorizations_finding_see')}?kind={found.kind.value}",
        )
        kinds.append(of_kind)
    return kinds
