"""Spending policies, their immutable versions, and assignments."""

import json
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Cast, Concat, Now
from django.utils import timezone

from authorizations.models.fields import TypedCharField
from authorizations.rules.basics.controls import OwnBudget, ScopeKind, Weekday
from authorizations.rules.policy.document import completed


class PolicyQuerySet(models.QuerySet["Policy"]):
    def in_force(self) -> Self:
        """Those with a version in force; `in_force_id` is its key, by the database's clock."""
        key = models.BigIntegerField()
        version = models.Case(
            models.When(
                planned_until__gt=Now(),
                then=models.Func(
                    models.F("pk"), Now(), function="authorizations_version_at", output_field=key
                ),
            ),
            default=models.F("current_version_id"),
            output_field=key,
        )
        return self.annotate(in_force_id=version).exclude(in_force_id=None)

    def versions_in_force(self) -> dict[int, int]:
        """The key of the version in force now, by the key of its policy."""
        return dict(self.in_force().values_list("pk", "in_force_id"))  # type: ignore[misc]


class Policy(models.Model):
    """A named policy; its document is that of the version in force.

    `current_version` is the one published last without a plan: it is in force whenever no planned
    one is. Until `planned_until` there may be one, so that the plans are read; None: there are
    none.
    """

    name = TypedCharField(max_length=100, unique=True)
    current_version = models.ForeignKey(
        "PolicyVersion",
        on_delete=models.PROTECT,
        null=True,  # until a version is published without a plan
        editable=False,
        related_name="+",
        db_index=False,
    )
    planned_until = models.DateTimeField(null=True, editable=False)

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "policies"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def listed_plans(self) -> "list[PlannedVersion]":
        """The open plans by their beginning; asks the database only if there may be some.

        A list of policies asks for all at once, by a prefetch to `open_plans`.
        """
        if self.planned_until is None or self.planned_until <= timezone.now():
            return []
        if not hasattr(self, "open_plans"):
            return list(self.plans.open().select_related("version__author"))
        return list(self.open_plans)

    @property
    def version_in_force(self) -> "PolicyVersion | None":
        """The version in force now, by this server's clock."""
        now = timezone.now()
        begun = [
            plan
            for plan in self.listed_plans
            if plan.begins_at <= now and (plan.ends_at is None or now < plan.ends_at)
        ]
        return begun[-1].version if begun else self.current_version

    @property
    def document(self) -> dict[str, Any]:
        """The normal document of the version in force; without a version, only the name."""
        version = self.version_in_force
        return version.document if version else completed({"name": self.name})


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
    # By the database's clock, as without a plan it is in force from then on.
    created_at = models.DateTimeField(default=timezone.now, editable=False)
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

    @property
    def document(self) -> dict[str, Any]:
        """What it says, in the normal form."""
        return completed(json.loads(self.content))


class PlannedVersionQuerySet(models.QuerySet["PlannedVersion"]):
    def open(self) -> Self:
        """Those that are in force, or may be: not cancelled, ended or published over since."""
        current = "policy__current_version"
        begun = models.F(f"{current}__created_at")
        return self.filter(
            models.Q(ends_at=None) | models.Q(ends_at__gt=Now()),
            models.Q(**{current: None})
            | models.Q(begins_at__gt=begun)
            | models.Q(begins_at=begun, version__gt=models.F(current)),
            version__plan_cancellation=None,
        )


class PlannedVersion(models.Model):
    """When a version is to be in force: from `begins_at`, up to `ends_at` if it has one.

    Of those begun, not ended and not cancelled, the one that began last is in force, of equal ones
    the highest number; a version without a plan begins when it is published, and never ends.
    """

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="plans", db_index=False)
    version = models.OneToOneField(PolicyVersion, models.PROTECT, related_name="plan")
    begins_at = models.DateTimeField("from")
    ends_at = models.DateTimeField("until", null=True)

    objects = PlannedVersionQuerySet.as_manager()

    class Meta:
        ordering = ("begins_at", "pk")
        default_permissions = ("view",)
        indexes = [
            # Finds the one that began last, and none that began before the current version.
            models.Index(fields=("policy", "begins_at"), name="planned_version_of_policy"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends_at=None) | models.Q(ends_at__gt=models.F("begins_at")),
                name="planned_version_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version}, planned"


class PlanCancellation(models.Model):
    """The end of a planned version before its time, or before its beginning, by hand."""

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="+", db_index=False)
    version = models.OneToOneField(PolicyVersion, models.PROTECT, related_name="plan_cancellation")
    cancelled_at = models.DateTimeField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, db_index=False
    )
    reason = TypedCharField(max_length=500)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.version}, cancelled"


def _scope_key(kind: ScopeKind, column: str) -> Concat:
    text = models.TextField()
    return Concat(models.Value(f"{kind}:"), Cast(column, text), output_field=text)


class Assignment(models.Model):
    """The assignment of a policy to the program, a card group, a cardholder or a card."""

    policy = models.ForeignKey(
        Policy, on_delete=models.CASCADE, related_name="assignments", db_index=False
    )
    program = models.BooleanField(default=False, help_text="Every card of the program.")
    group = models.ForeignKey(
        "CardGroup",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="assignments",
        help_text="All cards of the group.",
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
    each = models.CharField(
        "whose own",
        max_length=10,
        blank=True,
        default="",
        db_default="",
        choices=[
            (OwnBudget.CARD.value, "Each card's own"),
            (OwnBudget.CARDHOLDER.value, "Each cardholder's own"),
        ],
        help_text="Who each have the limits for themselves. Empty: a group shares one budget, and "
        "of the program each card has its own.",
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
            models.CheckConstraint(
                condition=(
                    models.Q(each="")
                    | models.Q(each__in=("card", "cardholder"), group__isnull=False)
                    | models.Q(each="cardholder", program=True)
                ),
                name="assignment_each_has_several",
                violation_error_message=(
                    "A group can give each card or each cardholder limits of their own, and the "
                    "program each cardholder; of one cardholder or card leave this empty."
                ),
            ),
        ]

    def __str__(self) -> str:
        target = self.card or self.cardholder or self.group or "every card"
        return f"{self.policy} → {target}"
