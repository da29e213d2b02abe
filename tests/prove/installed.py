"""The desk on a booted Debian, installed by the very commands of deploy/README.md."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import NoReturn

from tests.deploy.serving import HOST, PROJECT
from tests.prove import booted, tree
from tests.prove.booted import Machine
from tests.prove.buyers import AMOUNT, Bought

README = (PROJECT / "deploy" / "README.md").read_text("utf-8")
PACKAGES = (*booted.PACKAGES, "nginx-light", "openssl", "postgresql", "python3-venv", "sudo")
PROGRAM, DATABASE, ROLES_MADE = "**The program**", "**The database**", "Then the roles"
START, NGINX = "**Start**", "**nginx**"
NEW_VERSION = "Put it into a folder of its own"
"""What stands before the commands of each step."""

ROLES = ("owner", "webhook", "admin", "record")
TREE_OF_WHEELS = Path("var/cache/wheels")
POLICIES = {
    "policies": [
        {
            "name": "Everybody",
            "currency": "eur",
            "spending_limits": [{"amount": AMOUNT * 1_000_000, "interval": "daily"}],
        }
    ],
    "assignments": [{"policy": "Everybody", "program": True}],
}
_NOT_OURS = (".*", "__pycache__")


class Desk:
    """One on a machine; `secret` is the webhook's."""

    def __init__(self, machine: Machine, tree: Path) -> None:
        self.machine, self.tree = machine, tree
        self.secret = f"whsec_{secrets.token_hex(24)}"
        self._password = secrets.token_hex(12)

    def install(self) -> None:
        """As deploy/README.md says, from nothing to the first answer."""
        self.copy_version("/opt/desk-1")
        self._write_settings()
        self._run(PROGRAM)
        self._run(DATABASE, stdin=f"{self._password}\n" * 2)
        self._run(ROLES_MADE)
        for role in ROLES[1:]:
            said = f"ALTER ROLE desk_{role} PASSWORD '{self._password}'"
            self.machine.run("runuser", "-u", "postgres", "--", "psql", "-c", said, "desk")
        self._run(START)
        self.command("import_policies", "-", "--allow-new-spending", stdin=json.dumps(POLICIES))
        self._run(NGINX)
        self._secure_nginx()
        self.wait_until_usual()

    def copy_version(self, folder: str) -> None:
        """The program of this folder, without what is not part of it."""
        to = self.tree / folder.lstrip("/")
        shutil.copytree(PROJECT, to, ignore=shutil.ignore_patterns(*_NOT_OURS))
        shutil.copy(PROJECT / ".env.example", to)

    def command(self, *words: str, stdin: str = "") -> str:
        """What a command of the desk printed."""
        return self.machine.run("/opt/desk/deploy/desk", *words, stdin=stdin)

    def sql(self, statement: str) -> str:
        """What PostgreSQL answers its superuser, in the desk's database."""
        psql = ("psql", "--tuples-only", "--no-align", "--command", statement, "desk")
        return self.machine.run("runuser", "-u", "postgres", "--", *psql).strip()

    def purchases(self, count: int) -> list[Bought]:
        """At least so many, five a second."""
        with self.buying(5) as bought:
            while len(bought) < count:
                time.sleep(0.1)
        return bought

    @contextmanager
    def buying(self, rate: float) -> Iterator[list[Bought]]:
        """Purchases at that rate meanwhile; at the end the list has all of them."""
        bought: list[Bought] = []
        command = self.machine.in_network(sys.executable, "-m", "tests.prove.buyers", str(rate))
        environment = {
            **os.environ,
            "STRIPE_WEBHOOK_SECRET": self.secret,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin
        assert process.stdout
        lines = process.stdout

        def read() -> None:
            bought.extend(Bought(**json.loads(line)) for line in lines)

        reader = Thread(target=read)
        reader.start()
        try:
            yield bought
        finally:
            process.stdin.close()
            reader.join(120)
            process.wait(120)

    def wait_until_usual(self, patience_s: float = 60) -> None:
        """Until a purchase gets its usual answer."""
        until = time.monotonic() + patience_s
        while True:
            last = self.purchases(3)
            if all(map(is_usual, last)):
                return
            assert time.monotonic() < until, f"After {patience_s} s a purchase comes to {last[-1]}."

    def readiness(self) -> str:
        """What /readyz says."""
        asks = "from tests.deploy.serving import ask; print(ask(443, '/readyz').body.decode())"
        command = self.machine.in_network(sys.executable, "-c", asks)
        return subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, check=True
        ).stdout

    def has_recorded(self, answered: set[str], patience_s: float = 60) -> bool:
        """Whether each of these events is decided once in the record, by stand-in or not."""
        until = time.monotonic() + patience_s
        while True:
            recorded = self.sql("SELECT id FROM authorizations_decision").split()
            ours = [event_id for event_id in recorded if event_id in answered]
            if len(ours) >= len(answered) or time.monotonic() > until:
                return sorted(ours) == sorted(answered)
            time.sleep(1)

    def _run(self, under: str, stdin: str = "") -> None:
        """The commands that follow these words of the page."""
        lines = commands(under)
        script = "cd /opt/desk-1\n" + "\n".join(lines)
        self.machine.run("bash", "-e", "-o", "pipefail", "-c", script, stdin=stdin)

    def _write_settings(self) -> None:
        directory = self.tree / "etc" / "desk"
        directory.mkdir(mode=0o700)
        of_both = {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ALLOWED_HOSTS": HOST,
            "STRIPE_WEBHOOK_SECRET": self.secret,
            "TRUST_PROXY_TLS": "true",
            "SPOOL_DIR": "/var/lib/desk/spool",
            "METRICS_DIR": "/run/desk/metrics",
        }
        lines = [f"{name}={value}\n" for name, value in of_both.items()]
        (directory / "desk.env").write_text("".join(lines), "utf-8")
        for role in ROLES:
            url = f"postgres://desk_{role}:{self._password}@localhost/desk"
            (directory / f"{role}.env").write_text(f"DATABASE_URL={url}\n", "utf-8")

    def _secure_nginx(self) -> None:
        """A certificate, and this machine as one of Stripe's addresses."""
        self.machine.run("mkdir", "-p", "/etc/ssl/desk")
        files = ("-keyout", "/etc/ssl/desk/privkey.pem", "-out", "/etc/ssl/desk/fullchain.pem")
        self.machine.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                         "-subj", f"/CN={HOST}", *files)  # fmt: skip
        with (self.tree / "etc/nginx/desk/stripe-addresses.conf").open("a") as addresses:
            addresses.write("127.0.0.1 1; # ours\n")
        self.machine.run("nginx", "-t")
        self.machine.run("systemctl", "reload", "nginx")


