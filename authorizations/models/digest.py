"""The digest: the read model of decisions for lists and charts.

Derived data, off the decision path: `services.digest` writes these rows a moment after the
decisions; all of them may be deleted, and are then made again. Readers must also read the decisions
after `DigestMark`.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from authorizations.models.folding import folded_column


class MerchantName(models.Model):
    """Each merchant name once, to be searched for parts: there are far fewer names than purchases.

    The names in all requests, and in later events about authorizations and transactions.
    """

    name = models.CharField(max_length=500, unique=True)
    folded = folded_column("name")

    def __str__(self) -> str:
        return self.name


class ListedDecision(models.Model):
    """A decision with only the columns that lists are filtered by, and indexes for them.

    Columns have the names of Decision's; `policies` has the ids of policies, not of versions.
    """

    webhook_request = models.OneToOneField(
        "WebhookRequest",
        models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="+",
    )
    decided_at = models.DateTimeField()
    approved = models.BooleanField()
    is_partial = models.BooleanField()
    reason = models.CharField(max_length=255, blank=True)
    amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    category = models.CharField(max_length=500, blank=True)
    category_code = models.CharField("MCC", max_length=500, blank=True)
    merchant_country = models.CharField(max_length=500, blank=True)
    merchant = models.ForeignKey(
        MerchantName,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    card = models.ForeignKey(
        "Card", models.DO_NOTHING, null=True, db_constraint=False, db_index=False, related_name="+"
    )
    cardholder = models.ForeignKey(
        "Cardholder",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    policies = ArrayField(models.BigIntegerField(), default=list)
    stand_in = models.CharField(max_length=30, blank=True)
    exception = models.ForeignKey(
        "Instruction",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )

    class Meta:
        ordering = ("-webhook_request_id",)
        indexes = [
            models.Index(fields=("reason", "webhook_request"), name="listed_by_reason"),
            models.Index(fields=("currency", "webhook_request"), name="listed_by_currency"),
            models.Index(fields=("category", "webhook_request"), name="listed_by_category"),
            models.Index(fields=("merchant_country", "webhook_request"), name="listed_by_country"),
            models.Index(fields=("merchant", "webhook_request"), name="listed_by_merchant"),
            models.Index(fields=("card", "webhook_request"), name="listed_by_card"),
            models.Index(fields=("cardholder", "webhook_request"), name="listed_by_cardholder"),
            GinIndex(fields=("policies",), name="listed_by_policy"),
            models.Index(
                fields=("webhook_request",),
                name="listed_stand_in",
                condition=~models.Q(stand_in=""),
            ),
            models.Index(
                fields=("webhook_request",),
                name="listed_by_exception",
                condition=models.Q(exception__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Stretch(models.Model):
    """When the decisions of a range of neighboring requests were made.

    It leads from dates to ids of requests, which are nearly, but not quite, in the order of time.
    `number` is the id of a request divided by LENGTH.
    """

    LENGTH = 4096

    number = models.BigIntegerField(primary_key=True)
    earliest = models.DateTimeField()
    latest = models.DateTimeField()

    class Meta:
        verbose_name_plural = "stretches"

    def __str__(self) -> str:
        return f"{self.earliest} to {self.latest}"


class Tally(models.Model):
    """The numbers and amounts of decisions in a quarter of an hour, by one dimension.

    A quarter, because the days of every time zone begin on one. Each decision counts once in every
    dimension, so the sums of all dimensions are equal, except that a request of the other mode,
    test or live, counts under its reason only: it is no purchase of this mode.

    The dimensions in the plural have the same sums for whole days of UTC, under their first
    quarter, because the quarters of a month are nearly as many rows as decisions.
    """

    class Dimension(models.TextChoices):
        ALL = "all"
        REASON = "reason"
        CATEGORY = "category"
        COUNTRY = "country"
        TOTALS = "totals"
        REASONS = "reasons"
        CATEGORIES = "categories"
        COUNTRIES = "countries"

    pk = models.CompositePrimaryKey("dimension", "quarter", "value", "currency", "approved")
    dimension = models.CharField(max_length=10, choices=Dimension)
    quarter = models.DateTimeField()
    value = models.CharField(max_length=500, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    approved = models.BooleanField()
    decisions = models.BigIntegerField()
    # numeric, because the sum of many amounts may exceed bigint.
    amount = models.DecimalField(max_digits=40, decimal_places=0)
    approved_amount = models.DecimalField(max_digits=40, decimal_places=0)

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.dimension} {self.value} {self.quarter}"


class AnswerTimes(models.Model):
    """The number of decisions by duration, in each quarter of an hour.

    `bucket` n counts durations above 1.05ⁿ⁻¹ and up to 1.05ⁿ microseconds.
    """

    pk = models.CompositePrimaryKey("quarter", "bucket")
    quarter = models.DateTimeField()
    bucket = models.SmallIntegerField()
    decisions = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "answer times"

    def __str__(self) -> str:
        return f"{self.quarter} {self.bucket}"


class DigestMark(models.Model):
    """The progress of the digest: it has the decisions of all requests up to `digested`."""

    digested = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"up to {self.digested}"
