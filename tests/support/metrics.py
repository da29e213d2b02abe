"""Figures of /metrics, for tests that only ask whether one moved."""

from django.test import Client
from prometheus_client.parser import text_string_to_metric_families


def counted(client: Client, name: str) -> float:
    """The sum of a counter over its labels; 0 where there is none yet."""
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    return sum(it.value for family in families for it in family.samples if it.name == name)
