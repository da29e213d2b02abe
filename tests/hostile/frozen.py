"""The real server on a PostgreSQL of its own that stands still: nobody gets an answer from it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from django.conf import settings

from tests.faults.database import Database
from tests.faults.world import known_cards, wait_until
from tests.hostile.cases import Case
from tests.hostile.exchange import Answer, exchange, post
from tests.hostile.requests import Outcomes, purchase
from tests.hostile.watch import harmless, outcomes
from tests.support.server import WORKERS, Server, running

LIMIT, CAP = 10_000, 60_000
"""Of a purchase, and of a card while the database stands still."""

_POLICY = {
    "spending_limits": [
        {"amount": LIMIT, "interval": "per_authorization"},
        {"amount": 100 * CAP, "interval": "all_time"},
    ],
    "stand_in_amount": LIMIT,
    "stand_in_cap": CAP,
}
_INSTEAD = {"received": "try_again"}
"""Of what a healthy desk answers, all that it answers otherwise now: Stripe sends it once more."""


class FrozenDesk:
    """`decided` is the body of each answer that stand-in gave, in their order."""

    def __init__(self, server: Server, database: Database, spool_dir: Path) -> None:
        self.server, self.spool_dir = server, spool_dir
        self.decided: list[str] = []
        self.password = urlsplit(database.url()).password
        self._database = database

    def unexpected(self, cases: Iterable[Case]) -> dict[str, tuple[Outcomes, Outcomes]]:
        """Which end otherwise than `stood_in` says: what was expected, and what was answered. Cases
        are those of a healthy desk, with the whole request instead of the body.
        """
        found = {name: (stood_in(told), outcomes(self.answers(sent))) for name, told, sent in cases}
        return {name: both for name, both in found.items() if both[0] != both[1]}

    def answers(self, sent: bytes) -> list[Answer]:
        """What comes back; no decision among it was the database's."""
        answers = exchange(self.server.port, sent)
        harmless(answers)
        for answer in answers:
            if b'"metadata"' in answer.body:
                assert "stand_in" in json.loads(answer.body)["metadata"]
                self.decided.append(answer.body.decode())
        return answers

    def let_the_card_be_known(self) -> None:
        body, signature = purchase()
        assert outcomes(exchange(self.server.port, post(body, signature))) == "approved"
        wait_until(lambda: known_cards(self.spool_dir))

    def is_found_out(self) -> bool:
        """Whether no worker asks the database any more: from then on answers are quick."""
        return self._workers_that_stand_in() == WORKERS

    def thaw(self) -> None:
        """And wait until each worker has found out, and what was answered is in the books."""
        self._database.thaw()
        wait_until(lambda: not self._workers_that_stand_in())
        wait_until(lambda: not any(self.spool_dir.glob("*.spool")))

    def _workers_that_stand_in(self) -> int:
        log = self.server.log
        return log.count("The database does not answer") - log.count("The database answers again")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Of the database that goes again."""
        with psycopg.connect(self._database.url()) as connection:
            return connection.execute(query.encode()).fetchall()

    def verify_books(self) -> None:
        """Raises CalledProcessError where they are not as they should be."""
        _run("manage.py", "verify_books", database=self._database)


def stood_in(told: Outcomes) -> Outcomes:
    """What is answered now to what a healthy desk answers like this."""
    return " ".join(_INSTEAD.get(word, word) for word in told.split(" "))


@contextmanager
def frozen_desk() -> Iterator[FrozenDesk]:
    """A desk with a policy in force that knows the card of `purchase`, and its frozen database."""
    with tempfile.TemporaryDirectory(prefix="frozen-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)  # the database's own user can reach it
        database = Database(directory / "postgres")
        try:
            _furnish(database)
            variables = {"DATABASE_URL": database.url(), "SPOOL_DIR": str(directory / "spool")}
            variables |= {"STAND_IN_REFRESH_S": "1", "DECISION_BUDGET_MS": "2000"}
            with running(directory / "log", **variables) as server:
                desk = FrozenDesk(server, database, directory / "spool")
                desk.let_the_card_be_known()
                try:
                    database.freeze()
                    yield desk
                finally:
                    database.thaw()
        finally:
            database.close()


def _furnish(database: Database) -> None:
    code = f"from tests.faults.world import furnish; furnish(**{_POLICY!r})"
    _run("-c", code, database=database)


def _run(*arguments: str, database: Database) -> None:
    variables = {"DATABASE_URL": database.url(), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    environment = os.environ | variables
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=settings.BASE_DIR, env=environment, check=True)
