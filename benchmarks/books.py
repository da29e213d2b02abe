"""`make bench-books`: how long `verify_books` takes over a million ledger entries.

Uses a temporary database, or the one in BENCH_BOOKS_DIR, which is kept and used again.
BENCH_BOOKS_ENTRIES sets the number of entries.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.verified", "BENCH_BOOKS_DIR"))
