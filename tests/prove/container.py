"""The container image, built and run as compose.yaml says, as far as that goes without an engine.

buildah builds the Containerfile on a Debian that was installed a moment ago. Then each service is
run on that image's files: its command and environment, as the image's user, with its root read-only
and its own temporary directories and volumes, in the order and after the health checks of
compose.yaml, until a signed purchase is approved. All of it is in namespaces of its own.

What is not tried: an engine itself (its networks, ports, init, restarts), and the images of
python and postgres; PostgreSQL 18 is the one that comes with the program.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from authz_project.embedded_postgres import programs
from authz_project.embedded_postgres.place import find_place, prepare
from tests.deploy.serving import PROJECT
from tests.prove import CANNOT_RUN, LackingError, compose, tree
from tests.prove.compose import Service
from tests.support import postgres

HERE = Path("deploy") / "container"
INSIDE = "--inside"
IMAGE = "authorization-desk"
NEVER_IN_IT = (".env", ".git", ".postgres", ".spool", HERE / ".env", "tests", "docs")
POLICIES = {
    "policies": [
        {
            "name": "Everybody",
            "currency": "eur",
            "spending_limits": [{"amount": 1_000_000, "interval": "daily"}],
        }
    ],
    "assignments": [{"policy": "Everybody", "program": True}],
}


def main() -> int:
    """The status to end with."""
    if sys.argv[1:2] == [INSIDE]:
        return _inside(Path(sys.argv[2]))
    try:
        for needed in ("buildah", "unshare", "nsenter", "setpriv", "ip"):
            if shutil.which(needed, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
                raise LackingError(f"Not installed here: {needed} (apt-get install buildah)")
        with tree.debian(()) as base, _built(base) as scratch:
            return _in_namespaces(scratch)
    except LackingError as lacking:
        print(lacking)
        return CANNOT_RUN


@contextmanager
def _built(base: Path) -> Iterator[Path]:
    """A directory with the image's files in `root` and what it says of itself in `config`."""
    scratch = Path(tempfile.mkdtemp(prefix="desk-container-"))
    scratch.chmod(0o755)
    told = ("--storage-driver", "vfs", "--root", scratch / "images", "--runroot", scratch / "run")

    def buildah(*words: object) -> str:
        command = ["buildah", *map(str, (*told, *words))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
        sentence = (done.stdout + done.stderr)[-4000:]
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {sentence}"
        return done.stdout.strip()

    try:
        (base / "etc" / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        empty = buildah("from", "scratch")
        buildah("add", "--quiet", empty, base, "/")
        buildah("commit", "--quiet", "--rm", empty, "localhost/base")
        print("The base is an image.", flush=True)
        context = scratch / "context"
        _copy_project(context)
        buildah(
            *("build", "--isolation", "chroot", "--build-arg", "BASE=localhost/base"),
            *("--volume", f"{tree.wheels()}:/wheels:ro", "--tag", IMAGE),
            *("--file", context / HERE / "Containerfile", context),
        )
        print("The image is built.", flush=True)
        config = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
        (scratch / "config").write_text(json.dumps(config))
        (scratch / "root").symlink_to(buildah("mount", buildah("from", IMAGE)))
        yield scratch
    finally:
        tree.unmount_all(scratch)
        shutil.rmtree(scratch, ignore_errors=True)


def _copy_project(to: Path) -> None:
    """As it lies in a developer's folder, with what must never get into an image."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, to / name)
    for name in (".git", ".postgres", ".spool"):
        (to / name).mkdir()
        (to / name / "mine").write_text("nobody else's")
    (to / ".env").write_text("DEBUG=true\n")
    subprocess.run([to / HERE / "secrets"], check=True)


def _in_namespaces(scratch: Path) -> int:
    """Networks and processes of its own: ports are free, and nothing is left behind."""
    namespaces = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    command = [*namespaces, sys.executable, "-m", __spec__.name, INSIDE, str(scratch)]
    return subprocess.run(command, cwd=PROJECT, check=False).returncode


# --- inside


class Running:
    """A service that was started; `output` and `errors` are what it printed."""

    def __init__(self, service: Service, scratch: Path, config: dict[str, Any]) -> None:
        self.service, self._scratch, self._config = service, scratch, config
        self.output = scratch / f"{service.name}.out"
        self.errors = scratch / f"{service.name}.err"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [*self._config["Entrypoint"], *(self.service.command or self._config["Cmd"])]
        mounts = "\n".join([*self._mounts(), f'exec {" ".join(self._becoming())} "$@"'])
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-euc", mounts, "sh", *command],
                stdout=output,
                stderr=errors,
                stdin=subprocess.DEVNULL,
            )

    def run_in_it(self, *command: str, stdin: str = "", timeout_s: float = 120) -> tuple[int, str]:
        """As `docker compose exec`: another command among its mounts, as its user."""
        assert self.process
        inside = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt"]
        script = f'exec {" ".join(self._becoming())} "$@"'
        try:
            done = subprocess.run(
                [*inside, "sh", "-euc", script, "sh", *command],
                input=stdin, capture_output=True, text=True, check=False, timeout=timeout_s,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return -1, "It took too long."
        return done.returncode, done.stdout + done.stderr

    def stop(self) -> float:
        """As an engine does; how long that took, in seconds."""
        assert self.process
        began = time.monotonic()
        self.process.send_signal(getattr(signal, self._config.get("StopSignal", "SIGTERM")))
        self.process.wait(self.service.stop_grace_s)
        return time.monotonic() - began

    @property
    def _root(self) -> Path:
        return self._scratch / f"{self.service.name}.root"

    def _mounts(self) -> Iterator[str]:
        """The image's files, read-only, and what a container has of its own."""
        root = self._root
        root.mkdir()
        (self._scratch / "hosts").write_text("127.0.0.1 localhost database webhook admin\n")
        yield f"mount --bind {self._scratch / 'root'} {root}"
        yield f"mount --bind {self._scratch / 'hosts'} {root}/etc/hosts"
        yield f"mount -t proc proc {root}/proc"
        yield f"mount --rbind /dev {root}/dev"
        yield f"mount -t tmpfs -o mode=1777,size=64m shm {root}/dev/shm"
        for told in self.service.tmpfs:
            directory, _, options = told.partition(":")
            (self._scratch / "root" / directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
            yield f"mount -t tmpfs -o {options} tmpfs {root}{directory}"
        for directory, volume in self.service.volumes.items():
            yield f"mount --bind {self._volume(volume, directory)} {root}{directory}"
        if self.service.is_read_only:
            yield f"mount -o remount,bind,ro {root}"

    def _volume(self, name: str, directory: str) -> Path:
        """A new one gets the owner and the rights that the image gives the directory."""
        volume = self._scratch / f"volume-{name}"
        if not volume.exists():
            inside = (self._scratch / "root").resolve() / directory.lstrip("/")
            volume.mkdir()
            shutil.copystat(inside, volume)
            os.chown(volume, inside.stat().st_uid, inside.stat().st_gid)
        return volume

    def _becoming(self) -> list[str]:
        """The image's user, without capabilities, with the image's variables and the service's."""
        environment = dict(each.split("=", 1) for each in self._config["Env"])
        environment |= self.service.environment
        kept = "-all,+sys_chroot,+setuid,+setgid"
        return [
            *("setpriv", "--no-new-privs", f"--bounding-set={kept}"),
            *("chroot", f"--userspec={self._config['User']}", "--groups=", str(self._root)),
            *("/usr/bin/env", "--ignore-environment", f"--chdir={self._config['WorkingDir']}"),
            *(f"{name}={_quoted(value)}" for name, value in environment.items()),
        ]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _inside(scratch: Path) -> int:
    """Everything compose.yaml starts, in its order; 0 where the desk did what it is for."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    config = json.loads((scratch / "config").read_text())
    variables = _variables(scratch / "context" / HERE / ".env") | {"TRUST_PROXY_TLS": "true"}
    found = compose.services(scratch / "context" / HERE / "compose.yaml", variables)
    problems: list[str] = []
    _look_at_image(scratch, config, problems)
    running: dict[str, Running] = {}
    with ExitStack() as stack:
        for service in found:
            if service.profiles:
                continue
            _wait_for(service, running)
            if service.name == "database":
                stack.enter_context(_database(service, scratch))
                running[service.name] = Running(service, scratch, config)
            else:
                assert service.image == IMAGE, service
                running[service.name] = started = Running(service, scratch, config)
                started.start()
            print(f"{service.name} is started.", flush=True)
        _until_healthy(running["webhook"])
        _until_healthy(running["admin"])
        _try(running, found, scratch, config, problems)
        for name in ("webhook", "admin", "upkeep"):
            _stop(running[name], problems)
    for problem in problems:
        print(f"BAD: {problem}")
    if not problems:
        print("Every service ran as compose.yaml says, and a signed purchase was approved.")
    return int(bool(problems))


def _variables(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _look_at_image(scratch: Path, config: dict[str, Any], problems: list[str]) -> None:
    desk = (scratch / "root").resolve() / config["WorkingDir"].lstrip("/")
    problems += [f"{name} is in the image" for name in NEVER_IN_IT if (desk / name).exists()]
    if config["User"] != "10001:10001":
        problems.append(f"the image's user is {config['User']}")
    ours = [path for path in desk.rglob("*") if not path.is_symlink() and path.stat().st_uid]
    problems += [f"{path} belongs to its user, who could change it" for path in ours[:3]]


def _wait_for(service: Service, running: Mapping[str, Running]) -> None:
    for name, condition in service.depends_on.items():
        if condition == "service_healthy":
            _until_healthy(running[name])
        elif condition == "service_completed_successfully":
            process = running[name].process
            assert process
            status = process.wait(300)
            said = running[name].output.read_text() + running[name].errors.read_text()
            assert status == 0, f"{name} ended with {status}:\n{said}"
        else:
            raise AssertionError(f"{condition} is not known to this trial.")


def _until_healthy(started: Running) -> None:
    """As an engine finds out, by the service's own health check."""
    check, name = started.service.healthcheck, started.service.name
    assert check, f"{name} has no health check"
    until = time.monotonic() + check.start_period_s + check.retries * check.interval_s
    while True:
        status, said = _checked(started, check.test, check.timeout_s)
        if status == 0:
            print(f"{name} is healthy.", flush=True)
            return
        assert time.monotonic() < until, f"{name} does not get healthy: {said}"
        time.sleep(min(1.0, check.interval_s))


def _checked(started: Running, test: Sequence[str], timeout_s: float) -> tuple[int, str]:
    if started.service.name != "database":
        return started.run_in_it(*test, timeout_s=timeout_s)
    path = f"{programs.installed()}:{os.environ['PATH']}"
    done = subprocess.run(
        test, capture_output=True, text=True, check=False, env={"PATH": path}, timeout=timeout_s
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def _database(service: Service, scratch: Path) -> Iterator[None]:
    """In place of its image: a PostgreSQL 18 with the user and database that image would make."""
    assert service.image == "postgres:18", service
    reachable = scratch / "programs"
    prepare(reachable)
    password, name = service.environment["POSTGRES_PASSWORD"], service.environment["POSTGRES_DB"]
    served = postgres.serving(programs.usable(find_place(reachable)), "postgres", password, 5432)
    with served as url:
        postgres.run(url, f"CREATE DATABASE {name}")
        yield


def _try(
    running: Mapping[str, Running],
    found: Sequence[Service],
    scratch: Path,
    config: dict[str, Any],
    problems: list[str],
) -> None:
    """Whatever the desk is for, and what it must not be able to do."""
    webhook, admin = running["webhook"], running["admin"]

    def holds(what: str, is_so: Callable[[], object]) -> None:
        seen = is_so()
        if not seen:
            problems.append(what)
        print(f"{'' if seen else 'NOT '}{what}", flush=True)

    imported = ("python", "manage.py", "import_policies", "-", "--allow-new-spending")
    status, said = admin.run_in_it(*imported, stdin=json.dumps(POLICIES))
    assert status == 0, said
    buy = (
        "python",
        "manage.py",
        "simulate",
        "--url",
        "http://127.0.0.1:8001/webhook",
        "--amount",
        "4.50",
    )
    status, said = webhook.run_in_it(*buy, "--currency", "eur")
    holds(f"a signed purchase is approved: {said.strip()[:300]}", lambda: "Approved" in said)
    holds(
        "its line is on the webhook's stdout",
        lambda: '"outcome": "approved"' in webhook.output.read_text(),
    )
    write = ("python", "-c", "open('/opt/desk/authorizations/mine.py', 'w')")
    holds(
        "the root of the file system is read-only",
        lambda: "Read-only file system" in webhook.run_in_it(*write)[1],
    )
    privileges = ("sh", "-c", "grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/self/status")
    status, said = webhook.run_in_it(*privileges)
    holds(
        "it has no capability and is nobody's superuser",
        lambda: "10001" in said and "CapEff:\t0000000000000000" in said,
    )
    holds("the admin's log-in page opens", lambda: _status("/admin/login/") == 200)
    holds(
        "the admin's style sheets are served",
        lambda: _status("/static/admin/css/base.css") == 200,
    )
    until = time.monotonic() + 60
    while "are digested" not in running["upkeep"].output.read_text() and time.monotonic() < until:
        time.sleep(0.5)
    holds("upkeep has digested", lambda: "are digested" in running["upkeep"].output.read_text())
    [record] = [service for service in found if service.name == "record"]
    by_hand = Running(record, scratch, config)
    by_hand.start()
    assert by_hand.process
    status = by_hand.process.wait(120)
    holds("the commands' service runs", lambda: status == 0)


def _status(path: str) -> int:
    """What the admin's instance answers, as a proxy that ends TLS would ask."""
    asked = http.client.HTTPConnection("127.0.0.1", 8002, timeout=20)
    asked.request("GET", path, headers={"X-Forwarded-Proto": "https", "Host": "localhost"})
    return asked.getresponse().status


def _stop(started: Running, problems: list[str]) -> None:
    name = started.service.name
    try:
        print(f"{name} ended {started.stop():.1f} s after SIGTERM.", flush=True)
    except subprocess.TimeoutExpired:
        problems.append(f"{name} did not end within {started.service.stop_grace_s:.0f} s")
    if printed := started.errors.read_text():
        problems.append(f"{name} printed to stderr: {printed[:300]}")


if __name__ == "__main__":
    sys.exit(main())
