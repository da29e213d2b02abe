"""Cardholders, their cards, and groups of cards that policies apply to together."""

from django.db import models

from authorizations.models.fields import TypedCharField
from authorizations.models.folding import folded_column
from authorizations.rules.policy.policy_file import METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH


class Cardholder(models.Model):
    """A person or company that cards are issued to. Limits can span all of their cards."""

    id = models.CharField(
        "cardholder id", primary_key=True, max_length=255, help_text="Stripe's id, ich_…"
    )
    name = TypedCharField(max_length=255, blank=True)
    folded_name = folded_column("name")
    # When the event that these details come from was created, in Unix seconds, so that a late event
    # does not restore an old name.
    details_at = models.BigIntegerField(default=0, editable=False)
    # The part of Stripe's metadata that groups' rules ask for, as of `metadata_at` in Unix seconds.
    metadata = models.JSONField(default=dict, db_default={}, editable=False)
    metadata_at = models.BigIntegerField(default=0, db_default=0, editable=False)
    first_seen = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name or self.id


class CardGroup(models.Model):
    """Cards that policies apply to together: as one budget, or with limits of their own.

    With a rule, cards with this pair in Stripe's `metadata` join by themselves: in the card's own
    or, if that has no such key, in its cardholder's.
    """

    name = TypedCharField(max_length=100, unique=True)
    description = TypedCharField(max_length=500, blank=True)
    metadata_key = TypedCharField(
        max_length=METADATA_KEY_LENGTH, blank=True, default="", db_default=""
    )
    metadata_value = TypedCharField(
        max_length=METADATA_VALUE_LENGTH, blank=True, default="", db_default=""
    )

    class Meta:
        ordering = ("name",)
        indexes = [
            models.Index(
                fields=("metadata_key", "metadata_value"),
                name="card_group_by_metadata",
                condition=~models.Q(metadata_key=""),
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(metadata_key="", metadata_value="")
                | ~(models.Q(metadata_key="") | models.Q(metadata_value="")),
                name="card_group_metadata_pair",
                violation_error_message="Give both the key and the value, or neither.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Card(models.Model):
    """An issued card, with its details from the newest event.

    A replacement card continues the limits of the card it replaces: usage, group and assignments
    belong to the chain's first card, the root. Freezing concerns a single card.
    """

    class Status(models.TextChoices):
        ACTIVE = "active"
        INACTIVE = "inactive"
        CANCELED = "canceled"

    class GroupedBy(models.TextChoices):
        HAND = "hand", "By hand"
        RULE = "rule", "By Stripe's metadata"

    id = models.CharField(
        "card id", primary_key=True, max_length=255, help_text="Stripe's id, ic_…"
    )
    cardholder = models.ForeignKey(
        Cardholder, on_delete=models.PROTECT, null=True, blank=True, related_name="cards"
    )
    # Refers to `own_root` in the database (0002_guards), so that a root is its own root.
    root = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        related_name="chain",
        editable=False,
        db_constraint=False,
    )
    own_root = models.GeneratedField(
        expression=models.Case(models.When(root_id=models.F("id"), then=models.F("id"))),
        output_field=models.CharField(max_length=255, null=True),
        db_persist=True,
    )
    replacement_for = models.CharField(max_length=255, blank=True, editable=False)
    group = models.ForeignKey(
        CardGroup, on_delete=models.PROTECT, null=True, blank=True, related_name="cards"
    )
    # What put a root into its group; by hand also, what keeps it out of every group. Empty, a group
    # is by hand, and a root without one joins the group whose rule comes to match.
    grouped_by = models.CharField(
        max_length=10, choices=GroupedBy, blank=True, default="", db_default="", editable=False
    )
    metadata = models.JSONField(default=dict, db_default={}, editable=False)
    metadata_at = models.BigIntegerField(default=0, db_default=0, editable=False)
    last4 = models.CharField("last four digits", max_length=4, blank=True)
    brand = models.CharField(max_length=50, blank=True)
    type = models.CharField(max_length=50, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    # Stripe may add values: choices are those known today, others are stored as they are.
    status = models.CharField(max_length=50, choices=Status, default=Status.ACTIVE)
    frozen = models.BooleanField(default=False, editable=False)
    frozen_reason = TypedCharField(max_length=500, blank=True, editable=False)
    details_at = models.BigIntegerField(default=0, editable=False)
    first_seen = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-first_seen", "id")
        indexes = [
            models.Index(fields=("-first_seen", "id"), name="card_newest_first"),
            # Few rows, of which stand-in has a copy.
            models.Index(fields=("id",), name="card_frozen", condition=models.Q(frozen=True)),
        ]
        constraints = [
            models.CheckConstraint(
                # A replacement has the group of its root.
                condition=models.Q(root_id=models.F("id")) | models.Q(group__isnull=True),
                name="card_group_on_root",
            ),
            models.UniqueConstraint(fields=("own_root",), name="card_own_root"),
        ]

    def __str__(self) -> str:
        return f"•••• {self.last4} ({self.id})" if self.last4 else self.id

    def save(self, *args: object, **kwargs: object) -> None:
        if not self.root_id:
            self.root_id = self.id
        super().save(*args, **kwargs)  # type: ignore[arg-type]
