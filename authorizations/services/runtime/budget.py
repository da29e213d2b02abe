"""The seconds an answer is made of, and that they fit together.

Stripe waits two seconds. A request may wait for a worker as long as enough is left to ask the
database; all work on the database ends DECISION_BUDGET_MS after the request reached the proxy, and
stand-in has the rest.
"""

from django.conf import settings

STRIPE_MS = 2_000
"""What Stripe waits for an answer, the network's way there and back included."""

NETWORK_MS = 300
"""Of that, the way there and back."""

ANSWER_MS = 900
"""From the arrival at a worker every signed request is answered within this."""

DECISION_MS = 700
"""DECISION_BUDGET_MS where nobody says otherwise."""

SENDING_MS = 20
STAND_IN_MS = ANSWER_MS - SENDING_MS
"""When stand-in has settled what to answer, from the arrival at the proxy."""

LEAST_FOR_STAND_IN_MS = 300
"""What stand-in has at least, however long a request waited for a worker."""

LEAST_FOR_DATABASE_MS = 200
"""With less of it left the database is not asked: `overloaded`."""

LEAST_FOR_RETRY_MS = 300
"""With less left a decision is not tried again on another connection."""

# --- In stand-in

CAP_WAIT_MS = 100
"""How long stand-in waits for other processes' turns at a cap."""

HOST_ANSWERS_WAIT_MS = 10
"""How long a look at what the host has answered waits for others, in the process and beyond."""

HOST_MEMORY_WAIT_MS = 100
"""How long a note for other processes waits for theirs, each of which takes microseconds."""

SPOOL_WAIT_MS = 150
"""How long a record may take to the disk where nobody says otherwise."""

LEAST_FOR_DISK_MS = 50
"""What a record of stand-in's has at least, so that a late one is not refused unseen."""

SETTLING_MS = 20
"""What is kept of stand-in's time to say what was sent, once the disk has answered."""

# --- At the database

AFTER_LOCK_MS = 100
"""What is kept of the database's share for the work under the lock: a row that stays locked times
out before the deadline does, which says nothing about the database.
"""

BRIEF_LOCK_WAIT_MS = 50
"""How long a row is waited for whose lock timed out a moment ago."""

POOL_WAIT_MS = 100
"""How long a request waits for a connection: there is one for each thread."""

PROBE_MS = 500
"""How long the database may take to tell the breaker that it is there."""

LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, IDLE_TIMEOUT_MS = 600, 650, 1_000
"""PostgreSQL's own, for what a process leaves behind when it is stopped. The last one ends a
transaction in which nothing is asked any more.
"""

CLIENT_CHECK_MS = 250
"""How often PostgreSQL looks whether the process that asked is still there."""

# --- What else locks a card while purchases wait for it

BACKGROUND_LOCK_MS = 250
"""Applying an event in the background: so long at a time."""

COUNTING_AIM_MS, COUNTING_LIMIT_MS = 40, 100
"""Counting what a new limit needs: meant to take, and ended after."""

COUNTING_AHEAD_MS = 500
"""Looking what a limit needs that is about to be published."""

# --- Events that ask nothing: Stripe does not wait, but a thread is busy that purchases need

REPORT_MS = 700
"""How long one may take to be applied."""

REPORT_KEPT_MS = 500
"""What it has beyond that, or instead, to be kept for the background."""

REPORT_TURN_MS, KEEPING_TURN_MS = 20, 500
"""How long one waits for its turn to be applied, and then for its turn to be kept."""

_FITS = (
    NETWORK_MS + ANSWER_MS < STRIPE_MS,
    DECISION_MS + SPOOL_WAIT_MS + SENDING_MS <= ANSWER_MS,
    SPOOL_WAIT_MS + CAP_WAIT_MS + SENDING_MS + 2 * HOST_ANSWERS_WAIT_MS <= LEAST_FOR_STAND_IN_MS,
    SETTLING_MS + LEAST_FOR_DISK_MS <= LEAST_FOR_STAND_IN_MS,
    LEAST_FOR_DATABASE_MS <= LEAST_FOR_RETRY_MS < DECISION_MS,
    POOL_WAIT_MS < LEAST_FOR_DATABASE_MS,
    BRIEF_LOCK_WAIT_MS + AFTER_LOCK_MS <= LEAST_FOR_DATABASE_MS,
    LOCK_TIMEOUT_MS + AFTER_LOCK_MS <= DECISION_MS,
    LOCK_TIMEOUT_MS < STATEMENT_TIMEOUT_MS < DECISION_MS < IDLE_TIMEOUT_MS,
    CLIENT_CHECK_MS < STATEMENT_TIMEOUT_MS,
    # Whoever waits for what else locks a card gets the lock, and is not answered by stand-in.
    COUNTING_AIM_MS < COUNTING_LIMIT_MS <= BACKGROUND_LOCK_MS < COUNTING_AHEAD_MS < LOCK_TIMEOUT_MS,
    REPORT_TURN_MS + max(REPORT_MS, KEEPING_TURN_MS) + REPORT_KEPT_MS + NETWORK_MS < STRIPE_MS,
)
assert all(_FITS), _FITS  # noqa: S101 - an import that fails, not a request


def least_for_database_ms() -> int:
    """With less of the decision's budget left, the database is not asked."""
    budget_ms: int = settings.DECISION_BUDGET_MS
    return min(LEAST_FOR_DATABASE_MS, budget_ms // 2)
