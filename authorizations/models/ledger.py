"""Authorizations, the ledger of what they count for, and the sums that limits read."""

from django.contrib.postgres.indexes import BrinIndex
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models.functions import Left, Now

from authorizations.models.fields import TypedCharField, WrittenJSONField

_COUNTED = (
    "currency",
    "counted_amount",
    "counted_cash",
    "refunded_amount",
    "count",
    "cash_count",
)
"""The columns that sums read, included in indexes so that these are enough.

An update of any of them must update the indexes: an increment, a lowered hold, a refund. (Closing
or expiring a hold does so anyway, by `is_held`.) Measured with 200,000 purchases: 0.5 kB more of
write-ahead log for such an update and 0.15 kB for a new purchase, while a sum takes half to an
eighth of the time, depending on how scattered the purchases are over the table.
"""


LIMITS_READ = (
    *("category", "category_code", "merchant_country", "merchant_name", "network_id"),
    *("card_presence", "authorization_method"),
)
"""The columns that the filters of limits read, in the order of Merchant's first fields."""


INDEXED_NETWORK_ID = 64
"""How much of a network id an index has: the longest that are kept would not fit."""


class Authorization(models.Model):
    """A purchase; `books` is its state, the counted columns are the sums of its ledger.

    Card, cardholder and group are those of the first decision and never change. Its replacement
    chain is its card's: if the card gets a different root, the row is not changed. There are no
    database foreign keys, because the parents are locked in the transaction that writes the row.
    """

    id = models.CharField("authorization id", primary_key=True, max_length=255)
    card = models.ForeignKey(
        "Card", models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    cardholder = models.ForeignKey(
        "Cardholder", models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    group = models.ForeignKey(
        "CardGroup",
        models.PROTECT,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    created = models.DateTimeField(help_text="When the purchase began, after Stripe's clock.")
    currency = models.CharField(max_length=3)
    category = models.CharField(max_length=500, blank=True)
    category_code = models.CharField("MCC", max_length=500, blank=True)
    merchant_country = models.CharField(max_length=500, blank=True)
    merchant_name = models.CharField(max_length=500, blank=True)
    network_id = models.CharField(max_length=500, blank=True)
    # As Stripe tells of the authorization, not of a transaction.
    card_presence = models.CharField(max_length=500, blank=True)
    authorization_method = models.CharField(max_length=500, blank=True)
    status = models.CharField(
        max_length=50, blank=True, help_text="Stripe's, as of the furthest snapshot."
    )
    books = WrittenJSONField()
    captured_amount = models.BigIntegerField(default=0)
    # More is counted than was captured. It ends with an event, which can get lost.
    is_held = models.BooleanField(default=False)
    counted_amount = models.BigIntegerField(default=0)
    counted_cash = models.BigIntegerField(default=0)
    refunded_amount = models.BigIntegerField(default=0)
    count = models.SmallIntegerField(default=0)
    cash_count = models.SmallIntegerField(default=0)
    # Both by the first request, "" before it: see rules.decision.attempts.
    attempt = models.CharField(max_length=10, blank=True, db_default="")
    # The limits on attempts that were full, which don't count it: "4:tries 7:tries".
    refused_by = models.TextField(blank=True, db_default="")

    class Meta:
        ordering = ("-created",)
        indexes = [
            models.Index(
                fields=("card", "created"), include=_COUNTED, name="authorization_of_card"
            ),
            models.Index(
                fields=("cardholder", "created"), include=_COUNTED, name="authorization_of_holder"
            ),
            models.Index(
                fields=("group", "created"),
                include=_COUNTED,
                name="authorization_of_group",
                condition=models.Q(group__isnull=False),
            ),
            # For limits on declined attempts, where most are approved.
            models.Index(
                fields=("card", "created"),
                name="authorization_declined",
                condition=models.Q(attempt="declined"),
            ),
            # Where a card has paid before: see services.store.first_purchases.
            models.Index(
                "card",
                "merchant_country",
                "category_code",
                Left("network_id", INDEXED_NETWORK_ID),
                name="authorization_places",
                condition=models.Q(count__gt=0),
            ),
            # Few rows at any time; those that stay for long need attention.
            models.Index(
                fields=("created",),
                name="authorization_still_held",
                condition=models.Q(is_held=True),
            ),
            # Costs next to nothing, and is enough to find the newest.
            BrinIndex(
                fields=("created",),
                name="authorization_created",
                autosummarize=True,
                pages_per_range=32,
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(count__in=(0, 1), cash_count__in=(0, models.F("count"))),
                name="authorization_counts_once",
            ),
            models.CheckConstraint(
                condition=models.Q(counted_cash__gte=0)
                & models.Q(counted_amount__gte=models.F("counted_cash")),
                name="authorization_cash_within_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(refunded_amount__gte=0)
                & models.Q(counted_amount__gte=models.F("refunded_amount")),
                name="authorization_refunds_within_amount",
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def root_id(self) -> str:
        """The root of its card, read when first asked for; that card where it is missing."""
        try:
            return self.card.root_id
        except ObjectDoesNotExist:
            return self.card_id


class LedgerCause(models.TextChoices):
    """Why the counted amount of an authorization changed."""

    HOLD = "hold", "Approved"
    INCREMENT = "increment", "Increment approved"
    REASKED = "reasked", "Asked again, earlier hold released"
    ANSWERED = "answered", "Another answer had been sent: hold corrected"
    KEPT = "kept", "Declined: earlier hold kept"
    NOT_APPROVED = "not_approved", "Stripe did not approve it: hold released"
    APPROVED_BY_STRIPE = "approved_by_stripe", "Approved by Stripe without us"
    RAISED = "raised", "Raised by the merchant"
    LOWERED = "lowered", "Lowered by the merchant"
    REVERSED = "reversed", "Voided by the merchant"
    EXPIRED = "expired", "Expired: hold released"
    CLOSED = "closed", "Closed: what was not captured is released"
    CAPTURE = "capture", "Captured"
    REFUND = "refund", "Refunded"
    MOVED = "moved", "Moved to the purchase it belongs to"
    RELEASE = "release", "Hold released by hand"
    ADJUSTMENT = "adjustment", "Adjusted by hand"


AFTER_DECIDING = (
    LedgerCause.HOLD,
    LedgerCause.INCREMENT,
    LedgerCause.KEPT,
    LedgerCause.ANSWERED,
)
"""The causes that follow from a decision; a request's other entries precede it."""


class LedgerEntry(models.Model):
    """A change of what an authorization counts for; the sum of its entries is its state."""

    authorization = models.ForeignKey(
        Authorization,
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="ledger",
    )
    event_id = models.CharField(max_length=255, blank=True)
    cause = models.CharField(max_length=20, choices=LedgerCause)
    amount = models.BigIntegerField()
    cash_amount = models.BigIntegerField()
    refunded_amount = models.BigIntegerField()
    count = models.SmallIntegerField()
    cash_count = models.SmallIntegerField()
    currency = models.CharField(max_length=3)
    entered_at = models.DateTimeField()
    author = models.CharField(max_length=255, blank=True, help_text="Who booked it by hand.")
    reason = TypedCharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(cause__in=("release", "adjustment"), event_id="")
                & ~models.Q(author="")
                & ~models.Q(reason="")
                | ~models.Q(cause__in=("release", "adjustment"))
                & ~models.Q(event_id="")
                & models.Q(author="", reason=""),
                name="ledger_entry_has_an_event_or_an_author",
            ),
        ]
        ordering = ("-pk",)
        indexes = [
            models.Index(fields=("authorization",), name="ledger_entry_of_purchase"),
            BrinIndex(
                fields=("entered_at",),
                name="ledger_entry_entered",
                autosummarize=True,
                pages_per_range=32,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()}: {self.authorization_id}"


class Transaction(models.Model):
    """A transaction, as the newest event reports it; `amount` is negative for a capture.

    `linked` is the authorization that Stripe names. `booked_under` is the one whose books contain
    the transaction: an authorization of its own if Stripe names none, or one that is unknown yet.
    """

    class Type(models.TextChoices):
        CAPTURE = "capture"
        REFUND = "refund"

    id = models.CharField("transaction id", primary_key=True, max_length=255)
    # Stripe may add values.
    type = models.CharField(max_length=50, choices=Type)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    merchant_amount = models.BigIntegerField()
    merchant_currency = models.CharField(max_length=500, blank=True)
    merchant_name = models.CharField(max_length=500, blank=True)
    created = models.DateTimeField()
    card = models.ForeignKey(
        "Card", models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    linked = models.CharField(max_length=255, blank=True)
    booked_under = models.CharField(max_length=255, blank=True)
    # When the event with this version was created, in Unix seconds.
    reported_at = models.BigIntegerField()

    class Meta:
        ordering = ("-created", "id")
        indexes = [
            models.Index(fields=("card", "created"), name="transaction_of_card"),
            models.Index(fields=("booked_under",), name="transaction_of_purchase"),
            models.Index(
                fields=("linked",),
                name="transaction_elsewhere",
                condition=~models.Q(linked="") & ~models.Q(booked_under=models.F("linked")),
            ),
            BrinIndex(
                fields=("created",),
                name="transaction_created",
                autosummarize=True,
                pages_per_range=32,
            ),
        ]

    def __str__(self) -> str:
        return self.id


class Dispute(models.Model):
    """A dispute about a transaction, as the newest event reports it.

    It does not change limits: a dispute that is won returns money at Stripe, and an operator
    decides whether it can be spent again.
    """

    class Status(models.TextChoices):
        UNSUBMITTED = "unsubmitted", "Not submitted yet"
        SUBMITTED = "submitted", "Submitted"
        WON = "won", "Won"
        LOST = "lost", "Lost"
        EXPIRED = "expired", "Expired"

    class Funds(models.TextChoices):
        REINSTATED = "reinstated", "Given back"
        RESCINDED = "rescinded", "Taken back again"

    id = models.CharField("dispute id", primary_key=True, max_length=255)
    # The transaction may not have been reported yet.
    transaction = models.ForeignKey(
        Transaction, models.DO_NOTHING, db_constraint=False, related_name="disputes"
    )
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    created = models.DateTimeField()
    # Stripe may add values.
    status = models.CharField(max_length=50, choices=Status)
    reason = models.CharField(max_length=50, blank=True)
    loss_reason = models.CharField(max_length=100, blank=True)
    funds = models.CharField(max_length=10, choices=Funds, blank=True)
    # When the events with this version, and with the state of the funds, were created, in Unix
    # seconds.
    reported_at = models.BigIntegerField()
    funds_reported_at = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("created", "id")

    def __str__(self) -> str:
        return self.id


class Usage(models.Model):
    """The sum of what counts in a window of a scope, stored so that it is summed up only once.

    Derived data: a row may be deleted under its scope's lock and is summed up again when needed.
    `currency` is "" for counts over all currencies. If `piece_seconds` is not 0, the row is not the
    window of a limit but a piece of longer windows: a minute, an hour or a day (UTC).
    """

    pk = models.CompositePrimaryKey(
        # The end comes third: windows that are over are then never read.
        "scope",
        "piece_seconds",
        "window_end",
        "window_start",
        "filter_key",
        "currency",
    )
    scope = models.TextField()
    piece_seconds = models.IntegerField(default=0)
    window_end = models.BigIntegerField()
    window_start = models.BigIntegerField()
    filter_key = models.CharField(max_length=32, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    filter = models.TextField(blank=True)
    amount = models.BigIntegerField()
    refunded_amount = models.BigIntegerField()
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(piece_seconds=0)
                | models.Q(
                    piece_seconds__in=(60, 3600, 86400),
                    window_end=models.F("window_start") + models.F("piece_seconds"),
                ),
                name="usage_piece_is_a_minute_an_hour_or_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.window_start}-{self.window_end}"


class UncountedWindow(models.Model):
    """A window of a busy scope that is being counted in the background, piece by piece.

    Purchases created before `counted_to` are in stored pieces. `purchases` estimates how many there
    are in all; `counted` is the number of those counted so far. A `rolling` window only needs its
    pieces. The row is deleted once the window is counted.
    """

    pk = models.CompositePrimaryKey(
        "scope", "window_start", "window_end", "filter_key", "currency", "rolling"
    )
    scope = models.TextField()
    window_start = models.BigIntegerField()
    window_end = models.BigIntegerField()
    filter_key = models.CharField(max_length=32, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    rolling = models.BooleanField()
    filter = models.TextField(blank=True)
    counted_to = models.BigIntegerField()
    counted = models.BigIntegerField(default=0)
    purchases = models.BigIntegerField(default=0)
    asked_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.scope} {self.window_start}-{self.window_end}"
