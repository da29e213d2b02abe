"""Funds: what operators add to pots and take out of them, and what each pot has."""

from django.conf import settings
from django.db import models

from authorizations.models.fields import TypedCharField


class FundEntry(models.Model):
    """Money added to a pot, or taken out of it where `amount` is negative.

    A pot is that of a limit of funds for one scope, whose key `scope` is. `amount` is in the
    smallest unit of `currency`. `counts_from` is when purchases began that count, if this is the
    pot's first entry, in Unix seconds. A reference is used once in a pot.
    """

    policy = models.ForeignKey("Policy", models.PROTECT, related_name="+", db_index=False)
    limit_key = models.CharField("limit", max_length=60)
    scope = models.TextField()
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    counts_from = models.BigIntegerField()
    entered_at = models.DateTimeField("at")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", null=True, db_index=False
    )
    reference = TypedCharField(max_length=100)
    reason = TypedCharField(max_length=500)

    class Meta:
        verbose_name = "entry of funds"
        verbose_name_plural = "entries of funds"
        ordering = ("-pk",)
        default_permissions = ("view", "add")
        constraints = [
            models.UniqueConstraint(
                fields=("scope", "policy", "limit_key", "currency", "reference"),
                name="fund_entry_reference",
            ),
            models.CheckConstraint(
                condition=~models.Q(amount=0) & ~models.Q(reference=""),
                name="fund_entry_says_something",
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class PotSum(models.Model):
    """The sum of a pot's entries, which a trigger adds up; purchases count from `since` on."""

    scope = models.TextField()
    policy = models.ForeignKey("Policy", models.PROTECT, related_name="+", db_index=False)
    limit_key = models.CharField(max_length=60)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    since = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=("scope", "policy", "limit_key", "currency"), name="pot_sum_once"
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0),
                name="pot_sum_not_below_zero",
            ),
        ]

    def __str__(self) -> str:
        return f"Funds of {self.scope}: {self.amount} {self.currency}"
