"""The policy page's forms for limits and hours. The rules judge each list as a whole."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from django.db.models import Model

from authorizations.admin.policies.forms import ANY, show_problem
from authorizations.admin.policies.merchants_field import MerchantsField
from authorizations.admin.shared import choices
from authorizations.admin.shared.choices import WordsField
from authorizations.admin.shared.money import MoneyField, read_money, show_money
from authorizations.admin.shared.types import InlineFormSet, ModelForm
from authorizations.models import Policy, ScheduleEntry, SpendingLimit
from authorizations.rules.basics.controls import Interval
from authorizations.rules.policy.document import InvalidPolicyError, Problem, controls, normalize
from authorizations.rules.policy.summary import limit_phrase
from authorizations.services.policies.publish import limit_document, own_document, schedule_document

M = TypeVar("M", bound=Model)

PERIODS = {
    Interval.PER_AUTHORIZATION: "Per purchase",
    Interval.DAILY: "A day",
    Interval.WEEKLY: "A week",
    Interval.MONTHLY: "A month",
    Interval.QUARTERLY: "A quarter",
    Interval.YEARLY: "A year",
    Interval.ALL_TIME: "Lifetime",
    Interval.ROLLING: "In the last minutes, hours or days",
}


class PartFormSet(InlineFormSet[M, Policy, Any]):
    """Rows that are one list in the policy's document: judged together, with the policy."""

    key: str
    document: Callable[[Any], dict[str, Any]]

    def clean(self) -> None:
        super().clean()
        rows = list(self.rows())
        policy = own_document(self.instance)
        try:
            normalize(policy | {self.key: [type(self).document(row.instance) for row in rows]})
        except InvalidPolicyError as found:
            for problem in found.problems:
                if problem.path[:1] == (self.key,):
                    self.show(rows, problem)

    def rows(self) -> Iterator[Any]:
        """The rows that will be kept."""
        for form in self.forms:
            if form.cleaned_data and not form.cleaned_data.get("DELETE"):
                yield form

    def show(self, rows: list[Any], problem: Problem) -> None:
        if len(problem.path) == 1:
            self._non_form_errors.append(problem.message)  # type: ignore[attr-defined]
        elif len(problem.path) == 2:
            rows[int(problem.path[1])].add_error(None, "This is there already: keep one of them.")
        else:
            show_problem(rows[int(problem.path[1])], problem, skip=2)


class LimitForm(ModelForm[SpendingLimit]):
    """One limit: an amount or a number of purchases, how long it lasts, what it concerns."""

    amount = MoneyField(label="Amount")
    currency = choices.choose_one(
        choices.currencies(),
        options_of="currency",
        label="Currency of this limit",
        blank="No, the policy's currency",
    )
    categories = choices.choose_categories(options_of="blocked_categories", placeholder=ANY)
    countries = WordsField(
        choices.countries(), options_of="blocked_merchant_countries", placeholder=ANY
    )
    merchants = MerchantsField(placeholder=ANY)

    class Meta:
        model = SpendingLimit
        fields = (
            *("amount", "currency", "count", "interval", "rolling_length", "rolling_unit"),
            *("categories", "countries", "merchants", "cash_only"),
        )
        labels = {
            "count": "Or number of purchases",
            "interval": "Period",
            "rolling_length": "How many",
            "rolling_unit": "Minutes, hours or days",
            "cash_only": "Cash only",
        }
        help_texts = {"cash_only": "Counts cash withdrawals and the cash part of purchases."}
        error_messages = {"interval": {"required": "Choose how long the limit lasts."}}

    def __init__(self, *args: Any, policy: Policy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        periods: Any = self.fields["interval"]
        periods.choices = [("", "Choose how long"), *PERIODS.items()]
        show_money(self, "amount", self.instance.currency or policy.currency)
        if self.instance.pk:
            row: Any = self.instance
            row.get_inline_title = limit_words(row, policy.currency)  # unfold shows it

    def clean(self) -> None:
        super().clean()
        data = self.cleaned_data
        read_money(self, "amount", data.get("currency") or self.policy.currency)
        if data.get("interval") != Interval.ROLLING:
            data |= {"rolling_length": None, "rolling_unit": ""}


def limit_words(limit: SpendingLimit, policy_currency: str) -> str:
    """A saved limit as its row is titled: "€500.00 a month"."""
    alone = {"name": "-", "currency": policy_currency, "spending_limits": [limit_document(limit)]}
    try:
        [value] = controls(normalize(alone)).spending_limits
    except InvalidPolicyError:  # saved by something else than this page; it can be put right here
        return str(limit)
    return limit_phrase(value)


class LimitFormSet(PartFormSet[SpendingLimit]):
    key = "spending_limits"
    document = staticmethod(limit_document)

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return super().get_form_kwargs(index) | {"policy": self.instance}


class HoursForm(ModelForm[ScheduleEntry]):
    """Days, and the hours of those days."""

    days = WordsField(choices.days(), placeholder="Choose days")

    class Meta:
        model = ScheduleEntry
        fields = ("days", "start", "end")


class HoursFormSet(PartFormSet[ScheduleEntry]):
    key = "schedule"
    document = staticmethod(schedule_document)

    def show(self, rows: list[Any], problem: Problem) -> None:
        names = {"from": "start", "to": "end"}
        path = tuple(names.get(str(part), part) for part in problem.path)
        super().show(rows, Problem(path, problem.message))
