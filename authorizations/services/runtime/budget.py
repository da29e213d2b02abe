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

SENDING_MS = 20
STAND_IN_MS = ANSWER_MS - SENDING_MS
"""When stand-in has settled what to answer, from the arrival at the proxy."""

LEAST_FOR_STAND_IN_MS = 300
"""What stand-in has at least, however long a request waited for a worker."""

LEAST_FOR_DATABASE_MS = 200
"""With less of it left the database is not asked: `overloaded`."""

LEAST_FOR_RETRY_MS = 300
"""With less left a decision is not tried again on another connection."""

CAP_WAIT_MS = 100
"""How long stand-in waits for other processes' turns at a cap."""

HOST_ANSWERS_WAIT_MS = 10
"""How long a look at what the host has answered waits for others, in the process and beyond."""

AFTER_LOCK_MS = 100
"""What is kept of the database's share for the work under the lock: a row that stays locked times
out before the deadline does, which says nothing about the database.
"""

BRIEF_LOCK_WAIT_MS = 50
"""How long a row is waited for whose lock timed out a moment ago."""

POOL_WAIT_MS = 100
"""How long a request waits for a connection: there is one for each thread."""

SPOOL_WAIT_MS = 150
"""How long a record may take to the disk where nobody says otherwise."""

LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS = 600, 650
"""PostgreSQL's own, for what a process leaves behind when it is stopped."""

assert ANSWER_MS + NETWORK_MS < STRIPE_MS  # noqa: S101 - an import that fails, not a request
assert (  # noqa: S101
    LEAST_FOR_STAND_IN_MS >= SPOOL_WAIT_MS + CAP_WAIT_MS + SENDING_MS + 2 * HOST_ANSWERS_WAIT_MS
)
assert BRIEF_LOCK_WAIT_MS + AFTER_LOCK_MS <= LEAST_FOR_DATABASE_MS  # noqa: S101
assert LOCK_TIMEOUT_MS < STATEMENT_TIMEOUT_MS < ANSWER_MS  # noqa: S101


def least_for_database_ms() -> int:
    """With less of the decision's budget left, the database is not asked."""
    budget_ms: int = settings.DECISION_BUDGET_MS
    return min(LEAST_FOR_DATABASE_MS, budget_ms // 2)
