"""Three open programs as policy files: the desk answers as each of them does."""

import pytest

from tests.programs.play import play
from tests.support.verification import assert_clean

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

REASONS = {
    "hack_club": {
        *("approved", "card_frozen", "blocked", "category_not_allowed", "merchant_not_allowed"),
        *("no_condition_met", "amount_limit_exceeded", "funds_exceeded"),
    },
    "open_collective": {"approved", "card_not_active", "amount_limit_exceeded", "funds_exceeded"},
    "odoo": {
        *("approved", "card_frozen", "category_not_allowed", "merchant_country_not_allowed"),
        *("merchant_country_required", "category_required", "amount_limit_exceeded"),
    },
}
"""Why the desk answers as it does, by program: each of their checks decides some purchase."""


@pytest.mark.parametrize(("name", "reasons"), REASONS.items())
def test_the_desk_answers_as_the_program_does(name: str, reasons: set[str]) -> None:
    played = play(name, 150, "second")
    assert played.differences == []
    assert reasons - played.reasons.keys() == set()
    assert_clean()
