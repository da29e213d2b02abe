"""The settings tests run with: the real ones, in a known environment.

Every variable is set here, so that a developer's .env changes nothing; only the
database may come from outside, and the spool, which conftest.py puts elsewhere.
"""

import os

SECRETS = (
    "whsec_1d7c6a90f3b24e58a6bd0c91e5f7a2c4",
    "whsec_9f0e8d7c6b5a49382716051423324150",
)
os.environ.update(
    DEBUG="false",
    SECRET_KEY="tests-only-0f3c9d1b7e5a48d2860b4c6e9a1f2d3c5b7e9a0c2d4f",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    CSRF_TRUSTED_ORIGINS="",
    TRUST_PROXY_TLS="",
    STRIPE_WEBHOOK_SECRET=",".join(SECRETS),
    DECISION_BUDGET_MS="",
    STRIPE_VERSION="",
    STRIPE_LIVEMODE="",
    STRIPE_API_KEY="",
    STRIPE_API_BASE="",
    CAPTURE_TOLERANCE_PERCENT="",
    TIME_ZONE="",
    SESSION_HOURS="",
    SESSION_MAX_HOURS="",
    REQUIRE_MFA="",
    TRUSTED_PROXIES="",
    METRICS_ALLOWED="",
    METRICS_DIR="",
    HEAVY_READS="",
    STAND_IN_ON_DATABASE_UNREACHABLE="",
    STAND_IN_ON_OVERLOADED="",
    STAND_IN_ON_DEADLINE_MISSED="",
    STAND_IN_ON_INTERNAL_ERROR="",
    STAND_IN_HOSTS="",
    STAND_IN_REFRESH_S="",
    STAND_IN_MAX_AGE_S="",
)
os.environ.setdefault("DATABASE_URL", "")
# Named, so that the tests run in a folder of somebody else's as well.
os.environ["EMBEDDED_POSTGRES_DIR"] = os.environ.get("EMBEDDED_POSTGRES_DIR") or ".postgres"
os.environ.setdefault("SPOOL_DIR", "")
# What gunicorn and the tables of commands take from a shell.
for _name in ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "COLUMNS", "FORCE_COLOR"):
    os.environ.pop(_name, None)

from authz_project.settings import *

# Connections are closed when a test asks for it, or the test database stays in use.
DATABASES["default"]["OPTIONS"].pop("pool", None)
# And no test fails because its machine was too busy for a deadline.
if DATABASES["default"]["ENGINE"] == "authz_project.postgresql":
    DATABASES["default"]["ENGINE"] = "django.db.backends.postgresql"
# A busy machine takes its time; patience.py says the same of all other waits.
DECISION_BUDGET_MS = 60_000
# The real ones are slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Pages are tested over plain HTTP.
SECURE_SSL_REDIRECT = False
SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
# Browsers take names that begin with __Host- over HTTPS only.
SESSION_COOKIE_NAME = "sessionid"
CSRF_COOKIE_NAME = "csrftoken"
# Each test has a server of its own: that none of them reads all of the static files.
WHITENOISE_AUTOREFRESH = True
WHITENOISE_MAX_AGE = 60
