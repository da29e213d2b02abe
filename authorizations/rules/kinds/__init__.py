"""The rules that a policy can set, one file each, and their order.

The policy's document, its page, checks and texts all loop over these tuples.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from authorizations.rules.decision.rule import Rule, Section, Setting
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.kinds.any_of import AnyOf
from authorizations.rules.kinds.authorization_methods import AuthorizationMethods
from authorizations.rules.kinds.card_age import CardAge
from authorizations.rules.kinds.card_presences import CardPresences
from authorizations.rules.kinds.categories import Categories
from authorizations.rules.kinds.currency import Currencies
from authorizations.rules.kinds.dates import UsableFrom, UsableUntil
from authorizations.rules.kinds.exempt_merchants import EXEMPT_MERCHANTS
from authorizations.rules.kinds.first_purchases import FirstPurchases
from authorizations.rules.kinds.merchant_cities import MerchantCities
from authorizations.rules.kinds.merchant_countries import MerchantCountries
from authorizations.rules.kinds.merchant_currency import CardCurrencyOnly
from authorizations.rules.kinds.merchant_data import CategoryRequired, MerchantCountryRequired
from authorizations.rules.kinds.merchant_postal_codes import MerchantPostalCodes
from authorizations.rules.kinds.merchant_states import MerchantStates
from authorizations.rules.kinds.merchants import Merchants
from authorizations.rules.kinds.network_risk import NetworkRisk
from authorizations.rules.kinds.network_tokens import NetworkTokens
from authorizations.rules.kinds.schedule import Schedule
from authorizations.rules.kinds.verification import (
    CvcRequired,
    PostalCodeRequired,
    ThreeDSecureRequired,
)
from authorizations.rules.kinds.wallets import Wallets

RULES: tuple[type[Rule], ...] = (
    *(UsableFrom, UsableUntil, CardAge),
    *(Currencies, CardCurrencyOnly),
    *(MerchantCountryRequired, MerchantCountries),
    *(MerchantStates, MerchantCities, MerchantPostalCodes),
    *(CategoryRequired, Categories, Merchants, AnyOf, FirstPurchases),
    *(CardPresences, AuthorizationMethods, Wallets, NetworkTokens),
    *(CvcRequired, PostalCodeRequired, ThreeDSecureRequired, NetworkRisk),
    Schedule,
)
"""All kinds of rules in order of precedence, the order of DeclineReason."""

ON_PAGE: tuple[type[Rule], ...] = (
    Currencies,
    *(Categories, MerchantCountries, MerchantStates),
    *(MerchantCities, MerchantPostalCodes, Merchants),
    *(CategoryRequired, MerchantCountryRequired, CardCurrencyOnly, AnyOf),
    FirstPurchases,
    *(CardPresences, AuthorizationMethods, Wallets, NetworkTokens),
    *(CvcRequired, PostalCodeRequired, ThreeDSecureRequired, NetworkRisk),
    *(Schedule, UsableFrom, UsableUntil, CardAge),
)
"""The same kinds in the order of the policy's page and summary."""

SETTINGS: tuple[Setting, ...] = tuple(
    sorted(
        dict.fromkeys((*(it for kind in ON_PAGE for it in kind.settings), EXEMPT_MERCHANTS)),
        key=lambda setting: [*Section].index(setting.section),
    )
)
"""The document keys that rules read, without duplicates, in the order of the policy's page."""

KINDS: dict[DeclineReason, type[Rule]] = {kind.reason: kind for kind in RULES}
"""The kinds by their decline reason, which a trace stores."""

ASKED_FIELDS: dict[str, str] = {
    name: words for kind in ON_PAGE for name, words in kind.asks.items()
}
"""The fields of a request that rules and limits can read, in words."""


def on_page(rules: Iterable[Rule]) -> list[Rule]:
    """The rules in the order of the policy's page."""
    return sorted(rules, key=lambda rule: ON_PAGE.index(type(rule)))


def rules_of(normal: Mapping[str, Any], matching: int) -> tuple[Rule, ...]:
    """The rules that a normal document sets, in order of precedence."""
    found = (kind.of(normal, matching) for kind in RULES)
    return tuple(rule for rule in found if rule is not None)
