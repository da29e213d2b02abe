"""The JSON Schema of policy files, made from what the program reads, for editors and pipelines.

It refuses nothing that an import accepts. What it can't say, such as a name that must exist or a
range that runs backwards, an import still refuses. Words are completed in their usual spelling; in
another one, such as "FR " or "Monthly", which an import reads too, they are not looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from authorizations.rules.basics import parsing
from authorizations.rules.basics.controls import (
    MAX_ATTEMPTS,
    TARGET_KINDS,
    Interval,
    OwnBudget,
    ScopeKind,
    Weekday,
)
from authorizations.rules.basics.countries import known_countries
from authorizations.rules.basics.fields import MAX_ENTRIES
from authorizations.rules.basics.filters import Manner, known_categories
from authorizations.rules.basics.merchant_entries import MERCHANT_LENGTH
from authorizations.rules.basics.money import MAX_AMOUNT, known_currencies
from authorizations.rules.decision.rule import FieldKind, Setting
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.decision.waivers import NEVER_WAIVED
from authorizations.rules.kinds import SETTINGS
from authorizations.rules.kinds.any_of import MAX_CONDITIONS
from authorizations.rules.kinds.authorization_methods import AUTHORIZATION_METHODS
from authorizations.rules.kinds.card_presences import CARD_PRESENCES
from authorizations.rules.kinds.schedule import DAYS
from authorizations.rules.kinds.schedule import MAX_ENTRIES as MAX_HOURS
from authorizations.rules.policy.document import NAME_LENGTH
from authorizations.rules.policy.document_limits import (
    BEGINNINGS,
    FOR_MINUTES,
    FREEZES,
    LAST_MONTH_START,
    LIMIT_KEY,
    MAX_COUNT,
    MAX_DAYS,
    MAX_FREEZE_MINUTES,
    MAX_LIMITS,
    MEASURES,
    OF_YEARS,
    PERIODS,
    UNITS,
    UNTIL_LIFTED,
)
from authorizations.rules.policy.policy_file import (
    MAX_PLANS,
    METADATA_KEY_LENGTH,
    METADATA_VALUE_LENGTH,
    REASON_LENGTH,
    REFERENCE_LENGTH,
)

Schema: TypeAlias = dict[str, Any]

_NOT_GIVEN: Schema = {"enum": [None, ""]}
_LOWER_CASE, _UPPER_CASE = r"[A-Z]", r"[a-z]"
_TRUE_FUNDS: Schema = {"required": ["funds"], "properties": {"funds": {"const": True}}}
_ODD = r"^\s|\s$|[^ -~]"


def policy_file_schema() -> Schema:
    """The schema of a whole file, JSON Schema 2020-12."""
    lists = {
        "policies": _list(
            _policy(), "Policies, each replaced as a whole: a missing key has its default."
        ),
        "groups": _list(_group(), "Card groups, each with exactly the cards that it lists."),
        "assignments": _list(
            _assignment(),
            "What policies apply to. Others of the policies in the file are removed, unless there "
            "is no such list.",
        ),
        "overrides": _list(
            _override(),
            "Own amounts of cards, cardholders and groups for one limit. Others of the policies "
            "that the file names are lifted, unless there is no such list.",
        ),
        "funds": _list(
            _funds(),
            "What is added to pots, or taken out of them. Each is made once, by its reference.",
        ),
        "exceptions": _list(
            _exception(),
            "Purchases of cards that are let through although rules fail. Each is given once.",
        ),
        "freezes": _list(_freeze(), "What declines every purchase. Each is made once."),
        "blocks": _list(
            _block(),
            "Merchants, categories and countries where no card pays, whatever policies allow. Each "
            "is made once.",
        ),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Policy file",
        "description": "A missing list leaves its subject as it is; an empty one means none.",
        **_object({"$schema": {"description": "Where this schema is."}} | lists),
        "$defs": {
            "amount": _whole_number(0, MAX_AMOUNT),
            "category": _category(),
            "country": _word(known_countries(), _UPPER_CASE),
            "currency": _word(known_currencies()),
            "merchant": _merchant(),
            "moment": _pattern(f"{parsing.DATE.pattern}|{parsing.INSTANT.pattern}"),
            "stripe_id": _pattern(parsing.ID.pattern),
        },
    }


def _policy() -> Schema:
    name = _text(NAME_LENGTH) | {"description": "The policy's name, by which it is known."}
    planned = _list(
        _planned(),
        "Versions that are in force from an instant on, or until one. Others of the policy are "
        "cancelled, unless there is no such list.",
        MAX_PLANS,
    )
    return _document({"name": name}, {"planned": planned}, required=["name"])


def _planned() -> Schema:
    times = {
        "from": _optional(_ref("moment"), "Its beginning, with the offset from UTC; or at once."),
        "until": _optional(
            _ref("moment"), "Its end, with the offset from UTC; for good if it is missing."
        ),
    }
    name = _NOT_GIVEN | {"description": "It has its policy's name."}
    return _document({**times, "name": name}) | {"anyOf": [_given("from"), _given("until")]}


def _document(
    first: Mapping[str, Schema],
    last: Mapping[str, Schema] = MappingProxyType({}),
    required: Sequence[str] = (),
) -> Schema:
    """What a version says, between other keys."""
    money = "In the smallest unit of the policy's currency, such as 500 for \N{EURO SIGN}5.00."
    amount = _whole_number(1, MAX_AMOUNT)
    in_currency = (
        *("smallest_partial_amount", "fuel_hold", "stand_in_amount", "stand_in_cap"),
        *(setting.key for setting in SETTINGS if setting.field is FieldKind.MONEY),
    )
    properties = {
        **first,
        "currency": _optional(_ref("currency"), "The currency of its amounts."),
        "unlimited": _switch("Lets cards pay without an amount limit of this policy."),
        "time_zone": _optional(
            {"type": "string", "examples": ["UTC", "Europe/Paris", "America/New_York"]},
            "Where its days begin and its hours are; UTC if it is missing.",
        ),
        "week_starts": _optional(_word(Weekday), "The first day of a week; Sunday if missing."),
        **{setting.key: _of_setting(setting) for setting in SETTINGS},
        "partial_approval": _switch("Approves what is left, where the merchant can accept that."),
        "smallest_partial_amount": _optional(amount, f"The least to approve in part. {money}"),
        "refunds_restore": _switch("Whether refunds free up the limit; yes if missing."),
        "fuel_hold": _optional(
            amount, f"What a fuel pump holds until the real amount is known. {money}"
        ),
        "stand_in_amount": _optional(
            amount, f"The most for one purchase while the database is away. {money}"
        ),
        "stand_in_cap": _optional(
            amount, f"The most for each window while the database is away. {money}"
        ),
        "spending_limits": _list(
            _limit(), "Limits on amounts and on numbers of purchases; all must hold.", MAX_LIMITS
        ),
        **last,
    }
    is_true = {
        "properties": {"partial_approval": {"const": True}},
        "required": ["partial_approval"],
    }
    of_money = {"anyOf": [_given("amount"), _TRUE_FUNDS]}
    own_currency = {"items": _if(of_money, _given("currency"))}
    return _object(
        properties,
        required=required,
        conditions=[
            *(_if(_given(key), _given("currency")) for key in in_currency),
            _if(_given("smallest_partial_amount"), is_true),
            _if(_given("stand_in_amount"), _given("stand_in_cap")),
            _if(_given("stand_in_cap"), _given("stand_in_amount")),
            _if(
                {"not": _given("currency")},
                {"properties": {"spending_limits": own_currency}},
            ),
        ],
    )


def _of_setting(setting: Setting) -> Schema:
    """The schema of a key that rules read."""
    words = f"{setting.label}. {setting.help}".strip()
    choices = _word(key for key, _ in setting.choices)
    entries: dict[FieldKind, Schema] = {
        FieldKind.CHOICES: choices,
        FieldKind.FREE_WORDS: _pattern(r"\S.*"),
        FieldKind.COUNTRIES: _ref("country"),
        FieldKind.CATEGORIES: _ref("category"),
        FieldKind.MERCHANTS: _ref("merchant"),
    }
    if setting.field in entries:
        return _list(entries[setting.field], words, MAX_ENTRIES)
    if setting.field is FieldKind.HOURS:
        return _list(_hours(), words, MAX_HOURS)
    if setting.field is FieldKind.CONDITIONS:
        return _list(_condition(), words, MAX_CONDITIONS)
    values: dict[FieldKind, Schema] = {
        FieldKind.ONE_CHOICE: choices,
        FieldKind.WHOLE_NUMBER: _whole_number(*setting.range) if setting.range else {},
        FieldKind.MONEY: _whole_number(1, MAX_AMOUNT),
        FieldKind.YES_NO: {"type": "boolean"},
        FieldKind.MOMENT: _ref("moment"),
    }
    return _optional(values[setting.field], words)


def _hours() -> Schema:
    clock = _pattern(parsing.CLOCK.pattern)
    return _object(
        {
            "days": {
                "description": "The days of the week.",
                "type": "array",
                "items": _word(DAYS),
                "minItems": 1,
                "maxItems": MAX_ENTRIES,
            },
            "from": clock | {"description": 'From this time on, such as "08:00".'},
            "to": clock | {"description": 'Until before this time; "24:00" is the end of the day.'},
        },
        required=["days", "from", "to"],
    )


def _condition() -> Schema:
    return _object(
        {
            "categories": _list(_ref("category"), "In one of these categories.", MAX_ENTRIES),
            "countries": _list(_ref("country"), "In one of these countries.", MAX_ENTRIES),
            "merchants": _list(_ref("merchant"), "At one of these merchants.", MAX_ENTRIES),
        }
    )


def _limit() -> Schema:
    only, but = "Only purchases", "No purchases"
    lists = {
        "categories": ("category", f"{only} in these categories."),
        "countries": ("country", f"{only} in these countries."),
        "merchants": ("merchant", f"{only} at these merchants."),
        "except_categories": ("category", f"{but} in these categories."),
        "except_countries": ("country", f"{but} in these countries."),
        "except_merchants": ("merchant", f"{but} at these merchants."),
    }
    uses = {
        "card_presences": (CARD_PRESENCES, f"{only} with the card present, or not present."),
        "authorization_methods": (AUTHORIZATION_METHODS, f"{only} by these methods."),
    }
    properties = {
        "key": _optional(
            {"type": "string", "pattern": f"^{LIMIT_KEY.pattern}$"},
            "Its name in the policy, by which own amounts are kept. Made of the rest if missing.",
        ),
        "amount": _optional(
            _ref("amount"),
            "In the smallest unit of its currency: 50000 for \N{EURO SIGN}500.00. 0: nothing.",
        ),
        "count": _optional(_whole_number(0, MAX_COUNT), "A number of purchases, not an amount."),
        "attempts": _optional(
            _whole_number(1, MAX_ATTEMPTS), "How often each card may be tried, approved or not."
        ),
        "declined_only": _switch("Only declined attempts."),
        UNTIL_LIFTED: _switch("The attempt that reaches it freezes the card."),
        FOR_MINUTES: _optional(
            _whole_number(1, MAX_FREEZE_MINUTES), "As then_freeze, for so many minutes."
        ),
        "currency": _optional(_ref("currency"), "Of the amount; the policy's if missing."),
        "funds": _switch("A pot that is filled by hand or by a file, with no interval."),
        "interval": _optional(_word(PERIODS), "How long it lasts until it begins anew."),
        **{
            unit: _optional(
                _whole_number(1, MAX_DAYS * UNITS["days"] // seconds),
                f"How many {unit} a rolling limit looks back.",
            )
            for unit, seconds in UNITS.items()
        },
        "month_starts": _optional(
            _whole_number(1, LAST_MONTH_START), "The day on which a monthly limit begins anew."
        ),
        "year_starts": _optional(
            _pattern(parsing.DAY_OF_YEAR.pattern),
            'The month and day on which years, and with them quarters, begin: "04-06".',
        ),
        **{key: _list(_ref(of), words, MAX_ENTRIES) for key, (of, words) in lists.items()},
        **{key: _list(_word(of), words, MAX_ENTRIES) for key, (of, words) in uses.items()},
        "cash_only": _switch("Only cash: withdrawals and cash-back."),
    }
    return _object(
        properties,
        conditions=[
            _if(_TRUE_FUNDS, _none_of(["interval", *MEASURES, *UNITS, *BEGINNINGS])),
            _if({"not": _TRUE_FUNDS}, _given("interval")),
            _if({"not": _TRUE_FUNDS}, _only_one([*MEASURES])),
            *(_if(_given(key), _none_of(["currency"])) for key in MEASURES[1:]),
            *(
                _if(_given(key), {"not": _interval_in([Interval.PER_AUTHORIZATION])})
                for key in MEASURES[1:]
            ),
            _if({"not": _given("attempts")}, _none_of(["declined_only", *FREEZES])),
            _if(_interval_in([Interval.ROLLING]), _only_one(list(UNITS))),
            _if(_interval_in({*Interval} - {Interval.ROLLING}), _none_of(UNITS)),
            _if(_interval_in({*Interval} - {Interval.MONTHLY}), _none_of(["month_starts"])),
            _if(_interval_in({*Interval} - {*OF_YEARS}), _none_of(["year_starts"])),
        ],
    )


def _group() -> Schema:
    cards = {"type": ["array", "null"], "items": _ref("stripe_id")}
    return _object(
        {
            "name": _text(NAME_LENGTH) | {"description": "The group's name."},
            "cards": cards
            | {
                "description": "All of its cards; left as they are if missing. With metadata, "
                "those that are in it by hand."
            },
            "metadata": _optional(
                {
                    "type": "object",
                    "maxProperties": 1,
                    "propertyNames": _text(METADATA_KEY_LENGTH),
                    "additionalProperties": _text(METADATA_VALUE_LENGTH),
                },
                "Cards join by themselves that have this key and value in Stripe's metadata, or "
                "else their cardholder; left as it is if missing, {} for no rule.",
            ),
        },
        required=["name"],
    )


def _assignment() -> Schema:
    return _object(
        {
            "policy": _name("The name of the policy."),
            **_targets(TARGET_KINDS),
            "each": _optional(
                {"enum": [budget.value for budget in OwnBudget]},
                "Who each have the limits for themselves. Without it a group shares one budget, "
                "and of the program each card has its own.",
            ),
            "except": _list(
                _exclusion(), "Who is left out of the assignment; in it they count all the same."
            ),
        },
        required=["policy"],
        conditions=[
            _only_one(TARGET_KINDS, or_false=True),
            _if(_given("each"), {"anyOf": [_given("group"), _given("program")]}),
        ],
    )


def _exclusion() -> Schema:
    kinds = [ScopeKind.GROUP, ScopeKind.CARDHOLDER, ScopeKind.CARD]
    return _object(
        {**_targets(kinds), **_end_and_reason()},
        required=["reason"],
        conditions=[_only_one(kinds, or_false=True)],
    )


def _override() -> Schema:
    kinds = (ScopeKind.CARD, ScopeKind.CARDHOLDER, ScopeKind.GROUP)
    limit = {"type": "string", "pattern": f"^{LIMIT_KEY.pattern}$"}
    return _object(
        {
            "policy": _name("The name of the policy."),
            "limit": limit | {"description": "The key of one of its limits."},
            **_targets(kinds),
            "amount": _optional(
                _ref("amount"), "In place of the policy's, in the smallest unit of the currency."
            ),
            "count": _optional(
                _whole_number(0, MAX_COUNT), "In place of the policy's number of purchases."
            ),
            "attempts": _optional(
                _whole_number(0, MAX_ATTEMPTS), "In place of the policy's number of attempts."
            ),
            "raise_by": _optional(_whole_number(1, MAX_AMOUNT), "What comes on top."),
            "from": _optional(_ref("moment"), "When it begins; with its import if missing."),
            **_end_and_reason(),
        },
        required=["policy", "limit", "reason"],
        conditions=[
            _only_one(kinds, or_false=True),
            _only_one([*MEASURES, "raise_by"]),
        ],
    )


def _funds() -> Schema:
    kinds = (ScopeKind.CARD, ScopeKind.CARDHOLDER, ScopeKind.GROUP)
    limit = {"type": "string", "pattern": f"^{LIMIT_KEY.pattern}$"}
    # A member's: what a cardholder's cards spend in a group.
    member = {"allOf": [_given(ScopeKind.GROUP), _given(ScopeKind.CARDHOLDER)]}
    no_card = {"properties": {"card": {"enum": [None, "", False]}}}
    amount = _whole_number(-MAX_AMOUNT, MAX_AMOUNT) | {"not": {"const": 0}}
    return _object(
        {
            "policy": _name("The name of the policy."),
            "limit": limit | {"description": "The key of one of its limits of funds."},
            **_targets(kinds),
            "amount": amount | {"description": "In the smallest unit; negative: taken out."},
            "reference": _text(REFERENCE_LENGTH)
            | {"description": "Such as an order's number; used once in a pot."},
            "reason": _text(REASON_LENGTH) | {"description": "Why; others will ask."},
        },
        required=["policy", "limit", "amount", "reference", "reason"],
        conditions=[_if({"not": member}, _only_one(kinds, or_false=True)), _if(member, no_card)],
    )


def _exception() -> Schema:
    return _object(
        {
            "card": _ref("stripe_id") | {"description": "The id of this card alone."},
            "merchant": _optional(_ref("merchant"), "At this merchant; at any if it is missing."),
            "category": _optional(_ref("category"), "In this category; in any if it is missing."),
            "up_to": _ref("amount") | {"description": "The most, in the smallest unit."},
            "currency": _ref("currency") | {"description": "The currency of the amount."},
            "waives": {
                "description": "The decline reasons that it waives. It must waive all that fails.",
                "type": "array",
                "items": _waiver(),
                "minItems": 1,
                "maxItems": MAX_ENTRIES,
            },
            **_end_and_reason(),
            "until": _ref("moment") | {"description": "Its end, with the offset from UTC."},
            "reference": _reference(),
        },
        required=["card", "up_to", "currency", "until", "waives", "reason"],
        conditions=[{"not": {"allOf": [_given("merchant"), _given("category")]}}],
    )


def _waiver() -> Schema:
    reason = _word(reason for reason in DeclineReason if reason not in NEVER_WAIVED)
    block = _object(
        {"merchant": _ref("merchant"), "category": _ref("category"), "country": _ref("country")}
    )
    one_rule = _object(
        {
            "reason": reason,
            "policy": _optional(_text(NAME_LENGTH), "Of this policy alone, by its name."),
            "limit": _optional(
                {"type": "string", "pattern": f"^{LIMIT_KEY.pattern}$"},
                "Of this limit of the policy alone, by its key; then for any reason.",
            ),
            "block": _optional(
                block | {"minProperties": 1, "maxProperties": 1}, "Of a block of this alone."
            ),
        },
        required=["reason"],
        conditions=[_if(_given("limit"), _given("policy"))],
    )
    return {"anyOf": [reason, one_rule]}


def _freeze() -> Schema:
    return _object(
        {**_targets(TARGET_KINDS), **_end_and_reason(), "reference": _reference()},
        required=["reason"],
        conditions=[_only_one(TARGET_KINDS, or_false=True)],
    )


def _block() -> Schema:
    return _object(
        {
            "merchant": _optional(_ref("merchant"), "The merchant, by network id where possible."),
            "category": _optional(_ref("category"), "The category of merchants."),
            "country": _optional(_ref("country"), "The merchants' country."),
            **_targets([ScopeKind.GROUP]),
            **_end_and_reason(),
            "reference": _reference(),
        },
        required=["reason"],
        conditions=[_only_one(["merchant", "category", "country"])],
    )


def _targets(kinds: Iterable[ScopeKind]) -> dict[str, Schema]:
    """What an entry applies to; false is as good as leaving it out."""
    described = {
        ScopeKind.CARD: (_ref("stripe_id"), "The id of a card; its replacements belong to it."),
        ScopeKind.CARDHOLDER: (_ref("stripe_id"), "The id of a cardholder, with all cards."),
        ScopeKind.GROUP: (_text(NAME_LENGTH), "The name of a card group."),
        ScopeKind.PROGRAM: ({"const": True}, "True for every card."),
    }
    return {
        kind.value: {"description": words, "anyOf": [schema, {"enum": [None, "", False]}]}
        for kind in kinds
        for schema, words in [described[kind]]
    }


def _end_and_reason() -> dict[str, Schema]:
    return {
        "until": _optional(
            _ref("moment"), "Its end, with the offset from UTC; for good if it is missing."
        ),
        "reason": _text(REASON_LENGTH) | {"description": "Why; others will ask."},
    }


def _reference() -> Schema:
    words = "Names it, so that it is made once whatever else the entry says."
    return _optional(_text(REFERENCE_LENGTH), words)


def _name(words: str) -> Schema:
    return _text(NAME_LENGTH) | {"description": words}


def _category() -> Schema:
    coded = _pattern(f"[0-9]{{4}}|{parsing.CATEGORY_RANGE.pattern}")
    return {"anyOf": [_word(known_categories()), coded]}


def _merchant() -> Schema:
    forms = {
        Manner.NETWORK_ID: "Exactly this network id, which can't be imitated.",
        Manner.IS: "The whole name.",
        Manner.BEGINS_WITH: "How the name begins.",
        Manner.CONTAINS: "A part of the name.",
    }
    texts = {key.value: _text(MERCHANT_LENGTH) | {"description": it} for key, it in forms.items()}
    entry = _object(texts) | {"minProperties": 1, "maxProperties": 1}
    return {"anyOf": [entry, _text(MERCHANT_LENGTH)]}


def _object(
    properties: Mapping[str, Schema],
    required: Sequence[str] = (),
    conditions: Sequence[Schema] = (),
) -> Schema:
    """An object with these keys and no others."""
    found: Schema = {"type": "object", "properties": dict(properties), "required": [*required]}
    found["additionalProperties"] = False
    return found | ({"allOf": [*conditions]} if conditions else {})


def _list(entry: Schema, words: str, longest: int | None = None) -> Schema:
    entries = {"type": "array", "items": entry}
    return _optional(entries if longest is None else entries | {"maxItems": longest}, words)


def _optional(schema: Schema, words: str) -> Schema:
    """A key that may be missing, null or empty as well."""
    return {"description": words, "anyOf": [schema, _NOT_GIVEN]}


def _switch(words: str) -> Schema:
    return _optional({"type": "boolean"}, words)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _whole_number(lowest: int, highest: int) -> Schema:
    return {"type": "integer", "minimum": lowest, "maximum": highest}


def _word(words: Iterable[str], other_case: str = _LOWER_CASE) -> Schema:
    """One of these words; those in another spelling are not looked at."""
    odd = {"type": "string", "pattern": f"{_ODD}|{other_case}"}
    return {"anyOf": [{"enum": [str(word) for word in words]}, odd]}


def _text(longest: int) -> Schema:
    """Text that has something in it, and is no longer than that without spaces around it."""
    rest = rf"([\s\S]{{0,{longest - 2}}}\S)?"
    return {"type": "string", "pattern": rf"^\s*\S{rest}\s*$"}


def _pattern(pattern: str) -> Schema:
    """Text of this form, perhaps with spaces around it."""
    return {"type": "string", "pattern": rf"^\s*({pattern})\s*$"}


def _given(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"not": _NOT_GIVEN}}}


def _none_of(keys: Iterable[str]) -> Schema:
    return {"properties": dict.fromkeys(keys, _NOT_GIVEN)}


def _only_one(keys: Sequence[str], *, or_false: bool = False) -> Schema:
    """Exactly one of these keys is given; with `or_false` false counts as missing."""
    missing: Schema = {"enum": [None, "", False]} if or_false else _NOT_GIVEN
    return {
        "oneOf": [
            {"required": [str(key)], "properties": {str(key): {"not": missing}}} for key in keys
        ]
    }


def _interval_in(intervals: Iterable[Interval]) -> Schema:
    return {"required": ["interval"], "properties": {"interval": {"enum": sorted(intervals)}}}


def _if(condition: Schema, then: Schema) -> Schema:
    return {"if": condition, "then": then}
