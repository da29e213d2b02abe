"""What auditors see of the runs that proved the record."""

from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from authorizations.models import Decision, ProofRun
from authorizations.services.verify import redecide
from tests.admin import pages
from tests.support.damage import damage
from tests.support.desk import Shopper, in_force

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
    assert "Everything" in html
    assert "From 1 Nov 2026, 00:00:00 UTC on" in html


def test_a_run_s_page_shows_its_first_differences_as_they_are(auditor: Client) -> None:
    damage(Decision.objects.get(), approved_amount=7, currency="<b>")
    with pytest.raises(CommandError):
        call_command("redecide", all=True)
    run = ProofRun.objects.get()
    html = shown(auditor, run)
    assert f"{run.differences} differences" in html
    assert "evt_it: approved_amount is 7; expected 1000" in html
    assert "<b>," not in html
    assert "1 decisions" in html


def test_what_stopped_a_run_is_told(auditor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt("by Ctrl-C")

    monkeypatch.setattr(redecide, "redecide", stop)
    with pytest.raises(KeyboardInterrupt):
        call_command("redecide", decision="evt_it")
    html = shown(auditor, ProofRun.objects.get())
    assert "Stopped before its end" in html
    assert "Decision evt_it" in html
    assert "KeyboardInterrupt: by Ctrl-C" in html


@pytest.mark.parametrize("unknown", ["evt_nobody", ""])
def test_a_decision_that_is_not_there_is_no_run(unknown: str) -> None:
    with pytest.raises(CommandError, match=f'There is no decision "{unknown}"'):
        call_command("redecide", "--decision", unknown)
    assert not ProofRun.objects.exists()


def test_where_nothing_is_missing_it_says_none(auditor: Client) -> None:
    run = ProofRun.objects.create(
        command="verify_record",
        started_at=datetime(2026, 11, 1, tzinfo=UTC),
        ended_at=datetime(2026, 11, 1, tzinfo=UTC),
        result="right",
        differences=0,
        missing={"changes": {"count": 0, "ranges": ""}, "entries": {"count": 2, "ranges": "4-5"}},
    )
    html = shown(auditor, run)
    assert "<li>changes: none</li><li>entries: 2 (4-5)</li>" in html


def test_runs_are_found_by_command_and_result(auditor: Client) -> None:
    call_command("verify_books")
    found = auditor.get(pages.list_url(ProofRun), {"command": "redecide"})
    assert not found.context["cl"].result_list
    found = auditor.get(pages.list_url(ProofRun), {"result": "right"})
    assert len(found.context["cl"].result_list) == 1
