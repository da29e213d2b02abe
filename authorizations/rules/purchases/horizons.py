"""How long a hold may wait for its capture before it is an alarm.

Networks let most holds lapse after a week, those of lodging, airlines and car rental after a month.
"""

USUAL_DAYS = 7
LONG_DAYS = 31

LONG_HOLDS = (
    *(("7011", "7011"), ("3501", "3999")),  # lodging
    *(("4511", "4511"), ("3000", "3350")),  # airlines
    *(("7512", "7513"), ("7519", "7519"), ("3351", "3441")),  # car rental
)
"""First and last MCC of each stretch whose holds may stand for LONG_DAYS."""


def horizon_days(category_code: str) -> int:
    """After so many days a hold at a merchant with this MCC should have ended."""
    is_long = any(first <= category_code <= last for first, last in LONG_HOLDS)
    return LONG_DAYS if is_long else USUAL_DAYS
