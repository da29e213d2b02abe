"""What every authorization counts for, entry by entry, and the sums limits read."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models


class Authorization(models.Model):
    """A purchase's whole life in one row; `books` is its state, the counted columns its sums.

    Card, cardholder and group are those at the first decision and stay for its life. No database
    foreign keys: the parents are locked in the transaction that writes the row.
    """

    id = models.CharField("authorization id", primary_key=True, max_length=255)
    card = models.ForeignKey(
        "Card", models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    root_card = models.ForeignKey(
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
    books = models.JSONField()
    counted_amount = models.BigIntegerField(default=0)
    counted_cash = models.BigIntegerField(default=0)
    refunded_amount = models.BigIntegerField(default=0)
    count = models.SmallIntegerField(default=0)
    cash_count = models.SmallIntegerField(default=0)

    class Meta:
        ordering = ("-created",)
        indexes = [
            models.Index(fields=("root_card", "created"), name="authorization_of_card"),
            models.Index(fields=("cardholder", "created"), name="authorization_of_holder"),
            models.Index(
                fields=("group", "created"),
                name="authorization_of_group",
                condition=models.Q(group__isnull=False),
            ),
            # Next to nothing to keep up, and enough to find the newest.
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
        ]

    def __str__(self) -> str:
        return self.id


class LedgerCause(models.TextChoices):
    """Why what is counted changed."""

    HOLD = "hold", "Approved"
    INCREMENT = "increment", "Increment approved"
    REASKED = "reasked", "Asked again, earlier hold released"
    REPORTED = "reported", "As Stripe reports it"


class LedgerEntry(models.Model):
    """One change of what an authorization counts for; their sum is its state."""

    authorization = models.ForeignKey(
        Authorization, models.DO_NOTHING, db_constraint=False, related_name="ledger"
    )
    event_id = models.CharField(max_length=255)
    cause = models.CharField(max_length=20, choices=LedgerCause)
    amount = models.BigIntegerField()
    cash_amount = models.BigIntegerField()
    refunded_amount = models.BigIntegerField()
    count = models.SmallIntegerField()
    cash_count = models.SmallIntegerField()
    currency = models.CharField(max_length=3)
    entered_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "ledger entries"
        ordering = ("-pk",)
        indexes = [
            BrinIndex(
                fields=("entered_at",),
                name="ledger_entry_entered",
                autosummarize=True,
                pages_per_range=32,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()}: {self.authorization_id}"


class Usage(models.Model):
    """What is counted in one window of one scope, remembered so that nothing is summed twice.

    Derived: a row may be deleted under its scope's lock and is summed anew when next needed.
    `currency` is empty where purchases are counted over all currencies.
    """

    pk = models.CompositePrimaryKey(
        # The end comes second: windows that are over are then never read.
        "scope",
        "window_end",
        "window_start",
        "filter_key",
        "currency",
    )
    scope = models.TextField()
    window_end = models.BigIntegerField()
    window_start = models.BigIntegerField()
    filter_key = models.CharField(max_length=32, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    filter = models.TextField(blank=True)
    amount = models.BigIntegerField()
    refunded_amount = models.BigIntegerField()
    count = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.scope} {self.window_start}-{self.window_end}"
