"""Read-only pages of proofs: runs of the commands that check the record."""

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from authorizations.admin.lists.record_admin import RecordAdmin
from authorizations.admin.lists.record_filters import ProofFilters
from authorizations.admin.shared.links import DASH
from authorizations.admin.shared.tables import badge
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import display
from authorizations.models import ProofRun

_BADGES = {
    ProofRun.Result.RIGHT: "success",
    ProofRun.Result.DIFFERENT: "danger",
    ProofRun.Result.STOPPED: "warning",
}


@admin.register(ProofRun)
class ProofRunAdmin(RecordAdmin[ProofRun]):
    list_display = ("started_at", "command", "range_shown", "number", "result_shown", "run_by")
    ordered_by = "started_at"
    filters = ProofFilters
    fieldsets = (
        (None, {"fields": ("result_shown", "differences_shown", "problem")}),
        ("What was checked", {"fields": ("command", "range_shown", "number", "unchecked")}),
        ("Missing numbers", {"fields": ("missing_shown",)}),
        ("Record", {"fields": ("started", "ended", "run_by", "processes")}),
    )

    @display(description="Range")
    def range_shown(self, row: ProofRun) -> str:
        if row.decision:
            return f"Decision {row.decision}"
        since = exact_time(row.since) if row.since else ""
        until = exact_time(row.until) if row.until else ""
        if since and until:
            return f"{since} to {until}"
        if since:
            return f"From {since} on"
        return f"Up to {until}" if until else "Everything"

    @display(description="Checked")
    def number(self, row: ProofRun) -> str:
        return ", ".join(f"{number:,} {what}" for what, number in row.checked.items()) or DASH

    @display(description="Result")
    def result_shown(self, row: ProofRun) -> str:
        words = row.get_result_display()
        if row.result == ProofRun.Result.DIFFERENT:
            words = f"{row.differences:,} difference{'' if row.differences == 1 else 's'}"
        return badge(words, _BADGES[ProofRun.Result(row.result)])

    @display(description="Differences")
    def differences_shown(self, row: ProofRun) -> str | SafeString:
        more = row.differences - len(row.first_differences)
        lines = [*row.first_differences, *([f"... and {more:,} more."] if more > 0 else [])]
        return _lines(lines) if lines else DASH

    @display(description="Missing")
    def missing_shown(self, row: ProofRun) -> str | SafeString:
        lines = [
            f"{what}: {found['count']:,} ({found['ranges']})" if found["count"] else f"{what}: none"
            for what, found in row.missing.items()
        ]
        return _lines(lines) if lines else DASH

    @display(description="Started")
    def started(self, row: ProofRun) -> str:
        return exact_time(row.started_at)

    @display(description="Ended")
    def ended(self, row: ProofRun) -> str:
        return exact_time(row.ended_at)


def _lines(lines: list[str]) -> SafeString:
    items = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
    return format_html('<ul class="break-words">{}</ul>', items)
