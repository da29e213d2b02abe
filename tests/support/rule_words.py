"""What people are told when a rule declines."""

from authorizations.rules.decision.decide import deciding_check
from authorizations.rules.decision.values import Verdict
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.rules.wording.explain import cardholder, staff
from authorizations.rules.wording.headline import because


def told(decision: Verdict, request: AuthorizationRequest) -> tuple[str, str, str]:
    """The sentences for staff and for the cardholder, and the headline's reason."""
    check = deciding_check(decision.trace)
    assert check
    return staff(check, request), cardholder(check, request), because(decision)
