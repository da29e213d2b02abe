"""The application that servers load."""

import os
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authz_project.settings")
django.setup(set_prefix=False)

from authorizations.checks import refuse_unsafe_start  # noqa: E402
from authorizations.services import background  # noqa: E402
from authorizations.views import webhook  # noqa: E402


class Application(WSGIHandler):
    """Django's handler, but Stripe's requests go straight to their view.

    They have no session, no user and no cookies: what middleware does for people's pages would
    only spend their time.
    """

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("PATH_INFO") not in ("/webhook", "/webhook/"):
            return super().__call__(environ, start_response)
        try:
            response = webhook(WSGIRequest(environ))
        finally:
            connections.close_all()  # back to the pool
        status = f"{response.status_code} {response.reason_phrase}"
        start_response(status, list(response.items()))
        return [response.content]


refuse_unsafe_start()
background.start()
application = Application()
