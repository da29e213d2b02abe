"""`make bench-pages`: how long the admin's pages take with a million decisions.

Uses a temporary database, or the one in BENCH_PAGES_DIR, which is kept and used again.
BENCH_PAGES_DECISIONS sets the number of decisions.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.opened", "BENCH_PAGES_DIR"))
