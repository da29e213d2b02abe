"""What authorizations count for, to look at only."""

from django.contrib import admin
from django.utils.safestring import SafeString

from authorizations.admin.base import RecordAdmin, card_words, display, known_or_id, link, parent
from authorizations.admin.tables import table
from authorizations.models import Authorization, Decision, LedgerEntry
from authorizations.rules.money import format_money
from authorizations.rules.reasons import label
from authorizations.rules.values import DeclineReason
from authorizations.rules.words import category_words, country_words


@admin.register(Authorization)
class AuthorizationAdmin(RecordAdmin[Authorization]):
    list_display = ("created", "merchant", "counts_for", "card_shown", "cardholder_shown", "id")
    list_display_links = ("created", "id")
    search_fields = ("id__exact", "root_card__exact", "cardholder__exact")
    search_help_text = "Whole id of an authorization, of a card or of a cardholder."
    list_filter = (("created", admin.DateFieldListFilter),)
    parents = ("card", "cardholder")
    fieldsets = (
        (None, {"fields": ("id", "created", "counts_for", "refunded", "cash", "counted_once")}),
        ("Who", {"fields": ("card_shown", "cardholder_shown", "group_shown")}),
        (
            "Where",
            {"fields": ("merchant_name", "network_id", "category_shown", "country_shown")},
        ),
        ("Decisions", {"fields": ("decisions_shown",)}),
        ("Ledger", {"fields": ("ledger_shown",)}),
        ("Books", {"fields": ("books",)}),
    )

    @display(description="Merchant")
    def merchant(self, row: Authorization) -> str:
        return row.merchant_name or "Not told"

    @display(description="Counts for")
    def counts_for(self, row: Authorization) -> str:
        return format_money(row.counted_amount, row.currency)

    @display(description="Refunded")
    def refunded(self, row: Authorization) -> str:
        return format_money(row.refunded_amount, row.currency)

    @display(description="Of it cash")
    def cash(self, row: Authorization) -> str:
        return format_money(row.counted_cash, row.currency)

    @display(description="Is a purchase for count limits", boolean=True)
    def counted_once(self, row: Authorization) -> bool:
        return bool(row.count)

    @display(description="Category")
    def category_shown(self, row: Authorization) -> str:
        return f"{category_words(row.category)} {row.category_code}".strip()

    @display(description="Country")
    def country_shown(self, row: Authorization) -> str:
        return country_words(row.merchant_country)

    @display(description="Card")
    def card_shown(self, row: Authorization) -> str:
        return known_or_id(row, "card", card_words)

    @display(description="Cardholder")
    def cardholder_shown(self, row: Authorization) -> str:
        return known_or_id(row, "cardholder")

    @display(description="Card group")
    def group_shown(self, row: Authorization) -> str:
        return link(parent(row, "group"))

    @display(description="Decisions")
    def decisions_shown(self, row: Authorization) -> SafeString:
        # By card as well: that is what the index is on.
        decisions = Decision.objects.filter(card=row.card_id, authorization=row.pk)
        return table(
            ("Decision", "Answer", "Asked", "Approved", "When"),
            [
                (
                    link(decision),
                    label(DeclineReason(decision.reason)) if decision.reason else "Approved",
                    format_money(decision.amount or 0, row.currency),
                    format_money(decision.approved_amount, row.currency),
                    decision.decided_at,
                )
                for decision in decisions.defer("trace", "request", "usage")[:50]
            ],
        )

    @display(description="Ledger")
    def ledger_shown(self, row: Authorization) -> SafeString:
        return table(
            ("Entry", "Amount", "Of it cash", "Refunded", "Event", "When"),
            [
                (
                    link(entry, entry.get_cause_display()),
                    format_money(entry.amount, entry.currency),
                    format_money(entry.cash_amount, entry.currency),
                    format_money(entry.refunded_amount, entry.currency),
                    entry.event_id,
                    entry.entered_at,
                )
                for entry in row.ledger.all()[:50]
            ],
        )


@admin.register(LedgerEntry)
class LedgerEntryAdmin(RecordAdmin[LedgerEntry]):
    list_display = ("entered_at", "cause", "amount_shown", "authorization_shown", "event_id")
    list_filter = ("cause", ("entered_at", admin.DateFieldListFilter))
    search_fields = ("authorization__exact",)
    search_help_text = "Whole id of an authorization."
    parents = ("authorization",)
    fields = (
        *("entered_at", "cause", "amount_shown", "cash_shown", "refunded_shown", "count"),
        *("authorization_shown", "event_shown"),
    )

    @display(description="Amount")
    def amount_shown(self, row: LedgerEntry) -> str:
        return format_money(row.amount, row.currency)

    @display(description="Of it cash")
    def cash_shown(self, row: LedgerEntry) -> str:
        return format_money(row.cash_amount, row.currency)

    @display(description="Refunded")
    def refunded_shown(self, row: LedgerEntry) -> str:
        return format_money(row.refunded_amount, row.currency)

    @display(description="Authorization")
    def authorization_shown(self, row: LedgerEntry) -> str:
        return known_or_id(row, "authorization")

    @display(description="Event")
    def event_shown(self, row: LedgerEntry) -> str:
        decision = Decision.objects.only("pk").filter(pk=row.event_id).first()
        return link(decision) if decision else row.event_id
