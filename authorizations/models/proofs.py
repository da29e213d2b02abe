"""Proofs of the record and their results: rows that are written once and never changed."""

from django.db import models


class ProofRun(models.Model):
    """A run of a command that checks the record; written when it ends, also if it fails.

    `since` and `until` bound the part that was checked, if it was not all; `decision` is set if it
    was a single decision. `checked` has the number of rows by kind, `missing` the numbers that no
    row has, and `first_differences` those that the command printed.
    """

    class Command(models.TextChoices):
        VERIFY_RECORD = "verify_record", "verify_record"
        VERIFY_BOOKS = "verify_books", "verify_books"
        REDECIDE = "redecide", "redecide"

    class Result(models.TextChoices):
        RIGHT = "right", "All as it should be"
        DIFFERENT = "different", "Differences"
        STOPPED = "stopped", "Stopped before its end"

    command = models.CharField(max_length=20, choices=Command)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    decision = models.CharField(max_length=255, blank=True)
    processes = models.PositiveIntegerField(default=1)
    run_by = models.CharField(max_length=255, help_text="System user and host.")
    result = models.CharField(max_length=10, choices=Result)
    differences = models.BigIntegerField()
    unchecked = models.BigIntegerField(
        default=0, help_text="Places whose evidence is gone, so that they can't be checked."
    )
    checked = models.JSONField(default=dict)
    missing = models.JSONField(default=dict)
    first_differences = models.JSONField(default=list)
    problem = models.TextField(blank=True, help_text="What stopped it.")

    class Meta:
        verbose_name = "proof"
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.command}, {self.get_result_display().lower()}"
