"""The assignments of a policy: a list with search, and a page that removes them."""

import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from authorizations.admin.cards.grants import warn_of_lost_grants
from authorizations.admin.policies.assigned import (
    linked_target,
    scopes_words,
    target_words,
    with_targets,
)
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import LEAVES_WITHOUT, LETS_SPEND, UnconfirmedError
from authorizations.models import Assignment, Policy
from authorizations.rules.basics.words import gained_words, losing_words
from authorizations.services.cards import grants
from authorizations.services.policies.assignments import unassign
from authorizations.services.queries import listing
from authorizations.services.queries.by_key import ByKey
from authorizations.services.queries.listing import Page, WrongKeyError

MAX_ROWS = 50
MAY_SEE, MAY_ADD, MAY_REMOVE = (
    f"authorizations.{verb}_assignment" for verb in ("view", "add", "delete")
)
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
            {"key": row.pk, "words": target_words(row), "target": linked_target(row)}
            for row in shown.rows
        ],
        "number": counted["number"],
        "newest": counted["newest"],
        "term": term,
        "pages": _links(shown, term),
        "may_add": request.user.has_perm(MAY_ADD),
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
                difference = unassign(policy, chosen)
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
