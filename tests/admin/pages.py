"""Pages as a person uses them: open, change what is shown, send."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import reverse

Sent = dict[str, Any]


def change_url(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[quote(row.pk)])


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def add_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


_is_rendered: ContextVar[bool] = ContextVar("is_rendered", default=True)
_rendered = vars(SimpleTemplateResponse)["rendered_content"].fget
SimpleTemplateResponse.rendered_content = property(  # type: ignore[method-assign, assignment]
    lambda response: _rendered(response) if _is_rendered.get() else ""
)


@contextmanager
def nothing_rendered() -> Iterator[None]:
    """Answers of this thread have their `context_data`, but not the page made of that."""
    token = _is_rendered.set(False)
    try:
        yield
    finally:
        _is_rendered.reset(token)


def unrendered(client: Client, url: str, query: Sent | None = None) -> Any:
    """The answer to opening a page, with its `context_data`, but without the page made of that."""
    with nothing_rendered():
        return client.get(url, query)


def as_shown(client: Client, url: str) -> Sent:
    """What a browser would send if nothing were changed on the page."""
    return as_sent(unrendered(client, url))


def as_sent(response: Any) -> Sent:
    """What a browser would send of a page that it was answered."""
    context = response.context_data
    sent = _values(context["adminform"].form)
    for inline in context["inline_admin_formsets"]:
        sent |= _values(inline.formset.management_form)
        for form in inline.formset.forms:
            sent |= _values(form)
    return sent


def _values(form: Any) -> Sent:
    values = {}
    for field in form:
        value = field.value()
        if isinstance(value, datetime):  # two inputs
            values[f"{field.html_name}_0"] = f"{value:%Y-%m-%d}"
            values[f"{field.html_name}_1"] = f"{value:%H:%M:%S}"
        elif value is not None and value is not False:
            values[field.html_name] = "on" if value is True else value
    return values


def added(sent: Sent, prefix: str, **values: Any) -> Sent:
    """With one more row in an inline."""
    place = int(sent[f"{prefix}-TOTAL_FORMS"])
    row = {f"{prefix}-{place}-{name}": value for name, value in values.items()}
    return sent | row | {f"{prefix}-TOTAL_FORMS": place + 1}


def merchants(*names: str, manner: str = "id_or_contains") -> list[str]:
    """What a browser sends of a list of merchants, each named in this manner."""
    return [part for name in names for part in (manner, name)]


def messages(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def errors(response: Any) -> dict[str, list[str]]:
    """Everything the page complains about, by the name of the field."""
    context = response.context
    assert response.status_code == 200
    found = {name: list(texts) for name, texts in context["adminform"].form.errors.items()}
    for inline in context["inline_admin_formsets"]:
        if inline.formset.non_form_errors():
            found[inline.formset.prefix] = list(inline.formset.non_form_errors())
        for form in inline.formset.forms:
            named = form.errors.items()
            found |= {form.add_prefix(name): list(texts) for name, texts in named}
    return found


def text(response: Any) -> str:
    """What can be read on the page, without marks."""
    page = response.content.decode()
    main = page[page.index('id="content-main"') :]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())
