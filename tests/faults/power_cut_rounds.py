"""The power cut's long form, with a database of its own, killed as well.

`python -m tests.faults.power_cut_rounds`: at least 100 rounds; `--seed` repeats a run. Ends with
status 1 where an answer is lost or doubled.
"""

import argparse
import atexit
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import django


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.power_cut_rounds")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    options = parser.parse_args()
    print(f"Seed {options.seed}: --seed {options.seed} repeats this run.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stopped, it cleans up all the same
    directory = Path(tempfile.mkdtemp(prefix="power-cut-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)  # after the database's own
    directory.chmod(0o755)  # the database's own user can reach it
    os.environ |= {
        "DATABASE_URL": "",
        "EMBEDDED_POSTGRES_DIR": str(directory / "postgres"),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    django.setup()
    sys.exit(_rounds(options.rounds, options.seed, directory / "spool"))


def _rounds(rounds: int, seed: int, spool_dir: Path) -> int:
    # They need Django set up.
    from django.core.management import call_command

    from tests.faults import power_cut
    from tests.support.desk import in_force

    call_command("migrate", verbosity=0)
    in_force(spending_limits=[{"amount": 10**12, "interval": "daily"}])
    total = power_cut.Found()
    for number in range(rounds):
        found = power_cut.cut(seed + number, spool_dir, "", with_database=True)
        found.inexact += power_cut.inexact()
        total += found
        print(f"Round {number + 1} of {rounds} (seed {seed + number}): {found}", flush=True)
    print(f"All: {total}")
    return int(total.is_wrong)


if __name__ == "__main__":
    main()
