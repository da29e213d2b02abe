"""No test hangs on how busy this machine is: what the program gives some milliseconds to in a shop
has a minute here, and properties have no deadlines. A test that is about giving up sets its own.

How fast all is, is measured by `make bench` and `make prove`.
"""

import hypothesis
import pytest

from authorizations.admin.decisions import pages, record_check
from authorizations.services.digest import overview, update
from authorizations.services.host import host_answers
from authorizations.services.lifecycle import intake
from authorizations.services.queries import by_time, exports, remaining
from authorizations.services.runtime import budget, metrics_files, tables
from authorizations.services.stand_in import local_copy_refresh, usage_refresh
from authorizations.services.store import pipes
from authorizations.services.webhook import gauges, readiness, rejections
from authorizations.web import heavy_reads

PATIENCE_S = 60.0

_SECONDS = {
    pages: ("_CATCH_UP_S",),
    update: ("_SETTLE_TIMEOUT_S",),
    host_answers: ("_WAIT_S",),
    intake: ("_APPLIED_WITHIN_S",),
    by_time: ("BUDGET_S", "_QUICK_S"),
    metrics_files: ("_PATIENCE_S",),
    overview: ("_BUDGET_S",),
    gauges: ("_DEADLINE_S",),
    readiness: ("_TIMEOUT_S",),
    tables: ("_ASKED_S",),
    rejections: ("WRITE_BUDGET_S",),
    local_copy_refresh: ("PAGE_BUDGET_S",),
    usage_refresh: ("PAGE_BUDGET_S",),
    pipes: ("_ROLLED_BACK_WITHIN_S",),
    heavy_reads: ("WAIT_S",),
    exports: ("WAIT_S",),
}
_MILLISECONDS = {
    record_check: ("TIMEOUT_MS",),
    budget: (
        *("STAND_IN_MS", "LOCK_TIMEOUT_MS", "CAP_WAIT_MS", "HOST_MEMORY_WAIT_MS", "PROBE_MS"),
        *("BACKGROUND_LOCK_MS", "COUNTING_LIMIT_MS", "COUNTING_AHEAD_MS"),
        *("REPORT_MS", "REPORT_KEPT_MS", "REPORT_TURN_MS", "KEEPING_TURN_MS"),
    ),
    gauges: ("_TIMEOUT_MS",),
    remaining: ("_TIMEOUT_MS",),
}


def be_patient(patched: pytest.MonkeyPatch) -> None:
    """With all tests of this process; servers that they start keep the usual times."""
    for unit, waits in ((PATIENCE_S, _SECONDS), (int(PATIENCE_S * 1000), _MILLISECONDS)):
        for module, names in waits.items():
            for name in names:
                patched.setattr(module, name, unit)
    hypothesis.settings.register_profile(
        "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("patient")
