"""The time budget of an answer, and a check that its parts fit together.

Stripe waits two seconds. A request may wait for a worker as long as enough time is left to ask the
database. All database work ends DECISION_BUDGET_MS after the request reached the proxy; stand-in
has the rest.
"""

from django.conf import settings

STRIPE_MS = 2_000
"""How long Stripe waits for an answer, including the network's time."""

NETWORK_MS = 300
"""The network's part of that, there and back."""

BODY_MS = 2_000
"""How long a request's body may take to arrive; only then does the time of the answer begin."""

ANSWER_MS = 900
"""Maximum time from a signed request's arrival at a worker to its answer."""

DECISION_MS = 700
"""Default of DECISION_BUDGET_MS."""

SENDING_MS = 20
STAND_IN_MS = ANSWER_MS - SENDING_MS
"""When stand-in has chosen its answer, counted from the arrival at the proxy."""

LEAST_FOR_STAND_IN_MS = 300
"""Minimum time for stand-in, however long a request waited for a worker."""

LEAST_FOR_DATABASE_MS = 200
"""With less of the decision's budget left, the database is not asked: `overloaded`."""

LEAST_FOR_GROUP_MS = 100
"""With less left, a request is not decided with others, whose time it would shorten."""

LEAST_FOR_RETRY_MS = 300
"""With less left, a decision is not tried again on a new connection."""

# --- In stand-in

CAP_WAIT_MS = 100
"""How long stand-in waits for other processes at a cap."""

HOST_ANSWERS_WAIT_MS = 10
"""How long a look-up of the host's answers waits for other threads and processes."""

HOST_MEMORY_WAIT_MS = 100
"""How long an access to the host's memory waits for others, each of which takes microseconds."""

SPOOL_WAIT_MS = 150
"""Default for how long writing a record to the spool may take."""

LEAST_FOR_DISK_MS = 50
"""Minimum time for writing a record of stand-in's, so that a late one still has a chance."""

SETTLING_MS = 20
"""Reserved for stand-in to choose what to send, once the disk has answered."""

# --- At the database

AFTER_LOCK_MS = 100
"""Reserved for the work under the lock. So a lock times out before the deadline passes, which does
not count as a failure of the database.
"""

BRIEF_LOCK_WAIT_MS = 50
"""How long to wait for a row whose lock has just timed out."""

POOL_WAIT_MS = 100
"""How long a request waits for a connection; there is one for each thread."""

PROBE_MS = 500
"""How long the database may take to answer the breaker's probe."""

LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, IDLE_TIMEOUT_MS = 600, 650, 1_000
"""PostgreSQL's own time-outs, for what a process leaves behind when it is stopped. The last is
idle_in_transaction_session_timeout.
"""

CLIENT_CHECK_MS = 250
"""How often PostgreSQL checks that the client of a statement is still connected."""

# --- Other work that locks a card while purchases wait for it

BACKGROUND_LOCK_MS = 250
"""Maximum time for one piece of an event that is applied in the background."""

COUNTING_AIM_MS, COUNTING_LIMIT_MS = 40, 100
"""Counting for a new limit: the aimed-at time of a piece, and its maximum."""

COUNTING_AHEAD_MS = 500
"""Maximum time to find out what must be counted for a limit that is being published."""

# --- Events that are no requests: Stripe does not wait, but they occupy threads purchases need

REPORT_MS = 700
"""Maximum time to apply one."""

REPORT_KEPT_MS = 500
"""Maximum time to keep one for the background, after that or instead."""

REPORT_TURN_MS, KEEPING_TURN_MS = 20, 500
"""How long one waits for its turn to be applied, and then for its turn to be kept."""

_FITS = (
    NETWORK_MS + ANSWER_MS < STRIPE_MS,
    DECISION_MS + SPOOL_WAIT_MS + SENDING_MS <= ANSWER_MS,
    SPOOL_WAIT_MS + CAP_WAIT_MS + SENDING_MS + 2 * HOST_ANSWERS_WAIT_MS <= LEAST_FOR_STAND_IN_MS,
    SETTLING_MS + LEAST_FOR_DISK_MS <= LEAST_FOR_STAND_IN_MS,
    LEAST_FOR_GROUP_MS <= LEAST_FOR_DATABASE_MS <= LEAST_FOR_RETRY_MS < DECISION_MS,
    BRIEF_LOCK_WAIT_MS < LEAST_FOR_GROUP_MS,
    POOL_WAIT_MS < LEAST_FOR_DATABASE_MS,
    BRIEF_LOCK_WAIT_MS + AFTER_LOCK_MS <= LEAST_FOR_DATABASE_MS,
    LOCK_TIMEOUT_MS + AFTER_LOCK_MS <= DECISION_MS,
    LOCK_TIMEOUT_MS < STATEMENT_TIMEOUT_MS < DECISION_MS < IDLE_TIMEOUT_MS,
    CLIENT_CHECK_MS < STATEMENT_TIMEOUT_MS,
    # A request that waits for other work on its card gets the lock in time.
    COUNTING_AIM_MS < COUNTING_LIMIT_MS <= BACKGROUND_LOCK_MS < COUNTING_AHEAD_MS < LOCK_TIMEOUT_MS,
    REPORT_TURN_MS + max(REPORT_MS, KEEPING_TURN_MS) + REPORT_KEPT_MS + NETWORK_MS < STRIPE_MS,
)
assert all(_FITS), _FITS  # noqa: S101 - an import that fails, not a request


def least_for_database_ms() -> int:
    """With less of the decision's budget left, the database is not asked."""
    budget_ms: int = settings.DECISION_BUDGET_MS
    return min(LEAST_FOR_DATABASE_MS, budget_ms // 2)
