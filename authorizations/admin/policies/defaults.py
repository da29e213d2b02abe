"""The page with the defaults of new policies, of which there is one set."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse

from authorizations.admin.concurrent.watched import State, Watched
from authorizations.admin.history.of_object import WithHistory
from authorizations.admin.policies.forms import show_problem
from authorizations.admin.shared import choices
from authorizations.admin.shared.types import ModelAdmin, ModelForm
from authorizations.models import ProgramDefaults
from authorizations.rules.policy.differences import LABELS, differences
from authorizations.rules.policy.document import InvalidPolicyError, normalize

DEFAULTED = ("currency", "time_zone", "week_starts")


class DefaultsForm(ModelForm[ProgramDefaults]):
    currency = choices.choose_one(
        choices.currencies(), blank="None: each policy or limit names its own"
    )
    time_zone = choices.choose_one(choices.time_zones())

    class Meta:
        model = ProgramDefaults
        fields = DEFAULTED

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields.keys() & DEFAULTED:
            self.fields[name].label = LABELS[name]

    def clean(self) -> None:
        super().clean()
        given = {name: self.cleaned_data.get(name) or None for name in DEFAULTED}
        try:
            normalize({"name": "New"} | given)
        except InvalidPolicyError as found:
            for problem in found.problems:
                show_problem(self, problem)


@admin.register(ProgramDefaults)
class ProgramDefaultsAdmin(WithHistory, Watched, ModelAdmin[ProgramDefaults]):
    form = DefaultsForm
    warn_unsaved_form = True
    fieldsets = (
        (
            "A new policy begins with",
            {
                "fields": DEFAULTED,
                "description": "Existing policies stay as they are. Policy files do not use these "
                "defaults: without their own values they mean UTC and weeks from Sunday.",
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> ProgramDefaults | None:
        """Return the initial defaults until they are first set."""
        found = super().get_object(request, object_id, from_field)
        return found or (ProgramDefaults() if unquote(object_id) == "1" else None)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the only object instead of a list."""
        page: HttpResponse = self.changeform_view(request, "1", extra_context=extra_context)
        return page

    def state(self, obj: ProgramDefaults) -> State:
        return {name: getattr(obj, name) for name in DEFAULTED}

    def changes(self, shown: State, now: State) -> list[str]:
        empty = normalize({"name": "New"})
        return [*map(str, differences(empty | shown, empty | now))]
