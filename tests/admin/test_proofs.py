"""What auditors see of the runs that proved the record."""

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from authorizations.models import Decision, ProofRun
from tests.admin import pages
from tests.desk import Shopper, in_force
from tests.services.damage import damage

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _purchase() -> None:
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(1_000, event_id="evt_it")


def shown(client: Client, row: ProofRun) -> str:
    return client.get(pages.change_url(row)).content.decode()


def test_each_run_is_listed_with_its_range_and_result(auditor: Client) -> None:
    call_command("verify_books")
    call_command("redecide", all=True, since=datetime(2026, 11, 1, tzinfo=UTC))
    html = auditor.get(pages.list_url(ProofRun)).content.decode()
    assert html.count("All as it should be") >= 2
    assert "All of it" in html
    assert "From 1 Nov 2026, 00:00:00 UTC on" in html


def test_a_run_s_page_shows_its_first_differences_as_they_are(auditor: Client) -> None:
    damage(Decision.objects.get(), approved_amount=7, currency="<b>")
    with pytest.raises(CommandError):
        call_command("redecide", all=True)
    run = ProofRun.objects.get()
    html = shown(auditor, run)
    assert f"{run.differences} differences" in html
    assert "evt_it: approved_amount is kept as 7, but should be 1000" in html
    assert "<b>," not in html
    assert "1 decisions" in html


def test_what_stopped_a_run_is_told(auditor: Client) -> None:
    with pytest.raises(CommandError, match="There is no decision"):
        call_command("redecide", decision="evt_nobody")
    html = shown(auditor, ProofRun.objects.get())
    assert "Stopped before its end" in html
    assert "Decision evt_nobody" in html


def test_runs_are_found_by_command_and_result(auditor: Client) -> None:
    call_command("verify_books")
    found = auditor.get(pages.list_url(ProofRun), {"command": "redecide"})
    assert not found.context["cl"].result_list
    found = auditor.get(pages.list_url(ProofRun), {"result": "right"})
    assert len(found.context["cl"].result_list) == 1
