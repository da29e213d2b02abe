"""How long a hold may wait, by what kind of merchant holds it."""

import pytest

from authorizations.rules.purchases.horizons import horizon_days


@pytest.mark.parametrize(
    ("category_code", "days"),
    [
        ("", 7),
        ("5812", 7),
        ("2999", 7),
        ("3000", 31),
        ("3350", 31),
        ("3351", 31),
        ("3441", 31),
        ("3442", 7),
        ("3500", 7),
        ("3501", 31),
        ("3999", 31),
        ("4511", 31),
        ("4512", 7),
        ("7011", 31),
        ("7012", 7),
        ("7512", 31),
        ("7513", 31),
        ("7514", 7),
        ("7519", 31),
    ],
)
def test_lodging_airlines_and_car_rental_hold_for_longer(category_code: str, days: int) -> None:
    assert horizon_days(category_code) == days
