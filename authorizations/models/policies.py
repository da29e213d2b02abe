"""Spending policies, their immutable versions, and assignments."""

import json
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Cast, Concat

from authorizations.models.fields import TypedCharField
from authorizations.rules.basics.controls import ScopeKind, Weekday
from authorizations.rules.policy.document import completed


class Policy(models.Model):
    """A named policy; its document is that of the version in force."""

    name = TypedCharField(max_length=100, unique=True)
    current_version = models.ForeignKey(
        "PolicyVersion",
        on_delete=models.PROTECT,
        null=True,  # until the first version exists, which refers to its policy
        editable=False,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name_plural = "policies"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def document(self) -> dict[str, Any]:
        """The normal document of the version in force; without a version, only the name."""
        version = self.current_version
        return completed(json.loads(version.content) if version else {"name": self.name})


def server_time_zone() -> str:
    """The setting TIME_ZONE."""
    return str(settings.TIME_ZONE)


class ProgramDefaults(models.Model):
    """The initial values of a new policy's page: one row, or none until they are first set."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    currency = models.CharField(max_length=3, blank=True)
    time_zone = models.CharField(max_length=64, default=server_time_zone)
    week_starts = models.CharField(
        max_length=9, choices=[(day, day.title()) for day in Weekday], default=Weekday.SUNDAY
    )

    class Meta:
        verbose_name = "defaults of new policies"
        verbose_name_plural = "defaults of new policies"
        default_permissions = ("view", "change")
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="program_defaults_once"),
        ]

    def __str__(self) -> str:
        return "Defaults of new policies"

    @classmethod
    def current(cls) -> "ProgramDefaults":
        """The stored defaults, or the initial ones if none are stored."""
        return cls.objects.filter(pk=1).first() or cls()


class PolicyVersion(models.Model):
    """A numbered, immutable version of a policy, to which its decisions refer."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    reason = TypedCharField(max_length=500, blank=True)
    # Text, not jsonb: the hash covers exactly these characters.
    content = models.TextField(help_text="Canonical JSON of the whole policy.")
    sha256 = models.CharField("SHA-256", max_length=64)

    class Meta:
        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(fields=("policy", "number"), name="policy_version_number"),
        ]

    def __str__(self) -> str:
        return f"{self.policy.name}, version {self.number}"


def _scope_key(kind: ScopeKind, column: str) -> Concat:
    text = models.TextField()
    return Concat(models.Value(f"{kind}:"), Cast(column, text), output_field=text)


class Assignment(models.Model):
    """The assignment of a policy to the program, a card group, a cardholder or a card."""

    policy = models.ForeignKey(
        Policy, on_delete=models.CASCADE, related_name="assignments", db_index=False
    )
    program = models.BooleanField(
        default=False, help_text="Every card of the program, each measured on its own."
    )
    group = models.ForeignKey(
        "CardGroup",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="assignments",
        help_text="One budget shared by all cards of the group.",
    )
    cardholder = models.ForeignKey(
        "Cardholder",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="assignments",
        help_text="All cards of this cardholder together.",
    )
    card = models.ForeignKey(
        "Card",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="assignments",
        help_text="One card and its replacements.",
    )
    scope = models.GeneratedField(
        expression=models.Case(
            models.When(card__isnull=False, then=_scope_key(ScopeKind.CARD, "card_id")),
            models.When(
                cardholder__isnull=False, then=_scope_key(ScopeKind.CARDHOLDER, "cardholder_id")
            ),
            models.When(group__isnull=False, then=_scope_key(ScopeKind.GROUP, "group_id")),
            default=models.Value(f"{ScopeKind.PROGRAM}:"),
            output_field=models.TextField(),
        ),
        output_field=models.TextField(),
        db_persist=True,
    )

    class Meta:
        indexes = [
            # Finds the first assignments of a policy, even if it has many.
            models.Index(fields=("policy", "scope"), name="assignment_of_policy"),
        ]
        constraints = [
            models.UniqueConstraint(fields=("scope", "policy"), name="assignment_once"),
            models.CheckConstraint(
                condition=(
                    models.Q(program=True, group=None, cardholder=None, card=None)
                    | models.Q(program=False, group__isnull=False, cardholder=None, card=None)
                    | models.Q(program=False, group=None, cardholder__isnull=False, card=None)
                    | models.Q(program=False, group=None, cardholder=None, card__isnull=False)
                ),
                name="assignment_to_one_scope",
                violation_error_message=(
                    "Choose exactly one: the program, a group, a cardholder or a card."
                ),
            ),
        ]

    def __str__(self) -> str:
        target = self.card or self.cardholder or self.group or "every card"
        return f"{self.policy} → {target}"
