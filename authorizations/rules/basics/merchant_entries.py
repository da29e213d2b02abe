"""Parses the merchants of a policy file: text, or a pair that says how it is matched."""

import re
from collections.abc import Mapping

from authorizations.rules.basics.card_numbers import mask_text
from authorizations.rules.basics.fields import Fields, nearest, quoted
from authorizations.rules.basics.filters import Manner, MerchantEntry, manner_and_text
from authorizations.rules.basics.folding import folded
from authorizations.rules.basics.parsing import text

MERCHANT_LENGTH = 200

_FORMS = [manner.value for manner in Manner if manner is not Manner.ID_OR_CONTAINS]
_NETWORK_ID = re.compile("[ -~]+")
_HOW = (
    'Write a merchant as text, or say which part it is: {"network_id": "…"}, {"is": "…"}, '
    '{"begins_with": "…"} or {"contains": "…"}.'
)

_text = text(MERCHANT_LENGTH)


def merchants(fields: Fields, key: str) -> list[MerchantEntry]:
    """A list of merchants without duplicates, sorted, network ids first."""
    found = {manner_and_text(entry): entry for entry in fields.entries(key, merchant)}
    places = {manner: place for place, manner in enumerate(Manner)}
    ordered = sorted(found, key=lambda named: (places[named[0]], named[1]))
    return [found[named] for named in ordered]


def merchant(given: object) -> MerchantEntry:
    """An entry in its normal form: trimmed text, or a single pair."""
    if isinstance(given, str):
        # A number may be a network id, which must not be masked like a card number.
        return _name(given) if not given.strip().isdecimal() else _text(given)
    if not isinstance(given, Mapping) or len(given) != 1:
        raise ValueError(_HOW)
    [(manner, written)] = given.items()
    if manner not in _FORMS:
        hint = nearest(str(manner), {form: form for form in _FORMS})
        raise ValueError(f"There is no key {quoted(manner)}.{hint} {_HOW}")
    if manner != Manner.NETWORK_ID:
        return {manner: _name(written)}
    network_id = _text(written)
    if not _NETWORK_ID.fullmatch(network_id):
        raise ValueError(
            "Copy the network id from a purchase: it has only plain letters and digits."
        )
    return {manner: network_id}


def _name(written: object) -> str:
    name = mask_text(_text(written))  # as names in requests are masked
    if not folded(name):
        raise ValueError(
            f"{quoted(name)} would match every merchant, as accents and spaces are ignored: "
            "write a part of the name, or the merchant's network id."
        )
    return name
