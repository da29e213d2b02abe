"""`make bench-strangers`: purchases during a flood of false signatures, through nginx and without.

Uses the nginx, server and limits of deploy/, all on one machine. Stripe sends from 127.0.0.1, the
strangers from 127.0.0.2. STRANGERS_SECONDS and STRANGERS_CONNECTIONS set duration and number.
"""

import sys

from benchmarks.scratch import run_inside
from tests.support import programs

STARTS = ("nginx", "openssl")

if __name__ == "__main__":
    if lacking := [programs.PACKAGES[name] for name in STARTS if programs.find(name) is None]:
        sys.exit(f"This needs what is not installed: {programs.hint(lacking)}")
    sys.exit(run_inside("benchmarks.besieged", "BENCH_STRANGERS_DIR"))
