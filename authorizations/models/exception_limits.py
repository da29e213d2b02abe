"""How much the users of a role may give to one card, cardholder or group."""

from django.db import models


class ExceptionLimit(models.Model):
    """The most that users of a role may give beyond what policies say, in one currency.

    `amount`, in the smallest unit of `currency`, is for all that a scope has in force or got within
    24 hours: exceptions, own amounts above the policy's, and funds. A role without a limit in a
    currency may give any amount in it.
    """

    role = models.ForeignKey("auth.Group", models.CASCADE, related_name="exception_limits")
    currency = models.CharField(max_length=3)
    amount = models.PositiveBigIntegerField()

    class Meta:
        verbose_name = "limit of what its users may give"
        verbose_name_plural = "limits of what its users may give"
        constraints = [
            models.UniqueConstraint(fields=("role", "currency"), name="exception_limit_once"),
        ]

    def __str__(self) -> str:
        return f"{self.role}, {self.currency.upper()}"
