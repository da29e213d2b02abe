"""Whether a card has to be used by a network token, or must not be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from authorizations.rules.basics.controls import LimitControl
from authorizations.rules.basics.fields import Problem
from authorizations.rules.basics.parsing import one_of
from authorizations.rules.decision.rule import (
    FieldKind,
    ReasonTexts,
    Rule,
    Ruling,
    Section,
    Setting,
    rule_of,
)
from authorizations.rules.decision.values import Check, DeclineReason
from authorizations.rules.kinds.wallets import Wallets
from authorizations.rules.purchases.events import AuthorizationRequest

_KEY = "network_token"
REQUIRED, FORBIDDEN = "required", "forbidden"
_CHOICES = {REQUIRED: "Only with a token", FORBIDDEN: "Not with a token"}
_choice = one_of("rule for network tokens", _CHOICES)


@dataclass(frozen=True, slots=True)
class NetworkTokens(Rule):
    """A token of the card network in place of the card's number; `use` is one of the choices.

    Wallets always pay by token, and many online shops keep one instead of the number.
    """

    use: str

    reason = DeclineReason.NETWORK_TOKEN_MISMATCH
    texts = ReasonTexts(
        "Network token missing or not allowed",
        "The policy requires a network token, or allows none.",
        "This card cannot be used in this way. Please try another way to pay with it.",
    )
    settings = (
        Setting(
            _KEY,
            Section.HOW,
            "Network token",
            FieldKind.ONE_CHOICE,
            lambda fields, key: fields.value(key, _choice, None),
            _CHOICES.__getitem__,
            help="Stands for the card's number in wallets and with merchants that keep the card.",
            choices=tuple(_CHOICES.items()),
        ),
    )
    asks = {"token": "network token"}

    @classmethod
    def of(cls, normal: Mapping[str, Any], matching: int) -> Self | None:
        return None if normal[_KEY] is None else cls(normal[_KEY])

    def check(self, request: AuthorizationRequest) -> Ruling:
        return Ruling(bool(request.token) is (self.use == REQUIRED), request.token, self.use)

    @classmethod
    def for_staff(cls, check: Check, request: AuthorizationRequest) -> str:
        wanted = "requires a network token" if check.limit == REQUIRED else "allows none"
        if check.found is None:
            return f"No network token was used; the policy {wanted}."
        return f"Network token {check.found} was used; the policy {wanted}."

    def in_summary(self, beside: Sequence[Rule]) -> str:
        return f"{'only' if self.use == REQUIRED else 'not'} with a network token"

    def warnings(self, beside: Sequence[Rule], limits: Sequence[LimitControl]) -> Iterator[Problem]:
        """Only wallets, and no tokens: wallets always pay by token."""
        wallets = rule_of(Wallets, beside)
        if self.use == FORBIDDEN and wallets and not wallets.lets(""):
            message = "Every purchase is declined: wallets pay by network token."
            yield Problem((_KEY,), message)
