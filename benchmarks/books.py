"""`make bench-books`: how long `verify_books` takes over a million ledger entries.

In a database that is thrown away afterwards, or in the one kept in BENCH_BOOKS_DIR, which is used
again if it is there. BENCH_BOOKS_ENTRIES says how many entries.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.verified", "BENCH_BOOKS_DIR"))
