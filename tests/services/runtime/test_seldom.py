"""Warnings that come no oftener than they can be read."""

import logging

import pytest

from authorizations.services.runtime.seldom import EVERY_S, Seldom


def test_one_line_of_a_kind_at_a_time_and_the_next_says_how_many_were_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [100.0]
    seldom = Seldom(logging.getLogger("tests"), clock=lambda: now[0])
    for _ in range(1_000):
        seldom.warn("mismatch", "Rejected: %s", "no secret made it.")
    seldom.warn("missing", "Rejected: %s", "not signed.")
    now[0] += EVERY_S
    for _ in range(3):
        seldom.warn("mismatch", "Rejected: %s", "no secret made it.")
    now[0] += EVERY_S
    seldom.warn("missing", "Rejected: %s", "not signed.")
    assert caplog.messages == [
        "Rejected: no secret made it.",
        "Rejected: not signed.",
        "Rejected: no secret made it. (999 more since the last such line.)",
        "Rejected: not signed.",
    ]
