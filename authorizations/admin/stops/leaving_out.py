"""The page that leaves a card, cardholder or group out of an assignment of a policy."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminRadioSelectWidget

from authorizations.admin.lists.filters import target_field
from authorizations.admin.shared import asking
from authorizations.admin.shared.asking import UnconfirmedError
from authorizations.admin.shared.links import page_of, staff
from authorizations.admin.stops.stopping import ScopeForm, named_in
from authorizations.models import Assignment, Instruction
from authorizations.rules.basics.controls import OwnBudget, ScopeKind, scope_of
from authorizations.services.policies import exclusions
from authorizations.services.policies.stops import StopError

_WHO = {
    ScopeKind.CARD: "One card, with its replacements",
    ScopeKind.CARDHOLDER: "A cardholder: all their cards, later ones too",
    ScopeKind.GROUP: "A card group",
}


class LeaveOutForm(ScopeForm):
    where = forms.ChoiceField(
        label="Leave out",
        choices=list(_WHO.items()),
        widget=UnfoldAdminRadioSelectWidget,
        error_messages={"required": "Choose who is left out."},
    )
    card = target_field("card", label="Card", required=False)
    cardholder = target_field("cardholder", label="Cardholder", required=False)
    group = target_field("group", label="Card group", required=False)
    field_order = ("where", "card", "cardholder", "group", "until", "reason")

    def __init__(self, data: QueryDict | None, *, assigned: ScopeKind, **options: Any) -> None:
        super().__init__(data, **options)
        # An assignment to a group or cardholder is removed rather than left.
        if assigned in self._FIELDS.values():
            del self.fields[assigned.value]
        self.fields["where"].choices = [  # type: ignore[attr-defined]
            (kind, words) for kind, words in _WHO.items() if kind is not assigned
        ]


def leave_out_page(request: HttpRequest) -> HttpResponse:
    """Ask who is left out of the assignment that the address names, until when and why.

    The address may name a card, cardholder or group, and then leads back to its page.
    """
    if not request.user.has_perm("authorizations.view_policy"):
        raise PermissionDenied
    row = _assignment(request.GET)
    policy, assigned = row.policy, scope_of(row.scope)
    initial, back = named_in(request.GET)
    back = back or page_of(policy)
    options: dict[str, Any] = {"assigned": assigned.kind, "initial": initial}
    form = asking.form(request, LeaveOutForm, **options)
    if request.method == "POST" and form.is_valid():
        found = form.cleaned_data
        try:
            with transaction.atomic():
                difference = exclusions.leave_out(
                    policy,
                    assigned,
                    form.scope,
                    by=staff(request),
                    reason=found["reason"],
                    until=found["until"],
                )
                asking.require(request, gained=difference.gained, lost=difference.lost)
        except UnconfirmedError as unconfirmed:
            asking.ask(request, unconfirmed)
            form = asking.form(request, LeaveOutForm, **options)
        except StopError as wrong:
            form.add_error(None, str(wrong))
        else:
            messages.success(
                request, f"{policy} no longer applies there, from the next purchase on."
            )
            return HttpResponseRedirect(back)
    effect = (
        f"Policy {policy} no longer applies there, from the next purchase on; other policies do. "
        f"{_counts_words(row)}"
    )
    words = "Leave out"
    return asking.page(
        request, form, about=Instruction, title=words, button=words, effect=effect, back=back
    )


def _assignment(query: QueryDict) -> Assignment:
    """The assignment that an address names by its policy and scope. Raises Http404."""
    key = query.get("policy", "")
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        raise Http404
    rows = Assignment.objects.select_related("policy").filter(card=None)
    return get_object_or_404(rows, policy=key, scope=query.get("assigned", ""))


def _counts_words(row: Assignment) -> str:
    """What becomes of what is spent by those who are left out."""
    if row.cardholder_id or (row.group_id and not row.each):
        return "What is spent there still counts in the budget that the others share."
    if row.each == OwnBudget.CARDHOLDER:
        return "What is spent there still counts in the cardholder's own limits."
    return "What is spent there still counts in the card's own limits."
