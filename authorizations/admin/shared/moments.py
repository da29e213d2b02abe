"""A form field for a day and a time."""

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget


def moment_field(label: str, help_text: str) -> forms.DateTimeField:
    """A day and a time in the browser's time zone, or nothing."""
    return forms.DateTimeField(
        required=False,
        label=label,
        help_text=help_text,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
        error_messages={"invalid": "Choose a day and a time, such as 2026-11-30 18:00."},
    )
