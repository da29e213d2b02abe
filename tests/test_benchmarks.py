"""Benchmarks that fill tables run to their end, with as few rows as make sense.

As what they fill the tables with must stay what these tables take; what they measure is not asked.
`make prove TRIALS=benchmarks` runs each as a program of its own, with its servers.
"""

import logging
import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from benchmarks import counted, in_force, opened, shaped, traffic, verified
from tests.support.desk import deliver
from tests.support.policy_files import load

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(autouse=True)
def usual_log_level() -> Iterator[None]:
    """Benchmarks of many purchases keep the log quiet."""
    log = logging.getLogger("authorizations")
    before = log.level
    yield
    log.setLevel(before)


@pytest.mark.parametrize(
    ("benchmark", "few", "printed"),
    [
        (opened, ("BENCH_PAGES_DECISIONS", "3000"), "decision: its page"),
        (verified, ("BENCH_BOOKS_ENTRIES", "700"), "\n0 differences."),
        (counted, ("BENCH_BUSY_PURCHASES", "2500"), "the second purchase afterwards: "),
        (shaped, ("BENCH_SHAPE_DIR", ""), "functions that it enters"),
    ],
    ids=lambda it: it.__name__.rpartition(".")[2] if isinstance(it, ModuleType) else "",
)
def test_a_benchmark_prints_its_table(
    benchmark: ModuleType,
    few: tuple[str, str],
    printed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its status also says whether it was quick enough, which no busy machine can promise."""
    monkeypatch.setenv(*few)
    monkeypatch.setenv("COLUMNS", "200")
    # Further processes would look at the database that the settings name.
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    try:
        status = benchmark.run()
    except SystemExit as ended:
        status = ended.code
    assert printed in capsys.readouterr().out
    assert int(status) in (0, 1)


@pytest.mark.parametrize("file", [in_force.plain, in_force.instructed])
def test_what_is_in_force_in_a_benchmark_changes_no_answer(file: Callable[[], Any]) -> None:
    load(file())
    bodies = traffic.requests(traffic.SPREAD, 40, seed=1)
    reasons = {deliver(body.encode()).json()["metadata"]["reason"] for body in bodies}
    assert reasons == {"approved", "category_not_allowed"}
