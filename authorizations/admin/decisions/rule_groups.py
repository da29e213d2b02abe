"""The rules of a decision by whose they are: the card's own, then policy by policy."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import Model

from authorizations.admin.shared.explained import AppliedRule
from authorizations.admin.shared.links import card_words, link, parent
from authorizations.models import Card, CardGroup, Cardholder, Decision, PolicyVersion
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_of
from authorizations.rules.decision.values import Check, DeclineReason

_KINDS: Mapping[ScopeKind, type[Model]] = {
    ScopeKind.CARD: Card,
    ScopeKind.CARDHOLDER: Cardholder,
    ScopeKind.GROUP: CardGroup,
}
Names = dict[Scope, Model]


class Group(NamedTuple):
    """`applies` and `measured` say through which scope, and whose usage was measured."""

    title: str
    rules: list[AppliedRule]
    version: str = ""
    applies: str = ""
    measured: str = ""

    @property
    def failed(self) -> int:
        return sum(not rule.check.passed for rule in self.rules)

    @property
    def decided(self) -> bool:
        return any(rule.decided for rule in self.rules)


def groups(row: Decision, rules: list[AppliedRule]) -> list[Group]:
    """The group of the deciding rule first, then those with other failures."""
    found = [_card(row, rules), *_policies(row, rules)]
    return sorted(found, key=lambda group: (not group.decided, not group.failed))


def _card(row: Decision, rules: list[AppliedRule]) -> Group:
    """The card's own rules are told only where they fail: what is not told has passed."""
    own = [rule for rule in rules if rule.check.version_id is None]
    told = {rule.check.rule for rule in own}
    passed = [rule for rule in _PASSED if rule.check.rule not in told]
    return Group("The card", [*own, *passed, *([_GRANTED] if row.approved else [])])


_PASSED = [
    AppliedRule(
        Check(DeclineReason.CARD_FROZEN, passed=True), "The card was not frozen.", decided=False
    ),
    AppliedRule(
        Check(DeclineReason.CARD_NOT_ACTIVE, passed=True),
        "The card was active at Stripe.",
        decided=False,
    ),
]
_GRANTED = AppliedRule(
    Check(DeclineReason.NO_POLICY, passed=True),
    "A policy granted it: by an amount limit that concerns it, or as it is unlimited.",
    decided=False,
)


def _policies(row: Decision, rules: list[AppliedRule]) -> list[Group]:
    entries = [(e["version"], scope_of(e["scope"]), scope_of(e["measured"])) for e in row.policies]
    versions = PolicyVersion.objects.select_related("policy").in_bulk([e[0] for e in entries])
    names = _names(row, {applies for _, applies, _ in entries})
    return [
        Group(
            title=_title(versions.get(version), version),
            rules=[r for r in rules if (r.check.version_id, r.check.scope) == (version, applies)],
            version=_version(versions.get(version)),
            applies=_applies(applies, names),
            measured=_measured(measured, row),
        )
        for version, applies, measured in entries
    ]


def _title(version: PolicyVersion | None, version_id: Any) -> str:
    return version.policy.name if version else f"A policy whose version {version_id} is missing"


def _version(version: PolicyVersion | None) -> str:
    return link(version, f"Version {version.number}") if version else ""


def _names(row: Decision, scopes: set[Scope]) -> Names:
    """The rows that scopes name, in one query for each kind at most."""
    names: Names = {}
    for kind, model in _KINDS.items():
        wanted = {scope.id for scope in scopes if scope.kind is kind}
        known = parent(row, kind.value) if kind is not ScopeKind.GROUP else None
        if known is not None and wanted <= {known.pk}:
            found = [known]
        else:
            found = list(model._default_manager.filter(pk__in=wanted)) if wanted else []
        names |= {Scope(kind, str(one.pk)): one for one in found}
    return names


def _applies(scope: Scope, names: Names) -> str:
    return "The program (every card)" if scope.kind is ScopeKind.PROGRAM else _name(scope, names)


def _measured(scope: Scope, row: Decision) -> str:
    if scope.kind is not ScopeKind.CARD:
        return f"what all cards of the {scope.kind} spend together"
    if scope.id != row.card_id:
        return "what this card spends together with those it replaced"
    return "what this card spends"


def _name(scope: Scope, names: Names) -> str:
    """ "Card •••• 4242", as a link; by its id where it is missing."""
    row = names.get(scope)
    words = card_words(row) if scope.kind is ScopeKind.CARD and row else str(row or scope.id)
    text = f"{scope.kind.capitalize()} {words}"
    return link(row, text) if row else text