def commands(under: str) -> list[str]:
    """The indented lines of the page that come first after `under`."""
    _, found, rest = README.partition(under)
    assert found, f"deploy/README.md does not say {under!r} any more"
    block = re.search(r"\n\n((?:    .+\n)+)", rest)
    assert block
    return [line[4:] for line in block[1].splitlines()]


def is_usual(bought: Bought) -> bool:
    """Whether it was decided as always, in time for Stripe."""
    return bought.approved and not bought.stand_in and bought.took_ms < 2_000


@contextmanager
def installed(kept: Path) -> Iterator[Desk]:
    """Yields a desk that answers, on a machine of its own; logs are in `kept`."""
    with tree.debian(PACKAGES) as root, booted.machine(root, kept / "console.txt") as machine:
        (root / TREE_OF_WHEELS).mkdir()
        for wheel in tree.wheels().iterdir():
            shutil.copy(wheel, root / TREE_OF_WHEELS)
        found = f"[global]\nno-index = true\nfind-links = /{TREE_OF_WHEELS}\n"
        (root / "etc" / "pip.conf").write_text(found, "utf-8")
        (root / "var" / "log" / "journal").mkdir(exist_ok=True)
        machine.boot()
        desk = Desk(machine, root)
        try:
            desk.install()
            yield desk
        finally:
            said = tree.in_tree(root, "journalctl", "--no-pager", "--output=short-precise")
            (kept / "journal.txt").write_text(said, "utf-8")


def play(trial: Callable[[], int]) -> NoReturn:
    """End this program with what the trial came to; stopped by SIGTERM, it still tidies up."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(trial())


def kept_directory(trial: str) -> Path:
    """Where a trial leaves what its machine wrote."""
    return Path(tempfile.mkdtemp(prefix=f"desk-{trial}-"))
