"""Exports of lists: rows that are written once and never changed."""

from django.conf import settings
from django.db import models

from authorizations.models.fields import TypedTextField


class Export(models.Model):
    """The start of an export; `query` is that of the list's address, `filter` says it in words."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSON_LINES = "jsonl", "JSON Lines"

    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    started_at = models.DateTimeField()
    what = models.CharField("list", max_length=50)
    format = models.CharField(max_length=5, choices=Format)
    query = TypedTextField(blank=True)
    filter = TypedTextField(blank=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.what.capitalize()} as {self.get_format_display()}"


class ExportEnd(models.Model):
    """The end of an export: how many rows were sent, and whether these are all of them."""

    export = models.OneToOneField(Export, models.PROTECT, primary_key=True, related_name="end")
    ended_at = models.DateTimeField()
    rows = models.BigIntegerField()
    complete = models.BooleanField(help_text="Whether the reader took all of it.")

    def __str__(self) -> str:
        return f"{self.rows} rows"
