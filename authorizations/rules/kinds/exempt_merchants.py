"""The setting of exempt merchants, at which other rules give way; it is no rule by itself."""

from authorizations.rules.basics.filters import merchant_words
from authorizations.rules.basics.merchant_entries import merchants
from authorizations.rules.decision.rule import FieldKind, Section, Setting

EXEMPT_MERCHANTS = Setting(
    "exempt_merchants",
    Section.WHERE,
    "Always these merchants",
    FieldKind.MERCHANTS,
    merchants,
    merchant_words,
    help="Allowed whatever this policy's lists and conditions say of merchants, categories and "
    "places. Limits and all other rules still hold. Use network ids: a name can be imitated.",
    nouns=("Merchant", "Merchants"),
)
