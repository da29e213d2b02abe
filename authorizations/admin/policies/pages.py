"""The pages of spending policies; saving one puts a new version in force."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.views.decorators.http import require_safe

from authorizations.admin.cards.grants import warn_of_lost_grants
from authorizations.admin.concurrent.watched import Saved, State, Watched
from authorizations.admin.history.of_object import WithHistory
from authorizations.admin.policies.assigned import (
    assigned_sentence,
    assigned_words,
    with_first_assigned,
)
from authorizations.admin.policies.assigning import assign_page, assign_to_card_page
from authorizations.admin.policies.assignments import (
    MAY_ADD,
    assign_url,
    assignments_page,
    each_page,
    unassign_page,
)
from authorizations.admin.policies.defaults import DEFAULTED
from authorizations.admin.policies.differences import differences_page
from authorizations.admin.policies.duplicating import duplicate_page
from authorizations.admin.policies.fields import LINES, WHO
from authorizations.admin.policies.forms import PolicyForm, edited
from authorizations.admin.policies.planned import (
    beside_words,
    cancel_page,
    planned_rows,
    turn_words,
    with_plans,
)
from authorizations.admin.policies.rows import INLINES, RowFormSet
from authorizations.admin.policies.saved import add_messages
from authorizations.admin.policies.versions import VersionInline, author, begins_at
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import AsksFirst
from authorizations.admin.shared.links import staff
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import ModelAdmin, ModelForm, display
from authorizations.admin.stops.shown import of_policy
from authorizations.models import Policy, ProgramDefaults
from authorizations.rules.basics.words import counting_words
from authorizations.rules.policy.differences import differences
from authorizations.rules.policy.document import controls
from authorizations.rules.policy.summary import summary
from authorizations.services.cards import grants
from authorizations.services.policies import counting_ahead, own_amounts
from authorizations.services.policies.publish import publish

SAVING = "Saving"
_WHEN_AND_WHY = (("published_from", "published_until"), "reason")


@admin.register(Policy)
class PolicyAdmin(WithHistory, AsksFirst, Watched, ModelAdmin[Policy]):
    form = PolicyForm
    change_form_template = "admin/authorizations/policy_form.html"
    inlines = (*INLINES, VersionInline)
    list_display = ("name", "version_in_force", "says", "assigned_to", "changed")
    search_fields = ("name__folded_contains",)
    search_help_text = "A part of the policy's name."
    warn_unsaved_form = True
    fieldsets = (
        (WHO, {"fields": ("name",)}),
        *LINES,
        (SAVING, {"fields": _WHEN_AND_WHY}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Policy]:
        policies: QuerySet[Policy] = super().get_queryset(request)
        policies = with_plans(policies.select_related("current_version__author"))
        return with_first_assigned(policies)

    def get_urls(self) -> list[URLPattern]:
        def differences(request: HttpRequest, object_id: str) -> HttpResponse:
            return differences_page(self, request, object_id)

        pages: dict[str, Any] = {
            "differences": require_safe(differences),
            "assignments": require_safe(assignments_page),
            "assign": assign_page,
            "duplicate": duplicate_page,
            "unassign": unassign_page,
            "cancel": cancel_page,
        }
        own = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"authorizations_policy_{name}",
            )
            for name, view in pages.items()
        ]
        of_card = path(
            "assign/",
            self.admin_site.admin_view(assign_to_card_page),
            name="authorizations_policy_card_assign",
        )
        each = path(
            "<int:object_id>/assignments/<int:assignment_id>/",
            self.admin_site.admin_view(each_page),
            name="authorizations_policy_each",
        )
        return [*own, of_card, each, *super().get_urls()]

    def get_fieldsets(self, request: HttpRequest, obj: Policy | None = None) -> Any:
        """Without the permission to change, the page shows sentences instead of fields."""
        if obj and not self.has_change_permission(request, obj):
            return [(SAVING, {"fields": ()})]
        return (
            *self.fieldsets[:-1],
            (SAVING, {"fields": (*asking.names(request), *_WHEN_AND_WHY)}),
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start a new policy with the program's defaults."""
        defaults = ProgramDefaults.current()
        return {name: getattr(defaults, name) for name in DEFAULTED} | (
            super().get_changeform_initial_data(request)
        )

    def response_add(
        self, request: HttpRequest, obj: Policy, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Continue to the assignment page: an unassigned policy applies to no purchase."""
        response = super().response_add(request, obj, post_url_continue)
        goes_on = "_continue" in request.POST or "_addanother" in request.POST
        if goes_on or not request.user.has_perm(MAY_ADD):
            return response
        return HttpResponseRedirect(assign_url(obj))

    def get_inlines(self, request: HttpRequest, obj: Policy | None) -> Any:
        if obj is None:
            return INLINES
        return self.inlines if self.has_change_permission(request, obj) else (VersionInline,)

    def get_inline_formsets(self, *args: Any, **kwargs: Any) -> Any:
        """Name the entry on the button that adds one as in a sentence, not as a title."""
        found = super().get_inline_formsets(*args, **kwargs)
        for inline in found:
            data = json.loads(inline.inline_formset_data())
            data["options"]["addText"] = f"Add another {inline.opts.verbose_name}"
            inline.inline_formset_data = json.dumps(data)
        return found

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Decisions refer to its versions for ever; unassigned, it applies to no purchase."""
        return False

    def lock(self, request: HttpRequest, object_id: str | None) -> None:
        """Lock the policy row too, so that its grants and assignments do not change meanwhile."""
        super().lock(request, object_id)
        if object_id and object_id.isdecimal():
            row = Policy.objects.filter(pk=object_id).select_for_update(no_key=True)
            list(row.values_list("pk"))

    def state(self, obj: Policy) -> State:
        """The version in force; assignments have their own page."""
        version = obj.version_in_force
        return {"number": version.number if version else 0, "document": obj.document}

    def changes(self, shown: State, now: State) -> list[str]:
        return [*map(str, differences(shown["document"], now["document"]))]

    def last_saved(self, obj: Policy) -> Saved | None:
        """The last change by a page or, if that is later, by a policy file."""
        saved, version = super().last_saved(obj), obj.version_in_force
        if version and (saved is None or saved.at < version.created_at):
            return Saved(author(version), version.created_at)
        return saved

    def save_model(
        self, request: HttpRequest, obj: Policy, form: ModelForm[Policy], change: bool
    ) -> None:
        """Save the row of a new policy; publishing saves everything else."""
        if not change:
            super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        policy = form.instance
        before, granted = policy.version_in_force, grants.of_policy(policy)
        times = form.times
        beside = beside_words(policy, is_planned=times is not None)
        limits_before = own_amounts.limits_of(policy)
        rows = {rows.key: rows.documents for rows in formsets if isinstance(rows, RowFormSet)}
        published = publish(
            edited(policy) | rows,
            author=staff(request),
            reason=form.cleaned_data["reason"],
            policy=policy,
            times=times,
        )
        # Of a planned version, once it begins.
        then = controls(published.version.document)
        changed = grants.policy_changed(policy, granted, grants.grants_of(then))
        asking.require(
            request,
            gained=changed.gained,
            lost=changed.lost,
            begun=published.begun,
            asleep=own_amounts.asleep(policy, limits_before, then.limits),
            beside=beside if published.is_new else "",
        )
        add_messages(request, before, published)
        if times is None:
            warn_of_lost_grants(request, changed.lost)

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Leave rows out, as they are not objects: versions say what changed."""
        return super().construct_change_message(request, form, (), add)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **options: Any
    ) -> HttpResponse:
        if policy := options.get("obj"):
            # The top of the page: the version in force, not what is being edited.
            version = policy.version_in_force
            progress = counting_ahead.progress(policy)
            context |= {
                "turns": turn_words(policy),
                "planned": planned_rows(policy),
                "sentences": _sentences(policy),
                "counting": counting_words(*progress) if progress else "",
                "assigned": assigned_sentence(policy),
                "of_policy": of_policy(policy),
                "version": version,
                "since": exact_time(begins_at(version)) if version else "",
                "author": author(version) if version and version.author else "",
            }
        return super().render_change_form(request, context, *args, **options)

    @display(description="Version", empty_value="None in force")
    def version_in_force(self, policy: Policy) -> str | None:
        return turn_words(policy) or None

    @display(description="What it says")
    def says(self, policy: Policy) -> str:
        sentences = _sentences(policy)
        more = f" And {len(sentences) - 3} more." if len(sentences) > 3 else ""
        return " ".join(sentences[:3]) + more

    @display(description="Assigned to")
    def assigned_to(self, policy: Policy) -> str:
        return assigned_words(policy, 3)

    @display(description="Last changed")
    def changed(self, policy: Policy) -> str:
        version = policy.version_in_force
        if version is None:
            return "Never"
        at = date_format(localtime(version.created_at), "SHORT_DATETIME_FORMAT")
        return f"{at}, {author(version)}" if version.author else at


def _sentences(policy: Policy) -> list[str]:
    version = policy.version_in_force
    if version is None and policy.listed_plans:
        return ["No version is in force yet: the first one is planned."]
    if version is None:
        return ["No version yet: saving creates the first one."]
    return summary(controls(json.loads(version.content)))
