"""What Stripe did differently from what we decided, and events that wait to be applied."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from authorizations.models.fields import TypedCharField
from authorizations.rules.findings import FINDING_TEXTS, FindingKind


class Finding(models.Model):
    """One difference: what happened, the money at stake, and what was done about it.

    Open until somebody notes it as seen, or until later events show that nothing is wrong.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        SEEN = "seen", "Seen"
        GONE = "gone", "Settled by later events"

    kind = models.CharField(
        max_length=40, choices=[(kind.value, FINDING_TEXTS[kind].label) for kind in FindingKind]
    )
    # Which request, transaction or limit of the authorization it is about.
    subject = models.CharField(max_length=255, blank=True)
    authorization = models.ForeignKey(
        "Authorization",
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="findings",
    )
    card = models.ForeignKey("Card", models.PROTECT, db_constraint=False, related_name="+")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    told = models.TextField("what happened")
    done = models.TextField("what was done")
    event_id = models.CharField(max_length=255, blank=True)
    found_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    seen_at = models.DateTimeField(null=True, blank=True)
    note = TypedCharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-pk",)
        indexes = [
            models.Index(
                fields=("kind", "currency"),
                name="finding_open",
                condition=models.Q(state="open"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=("authorization", "kind", "subject"), name="finding_once"
            ),
            models.CheckConstraint(
                condition=models.Q(state="seen", seen_at__isnull=False)
                | ~models.Q(state="seen") & models.Q(seen_at__isnull=True),
                name="finding_seen_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class UnappliedEvent(models.Model):
    """An event of Stripe's that could not be applied to the books, and why.

    `applied_at` once it could, whether sent again or applied again here. `retry_at`: what only took
    too long is applied in the background, by whichever process comes first from then on.
    """

    event_id = models.CharField(primary_key=True, max_length=255)
    event_type = models.CharField(max_length=255)
    webhook_request = models.ForeignKey(
        "WebhookRequest", models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    error = models.TextField()
    failed_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=1)
    retry_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-failed_at",)
        indexes = [
            models.Index(
                fields=("failed_at",),
                name="unapplied_event_waiting",
                condition=models.Q(applied_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class Reconciliation(models.Model):
    """A reading of Stripe's own lists, from `since` on: first one, then the other.

    Stripe lists the newest first: `reached` is the last object read of the list it is at, where
    an interrupted reading goes on.
    """

    class Listing(models.TextChoices):
        AUTHORIZATIONS = "authorizations"
        TRANSACTIONS = "transactions"

    since = models.DateTimeField()
    listing = models.CharField(max_length=20, choices=Listing, default=Listing.AUTHORIZATIONS)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    reached = models.CharField(max_length=255, blank=True)
    read = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"since {self.since:%Y-%m-%d %H:%M}"
