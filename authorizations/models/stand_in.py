"""Switching stand-in by hand: rows that are written once and never changed."""

from django.conf import settings
from django.db import models

from authorizations.models.fields import TypedCharField


class StandInSwitch(models.Model):
    """An operator switched stand-in on or off; the newest row has the current state."""

    is_on = models.BooleanField("switched")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    switched_at = models.DateTimeField()
    reason = TypedCharField(max_length=500)

    class Meta:
        verbose_name = "stand-in switch"
        verbose_name_plural = "stand-in switches"
        default_permissions = ("view",)
        permissions = (("switch_standin", "Can switch stand-in on and off"),)
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"Stand-in switched {'on' if self.is_on else 'off'}"
