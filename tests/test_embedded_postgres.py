"""The PostgreSQL that comes along: started on demand, shared, stopped, and hard to kill.

Each test has a server of its own in a temporary directory, used by programs that are
real processes with the real settings.
"""

import json
import multiprocessing
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from authz_project.embedded_postgres import postmaster, programs
from authz_project.embedded_postgres.errors import EmbeddedPostgresError
from authz_project.embedded_postgres.place import NOT_AS_ROOT, Account, find_place
from authz_project.embedded_postgres.server import EmbeddedServer
from tests.support.timeouts import PATIENCE_S

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parent.parent
IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="an ordinary user runs it as himself")

# Answers each statement it reads from its input with one line.
PROGRAM = """
import json, sys
from django.db import DatabaseError, connection

for statement in map(json.loads, sys.stdin):
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            answer = cursor.fetchone()[0] if cursor.description else None
    except DatabaseError as error:
        answer = f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    print(json.dumps(answer), flush=True)
"""


class Program:
    """A process of the project, using the database in `directory`."""

    def __init__(self, directory: Path, **variables: str) -> None:
        environment = {
            **os.environ,
            **variables,
            "EMBEDDED_POSTGRES_DIR": str(directory),
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "authz_project.settings",
            "PYTHONWARNINGS": "ignore",  # Django's, about using a database without its apps
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, statement: str) -> object:
        self.tell(statement)
        return self.hear()

    def tell(self, statement: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(statement) + "\n")
        self.process.stdin.flush()

    def hear(self) -> object:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def new_directory() -> Iterator[Path]:
    """Where a server can live that runs as another user, with short paths."""
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        Path(parent).chmod(0o755)
        with cleared_away(Path(parent) / "pg") as path:
            yield path


@pytest.fixture(scope="module")
def used_directory() -> Iterator[Path]:
    """A server that was used before. Making a new one for each test takes too long."""
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        Path(parent).chmod(0o755)
        with cleared_away(Path(parent) / "pg") as path:
            server = EmbeddedServer(path)
            server.use()
            server.leave()
            yield path


@pytest.fixture
def directory(used_directory: Path) -> Iterator[Path]:
    """The same, stopped. A test that changes its files puts them back."""
    yield used_directory
    postmaster.stop(find_place(used_directory))


@contextmanager
def cleared_away(directory: Path) -> Iterator[Path]:
    """No server and no file remain, whatever the test did."""
    try:
        yield directory
    finally:
        if directory.exists():
            place = find_place(directory)
            postmaster.stop(place)
            for remains in (place.sockets, place.home):
                shutil.rmtree(remains, ignore_errors=True)


def server_process(directory: Path) -> int | None:
    """The number of the running server's main process."""
    return postmaster.running(find_place(directory))


def test_the_first_program_starts_the_server_and_the_last_one_stops_it(directory: Path) -> None:
    first, second = Program(directory), Program(directory)
    assert str(first.ask("SELECT version()")).startswith("PostgreSQL 18")
    started = server_process(directory)
    assert started is not None
    assert second.ask("SELECT 1") == 1

    first.end()
    assert second.ask("SELECT 2") == 2
    assert server_process(directory) == started

    second.end()
    assert server_process(directory) is None


def test_variables_meant_for_another_server_reach_no_client_of_this_one(directory: Path) -> None:
    program = Program(
        directory,
        PGSERVICE="elsewhere",
        PGHOSTADDR="192.0.2.1",
        PGHOST="db.example.com",
        PGPORT="6543",
        PGDATABASE="other",
        PGUSER="other",
        PGPASSWORD="wrong",
        PGSSLMODE="verify-full",
        PGGSSENCMODE="require",
        PGREQUIREAUTH="none",
        PGOPTIONS="-c search_path=nowhere",
        PGDATESTYLE="German",
    )
    shown = "SELECT current_setting('search_path') || ' ' || current_setting('datestyle')"
    assert program.ask(shown) == '"$user", public ISO, MDY'
    program.end()


def test_programs_that_start_together_share_one_server(new_directory: Path) -> None:
    started_at = "SELECT pg_postmaster_start_time()::text"
    together = [Program(new_directory) for _ in range(3)]
    for program in together:
        program.tell(started_at)
    assert len({program.hear() for program in together}) == 1
    for program in together:
        program.process.stdin.close()  # type: ignore[union-attr]
    for program in together:
        program.process.wait(timeout=PATIENCE_S)
    assert server_process(new_directory) is None


