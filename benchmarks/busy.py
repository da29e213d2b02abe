"""`make bench-busy`: what a card costs on which much was bought, and a limit that is new there.

In a database that is thrown away afterwards. BENCH_BUSY_PURCHASES says how many purchases the
busiest card has, 500,000 otherwise.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.counted", "BENCH_BUSY_DIR"))
