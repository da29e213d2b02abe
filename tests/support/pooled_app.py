"""The real application that, where the environment says so, can't tell by its connections that a
pooler is in between.
"""

import os

from authz_project import pooler
from tests.support.pgbouncer import BLIND

if os.environ.get(BLIND):
    pooler.look = lambda opened: None  # noqa: ARG005

from tests.support.patient_app import application  # noqa: F401
