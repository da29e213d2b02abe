"""Small tables and badges inside a page, styled like the lists."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.timezone import localtime


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> SafeString:
    """A table with headers; times are shown in the reader's zone."""
    shown = [
        [
            date_format(localtime(cell), "DATETIME_FORMAT") if isinstance(cell, datetime) else cell
            for cell in row
        ]
        for row in rows
    ]
    context = {"table": {"headers": headers, "rows": shown}}
    return render_to_string("unfold/components/table.html", context)


def badge(text: str, variant: str) -> SafeString:
    """A short text on a coloured background; `variant` is unfold's: success, warning, danger."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "variant": variant})
