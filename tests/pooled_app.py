"""The real application, patient with a busy machine; and, where the environment says so, unable to
tell by its connections that a pooler is in between.
"""

import os

from authorizations.services import budget
from authz_project import pooler

BLIND = "POOLED_APP_IS_BLIND"

budget.LOCK_TIMEOUT_MS = 60_000
if os.environ.get(BLIND):
    pooler.look = lambda opened: None  # noqa: ARG005

from authz_project.wsgi import application  # noqa: E402, F401 - sets up Django, and opens the pool
