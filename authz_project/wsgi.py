"""The application that servers load."""

import os
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connections

from authorizations.services.runtime import metrics_files

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz_project.settings")
if settings.METRICS_DIR and not apps.ready:  # under runserver, a single process, they are ready
    metrics_files.share(settings.METRICS_DIR)
django.setup(set_prefix=False)

from authorizations.checks import refuse_unsafe_start  # noqa: E402
from authorizations.services.webhook import background  # noqa: E402
from authorizations.views import healthz, metrics, readyz, webhook  # noqa: E402

_STRAIGHT = {
    "/webhook": webhook,
    "/webhook.php": webhook,
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics,
}


class Application(WSGIHandler):
    """Django's handler, which passes requests from programs straight to the view.

    These have no session, user or cookies, so middleware would only cost time. And Prometheus, load
    balancers and Kubernetes address a process directly, whatever ALLOWED_HOSTS says.
    """

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        view = _STRAIGHT.get(environ.get("PATH_INFO", "").removesuffix("/"))
        is_lost = environ["REQUEST_METHOD"] == "POST" and view is not webhook
        if view is None or is_lost:
            return super().__call__(environ, start_response)
        try:
            response = view(WSGIRequest(environ))
        finally:
            connections.close_all()  # back to the pool
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, list(response.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.content]


refuse_unsafe_start()
background.start()
application = Application()
