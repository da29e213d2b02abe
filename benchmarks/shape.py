"""`make shape`: how readable the code is, in figures to compare with those of another commit.

How many private functions are used once, how long functions and files are, how often the dialect's
words occur, and how many files and functions of the package one approved purchase enters.
"""

import sys

from benchmarks.scratch import run_inside

if __name__ == "__main__":
    sys.exit(run_inside("benchmarks.shaped", "BENCH_SHAPE_DIR"))
