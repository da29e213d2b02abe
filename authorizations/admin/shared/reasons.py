"""The reason that is asked for wherever something is stopped, given or undone."""

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget


def reason_field(*, autofocus: bool = False) -> forms.CharField:
    return forms.CharField(
        max_length=500,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": True} if autofocus else None),
        error_messages={"required": "Give a reason: others will ask why."},
    )


class ReasonForm(forms.Form):
    """Asks for nothing but a reason."""

    reason = reason_field(autofocus=True)
