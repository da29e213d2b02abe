"""The application of the webhook's instance, which `manage.py serve` starts.

Importing it makes the process a server: it fills the pool and rehearses a purchase.
"""

import os

import django
from django.conf import settings

from authorizations.services.runtime import metrics_files
from authz_project import log_writer

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz_project.settings")
if settings.METRICS_DIR:
    metrics_files.share(settings.METRICS_DIR)
django.setup(set_prefix=False)
log_writer.take_over()

from authorizations.checks import refuse_unsafe_start  # noqa: E402
from authorizations.services.webhook import background  # noqa: E402
from authorizations.views import healthz, metrics, readyz  # noqa: E402
from authorizations.web.webhook_server import WebhookServer  # noqa: E402

refuse_unsafe_start()
background.start()
application = WebhookServer(healthz, {"/readyz": readyz, "/metrics": metrics})
