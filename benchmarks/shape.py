"""`make shape`: figures about the code's readability, to be compared between commits.

Private functions called once, lengths of functions and files, how often certain words occur, and
the numbers of files and functions that an approved purchase enters.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.shaped", "BENCH_SHAPE_DIR"))
