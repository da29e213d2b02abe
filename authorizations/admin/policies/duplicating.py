"""The page that makes a copy of a policy: its limits and rules, assigned to nobody."""

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.widgets import UnfoldAdminTextInputWidget

from authorizations.admin.policies.assignments import policy_of
from authorizations.admin.policies.forms import show_problem
from authorizations.admin.shared import asking
from authorizations.admin.shared.links import page_of, staff
from authorizations.models import Policy
from authorizations.rules.policy.document import NAME_LENGTH, InvalidPolicyError
from authorizations.services.policies.publish import publish

MAY_DUPLICATE = "authorizations.add_policy"
_TAKEN = "Another policy has this name: choose a different one."


class DuplicateForm(forms.Form):
    name = forms.CharField(
        max_length=NAME_LENGTH,
        label="Name of the copy",
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True}),
        error_messages={"required": "Give the policy a name."},
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if Policy.objects.filter(name=name).exists():
            raise forms.ValidationError(_TAKEN)
        return name


def duplicate_page(request: HttpRequest, object_id: int) -> HttpResponse:
    """Ask for a name, then put the copy in force and lead to its page."""
    policy = policy_of(request, object_id, MAY_DUPLICATE)
    initial = {"name": f"Copy of {policy.name}"[:NAME_LENGTH]}
    form = DuplicateForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        document = policy.document | {"name": form.cleaned_data["name"]}
        try:
            with transaction.atomic():
                made = Policy.objects.create(name=document["name"])
                origin = policy.version_in_force or policy
                publish(document, staff(request), f"Copy of {origin}", policy=made)
        except IntegrityError:  # somebody else gave this name meanwhile
            form.add_error("name", _TAKEN)
        except InvalidPolicyError as invalid:
            for problem in invalid.problems:
                show_problem(form, problem)
        else:
            messages.success(request, "Copied. It applies to no card until you assign it.")
            return HttpResponseRedirect(page_of(made))
    effect = (
        "The copy has the same limits and rules as the version in force, and is assigned to nobody."
    )
    return asking.page(
        request,
        form,
        about=Policy,
        original=policy,
        title="Duplicate",
        button="Duplicate",
        effect=effect,
        back=page_of(policy),
    )
