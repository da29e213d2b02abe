"""`make bench-busy`: what decisions on a card with many purchases cost, also with a new limit.

Uses a temporary database. BENCH_BUSY_PURCHASES sets the number of purchases of the busiest card;
default: 500,000.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.counted", "BENCH_BUSY_DIR"))
