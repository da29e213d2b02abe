"""The forms of the policy page. What works is judged by the rules; their sentences are shown."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.policies.merchants_field import MerchantsField
from authorizations.admin.shared import choices
from authorizations.admin.shared.choices import WordsField
from authorizations.admin.shared.money import MoneyField, read_money, show_money
from authorizations.admin.shared.types import ModelForm
from authorizations.models import Policy, SpendingLimit
from authorizations.rules.policy.differences import LABELS
from authorizations.rules.policy.document import InvalidPolicyError, Problem, normalize
from authorizations.services.policies.publish import own_document

ANY = "Any"
NONE = "None"
PRESENCES = (
    (Policy.CardPresence.PRESENT, "Present, in person"),
    (Policy.CardPresence.NOT_PRESENT, "Not present, such as online"),
)

_MONEY = ("smallest_partial_amount", "fuel_hold", "stand_in_amount", "stand_in_cap")


class PolicyForm(ModelForm[Policy]):
    """The policy without its limits, schedule and assignments, which have forms of their own."""

    currency = choices.choose_one(
        choices.currencies(),
        blank="None: each limit names its own",
        help_text="Of the amounts below. A limit can have another of its own.",
    )
    time_zone = choices.choose_one(
        choices.time_zones(),
        help_text="Days, weeks, months and the schedule follow its clock.",
    )
    allowed_categories = choices.choose_categories(
        options_of="blocked_categories",
        placeholder=ANY,
        help_text="By name, or type a code such as 5812 or a range such as 3000-3299.",
    )
    blocked_categories = choices.choose_categories(placeholder=NONE)
    allowed_merchant_countries = WordsField(
        choices.countries(), options_of="blocked_merchant_countries", placeholder=ANY
    )
    blocked_merchant_countries = WordsField(choices.countries(), placeholder=NONE)
    allowed_merchants = MerchantsField(
        placeholder=ANY,
        help_text="Best by network id, which stands on each purchase's page. In names, case, "
        "accents and blanks make no difference.",
    )
    blocked_merchants = MerchantsField(placeholder=NONE)
    allowed_card_presences = WordsField(PRESENCES, placeholder=ANY)
    blocked_card_presences = WordsField(PRESENCES, placeholder=NONE)
    allowed_authorization_methods = WordsField(Policy.AuthorizationMethod.choices, placeholder=ANY)
    blocked_authorization_methods = WordsField(Policy.AuthorizationMethod.choices, placeholder=NONE)
    allowed_wallets = WordsField(
        Policy.Wallet.choices,
        placeholder=ANY,
        help_text="When set, the card pays through these wallets only.",
    )
    required_verification = WordsField(
        Policy.Verification.choices,
        placeholder=NONE,
        help_text="Purchases without a match are declined.",
    )
    smallest_partial_amount = MoneyField(
        help_text="Parts below this are declined; in other currencies all are. Empty: any will do.",
    )
    fuel_hold = MoneyField(
        help_text="Pumps ask for 1.00 first: so much is taken from the limits until the real "
        "amount is known. Empty: 100.00 in the pump's currency.",
    )
    stand_in_amount = MoneyField(
        help_text="While the database is away, a purchase up to this is approved where limits "
        "can't be looked at. Empty: it is declined.",
    )
    stand_in_cap = MoneyField(
        help_text="So much in all in the window of each limit, and never more than was left "
        "there when the database was last heard of.",
    )
    reason = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        label="Reason for this change",
        help_text="Kept with the version, for whoever asks later. Optional.",
    )

    class Meta:
        model = Policy
        fields = tuple(own_document(Policy()))
        error_messages = {
            "name": {
                "required": "Give the policy a name.",
                "unique": "Another policy has this name: choose a different one.",
            },
        }
        help_texts = {
            "unlimited": "Lets cards pay without an amount limit of this policy. Otherwise it "
            "grants only what its amount limits concern.",
            "max_network_risk_score": "From 1 to 99; purchases above it are declined.",
            "partial_approval": "Where only a part of a purchase fits, approve that part.",
            "refunds_restore": "What was refunded can be spent again.",
            "usable_from": "Such as 2026-12-31; or 2026-12-31T18:00:00+01:00. Empty: at once.",
            "usable_until": "That day is included. Empty: for ever.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in LABELS.keys() & self.fields.keys():
            self.fields[name].label = LABELS[name]
        for name in _MONEY:
            show_money(self, name, self.instance.currency)

    def clean(self) -> None:
        super().clean()  # looks for another policy of this name
        for name in _MONEY:
            read_money(self, name, self.cleaned_data.get("currency", ""))
        if self._has_part_without_parts():
            self.add_error(
                "smallest_partial_amount",
                "Only where a part may be approved: switch that on, or leave this empty.",
            )
        kept = own_document(self.instance)
        given = kept | {name: self.cleaned_data[name] for name in self.cleaned_data.keys() & kept}
        try:
            normal = normalize(given)
        except InvalidPolicyError as found:
            for problem in found.problems:
                show_problem(self, problem)
        else:
            self._take(normal)

    def _has_part_without_parts(self) -> bool:
        data = self.cleaned_data
        return bool(data.get("smallest_partial_amount")) and not data.get("partial_approval")

    def _take(self, normal: dict[str, Any]) -> None:
        """Keep what was typed in its normal form."""
        for name in self.cleaned_data.keys() & own_document(self.instance).keys():
            is_text = isinstance(self.cleaned_data[name], str)
            self.cleaned_data[name] = (normal[name] or "") if is_text else normal[name]


def show_problem(form: forms.BaseForm, problem: Problem, skip: int = 0) -> None:
    """Say a problem at its field, once; `skip` is how much of its path leads to the form."""
    name = str(problem.path[skip]) if len(problem.path) > skip else None
    if name not in form.fields:
        name = "rolling_length" if name in SpendingLimit.Unit else None
    if name not in form.errors:
        form.add_error(name, problem.message)
