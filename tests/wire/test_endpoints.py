"""Which events are to be chosen at Stripe, and for which of the two endpoints."""

import re

from django.conf import settings

from authorizations.wire.endpoints import AFTERWARDS, ALL, listen_command
from authorizations.wire.events import AUTHORIZATION_REQUEST

GOING_LIVE = (settings.BASE_DIR / "docs" / "going-live.md").read_text("utf-8")
README = (settings.BASE_DIR / "README.md").read_text("utf-8")


def test_the_question_goes_to_the_authorization_webhook_alone() -> None:
    assert AUTHORIZATION_REQUEST not in AFTERWARDS
    assert {*ALL} == {AUTHORIZATION_REQUEST, *AFTERWARDS}


def test_going_live_lists_exactly_the_events_that_the_desk_uses() -> None:
    """Word for word: people choose by it."""
    [listed] = re.findall(r"events to choose.+?```text\n(.+?)```", GOING_LIVE, re.DOTALL)
    assert tuple(listed.split()) == AFTERWARDS


def test_the_readme_has_the_command_that_the_start_up_text_prints() -> None:
    assert f"    {listen_command()}\n" in README
    assert f"    {listen_command()}\n" in GOING_LIVE


def test_nothing_that_people_read_has_the_form_that_ends_with_an_error() -> None:
    pages = [settings.BASE_DIR / "README.md", settings.BASE_DIR / ".env.example"]
    for folder, kind in (("docs", "*.md"), ("deploy", "*"), ("templates", "*.html")):
        pages += (settings.BASE_DIR / folder).rglob(kind)
    for page in pages:
        if page.is_file() and page.parent.name != "__pycache__":
            assert "listen --forward-to" not in page.read_text("utf-8"), page.name
