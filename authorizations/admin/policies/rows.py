"""The rows of the policy page: forms for the entries of lists, its limits, conditions and hours.

To Django's admin, and to unfold's templates and script, they are inlines like those for database
rows. They are validated as a whole list, together with the rest of the policy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest

from authorizations.admin.policies.fields import (
    ANY,
    HOW_MUCH,
    NONE,
    WHEN,
    WHERE,
    line,
    number,
    one_of_few,
    switch,
)
from authorizations.admin.policies.forms import UNITS, edited, show_problem, shown
from authorizations.admin.policies.merchants_field import MerchantsField
from authorizations.admin.shared import choices
from authorizations.admin.shared.choices import WordsField
from authorizations.admin.shared.money import MoneyField, read_money
from authorizations.admin.shared.types import BaseFormSet, ModelForm, StackedInline, TabularInline
from authorizations.models import Policy, PolicyVersion
from authorizations.rules.basics.controls import Interval
from authorizations.rules.basics.words import code_title, condition_words
from authorizations.rules.kinds.authorization_methods import AUTHORIZATION_METHODS
from authorizations.rules.kinds.card_presences import CARD_PRESENCES
from authorizations.rules.kinds.schedule import hours_words
from authorizations.rules.policy.document import InvalidPolicyError, Problem, controls, normalize
from authorizations.rules.policy.document_limits import LAST_MONTH_START
from authorizations.rules.policy.summary import limit_phrase, then_frozen_words

PERIODS = {
    Interval.PER_AUTHORIZATION: "Per purchase",
    Interval.DAILY: "A day",
    Interval.WEEKLY: "A week",
    Interval.MONTHLY: "A month",
    Interval.QUARTERLY: "A quarter",
    Interval.YEARLY: "A year",
    Interval.ALL_TIME: "Lifetime",
    Interval.ROLLING: "In the last minutes, hours or days",
    Interval.FUNDS: "Funds, which are added by hand",
}


class RowForm(ModelForm[PolicyVersion]):
    """An entry of a list in a version's document.

    `id` distinguishes the rows of a page; entries have no id in the document.
    """

    id = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = PolicyVersion
        fields = ()

    def __init__(self, *args: Any, policy: Policy, title: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.policy = policy
        self.title = title

    @property
    def document(self) -> dict[str, Any]:
        """The entry as typed."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry in force, for the page; `get_inline_title` is unfold's name."""

    get_inline_title: str

    def __str__(self) -> str:
        return self.get_inline_title