def test_what_is_committed_survives_the_killing_of_program_and_server(directory: Path) -> None:
    program = Program(directory)
    program.ask("CREATE TABLE kept (answer int)")
    program.ask("INSERT INTO kept VALUES (42)")
    killed = server_process(directory)
    assert killed is not None
    program.kill()
    assert server_process(directory) == killed

    # A killed program leaves the server to the next one, which uses and then stops it.
    second = Program(directory)
    assert second.ask("SELECT answer FROM kept") == 42
    assert server_process(directory) == killed
    second.kill()

    # A killed server is started anew, though its file says that it runs.
    os.kill(killed, signal.SIGKILL)
    third = Program(directory)
    assert third.ask("SELECT answer FROM kept") == 42
    assert server_process(directory) not in (None, killed)
    third.end()
    assert server_process(directory) is None


def test_a_running_program_gets_over_the_killing_of_the_server(directory: Path) -> None:
    program = Program(directory)
    before = program.ask("SELECT pg_postmaster_start_time()::text")
    running = server_process(directory)
    assert running is not None
    os.kill(running, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    answer: object = before
    while answer == before or "Error" in str(answer):
        assert time.monotonic() < deadline, answer
        answer = program.ask("SELECT pg_postmaster_start_time()::text")
        time.sleep(0.05)
    program.end()
    assert server_process(directory) is None


# What a prefork server does: the child ends in order while its parent goes on.
FORK = """
import os, sys
from pathlib import Path
from authz_project.embedded_postgres.server import embedded_server


server = embedded_server(Path(sys.argv[1]))
running = server.use()
for child_uses_it in (False, True):
    child = os.fork()
    if not child:
        sys.exit(child_uses_it and server.use() != running)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert running.is_alive()
"""


def test_a_forked_child_does_not_stop_the_server_of_its_parent(directory: Path) -> None:
    parent = subprocess.run(
        [sys.executable, "-c", FORK, directory],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert parent.returncode == 0, parent.stderr
    assert server_process(directory) is None


def test_a_number_that_now_belongs_to_another_program_is_not_taken_for_the_server(
    directory: Path,
) -> None:
    program = Program(directory)
    program.ask("SELECT 1")
    place = find_place(directory)
    pid_file = place.data / "postmaster.pid"
    remains = pid_file.read_text()
    program.end()
    # As after a restart of the machine: the file of the dead server, a living number.
    with subprocess.Popen(["sleep", "60"], **programs.options(place.server)) as living:
        pid_file.write_text(remains.replace(remains.split()[0], str(living.pid), 1))
        place.server.own(pid_file, 0o600)
        program = Program(directory)
        assert program.ask("SELECT 1") == 1
        program.end()
        assert living.poll() is None
        living.kill()


def test_nobody_gets_in_without_the_password(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    server = EmbeddedServer(directory)
    running = server.use()
    for password in ("wrong", None):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(
                host=running.host, user=running.user, dbname="postgres", password=password
            )
    assert running.password not in repr(running)
    server.leave()


def test_files_and_sockets_are_closed_to_other_users(directory: Path) -> None:
    server = EmbeddedServer(directory)
    place = server.use().place
    for private in (place.data, place.sockets, place.password_file, place.log):
        assert private.stat().st_mode & 0o077 == 0, private
    if IS_ROOT:  # the server must not be able to lay links for root to follow
        assert place.home.stat().st_uid == 0
        assert place.server.uid != 0
    server.leave()


def test_an_ordinary_user_runs_it_as_himself() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        nobody = pwd.getpwnam("nobody")
        user = Account(nobody.pw_uid, nobody.pw_gid) if IS_ROOT else Account(os.geteuid(), 0)
        if IS_ROOT:
            user.own(Path(parent), 0o700)
        # Forked, not started: the Python of root's own environment is closed to others.
        context = multiprocessing.get_context("fork")
        answers: multiprocessing.Queue[object] = context.Queue()
        child = context.Process(target=use_as, args=(user, Path(parent) / "pg", answers))
        child.start()
        assert answers.get(timeout=PATIENCE_S) == (1, user.uid, user.uid)
        child.join(timeout=PATIENCE_S)
        assert child.exitcode == 0


def use_as(user: Account, directory: Path, answers: "multiprocessing.Queue[object]") -> None:
    """Become the user, use a server, and say who owns its data and its process."""
    if os.geteuid() != user.uid:
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)
    server = EmbeddedServer(directory)
    running = server.use()
    with psycopg.connect(
        host=running.host, user=running.user, password=running.password, dbname="postgres"
    ) as connection:
        row = connection.execute("SELECT 1").fetchone()
    process_owner = Path(f"/proc/{running.pid}").stat().st_uid
    answers.put((row[0] if row else None, running.place.data.stat().st_uid, process_owner))
    server.leave()


USE = """
import sys
from pathlib import Path
from authz_project.embedded_postgres.errors import EmbeddedPostgresError
from authz_project.embedded_postgres.server import EmbeddedServer
try:
    EmbeddedServer(Path(sys.argv[1])).use()
except EmbeddedPostgresError as problem:
    sys.exit(str(problem))
"""


@only_root
@pytest.mark.parametrize("lacks", ["-all", "-setuid,-setgid"])
def test_root_without_the_right_to_be_another_says_so(lacks: str, new_directory: Path) -> None:
    done = subprocess.run(
        ["setpriv", "--bounding-set", lacks, sys.executable, "-c", USE, str(new_directory)],
        cwd=PROJECT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == NOT_AS_ROOT


def test_a_number_without_a_name_hears_what_to_do(
    new_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's initdb refuses it."""
    monkeypatch.setattr(Account, "has_a_name", lambda _: False)
    with pytest.raises(EmbeddedPostgresError, match=r"useradd --uid \d+ desk.*DATABASE_URL"):
        EmbeddedServer(new_directory).use()
    assert not (find_place(new_directory).data).exists()


@pytest.mark.parametrize("name", ["long" * 30, 'a comma, a space and "quotes"'])
def test_awkward_paths_work(directory: Path, name: str) -> None:
    directory.parent.joinpath(name).mkdir(mode=0o755)
    awkward = directory.rename(directory.parent / name / "pg")
    server, other = EmbeddedServer(awkward), EmbeddedServer(awkward)
    running = server.use()
    assert len(os.fsencode(f"{running.host}/.s.PGSQL.5432")) <= 107
    assert running.place.data.is_relative_to(awkward)
    assert other.use() == running
    server.leave()
    other.leave()
    assert not running.is_alive()
    assert not running.place.sockets.exists()
    awkward.rename(directory)


def test_one_directory_under_two_names_has_one_server(directory: Path) -> None:
    link = directory.with_name("link")
    link.symlink_to(directory)
    server, other = EmbeddedServer(directory), EmbeddedServer(link)
    assert server.use() == other.use()
    server.leave()
    other.leave()
    assert server_process(directory) is None


@only_root
def test_a_directory_closed_to_the_server_gets_a_home_elsewhere(
    new_directory: Path,
) -> None:
    directory = new_directory
    directory.parent.chmod(0o700)
    server = EmbeddedServer(directory)
    home = server.use().place.home
    server.leave()
    assert not home.is_relative_to(directory)
    assert home.stat().st_uid == 0
    assert find_place(directory).home == home, "the choice is remembered"
    with cleared_away(directory.rename(directory.with_name("moved"))) as moved:
        assert find_place(moved).home == home, "a moved project keeps its database"
        shutil.copytree(moved, directory)
        assert find_place(directory).home != home, "a copied project gets its own"


@only_root
def test_programs_out_of_the_server_users_reach_are_copied(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = directory.parent / "closed"
    closed.mkdir(mode=0o700)
    original = programs.installed()
    programs._copy(original.parent, closed / "wheel")
    out_of_reach = closed / "wheel" / original.relative_to(original.parents[2])
    monkeypatch.setattr(programs, "installed", lambda: out_of_reach)
    server = EmbeddedServer(directory)
    running = server.use()
    started_from = Path(f"/proc/{running.pid}/exe").readlink()
    assert started_from.is_relative_to(directory)
    server.leave()
    assert not running.is_alive()


def test_a_server_that_does_not_start_says_why_and_what_to_do(directory: Path) -> None:
    server = EmbeddedServer(directory)
    configuration = find_place(directory).data / "postgresql.conf"
    original = configuration.read_text()
    configuration.write_text(original + "work_mem = 'plenty'\n")
    with pytest.raises(EmbeddedPostgresError, match=r"(?s)did not start.*DATABASE_URL.*plenty"):
        server.use()
    configuration.write_text(original)
    assert server.use().is_alive(), "once corrected it starts"
    server.leave()


def test_a_lost_password_is_not_mistaken_for_a_new_server(directory: Path) -> None:
    server = EmbeddedServer(directory)
    kept = find_place(directory).password_file.rename(directory / "kept")
    with pytest.raises(EmbeddedPostgresError, match="Put it back"):
        server.use()
    kept.rename(find_place(directory).password_file)
    assert server.use().is_alive()
    server.leave()


def test_something_else_in_its_place_is_left_alone(new_directory: Path) -> None:
    new_directory.write_text("not a directory")
    with pytest.raises(EmbeddedPostgresError, match="EMBEDDED_POSTGRES_DIR"):
        EmbeddedServer(new_directory).use()
    new_directory.unlink()
