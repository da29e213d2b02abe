"""How long a hold may wait for its capture before it is overdue.

Networks let most holds expire after a week, and those of lodging, airlines and car rental after a
month.
"""

USUAL_DAYS = 7
LONG_DAYS = 31

LONG_HOLDS = (
    *(("7011", "7011"), ("3501", "3999")),  # lodging
    *(("4511", "4511"), ("3000", "3350")),  # airlines
    *(("7512", "7513"), ("7519", "7519"), ("3351", "3441")),  # car rental
)
"""First and last MCC of each range whose holds may last LONG_DAYS."""


def horizon_days(category_code: str) -> int:
    """Days after which a hold at a merchant with this MCC is overdue."""
    is_long = any(first <= category_code <= last for first, last in LONG_HOLDS)
    return LONG_DAYS if is_long else USUAL_DAYS
