"""The assignments of a policy: a list with search, and pages that change and remove them."""

import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from unfold.widgets import UnfoldAdminRadioSelectWidget

from authorizations.admin.cards.grants import warn_of_lost_grants
from authorizations.admin.policies.assigned import (
    limits_words,
    linked_target,
    scopes_words,
    target_words,
    with_targets,
)
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import LEAVES_WITHOUT, LETS_SPEND, UnconfirmedError
from authorizations.admin.shared.links import leaving_out_url, staff
from authorizations.models import Assignment, Policy
from authorizations.rules.basics.controls import OwnBudget
from authorizations.rules.basics.words import gained_words, losing_words
from authorizations.services.cards import grants
from authorizations.services.policies.assignments import change_each, unassign
from authorizations.services.queries import listing
from authorizations.services.queries.by_key import ByKey
from authorizations.services.queries.listing import Page, WrongKeyError

MAX_ROWS = 50
MAY_SEE, MAY_ADD, MAY_CHANGE, MAY_REMOVE = (
    f"authorizations.{verb}_assignment" for verb in ("view", "add", "change", "delete")
)
_OF_CARDHOLDER = OwnBudget.CARDHOLDER.value
EACH_OF_GROUP = [
    ("", "One budget shared by the cards of the group"),
    (OwnBudget.CARD.value, "Each card's own, in and out of the group"),
    (_OF_CARDHOLDER, "Each cardholder's own in this group"),
]
EACH_OF_PROGRAM = [
    ("", "Each card's own"),
    (_OF_CARDHOLDER, "Each cardholder's own: all their cards together"),
]
"""Whose own the limits of a policy are, as an assignment to the program can have it."""
_KEY = re.compile("[0-9]{1,18}")


def assignments_page(request: HttpRequest, object_id: int) -> HttpResponse:
    """A page of the list, newest first."""
    policy = policy_of(request, object_id, MAY_SEE)
    term = request.GET.get("q", "").strip(" \N{BULLET}*")
    found = _found(policy, term)
    place = {name: request.GET.get(name, "") for name in ("before", "after")}
    rows = ByKey(with_targets(found))
    try:
        shown = listing.page(rows, size=MAX_ROWS, **place)
    except WrongKeyError:  # the newest page
        shown = listing.page(rows, size=MAX_ROWS)
    counted = found.aggregate(newest=Max("pk"), number=Count("pk"))
    context = {
        **admin.site.each_context(request),
        "title": "Assigned to",
        "opts": Policy._meta,
        "original": policy,
        "rows": [
            {
                "key": row.pk,
                "words": target_words(row),
                "target": linked_target(row),
                "has_several": row.program or row.group_id is not None,
                "leave_out": "" if row.card_id else leaving_out_url(policy.pk, row.scope),
            }
            for row in shown.rows
        ],
        "number": counted["number"],
        "newest": counted["newest"],
        "term": term,
        "pages": _links(shown, term),
        "may_add": request.user.has_perm(MAY_ADD),
        "may_change": request.user.has_perm(MAY_CHANGE),
        "may_leave_out": request.user.has_perm("authorizations.add_instruction"),
        "may_remove": request.user.has_perm(MAY_REMOVE),
    }
    return TemplateResponse(request, "admin/authorizations/assignments.html", context)


