"""Spending policies as operators edit them, and the immutable versions that decide."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Cast, Concat

from authorizations.models.fields import TypedCharField
from authorizations.rules.basics.controls import Interval, ScopeKind, Weekday


def _words(max_length: int = 100) -> Any:
    return ArrayField(models.CharField(max_length=max_length), default=list, blank=True)


def _merchants() -> Any:
    """Entries as policy files have them: "Uber", {"network_id": "1234567890"}."""
    return models.JSONField(default=list, blank=True)


class Policy(models.Model):
    """What operators edit. Saving publishes a version; only versions decide."""

    class Verification(models.TextChoices):
        CVC = "cvc", "CVC"
        POSTAL_CODE = "postal_code", "Postal code"
        THREE_D_SECURE = "three_d_secure", "3-D Secure"

    class CardPresence(models.TextChoices):
        PRESENT = "present", "Card present"
        NOT_PRESENT = "not_present", "Card not present"

    class AuthorizationMethod(models.TextChoices):
        CHIP = "chip"
        CONTACTLESS = "contactless"
        KEYED_IN = "keyed_in", "Keyed in"
        ONLINE = "online"
        SWIPE = "swipe"

    class Wallet(models.TextChoices):
        APPLE_PAY = "apple_pay", "Apple Pay"
        GOOGLE_PAY = "google_pay", "Google Pay"
        SAMSUNG_PAY = "samsung_pay", "Samsung Pay"

    name = TypedCharField(max_length=100, unique=True)
    currency = models.CharField(max_length=3, blank=True)
    unlimited = models.BooleanField(default=False)
    time_zone = models.CharField(max_length=64, default="UTC")
    week_starts = models.CharField(
        max_length=9, choices=[(day, day.title()) for day in Weekday], default=Weekday.SUNDAY
    )
    allowed_categories = _words()
    blocked_categories = _words()
    allowed_merchant_countries = _words(2)
    blocked_merchant_countries = _words(2)
    allowed_merchants = _merchants()
    blocked_merchants = _merchants()
    allowed_card_presences = _words()
    blocked_card_presences = _words()
    allowed_authorization_methods = _words()
    blocked_authorization_methods = _words()
    allowed_wallets = _words()
    required_verification = _words()
    max_network_risk_score = models.PositiveSmallIntegerField(null=True, blank=True)
    usable_from = models.CharField(max_length=40, blank=True)
    usable_until = models.CharField(max_length=40, blank=True)
    partial_approval = models.BooleanField(default=False)
    smallest_partial_amount = models.BigIntegerField(null=True, blank=True)
    refunds_restore = models.BooleanField(default=True)
    fuel_hold = models.BigIntegerField(null=True, blank=True)
    stand_in_amount = models.BigIntegerField(null=True, blank=True)
    stand_in_cap = models.BigIntegerField(null=True, blank=True)
    current_version = models.ForeignKey(
        "PolicyVersion",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name_plural = "policies"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


def server_time_zone() -> str:
    """Of the setting TIME_ZONE."""
    return str(settings.TIME_ZONE)


class ProgramDefaults(models.Model):
    """What a new policy begins with on its page: one row, or none while nobody has set them."""

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
        """As they were set, or as they are while nobody has."""
        return cls.objects.filter(pk=1).first() or cls()


class SpendingLimit(models.Model):
    """So much, or so many purchases, in each window of the interval."""

    class Unit(models.TextChoices):
        MINUTES = "minutes"
        HOURS = "hours"
        DAYS = "days"

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="spending_limits")
    amount = models.BigIntegerField(null=True, blank=True)
    count = models.PositiveIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    interval = models.CharField(
        max_length=20,
        choices=[(interval, interval.replace("_", " ").capitalize()) for interval in Interval],
    )
    rolling_length = models.PositiveIntegerField(null=True, blank=True)
    rolling_unit = models.CharField(max_length=7, choices=Unit, blank=True)
    categories = _words()
    countries = _words(2)
    merchants = _merchants()
    cash_only = models.BooleanField(default=False)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{self.get_interval_display()} limit"


class ScheduleEntry(models.Model):
    """Days and hours at which cards under the policy may pay."""

    policy = models.ForeignKey(Policy, on_delete=models.CASCADE, related_name="schedule")
    days = _words(3)
    # Texts "08:00", because a day may end at "24:00".
    start = models.CharField("from", max_length=5, default="00:00")
    end = models.CharField("to", max_length=5, default="24:00")

    class Meta:
        verbose_name_plural = "schedule"
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"{' '.join(self.days)} {self.start}-{self.end}"


class PolicyVersion(models.Model):
    """A policy as it decided: numbered, immutable, named by the decisions that rest on it."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    reason = TypedCharField(max_length=500, blank=True)
    # Text, not jsonb: the hash is over exactly these characters.
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
    """That a policy applies to the program, a card group, a cardholder or a card."""

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
        help_text="One card, and whatever replaces it.",
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
            # The first of a policy, however many it has.
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
