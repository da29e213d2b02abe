"""Read-only pages of webhook requests, accepted and refused."""

from typing import Any

from django.contrib import admin

from authorizations.admin.exports import columns as exported
from authorizations.admin.exports.pages import ExportableAdmin
from authorizations.admin.lists import search
from authorizations.admin.lists.record_admin import IN_TEMPLATE, RecordAdmin
from authorizations.admin.lists.record_filters import CAUSE_WORDS, RejectedFilters, RequestFilters
from authorizations.admin.lists.search import SearchResult
from authorizations.admin.requests.deliveries import delivery
from authorizations.admin.shared.bodies import body
from authorizations.admin.shared.facts import nonempty
from authorizations.admin.shared.links import UNKNOWN, link
from authorizations.admin.shared.surroundings import (
    decision_lines,
    only_counted,
    other_deliveries,
    purchase_of,
)
from authorizations.admin.shared.times import exact_time
from authorizations.admin.shared.types import display
from authorizations.models import (
    Decision,
    RejectedMinute,
    RejectedRequest,
    WebhookRequest,
)
from authorizations.rules.decision.values import DeclineReason
from authorizations.wire.events import READ
from authorizations.wire.signature import SignatureCause, SignatureError


@admin.register(WebhookRequest)
class WebhookRequestAdmin(ExportableAdmin[WebhookRequest]):
    exported = exported.REQUESTS
    list_display = ("received_at", "event_type", "event_id", "answer_status", "mode", "answer_time")
    ordered_by = "received_at"
    filters = RequestFilters
    long_columns = ("body", "headers", "answer_body")
    search_fields = ("event_id__exact",)
    search_help_text = "Complete id of an event or an authorization"
    change_form_template = "admin/authorizations/webhook_request.html"
    fieldsets = IN_TEMPLATE

    def find(self, term: str) -> SearchResult:
        return search.requests(term)

    def page(self, row: WebhookRequest) -> dict[str, Any]:
        return request_page(row)

    @display(description="Mode")
    def mode(self, row: WebhookRequest) -> str:
        return _MODES[row.livemode]

    @display(description="Answer time")
    def answer_time(self, row: WebhookRequest) -> str:
        return f"{max(row.timings.values(), default=0) / 1000:.1f} ms"


@admin.register(RejectedRequest)
class RejectedRequestAdmin(RecordAdmin[RejectedRequest]):
    list_display = ("received_at", "cause_shown", "sender", "body_sha256")
    ordered_by = "received_at"
    filters = RejectedFilters
    search_fields = ("sender", "body_sha256")
    search_help_text = "Sender's address or hash of the body"
    long_columns = ("body_start",)
    change_form_template = "admin/authorizations/rejected_request.html"
    fieldsets = IN_TEMPLATE

    def find(self, term: str) -> SearchResult:
        return search.rejected(term)

    def page(self, row: RejectedRequest) -> dict[str, Any]:
        return rejected_page(row)

    @display(description="Cause")
    def cause_shown(self, row: RejectedRequest) -> str:
        return CAUSE_WORDS.get(row.cause, row.cause)


@admin.register(RejectedMinute)
class RejectedMinuteAdmin(RecordAdmin[RejectedMinute]):
    list_display = ("minute", "count")
    ordered_by = "minute"
    fields = list_display


_MODES = {True: "Live", False: "Test", None: UNKNOWN}


def request_page(row: WebhookRequest) -> dict[str, Any]:
    received = delivery(row)
    purchase = purchase_of(row.about)
    event = {
        "Event": row.event_id,
        "Account": row.account,
        "Mode": _MODES[row.livemode],
        "API version": row.api_version,
        "About": link(purchase) if purchase else row.about,
    }
    # A repeated event refers to the decision made at its first delivery.
    decisions = Decision.objects.filter(webhook_request=row)[:1]
    return {
        "delivery": received,
        "answer": received.answer.body,
        "event": nonempty(event),
        "decisions": decision_lines(decisions or Decision.objects.filter(pk=row.event_id)),
        "is_read": row.event_type.startswith(READ),
        **other_deliveries(row.event_id, row.pk, row.answer_body),
        "has_other_content": DeclineReason.CONFLICTING_EVENT in row.answer_body,
        "only_counted": only_counted(row),
    }


def rejected_page(row: RejectedRequest) -> dict[str, Any]:
    cause = ""  # what was wrong and what to do, in the words that the sender received
    if row.cause in set(SignatureCause):
        cause = SignatureError(SignatureCause(row.cause)).sentence
    elif row.cause == "not_an_event":
        cause = "The signature is valid, but the body is not a JSON object with a type."
    return {
        "received": exact_time(row.received_at),
        "cause": cause,
        "cause_words": CAUSE_WORDS.get(row.cause, row.cause),
        "body": body(bytes(row.body_start)),
    }
