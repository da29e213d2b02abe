"""What operators have stopped or let through: rows that are written once.

They end by a time or by another row.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from authorizations.models.fields import TypedCharField
from authorizations.rules.basics.controls import scope_of
from authorizations.rules.basics.words import SCOPE_WORDS


class Instruction(models.Model):
    """A freeze of a scope, a block in it, its own amount for a limit of a policy, an exclusion from
    a policy that is assigned, or an exception.

    `scope` is its key: "program:", "group:3", "cardholder:ich_1" or "card:ic_1", which is this
    card alone to a freeze and an exception, and its chain to an own amount and an exclusion.
    `terms` say what it is about, as a policy file does, and the key of the scope that an
    exclusion's policy is assigned to. A freeze has none, but by a limit on attempts: its name (see
    limited_attempts), the decision that reached it and when that purchase began. It is in force
    from `starts_at`, up to `ends_at` if it has one, unless it is lifted, or is an exception that a
    decision has used.
    """

    class Kind(models.TextChoices):
        FREEZE = "freeze", "Freeze"
        BLOCK = "block", "Block"
        OVERRIDE = "override", "Own amount"
        EXCEPTION = "exception", "Exception"
        EXCLUSION = "exclusion", "Left out"

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
            # For the page of a card, and for what a role may give to a scope.
            models.Index(
                fields=("scope",),
                name="instruction_given",
                condition=models.Q(kind__in=("exception", "override")),
            ),
            # For the page of a policy.
            models.Index(
                fields=("policy",),
                name="instruction_own_amount",
                condition=models.Q(kind="override"),
            ),
            # Where a limit on attempts begins anew.
            models.Index(
                "scope",
                Cast(KeyTextTransform("created", "terms"), models.BigIntegerField()),
                name="instruction_of_attempts",
                condition=models.Q(kind="freeze", terms__has_key="attempts"),
            ),
            # Few rows, of which every count of the cards with a grant needs all.
            models.Index(
                fields=("policy",),
                name="instruction_exclusion",
                condition=models.Q(kind="exclusion"),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=("reference",),
                condition=~models.Q(reference=""),
                name="instruction_reference",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=("override", "exclusion"), policy__isnull=False)
                | (~models.Q(kind__in=("override", "exclusion")) & models.Q(policy=None)),
                name="instruction_policy_of_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    scope__regex=r"^(program:|group:[1-9][0-9]*|(cardholder|card):.+)$"
                ),
                name="instruction_scope_is_a_key",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="exception")
                | models.Q(scope__startswith="card:", ends_at__isnull=False),
                name="instruction_exception_of_card_ends",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at=None) | models.Q(ends_at__gt=models.F("starts_at")),
                name="instruction_ends_after_start",
                violation_error_message="The end must be later than the beginning.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {SCOPE_WORDS[scope_of(self.scope).kind]}"


class OpenInstruction(models.Model):
    """An instruction that is neither lifted nor used: decisions read these alone.

    Triggers write and delete the rows. One that is past its end goes at the latest when another
    instruction in its scope is written. `told` is what decisions read of it, as JSON.
    """

    instruction = models.OneToOneField(
        Instruction, models.CASCADE, primary_key=True, related_name="open"
    )
    scope = models.TextField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    told = models.TextField()

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


class ExceptionUse(models.Model):
    """The one decision that an exception let through; `scopes` are the keys of those it counts in.

    Written in the decision's transaction, under the lock of its card.
    """

    instruction = models.OneToOneField(
        Instruction, models.PROTECT, primary_key=True, related_name="use"
    )
    decision = models.ForeignKey(
        "Decision", models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    used_at = models.DateTimeField()
    scopes = ArrayField(models.TextField())

    class Meta:
        default_permissions = ("view",)
        indexes = [GinIndex(fields=("scopes",), name="exception_use_of_scope")]

    def __str__(self) -> str:
        return f"{self.instruction} used"