def unassign_page(request: HttpRequest, object_id: int) -> HttpResponse:
    """Show how many cards removing these assignments affects, then remove them."""
    policy = policy_of(request, object_id, MAY_REMOVE)
    back = list_url(policy)
    # The ticked assignments, or all that the list found, up to the newest it showed.
    newest = request.POST.get("all", "")
    if _KEY.fullmatch(newest):
        chosen = _found(policy, request.POST.get("q", "")).filter(pk__lte=int(newest))
    else:
        keys = [int(key) for key in request.POST.getlist("key") if _KEY.fullmatch(key)]
        chosen = Assignment.objects.filter(policy=policy, pk__in=keys)
    scopes = list(chosen.values_list("scope", flat=True))
    if not scopes:
        messages.info(request, "Nothing to remove: choose assignments that are still in the list.")
        return HttpResponseRedirect(back)
    if "confirmed" in request.POST:
        words = scopes_words(policy, scopes)
        try:
            with transaction.atomic():
                difference = unassign(policy, chosen, by=staff(request))
                asking.require(request, gained=difference.gained, lost=difference.lost)
        except UnconfirmedError:
            text = "Not removed yet: the effect has grown since this page was shown."
            messages.warning(request, text)
        else:
            messages.success(request, f"No longer applies to {words}.")
            warn_of_lost_grants(request, difference.lost)
            return HttpResponseRedirect(back)
    difference = grants.scopes_changed(policy, gone=scopes)
    context = {
        **admin.site.each_context(request),
        "title": f"Remove {len(scopes):,} {'assignment' if len(scopes) == 1 else 'assignments'}",
        "opts": Policy._meta,
        "original": policy,
        "words": scopes_words(policy, scopes),
        "keys": request.POST.getlist("key"),
        "all": request.POST.get("all", ""),
        "term": request.POST.get("q", ""),
        "ticks": {LEAVES_WITHOUT: difference.lost, LETS_SPEND: difference.gained},
        "lost": losing_words(difference.lost) if difference.lost else "",
        "gained": gained_words(difference.gained) if difference.gained else "",
        "back": back,
    }
    return TemplateResponse(request, "admin/authorizations/unassign.html", context)


class EachForm(forms.Form):
    each = forms.ChoiceField(required=False, label="Limits", widget=UnfoldAdminRadioSelectWidget())

    def __init__(self, data: QueryDict | None, *, row: Assignment) -> None:
        super().__init__(data, initial={"each": row.each})
        choices = EACH_OF_PROGRAM if row.program else EACH_OF_GROUP
        self.fields["each"].choices = choices  # type: ignore[attr-defined]


def each_page(request: HttpRequest, object_id: int, assignment_id: int) -> HttpResponse:
    """Change whose own the limits of a policy are, where it applies to a group or every card."""
    policy = policy_of(request, object_id, MAY_CHANGE)
    rows = with_targets(policy.assignments.filter(Q(program=True) | Q(group__isnull=False)))
    row = get_object_or_404(rows, pk=assignment_id)
    form = asking.form(request, EachForm, row=row)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                begun = change_each(policy, row, form.cleaned_data["each"])
                asking.require(request, begun=begun)
        except UnconfirmedError as unconfirmed:
            asking.ask(request, unconfirmed)
            form = asking.form(request, EachForm, row=row)
        else:
            row.refresh_from_db()
            messages.success(request, f"{limits_words(row)}, from the next purchase on.")
            return HttpResponseRedirect(list_url(policy))
    forgets = "Nothing spent is forgotten: it counts in the new limits too."
    return asking.page(
        request,
        form,
        about=Policy,
        original=policy,
        title="Whose limits",
        button="Save",
        effect=f"{limits_words(row)} now. {forgets}",
        back=list_url(policy),
    )


def list_url(policy: Policy) -> str:
    return reverse("admin:authorizations_policy_assignments", args=[policy.pk])


def assign_url(policy: Policy) -> str:
    return reverse("admin:authorizations_policy_assign", args=[policy.pk])


def policy_of(request: HttpRequest, object_id: int, permission: str) -> Policy:
    """The policy, if the user may see policies and has the permission."""
    if not request.user.has_perms(["authorizations.view_policy", permission]):
        raise PermissionDenied
    return get_object_or_404(Policy.objects.select_related("current_version"), pk=object_id)


def _found(policy: Policy, term: str) -> QuerySet[Assignment]:
    """The assignments to a group, cardholder or card of this name, id or last four digits."""
    rows = Assignment.objects.filter(policy=policy)
    if not term:
        return rows
    return rows.filter(
        Q(group__name__folded_contains=term)
        | Q(cardholder=term)
        | Q(cardholder__folded_name__contains_folded=term)
        | Q(card=term)
        | Q(card__last4=term)
        | Q(card__cardholder__folded_name__contains_folded=term)
    )


def _links(shown: Page, term: str) -> dict[str, Any]:
    """The addresses of other pages, for pages.html."""

    def url(name: str, key: str) -> str:
        given = {"q": term} if term else {}
        return f"?{urlencode(given | ({name: key} if name else {}))}" if key or not name else ""

    return {
        "page": shown,
        "newest_url": url("", ""),
        "newer_url": url("after", shown.newer),
        "older_url": url("before", shown.older),
    }
