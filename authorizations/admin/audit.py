"""What was asked and answered, to look at only."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from authorizations.admin.base import RecordAdmin, card_words, display, known_or_id, link, parent
from authorizations.admin.explained import Explained
from authorizations.admin.filters import OutcomeFilter, ReasonFilter
from authorizations.admin.tables import badge
from authorizations.models import (
    Authorization,
    Decision,
    RejectedMinute,
    RejectedRequest,
    WebhookRequest,
)
from authorizations.rules.money import format_money
from authorizations.rules.reasons import label
from authorizations.rules.values import DeclineReason


@admin.register(Decision)
class DecisionAdmin(RecordAdmin[Decision]):
    list_display = (
        *("decided_at", "outcome", "why", "amount_shown", "merchant", "card_shown"),
        "cardholder_shown",
    )
    list_filter = (OutcomeFilter, ReasonFilter, ("decided_at", admin.DateFieldListFilter))
    search_fields = ("id__exact", "card__exact")
    search_help_text = "Whole id of an event, an authorization or a card."
    parents = ("card", "cardholder")
    change_form_outer_before_template = "admin/authorizations/decision.html"
    fieldsets = (
        ("Concerning", {"fields": ("card_shown", "cardholder_shown", "purchase")}),
        (
            "On record",
            {
                "fields": (
                    *("id", "webhook_shown", "event_created", "decided_at", "duration"),
                    *("problem", "answer"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        rows = super().get_queryset(request)
        long = ("request", "trace", "usage", "standing", "policies")
        return rows.defer(*long) if is_list(request) else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Decision], search_term: str
    ) -> tuple[QuerySet[Decision], bool]:
        """An authorization is found by its card: that is what the index is on."""
        term = search_term.strip()
        if purchase := Authorization.objects.filter(pk=term).only("card_id").first():
            return queryset.filter(card=purchase.card_id, authorization=term), False
        return super().get_search_results(request, queryset, search_term)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        if row is not None:
            row.explained = Explained.of(row)
        return row

    @display(description="Outcome")
    def outcome(self, row: Decision) -> str:
        if not row.approved:
            return badge("Declined", "danger")
        return badge("In part", "warning") if row.is_partial else badge("Approved", "success")

    @display(description="Reason", ordering="reason")
    def why(self, row: Decision) -> str:
        return label(DeclineReason(row.reason)) if row.reason else ""

    @display(description="Amount")
    def amount_shown(self, row: Decision) -> str:
        if row.amount is None:
            return "Not told"
        asked = format_money(row.amount, row.currency)
        if row.is_partial:
            return f"{format_money(row.approved_amount, row.currency)} of {asked}"
        return asked

    @display(description="Merchant")
    def merchant(self, row: Decision) -> str:
        return row.merchant_name or "Not told"

    @display(description="Card")
    def card_shown(self, row: Decision) -> str:
        return known_or_id(row, "card", card_words)

    @display(description="Cardholder")
    def cardholder_shown(self, row: Decision) -> str:
        return known_or_id(row, "cardholder")

    @display(description="Authorization")
    def purchase(self, row: Decision) -> str:
        return known_or_id(row, "authorization")

    @display(description="Webhook request")
    def webhook_shown(self, row: Decision) -> str:
        return link(parent(row, "webhook_request"))

    @display(description="Decided within")
    def duration(self, row: Decision) -> str:
        return f"{row.duration_us / 1000:.1f} ms"


@admin.register(WebhookRequest)
class WebhookRequestAdmin(RecordAdmin[WebhookRequest]):
    list_display = ("received_at", "event_type", "event_id", "answer_status", "mode", "took")
    list_filter = ("livemode", ("received_at", admin.DateFieldListFilter))
    search_fields = ("event_id__exact",)
    search_help_text = "Whole id of an event."
    fieldsets = (
        ("Event", {"fields": ("event_type", "event_id", "account", "mode", "api_version")}),
        ("Arrival", {"fields": ("received_at", "sender", "headers", "signing_key")}),
        ("Body", {"fields": ("body_sha256", "body_shown")}),
        ("Answer", {"fields": ("answer_status", "answer_body", "timings", "decided")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookRequest]:
        rows = super().get_queryset(request)
        return rows.defer("body", "headers", "answer_body") if is_list(request) else rows

    @display(description="Mode")
    def mode(self, row: WebhookRequest) -> str:
        return {True: "Live", False: "Test", None: "Not told"}[row.livemode]

    @display(description="Answered after")
    def took(self, row: WebhookRequest) -> str:
        return f"{max(row.timings.values(), default=0) / 1000:.1f} ms"

    @display(description="As received")
    def body_shown(self, row: WebhookRequest) -> SafeString:
        return preformatted(bytes(row.body))

    @display(description="Decision")
    def decided(self, row: WebhookRequest) -> str:
        return link(Decision.objects.filter(pk=row.event_id).only("pk").first())


@admin.register(RejectedRequest)
class RejectedRequestAdmin(RecordAdmin[RejectedRequest]):
    list_display = ("received_at", "cause", "sender", "body_sha256")
    list_filter = (("received_at", admin.DateFieldListFilter),)
    fields = ("received_at", "cause", "sender", "body_sha256", "body_shown")

    @display(description="First kilobyte")
    def body_shown(self, row: RejectedRequest) -> SafeString:
        return preformatted(bytes(row.body_start))


@admin.register(RejectedMinute)
class RejectedMinuteAdmin(RecordAdmin[RejectedMinute]):
    list_display = ("minute", "count")
    fields = list_display


def is_list(request: HttpRequest) -> bool:
    """Whether a list is asked for: it needs none of the long columns."""
    match = request.resolver_match
    return bool(match and match.url_name and match.url_name.endswith("_changelist"))


def preformatted(body: bytes) -> SafeString:
    """Bytes from outside as text: JSON with line breaks, anything else as it is."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        text = body.decode(errors="replace")
    return format_html('<pre class="overflow-x-auto text-xs">{}</pre>', text)
