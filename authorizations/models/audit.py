"""Requests and decisions: rows that are written once and never changed."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from authorizations.models.fields import WrittenJSONField
from authorizations.rules.decision.values import TRACE_VERSION, DeclineReason
from authorizations.rules.wording.reasons import label
from authorizations.rules.wording.stripe_reasons import STRIPE_TEXTS, stripe_reason

REASON_CHOICES = [
    *((reason.value, label(reason)) for reason in DeclineReason),
    *((stripe_reason(reason), texts.label) for reason, texts in STRIPE_TEXTS.items()),
]
"""The desk's reasons, then Stripe's; new ones of Stripe's are stored as they are."""


class WebhookRequest(models.Model):
    """A signed delivery as it was received, with the answer to it."""

    received_at = models.DateTimeField()
    sender = models.CharField(max_length=64, blank=True, help_text="Network address.")
    headers = models.JSONField()
    body = models.BinaryField()
    body_sha256 = models.CharField(
        "SHA-256 of the body", max_length=64, help_text="Of the body as it was received."
    )
    masked_sha256 = models.CharField(
        "SHA-256 of the body as kept",
        max_length=64,
        blank=True,
        help_text="Blank unless card numbers in it were masked.",
    )
    signing_key = models.CharField(
        max_length=8, help_text="Fingerprint of the webhook secret that matched."
    )
    event_id = models.CharField(max_length=255, blank=True)
    event_type = models.CharField(max_length=255, blank=True)
    about = models.CharField(
        max_length=255,
        blank=True,
        help_text="The authorization, or lone transaction, that a later event is about.",
    )
    api_version = models.TextField(blank=True)
    account = models.CharField(max_length=255, blank=True)
    livemode = models.BooleanField(null=True)
    repeats = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The delivery that brought this very body first and keeps it.",
    )
    answer_status = models.PositiveSmallIntegerField()
    answer_body = models.TextField()
    timings = models.JSONField(help_text="Microseconds since arrival at the end of each step.")

    class Meta:
        ordering = ("-pk",)
        indexes = [
            models.Index(fields=("event_id",), name="webhook_request_event"),
            # Requests for a decision are blank here, so they cost nothing.
            models.Index(
                fields=("about",),
                name="webhook_request_about",
                condition=~models.Q(about=""),
            ),
            BrinIndex(
                fields=("received_at",),
                name="webhook_request_received",
                autosummarize=True,
                pages_per_range=32,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or 'request'} {self.event_id}"

    @property
    def kept_body(self) -> bytes:
        """The body; for a repeat, it is stored with the first delivery of the same body."""
        return bytes(self.repeats.body if self.repeats else self.body)


class RepeatedMinute(models.Model):
    """How often a body was received in a minute, beyond the 60 times that are rows."""

    pk = models.CompositePrimaryKey("request", "minute")
    request = models.ForeignKey(
        WebhookRequest, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    minute = models.DateTimeField()
    count = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.count} in {self.minute:%Y-%m-%d %H:%M}"


class DecidedBy(models.TextChoices):
    """Who decided: Stripe declines some requests itself, without asking us."""

    DESK = "desk", "This desk"
    STRIPE = "stripe", "Stripe"


class Decision(models.Model):
    """A decision with all it is based on, so that deciding again from this row gives the same.

    `id` is Stripe's event id. A second answer to the same event has "/answered" after it; if that
    answer was sent instead of the first decision's, it `supersedes` that one. `stand_in` says why
    the database was not asked. `exception` is the one that let it through. `request` is the
    AuthorizationRequest, `policies` names the policy versions in force and their scopes, and
    `context` and `usage` were read under the lock.
    """

    id = models.CharField("decision id", primary_key=True, max_length=255)
    event_created = models.DateTimeField()
    decided_at = models.DateTimeField()
    webhook_request = models.ForeignKey(
        WebhookRequest, models.DO_NOTHING, db_constraint=False, related_name="decisions"
    )
    authorization = models.ForeignKey(
        "Authorization",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="decisions",
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
    decided_by = models.CharField(max_length=10, choices=DecidedBy, default=DecidedBy.DESK)
    approved = models.BooleanField()
    stand_in = models.CharField(
        max_length=30, blank=True, help_text="Why it was answered without the database."
    )
    supersedes = models.CharField(
        max_length=255, blank=True, help_text="The decision on record that was not what was sent."
    )
    reason = models.CharField(max_length=255, blank=True, choices=REASON_CHOICES)
    problem = models.CharField(
        max_length=500,
        blank=True,
        help_text="What could not be read, what contradicts, or which of Stripe's checks failed.",
    )
    amount = models.BigIntegerField(null=True)
    approved_amount = models.BigIntegerField(default=0)
    is_partial = models.BooleanField(default=False)
    exception = models.ForeignKey(
        "Instruction",
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    currency = models.CharField(max_length=3, blank=True)
    category = models.CharField(max_length=500, blank=True)
    category_code = models.CharField("MCC", max_length=500, blank=True)
    merchant_country = models.CharField(max_length=500, blank=True)
    merchant_name = models.CharField(max_length=500, blank=True)
    request = WrittenJSONField(null=True)
    policies = models.JSONField(default=list)
    context = WrittenJSONField(null=True)
    usage = WrittenJSONField(default=list)
    trace = WrittenJSONField(default=list)
    trace_version = models.PositiveSmallIntegerField(default=TRACE_VERSION)
    answer = models.TextField(help_text="The body sent to Stripe, to the byte.")
    duration_us = models.PositiveIntegerField()
    position = models.BigIntegerField(
        default=0, help_text="Ledger entries of its scopes below this were there before it."
    )

    class Meta:
        ordering = ("-webhook_request_id",)
        indexes = [models.Index(fields=("card", "webhook_request"), name="decision_of_card")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(approved=True, reason="")
                | (models.Q(approved=False, approved_amount=0) & ~models.Q(reason="")),
                name="decision_has_one_outcome",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    reason__in=(DeclineReason.MALFORMED_REQUEST, DeclineReason.INTERNAL_ERROR)
                )
                | models.Q(decided_by="stripe", approved=False)
                | models.Q(request__isnull=False, amount__isnull=False, card__isnull=False),
                name="decision_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return self.id


class RejectedRequest(models.Model):
    """A request without a valid signature; the first 60 of each minute are kept."""

    received_at = models.DateTimeField()
    cause = models.CharField(max_length=50)
    sender = models.CharField(max_length=64, blank=True)
    body_sha256 = models.CharField("SHA-256 of the body", max_length=64)
    body_start = models.BinaryField(help_text="The first kilobyte.")

    class Meta:
        ordering = ("-pk",)
        indexes = [
            BrinIndex(
                fields=("received_at",),
                name="rejected_request_received",
                autosummarize=True,
                pages_per_range=32,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cause} from {self.sender}"


class RejectedMinute(models.Model):
    """How many requests were rejected in a minute, including those that are not kept."""

    minute = models.DateTimeField(primary_key=True)
    count = models.PositiveIntegerField()

    class Meta:
        ordering = ("-minute",)

    def __str__(self) -> str:
        return f"{self.minute:%Y-%m-%d %H:%M}: {self.count}"
