"""Small tables inside a page, in the look of the lists."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> SafeString:
    """Rows under headers; says so where there is none."""
    shown = [[_cell(value) for value in row] for row in rows]
    context = {"table": {"headers": headers, "rows": shown}}
    return render_to_string("unfold/components/table.html", context)


def badge(text: str, variant: str) -> SafeString:
    """A short text on colour; `variant` is unfold's: success, warning, danger."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": variant})


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return date_format(localtime(value), "DATETIME_FORMAT")
    return value