class RowFormSet(BaseFormSet[RowForm]):
    """The rows of a list, validated together. The page saves them by publishing the policy."""

    key: ClassVar[str]
    # The admin and its templates expect this of a formset for database rows.
    _pk_field = PolicyVersion._meta.pk

    def __init__(
        self,
        data: Any = None,
        files: Any = None,
        *,
        instance: Policy,
        prefix: str | None = None,
        queryset: Any = None,
        save_as_new: bool = False,
    ) -> None:
        self.policy = instance
        version = instance.version_in_force
        document = instance.document
        number = version.number if version else 0
        entries = [
            self.shown(entry, document["currency"]) | {"id": f"{number}.{place}"}
            for place, entry in enumerate(document[self.key])
        ]
        super().__init__(data, files, prefix=prefix, initial=entries)
        # Rows added on the page come last, even if the version in force has changed meanwhile.
        shown = self.initial_form_count()
        self.initial, self.titles = entries[:shown], self.titles_of(document)[:shown]

    @classmethod
    def get_default_prefix(cls) -> str:
        return cls.key

    @staticmethod
    def titles_of(document: Mapping[str, Any]) -> list[str]:
        """The titles of the rows of the entries in force."""
        raise NotImplementedError

    def shown(self, entry: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
        """The initial values of an entry's fields."""
        raise NotImplementedError

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        is_in_force = index is not None and index < len(self.titles)
        return super().get_form_kwargs(index) | {
            "policy": self.policy,
            "title": self.titles[index or 0] if is_in_force else "",
        }

    def get_queryset(self) -> list[ShownEntry]:
        return [ShownEntry(form.title or "A row") for form in self.initial_forms]

    def rows(self) -> Iterator[RowForm]:
        """The rows that will be saved."""
        for form in self.forms:
            if form.cleaned_data and not form.cleaned_data.get("DELETE"):
                yield form

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [row.document for row in self.rows()]

    def clean(self) -> None:
        rows = list(self.rows())
        try:
            normalize(edited(self.policy) | {self.key: self.documents})
        except InvalidPolicyError as found:
            for problem in found.problems:
                if problem.path[:1] == (self.key,):
                    self.show(rows, problem)

    def show(self, rows: Sequence[RowForm], problem: Problem) -> None:
        if len(problem.path) == 1:
            self._non_form_errors.append(problem.message)  # type: ignore[attr-defined]
        elif len(problem.path) == 2:
            rows[int(problem.path[1])].add_error(None, "This is a duplicate: keep one of them.")
        else:
            show_problem(rows[int(problem.path[1])], problem, skip=2)


class LimitForm(RowForm):
    """A limit: an amount or a number of purchases, its interval and its filter."""

    amount = MoneyField(label="Amount")
    count = number(label="Or number of purchases")
    attempts = number(
        label="Or number of attempts",
        help_text="Of each card: every purchase that is asked for, approved or not.",
    )
    declined_only = switch(label="Only declined attempts")
    then_freeze = switch(
        label="Then freeze the card", help_text="When the number of attempts is reached."
    )
    then_freeze_minutes = number(
        label="For so many minutes", help_text="Empty: until somebody lifts it."
    )
    interval = one_of_few(
        [("", "Choose how long"), *PERIODS.items()],
        label="Period",
        error_messages={"required": "Choose how long the limit lasts."},
    )
    currency = choices.choose_one(
        choices.currencies(),
        options_of="currency",
        label="Currency of this limit",
        blank="No, the policy's currency",
    )
    rolling_length = number(label="How many")
    rolling_unit = one_of_few(
        [("", "Select value"), *((unit, unit.title()) for unit in UNITS)],
        label="Minutes, hours or days",
        required=False,
    )
    key = forms.CharField(required=False, widget=forms.HiddenInput)
    month_starts = number(
        label="Month starts on day",
        help_text=f"From 1 to {LAST_MONTH_START}, such as the day of a statement. Empty: the 1st.",
    )
    year_starts_month = one_of_few(
        [("", "January"), *choices.months()[1:]],
        label="Year starts in",
        required=False,
        help_text="For a fiscal year. Quarters follow it.",
    )
    year_starts_day = number(label="On day", help_text="Empty: the 1st.")
    categories = choices.choose_categories(options_of="blocked_categories", placeholder=ANY)
    countries = WordsField(
        choices.countries(), options_of="blocked_merchant_countries", placeholder=ANY
    )
    merchants = MerchantsField(placeholder=ANY)
    except_categories = choices.choose_categories(
        label="Except categories",
        options_of="blocked_categories",
        placeholder=NONE,
        help_text="The limit does not apply to these, even if they are named above.",
    )
    except_countries = WordsField(
        choices.countries(),
        label="Except countries",
        options_of="blocked_merchant_countries",
        placeholder=NONE,
    )
    except_merchants = MerchantsField(label="Except merchants", placeholder=NONE)
    card_presences = WordsField(
        CARD_PRESENCES.items(), label="Only when the card is", placeholder=ANY
    )
    authorization_methods = WordsField(
        [(method, code_title(method)) for method in AUTHORIZATION_METHODS],
        label="Only by these methods",
        placeholder=ANY,
    )
    cash_only = switch(
        label="Cash only", help_text="Counts cash withdrawals and the cash part of purchases."
    )

    def clean(self) -> None:
        super().clean()
        data = self.cleaned_data
        read_money(self, "amount", data.get("currency") or edited(self.policy)["currency"] or "")
        if data.get("then_freeze_minutes") is not None and not data.get("then_freeze"):
            unasked = "Switch the freeze on, or leave this empty."
            self.add_error("then_freeze_minutes", unasked)
        interval = data.get("interval")
        if interval != Interval.ROLLING:
            data |= {"rolling_length": None, "rolling_unit": ""}
        if interval != Interval.MONTHLY:
            data["month_starts"] = None
        if interval not in (Interval.QUARTERLY, Interval.YEARLY):
            data |= {"year_starts_month": "", "year_starts_day": None}

    @property
    def document(self) -> dict[str, Any]:
        keys = (
            *("key", "amount", "count", "attempts", "currency", "interval", "month_starts"),
            *("categories", "countries", "merchants", "cash_only"),
            *("except_categories", "except_countries", "except_merchants"),
            *("card_presences", "authorization_methods"),
        )
        data = self.cleaned_data
        # Without empty values; a limit of 0 is not empty.
        given = {key: data[key] for key in keys if data.get(key) not in ("", [], None)}
        if data.get("declined_only"):
            given["declined_only"] = True
        if data.get("then_freeze"):
            minutes = data.get("then_freeze_minutes")
            forever = minutes is None
            given |= {"then_freeze": True} if forever else {"then_freeze_minutes": minutes}
        if unit := data.get("rolling_unit"):
            given[unit] = data.get("rolling_length")
        month, day = data.get("year_starts_month"), data.get("year_starts_day")
        if month or day is not None:
            given["year_starts"] = f"{month or '01'}-{1 if day is None else day:02}"
        if given.get("interval") == Interval.FUNDS:
            given = {key: it for key, it in given.items() if key != "interval"} | {"funds": True}
        return given


class LimitFormSet(RowFormSet):
    key = "spending_limits"

    @staticmethod
    def titles_of(document: Mapping[str, Any]) -> list[str]:
        return [
            f"{limit_phrase(limit)}{then_frozen_words(limit)}"
            for limit in controls(document).limits
        ]

    def shown(self, entry: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
        fields = LimitForm.base_fields
        unit = next((unit for unit in UNITS if entry.get(unit)), "")
        month, _, day = entry.get("year_starts", "").partition("-")
        return shown(fields, entry, entry.get("currency") or currency) | {
            **({"interval": Interval.FUNDS.value} if entry.get("funds") else {}),
            "rolling_length": entry.get(unit),
            "rolling_unit": unit,
            "then_freeze": bool(entry.get("then_freeze") or entry.get("then_freeze_minutes")),
            "year_starts_month": month,
            "year_starts_day": int(day) if day else None,
        }


class ConditionForm(RowForm):
    """A condition: its lists, of each of which a purchase must have something."""

    categories = choices.choose_categories(options_of="blocked_categories", placeholder=ANY)
    countries = WordsField(
        choices.countries(), options_of="blocked_merchant_countries", placeholder=ANY
    )
    merchants = MerchantsField(placeholder=ANY)

    @property
    def document(self) -> dict[str, Any]:
        keys = ("categories", "countries", "merchants")
        return {key: self.cleaned_data[key] for key in keys if self.cleaned_data.get(key)}


class ConditionFormSet(RowFormSet):
    key = "any_of"

    @staticmethod
    def titles_of(document: Mapping[str, Any]) -> list[str]:
        words = map(condition_words, document["any_of"])
        return [f"{it[0].upper()}{it[1:]}" for it in words]

    def shown(self, entry: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
        return shown(ConditionForm.base_fields, entry, currency)

    def show(self, rows: Sequence[RowForm], problem: Problem) -> None:
        """A row of which a field was refused is not called empty as well."""
        if len(problem.path) != 3 or not rows[int(problem.path[1])].errors:
            super().show(rows, problem)


class HoursForm(RowForm):
    """Days and the allowed hours of those days."""

    days = WordsField(choices.days(), placeholder="Choose days")
    start = line(5, label="From", required=True, initial="00:00")
    end = line(5, label="To", required=True, initial="24:00")

    @property
    def document(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {"days": data.get("days"), "from": data.get("start"), "to": data.get("end")}


class HoursFormSet(RowFormSet):
    key = "schedule"

    @staticmethod
    def titles_of(document: Mapping[str, Any]) -> list[str]:
        return [*map(hours_words, document["schedule"])]

    def shown(self, entry: Mapping[str, Any], currency: str | None) -> dict[str, Any]:
        return {"days": entry["days"], "start": entry["from"], "end": entry["to"]}

    def show(self, rows: Sequence[RowForm], problem: Problem) -> None:
        names = {"from": "start", "to": "end"}
        path = tuple(names.get(str(part), part) for part in problem.path)
        super().show(rows, Problem(path, problem.message))


class RowInline:
    """An inline for entries of a document, with the permissions of the policy."""

    model = PolicyVersion  # the entries are parts of it
    entries: ClassVar[tuple[type[RowForm], type[RowFormSet]]]
    extra = 0

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return forms.formset_factory(*self.entries, extra=self.extra, can_delete=True)

    def may_edit(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_view_permission = has_add_permission = may_edit
    has_change_permission = has_delete_permission = may_edit


class LimitInline(RowInline, StackedInline[PolicyVersion, Policy]):
    entries = (LimitForm, LimitFormSet)
    fields = (
        ("amount", "count"),
        ("attempts", "declined_only"),
        ("then_freeze", "then_freeze_minutes"),
        ("interval", "currency"),
        ("rolling_length", "rolling_unit"),
        "month_starts",
        ("year_starts_month", "year_starts_day"),
        ("categories", "countries"),
        "merchants",
        ("except_categories", "except_countries"),
        "except_merchants",
        ("card_presences", "authorization_methods"),
        "cash_only",
        "key",
    )
    verbose_name = "limit"
    verbose_name_plural = "Limits"
    below = HOW_MUCH


class ConditionInline(RowInline, StackedInline[PolicyVersion, Policy]):
    entries = (ConditionForm, ConditionFormSet)
    fields = (("categories", "countries"), "merchants")
    verbose_name = "condition"
    verbose_name_plural = "At least one of these conditions (empty: any purchase)"
    below = WHERE


class HoursInline(RowInline, TabularInline[PolicyVersion, Policy]):
    entries = (HoursForm, HoursFormSet)
    fields = ("days", "start", "end")
    verbose_name = "time of the week"
    verbose_name_plural = "Allowed hours (empty: any time)"
    hide_title = True
    below = WHEN


INLINES: tuple[Any, ...] = (LimitInline, ConditionInline, HoursInline)
