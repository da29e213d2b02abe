"""What operators have stopped: rows that are written once, and end by a time or by another row."""

from django.conf import settings
from django.db import models

from authorizations.models.fields import TypedCharField


class Instruction(models.Model):
    """A freeze of a scope, a block in it, or its own amount for a limit of a policy.

    `scope` is its key: "program:", "group:3", "cardholder:ich_1" or "card:ic_1", which is this
    card alone to a freeze, and its chain to an own amount. `terms` say what a block or an own
    amount is about, as a policy file does; a freeze has none. It is in force from `starts_at`, up
    to `ends_at` if it has one, unless it is lifted.
    """

    class Kind(models.TextChoices):
        FREEZE = "freeze", "Freeze"
        BLOCK = "block", "Block"
        OVERRIDE = "override", "Own amount"

    kind = models.CharField(max_length=10, choices=Kind)
    scope = models.TextField()
    policy = models.ForeignKey(
        "Policy", models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    terms = models.JSONField(default=dict, blank=True)
    starts_at = models.DateTimeField("from")
    ends_at = models.DateTimeField("until", null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, db_index=False
    )
    # By value, as whoever answers Stripe can't read users.
    author_name = models.CharField(max_length=150, blank=True)
    reason = TypedCharField(max_length=500)
    reference = TypedCharField(max_length=100, blank=True)

    class Meta:
        ordering = ("-pk",)
        default_permissions = ("view", "add")
        indexes = [
            # For the banner on every page.
            models.Index(
                fields=("ends_at",), name="instruction_block_ends", condition=models.Q(kind="block")
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=("reference",),
                condition=~models.Q(reference=""),
                name="instruction_reference",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="override", policy__isnull=False)
                | (~models.Q(kind="override") & models.Q(policy=None)),
                name="instruction_policy_of_override",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    scope__regex=r"^(program:|group:[1-9][0-9]*|(cardholder|card):.+)$"
                ),
                name="instruction_scope_is_a_key",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at=None) | models.Q(ends_at__gt=models.F("starts_at")),
                name="instruction_ends_after_start",
                violation_error_message="The end must be later than the beginning.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.scope.rstrip(':')}"


class OpenInstruction(models.Model):
    """An instruction that nobody has lifted: decisions read these alone.

    Triggers write and delete the rows. One that is past its end goes at the latest when another
    instruction in its scope is written.
    """

    instruction = models.OneToOneField(
        Instruction, models.CASCADE, primary_key=True, related_name="open"
    )
    scope = models.TextField()
    ends_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=("scope",), name="open_instruction_of_scope")]

    def __str__(self) -> str:
        return str(self.instruction)


class Lifting(models.Model):
    """The end of an instruction before its time, by hand."""

    instruction = models.OneToOneField(
        Instruction, models.PROTECT, primary_key=True, related_name="lifting"
    )
    lifted_at = models.DateTimeField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, db_index=False
    )
    reason = TypedCharField(max_length=500)

    class Meta:
        default_permissions = ("view", "add")

    def __str__(self) -> str:
        return f"{self.instruction} lifted"
