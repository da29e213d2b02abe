"""Tests that need a program of the operating system are skipped where it is missing."""

import pytest

from tests.support import programs

_INSTALL = programs.hint([])


def needed(name: str) -> str:
    """Where the program is; the test is skipped where it is nowhere."""
    found = programs.find(name)
    if found is None:
        pytest.skip(f"{name} is not installed: {programs.hint([programs.PACKAGES[name]])}")
    return found


def closing_line(skipped: list[pytest.TestReport]) -> str:
    """Which packages bring the programs that were missing; empty where none was."""
    for_want_of_them = [report for report in skipped if _INSTALL in str(report.longrepr)]
    if not for_want_of_them:
        return ""
    return (
        f"{len(for_want_of_them)} tests were skipped for want of programs that they start: "
        f"{programs.hint(programs.missing())}"
    )
