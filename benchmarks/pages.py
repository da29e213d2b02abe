"""`make bench-pages`: how long the pages of the staff take with a million decisions.

In a database that is thrown away afterwards, or in the one kept in BENCH_PAGES_DIR, which is used
again if it is there. BENCH_PAGES_DECISIONS says how many decisions.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.opened", "BENCH_PAGES_DIR"))
