"""A desk behind PgBouncer in transaction mode: races, two that begin at once, and every fault.

The races of the tests again and again; two `migrate` and two `load_demo` on an empty database, with
and without PgBouncer; then the faults, with PgBouncer between the desk and what breaks.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.faults.database import Database
from tests.prove import CANNOT_RUN
from tests.support import pgbouncer, programs

PROJECT = Path(__file__).resolve().parent.parent.parent
RACES = "a_race_ends or is_told"


def main() -> int:
    """The status to end with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of the races")
    parser.add_argument("--seconds", type=float, default=5, help="how long each fault lasts")
    options = parser.parse_args()
    if programs.find("pgbouncer") is None:
        print(f"PgBouncer is not installed: {programs.hint(['pgbouncer'])}")
        return CANNOT_RUN
    bad = []
    for number in range(options.rounds):
        print(f"Races, round {number + 1}", flush=True)
        if _run("pytest", "-q", "tests/test_pooler.py", "-k", RACES):
            bad.append(f"the races of round {number + 1}")
    for is_pooled in (False, True):
        bad += [f"{command}, pooled: {is_pooled}" for command in _begun_twice(is_pooled=is_pooled)]
    if _run("tests.faults", "--pooled", "--seconds", str(options.seconds)):
        bad.append("a fault")
    print(f"Bad: {'; '.join(bad)}." if bad else "Exact, and nothing stood in without a fault.")
    return int(bool(bad))


def _begun_twice(*, is_pooled: bool) -> list[str]:
    """What did not end well of commands that two begin at the same moment."""
    with tempfile.TemporaryDirectory(prefix="desk-twice-") as directory, ExitStack() as stack:
        Path(directory).chmod(0o755)  # the database's own user must get there
        database = Database(Path(directory) / "postgres")
        stack.callback(database.close)
        url = database.url()
        if is_pooled:
            url = stack.enter_context(pgbouncer.pooling(url))
        environment = os.environ | {
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "authz_project.settings",
            "DEBUG": "true",
        }
        bad = []
        for command, said_by_one in (("migrate", "No migrations"), ("load_demo", "already")):
            both = []
            for _ in range(2):
                both.append(
                    subprocess.Popen(
                        [sys.executable, "manage.py", command],
                        cwd=PROJECT,
                        env=environment,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                    )
                )
                time.sleep(0.2)
            said = [process.communicate()[0] for process in both]
            ended = [process.returncode for process in both]
            print(f"{command} twice, pooled: {is_pooled}: ended with {ended}", flush=True)
            if ended != [0, 0] or sum(said_by_one in each for each in said) != 1:
                print("\n".join(said))
                bad.append(command)
        return bad


def _run(module: str, *arguments: str) -> int:
    # Its own database, not that of whoever runs this.
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
