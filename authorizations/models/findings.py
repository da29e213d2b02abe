"""Findings: what Stripe did differently from our decisions; and events that are not applied yet."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from authorizations.models.fields import TypedCharField
from authorizations.rules.wording.findings import FINDING_TEXTS, FindingKind


class FindingState(models.TextChoices):
    """The state of a finding."""

    OPEN = "open", "Open"
    SEEN = "seen", "Handled"
    GONE = "gone", "Resolved"


class Finding(models.Model):
    """A difference: what happened, the amount at stake, and what was done about it.

    Open until an operator marks it as handled, or it no longer exists. Each change is a
    FindingChange; `state`, `amount`, `description`, `done` and `event_id` are those of the newest
    change, which the database copies here for lists.
    """

    State = FindingState

    kind = models.CharField(
        max_length=40, choices=[(kind.value, FINDING_TEXTS[kind].label) for kind in FindingKind]
    )
    # The request, transaction or limit of the authorization that it is about.
    subject = models.CharField(max_length=255, blank=True)
    authorization = models.ForeignKey(
        "Authorization",
        models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="findings",
    )
    card = models.ForeignKey("Card", models.PROTECT, db_constraint=False, related_name="+")
    currency = models.CharField(max_length=3)
    found_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=10, choices=FindingState, default=FindingState.OPEN)
    amount = models.BigIntegerField()
    description = models.TextField("what happened")
    done = models.TextField("what was done")
    event_id = models.CharField(max_length=255, blank=True)

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
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class FindingChange(models.Model):
    """A change of a finding, with its time and its event or user: written once, never changed."""

    class What(models.TextChoices):
        FOUND = "found", "Found"
        FIGURES = "figures", "Amounts changed"
        SEEN = "seen", "Marked as handled"
        GONE = "gone", "Resolved"
        BACK = "back", "Reopened"

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="changes")
    what = models.CharField(max_length=10, choices=What)
    at = models.DateTimeField(db_default=Now())
    event_id = models.CharField(max_length=255, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    note = TypedCharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=FindingState)
    amount = models.BigIntegerField()
    description = models.TextField("what happened")
    done = models.TextField("what was done")

    class Meta:
        default_permissions = ()
        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(what="seen") | models.Q(state="seen", author__isnull=False),
                name="finding_seen_by_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(what="gone", state="gone")
                | ~models.Q(what="gone") & ~models.Q(state="gone"),
                name="finding_gone",
            ),
        ]

    def __str__(self) -> str:
        return self.get_what_display()


class FindingWindow(models.Model):
    """A window in which a limit was exceeded, and the policy version of that limit.

    `scope` is what the policy is assigned to, `measured` the scope whose usage counts. The window
    is [`window_start`, `window_end`) in Unix seconds; a rolling one ends when it was found.
    `figures` are the limit's figures at that time.
    """

    finding = models.ForeignKey(Finding, models.PROTECT, related_name="windows")
    version = models.ForeignKey(
        "PolicyVersion", models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    scope = models.CharField(max_length=300)
    measured = models.CharField(max_length=300)
    window_start = models.BigIntegerField()
    window_end = models.BigIntegerField()
    figures = models.JSONField()

    class Meta:
        default_permissions = ()
        ordering = ("pk",)
        indexes = [
            models.Index(fields=("measured", "window_end"), name="finding_window_of_scope"),
        ]

    def __str__(self) -> str:
        return f"{self.measured}, {self.window_start} to {self.window_end}"


class UnappliedEvent(models.Model):
    """An event that could not be applied to the books, and why.

    `applied_at` is set once it is applied, whether Stripe sent it again or it was applied again
    here. An event that took too long, or arrived with too many others, is applied in the
    background, by any process, from `retry_at` on.
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
            models.Index(
                fields=("applied_at",),
                name="unapplied_event_in_background",
                condition=models.Q(applied_at__isnull=False, retry_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"


class Reconciliation(models.Model):
    """A run of `reconcile`, which reads Stripe's two lists from `since` on, one after the other.

    Stripe lists the newest objects first. `reached` is the last object read of the current list,
    where an interrupted run continues.
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
