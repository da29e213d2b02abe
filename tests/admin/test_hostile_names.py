"""Names from outside that mean harm: no page runs them, no file hides a formula in a cell."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import chain

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from authorizations.models import (
    Authorization,
    Card,
    Cardholder,
    Decision,
    Finding,
    LedgerEntry,
    RejectedRequest,
    Transaction,
    UnappliedEvent,
    WebhookRequest,
)
from simulator.stripe.samples import MERCHANTS, to_bytes
from tests.admin import pages
from tests.admin.conftest import Visit
from tests.admin.test_exports import export_url
from tests.hostile.names import CARD, CONTROLS, FORMULAS, MARKUP, NAMES, SCRIPT
from tests.support.desk import Shopper, deliver, in_force
from tests.support.timeouts import PATIENCE_S

pytestmark = pytest.mark.django_db

MODELS = (
    *(Decision, Authorization, Card, Cardholder, WebhookRequest, LedgerEntry, Finding, Transaction),
    *(RejectedRequest, UnappliedEvent),
)
FORMULA = re.compile(r"\s*[=+@\uff0b\uff0d\uff1d\uff20]")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
HARMED = """
() => Boolean(window.harmed) || [...document.querySelectorAll('*')].some(
    element => [...element.attributes].some(
        attribute => attribute.name.startsWith('on') && attribute.value.includes('harmed')
            || ['href', 'src', 'action'].includes(attribute.name)
            && attribute.value.startsWith('javascript:')))
"""


@pytest.fixture
def page(browser: BrowserContext, live_server: LiveServer) -> Iterator[Page]:
    """Of a browser that heeds no content security policy: it must not be needed."""
    assert browser.browser
    context = browser.browser.new_context(bypass_csp=True)
    context.set_default_timeout(PATIENCE_S * 1000)
    yield context.new_page()
    context.close()


def sold_by(name: str, number: int) -> None:
    """A purchase, its capture, and a holder and metadata of the same name."""
    shop = MERCHANTS[0]._replace(name=name, city=name, url=name, category=name)
    shopper = Shopper(
        card_id=f"ic_{number}",
        cardholder_id=f"ich_{number}",
        name=name,
        card={"brand": name, "type": name, "metadata": {name: name}},
    )
    event = shopper.event(shopper.purchase(100, merchant=shop))
    event["data"]["object"]["metadata"] = {name: name}
    deliver(event)
    report = event | {"id": f"evt_report_{number}", "type": "issuing_authorization.updated"}
    history = {"amount": 50, "approved": True, "created": shopper.at, "reason": name}
    report["data"]["object"]["request_history"] = [history | {"reason_message": name}]
    deliver(report, **{"User-Agent": SCRIPT})
    deliver(report | {"id": f"evt_broken_{number}", "data": {"object": {"id": name}}})
    deliver({"type": name, "id": f"evt_unknown_{number}"})
    Client().post("/webhook", to_bytes(event), content_type="application/json")


@pytest.mark.django_db(transaction=True)
def test_no_page_runs_a_script_that_came_as_a_name(visit: Visit, live_server: LiveServer) -> None:
    in_force()
    # Each begins one; the others follow in the same text.
    for number in range(0, len(MARKUP), 4):
        sold_by("".join(MARKUP[number:] + MARKUP[:number])[:499], number)
    page = visit("Auditors", "/admin/")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    urls = [pages.list_url(model) for model in MODELS]
    urls += [f"{pages.list_url(Decision)}?q={SCRIPT}"]
    urls += [pages.change_url(row) for model in MODELS for row in model._default_manager.all()[:3]]
    assert len(urls) > 15
    for url in ["/admin/", *urls]:
        answer = page.goto(f"{live_server.url}{url}", wait_until="domcontentloaded")
        assert answer is not None
        assert answer.status == 200, url
        assert not page.evaluate(HARMED), url
    assert not dialogs


def test_in_a_spreadsheet_no_name_is_a_formula_or_breaks_its_line(auditor: Client) -> None:
    in_force()
    for number, name in enumerate((*FORMULAS, *CONTROLS, CARD)):
        sold_by(name, number)
    for model in (Decision, Authorization, WebhookRequest):
        sent = auditor.post(export_url(model), {"format": "csv"}).getvalue().decode("utf-8-sig")
        head, *rows = csv.reader(io.StringIO(sent, newline=""))
        assert len(rows) == len(sent.split("\r\n")) - 2
        assert {len(row) for row in rows} == {len(head)}
        assert "4242424242424242" not in sent
        for text in chain.from_iterable(rows):
            assert not CONTROL.search(text)
            assert not FORMULA.match(text), text


def test_of_what_was_masked_the_page_says_so(auditor: Client) -> None:
    sold_by(CARD, 1)
    said = pages.text(auditor.get(pages.change_url(WebhookRequest.objects.earliest("pk"))))
    assert "card numbers in the body were masked afterwards" in said
    assert "matches the body" in said
    assert "4242424242424242" not in said


def test_no_name_breaks_a_page(auditor: Client) -> None:
    in_force()
    for number, name in enumerate(NAMES):
        sold_by(name, number)
    for row in Decision.objects.all():
        assert auditor.get(pages.change_url(row)).status_code == 200
    for model in MODELS:
        assert auditor.get(pages.list_url(model)).status_code == 200
