"""The rules of a decision, grouped by owner: the card's own, then policy by policy."""

from typing import NamedTuple

from django.db.models import Model

from authorizations.admin.shared.explained import AppliedRule
from authorizations.admin.shared.links import SCOPE_MODELS, card_words, link, parent
from authorizations.models import Decision, PolicyVersion
from authorizations.rules.basics.controls import Scope, ScopeKind, scope_of
from authorizations.rules.decision.values import Check, DeclineReason


class RuleGroup(NamedTuple):
    """The rules of the card or of one policy.

    `version` links to the policy version, `applies` names the scope it was assigned to, `measured`
    the cards whose usage its limits count. All three are empty for the card's own rules.
    """

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


def rule_groups(row: Decision, rules: list[AppliedRule]) -> list[RuleGroup]:
    """The group with the deciding rule first, then groups with other failures, then the rest."""
    entries = [(e["version"], scope_of(e["scope"]), scope_of(e["measured"])) for e in row.policies]
    versions = PolicyVersion.objects.select_related("policy").in_bulk([e[0] for e in entries])
    rows = _rows_of_scopes(row, {applies for _, applies, _ in entries})
    # Of the card's own rules the trace holds only those that failed; the others passed.
    own = [rule for rule in rules if rule.check.version_id is None]
    in_trace = {rule.check.rule for rule in own}
    passed = [rule for rule in _PASSED if rule.check.rule not in in_trace]
    granted = [_GRANTED] if row.approved and DeclineReason.NO_POLICY not in in_trace else []
    groups = [RuleGroup("The card", [*own, *passed, *granted])]
    for version_id, applies, measured in entries:
        version = versions.get(version_id)
        groups.append(
            RuleGroup(
                title=version.policy.name
                if version
                else f"A policy whose version {version_id} is missing",
                rules=[
                    rule
                    for rule in rules
                    if (rule.check.version_id, rule.check.scope) == (version_id, applies)
                ],
                version=link(version, f"Version {version.number}") if version else "",
                applies=_scope_words(applies, rows.get(applies)),
                measured=_measured_words(measured, row),
            )
        )
    return sorted(groups, key=lambda group: (not group.decided, not group.failed))


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
    "A policy grants this purchase: it has an amount limit that applies, or is unlimited.",
    decided=False,
)


def _rows_of_scopes(row: Decision, scopes: set[Scope]) -> dict[Scope, Model]:
    """The cards, cardholders and groups that the scopes name; at most one query for each kind."""
    rows: dict[Scope, Model] = {}
    for kind, model in SCOPE_MODELS.items():
        ids = {scope.id for scope in scopes if scope.kind is kind}
        loaded = parent(row, kind.value) if kind is not ScopeKind.GROUP else None
        if loaded is not None and ids <= {loaded.pk}:
            found = [loaded]
        else:
            found = list(model._default_manager.filter(pk__in=ids)) if ids else []
        rows |= {Scope(kind, str(one.pk)): one for one in found}
    return rows


def _scope_words(scope: Scope, row: Model | None) -> str:
    """ "Card •••• 4242" as a link; the id if the row is missing."""
    if scope.kind is ScopeKind.PROGRAM:
        return "Every card"
    words = card_words(row) if scope.kind is ScopeKind.CARD and row else str(row or scope.id)
    text = f"{scope.kind.capitalize()} {words}"
    return link(row, text) if row else text


def _measured_words(scope: Scope, row: Decision) -> str:
    if scope.kind is ScopeKind.MEMBER:
        return "what the cardholder's cards in this group spend together"
    if scope.kind is not ScopeKind.CARD:
        return f"what all cards of the {scope.kind} spend together"
    if scope.id != row.card_id:
        return "what this card and the cards it replaced spend together"
    return "what this card spends"
