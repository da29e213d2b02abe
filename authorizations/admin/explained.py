"""A kept decision as its page shows it: the answer and every rule in words."""

from dataclasses import dataclass
from typing import Any

import msgspec
from django.utils.safestring import SafeString

from authorizations.admin.base import link, parent
from authorizations.admin.tables import badge, table
from authorizations.models import Decision, PolicyVersion
from authorizations.rules import explain
from authorizations.rules.decide import deciding_check
from authorizations.rules.money import format_money
from authorizations.rules.values import AuthorizationRequest, Check, DeclineReason
from authorizations.rules.values import Decision as DecisionValue
from authorizations.rules.words import category_words, code_words
from authorizations.services import codec


@dataclass(frozen=True, slots=True)
class Explained:
    """The row as values of the rules."""

    row: Decision
    decision: DecisionValue
    request: AuthorizationRequest | None

    @classmethod
    def of(cls, row: Decision) -> "Explained":
        decision = DecisionValue(
            approved=row.approved,
            amount=row.approved_amount,
            reason=DeclineReason(row.reason) if row.reason else None,
            trace=codec.trace(row.trace),
            is_partial=row.is_partial,
        )
        return cls(row, decision, _request(row))

    @property
    def answer(self) -> str:
        return explain.answer_sentence(self.decision, self.request)

    @property
    def for_cardholder(self) -> str:
        if self.decision.approved and not self.decision.is_partial:
            return "Nothing to explain: the purchase was approved."
        why = deciding_check(self.decision.trace) or self.decision.reason
        return explain.cardholder(why, self.request) if why else ""

    @property
    def checks(self) -> SafeString:
        """Every rule, the failed ones first; the order among equals is that of precedence."""
        trace = sorted(self.decision.trace, key=lambda check: check.passed)
        return table(("Rule", "What it found", "Whose rule"), map(self._check, trace))

    def _check(self, check: Check) -> tuple[Any, ...]:
        sentence = explain.staff(check, self.request) if self.request else ""
        mark = badge("Passed", "success") if check.passed else badge("Failed", "danger")
        return mark, sentence or explain.label(check.rule), explain.source(check)

    @property
    def versions(self) -> SafeString:
        """The policy versions it rests on, and whose usage each measured."""
        ids = [policy["version"] for policy in self.row.policies]
        versions = PolicyVersion.objects.select_related("policy").in_bulk(ids)
        rows = [
            (
                link(versions.get(policy["version"])),
                _scope(policy["scope"]),
                _scope(policy["measured"]),
            )
            for policy in self.row.policies
        ]
        return table(("Policy version", "Applies through", "Whose usage counts"), rows)

    @property
    def facts(self) -> SafeString:
        return table(("Fact", "As Stripe told it"), _facts(self.request) if self.request else [])

    @property
    def timings(self) -> SafeString:
        """When each step was done, counted from the arrival of the request."""
        delivery = parent(self.row, "webhook_request")
        steps = sorted(delivery.timings.items(), key=lambda step: step[1]) if delivery else []
        rows = [(name.replace("_", " ").capitalize(), f"{us / 1000:.1f} ms") for name, us in steps]
        return table(("Step", "Done after"), rows)


def _scope(key: str) -> str:
    kind, _, id_ = key.partition(":")
    return f"{kind.capitalize()} {id_}" if id_ else "Every card"


def _request(row: Decision) -> AuthorizationRequest | None:
    try:
        return row.request and codec.value(AuthorizationRequest, row.request)
    except msgspec.ValidationError:  # written by a version of the program that had other words
        return None


def _facts(request: AuthorizationRequest) -> list[tuple[str, str]]:
    """What is known of the purchase; what was not told is left out."""
    merchant, checks = request.merchant, request.verification
    facts = {
        "Amount asked": format_money(request.amount, request.currency),
        "In the merchant's currency": _merchant_amount(request),
        "Approved before": format_money(request.snapshot.amount, request.currency),
        "Of it cash": format_money(request.cash_amount, request.currency),
        "Part may be approved": "yes" if request.is_amount_controllable else "no",
        "Card": f"{request.card.id}, {code_words(request.card.status)}",
        "Cardholder": f"{request.card.cardholder_name} ({request.card.cardholder_id})",
        "Merchant": merchant.name,
        "Place": " ".join(filter(None, (merchant.postal_code, merchant.city, merchant.country))),
        "Category": f"{category_words(merchant.category)} {merchant.category_code}".strip(),
        "Network id": merchant.network_id,
        "Method": code_words(request.authorization_method),
        "Card presence": code_words(request.card_presence or ""),
        "Wallet": code_words(request.wallet or ""),
        "CVC": code_words(checks.cvc),
        "Postal code": code_words(checks.postal_code),
        "3-D Secure": code_words(checks.three_d_secure or ""),
        "Network risk score": str(request.network_risk_score or ""),
        "Mode": "live" if request.livemode else "test",
    }
    return [(name, fact) for name, fact in facts.items() if fact]


def _merchant_amount(request: AuthorizationRequest) -> str:
    if request.merchant_amount is None or not request.merchant_currency:
        return ""
    return format_money(request.merchant_amount, request.merchant_currency)
