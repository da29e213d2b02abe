"""What the templates of all pages ask for."""

from typing import Any, NamedTuple

from django import template
from django.conf import settings
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.db.models import DateTimeField, Model
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from authorizations.admin.site.empty import Empty, empty_state
from authorizations.admin.site.navigation import list_name, row_name
from authorizations.admin.stand_in.state import banner
from authorizations.admin.stops import state as stops
from authorizations.web.demo_logins import LOGINS

register = template.Library()
register.filter("row_name", row_name)

Crumb = tuple[str, str]
"""A title, and where it leads."""


@register.simple_tag(takes_context=True)
def crumbs(context: template.Context) -> list[Crumb]:
    """The way to this page, without the page itself."""
    row = _row(context)
    options = row._meta if row else context.get("opts")
    if options is None or context.get("cl"):
        return []
    way = [_crumb(list_name(options), f"{options.label_lower}.changelist")]
    if row and not context.get("adminform"):  # its history, or a question about it
        way.append(_crumb(str(row), f"{options.label_lower}.change", quote(row.pk)))
    return way


@register.simple_tag(takes_context=True)
def page_name(context: template.Context) -> str:
    """What the page is called: a list by its rows, a row by its own name."""
    if context.get("cl"):
        return list_name(context["cl"].opts)
    row = _row(context)
    return str(row) if row and context.get("adminform") else str(context.get("title") or "")


@register.simple_tag(takes_context=True, name="empty_state")
def empty_state_tag(context: Any, model_name: str) -> Empty:
    return empty_state(model_name, context.request.GET)


@register.filter
def thousands(number: int) -> str:
    """ "1,204"."""
    return f"{number:,}"


@register.filter
def zone_beside(field: Any) -> str:
    """The zone's name, to stand behind the value of a read-only field that is a time."""
    row, name = field.form.instance, field.field["field"]
    kept = {kept.name for kept in row._meta.fields if isinstance(kept, DateTimeField)}
    at = getattr(row, name) if name in kept else None
    return f" {localtime(at):%Z}" if at else ""


@register.simple_tag(takes_context=True)
def stand_in_banner(context: Any) -> SafeString | str:
    """Above every page while stand-in answers."""
    shown = banner(context.request)
    template = "admin/authorizations/stand_in_banner.html"
    return render_to_string(template, {"banner": shown}) if shown else ""


@register.simple_tag(takes_context=True)
def stops_banner(context: Any) -> SafeString | str:
    """Above every page while the program is frozen or something is blocked for a time."""
    sentences = stops.banner(context.request)
    template = "admin/authorizations/stops_banner.html"
    return render_to_string(template, {"sentences": sentences}) if sentences else ""


class Mistake(NamedTuple):
    """`field` is the id of what to correct, and `label` what it is called."""

    field: str
    label: str
    words: str


@register.simple_tag(takes_context=True)
def mistakes(context: template.Context) -> list[Mistake]:
    """What is wrong on a page that was sent, in its order."""
    shown = context.get("adminform")
    rows = [
        form
        for inline in context.get("inline_admin_formsets") or ()
        for form in inline.formset.forms
    ]
    found = []
    for form in [shown.form, *rows] if shown else []:
        title = getattr(form, "title", "")  # of a row
        of = f" of {title}" if title else ""
        found += [
            Mistake(
                bound.id_for_label or bound.auto_id, f"{bound.label}{of}", " ".join(bound.errors)
            )
            for bound in form
            if bound.errors and not bound.is_hidden
        ]
    return found


@register.simple_tag
def demo_log_ins() -> list[str]:
    """The demo's users, to be named on a developer's own machine and nowhere else."""
    if not settings.DEBUG:
        return []
    there = User.objects.filter(username__in=LOGINS, is_active=True)
    return list(there.order_by("pk").values_list("username", flat=True))


def _row(context: template.Context) -> Model | None:
    row = context.get("original") or context.get("object")
    return row if isinstance(row, Model) else None


def _crumb(title: str, page: str, *args: str) -> Crumb:
    try:
        return title, reverse(f"admin:{page.replace('.', '_')}", args=args)
    except NoReverseMatch:  # a row without a page of its own
        return title, ""
