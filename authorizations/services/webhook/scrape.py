"""The content of /metrics, in Prometheus' text format."""

from django.conf import settings
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest, values

from authorizations.services.runtime import metrics
from authorizations.services.runtime.metrics_files import Shared
from authorizations.services.webhook.gauges import DatabaseReadings, HeardReadings, HostReadings

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_read = CollectorRegistry()
_read.register(DatabaseReadings())
_read.register(HeardReadings())
_read.register(HostReadings())


def exposition() -> bytes:
    """All metrics. Raises TimeoutError if another process does not finish reading them."""
    counted = CollectorRegistry()
    is_shared = values.ValueClass is not values.MutexValue
    directory = settings.METRICS_DIR if is_shared else None
    counted.register(Shared(directory) if directory else metrics.REGISTRY)
    return generate_latest(counted) + generate_latest(_read)
