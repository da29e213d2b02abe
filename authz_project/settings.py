"""All settings of the project; the only reader of the environment.

Every variable is described in .env.example. A .env file beside manage.py is read if there is one;
variables of the environment override it, and a blank value counts as not set. A malformed value
raises ImproperlyConfigured here; authorizations/checks.py refuses missing ones outside development.
"""

import os
from io import StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from environ import Env

from authz_project import databases, env_file, first_env, logs, look
from authz_project.deadline import DeadlineConnection
from authz_project.environment import matching, networks, text, words, yes_or_no
from authz_project.login import *  # noqa: F403

BASE_DIR = Path(__file__).resolve().parent.parent
try:
    Env.read_env(StringIO("\n".join(env_file.lines(BASE_DIR / ".env").values())))
except env_file.EnvFileError as unreadable:
    raise ImproperlyConfigured(str(unreadable)) from None


# --- Development or production -------------------------------------------------

DEBUG = yes_or_no("DEBUG") or False

# A random key, new with every start. The checks refuse it outside development.
UNSET_SECRET_KEY = "django-insecure-not-set-"  # noqa: S105 - a mark, not a secret
SECRET_KEY = text("SECRET_KEY", UNSET_SECRET_KEY + get_random_secret_key())

ALLOWED_HOSTS = words("ALLOWED_HOSTS") or (["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS")

# --- Stripe --------------------------------------------------------------------

# Several while a secret is rotated, or for the Stripe CLI beside the Dashboard.
STRIPE_WEBHOOK_SECRETS = words("STRIPE_WEBHOOK_SECRET")
# The Stripe-Version header of every answer.
STRIPE_VERSION = matching(
    "STRIPE_VERSION",
    "2022-08-01",
    r"\d{4}-\d{2}-\d{2}(\.[a-z_]+)?(; ?[a-z0-9_]+=[a-z0-9_.]+)*",  # with betas, as Stripe has it
    "2022-08-01",
)
# Used only by `manage.py reconcile`, which reads Stripe's list of authorizations.
STRIPE_API_KEY = text("STRIPE_API_KEY")
STRIPE_API_BASE = text("STRIPE_API_BASE", "https://api.stripe.com")
# How much more than was approved a restaurant, taxi, hotel, rental or fuel pump may capture before
# that becomes a finding.
CAPTURE_TOLERANCE_PERCENT = int(matching("CAPTURE_TOLERANCE_PERCENT", "20", r"\d{1,3}", "20"))
# Stripe waits two seconds for an answer, including the network.
DECISION_BUDGET_MS = int(matching("DECISION_BUDGET_MS", "700", r"\d{2,4}", "700"))
# The directory on this host where answers wait while the database can't be reached.
SPOOL_DIR = BASE_DIR / Path(text("SPOOL_DIR", ".spool")).expanduser()
SPOOL_DIR_IS_SET = bool(text("SPOOL_DIR"))
# Whether stand-in may approve purchases, by the reason why the database does not answer.
STAND_IN_ON_DATABASE_UNREACHABLE = yes_or_no("STAND_IN_ON_DATABASE_UNREACHABLE") is not False
STAND_IN_ON_OVERLOADED = yes_or_no("STAND_IN_ON_OVERLOADED") is True
STAND_IN_ON_DEADLINE_MISSED = yes_or_no("STAND_IN_ON_DEADLINE_MISSED") is not False
STAND_IN_ON_INTERNAL_ERROR = yes_or_no("STAND_IN_ON_INTERNAL_ERROR") is not False
# The number of hosts that share a policy's cap per card.
STAND_IN_HOSTS = int(matching("STAND_IN_HOSTS", "1", r"[1-9]\d{0,2}", "2"))
STAND_IN_REFRESH_S = int(matching("STAND_IN_REFRESH_S", "5", r"[1-9]\d{0,3}", "5"))
STAND_IN_MAX_AGE_S = int(matching("STAND_IN_MAX_AGE_S", "3600", r"[1-9]\d{0,6}", "3600"))
# True: live events only; False: test events only; None: both.
STRIPE_LIVEMODE = yes_or_no("STRIPE_LIVEMODE")

# Proxies whose headers are believed about when a request arrived and where it came from.
TRUSTED_PROXIES = networks("TRUSTED_PROXIES", "127.0.0.0/8,::1/128")

# --- The program ---------------------------------------------------------------

INSTALLED_APPS = [
    # Lockout and second factors: see login.py. Before the admin, which removes their pages.
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "authorizations",  # before staticfiles, as it has a runserver of its own
    "simulator",  # its commands
    # Before the admin, as it has the templates; the site is our own.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "authz_project.site.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
]

# For the pages; the webhook bypasses all of it: see wsgi.py and asgi.py.
MIDDLEWARE = [
    "authorizations.web.middleware.NothingElseIsSent",  # before middleware that redirects
    "django.middleware.security.SecurityMiddleware",
    "authorizations.web.browsers.BrowserRules",
    "authorizations.web.middleware.NoNul",
    "authorizations.web.middleware.OnlyOpenedAndSent",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "authorizations.web.middleware.ReadersTimeZone",
    "authorizations.web.middleware.UnderTheirName",
    "allauth.account.middleware.AccountMiddleware",
    "authorizations.web.second_factor.SecondFactor",
    "axes.middleware.AxesMiddleware",
    "authorizations.web.heavy_reads.HeavyReadsTakeTurns",  # last: just before the page is made
]

ROOT_URLCONF = "authz_project.urls"
WSGI_APPLICATION = "authz_project.wsgi.application"
# A webhook must never be redirected; links on pages come from reverse() and are right.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

UNFOLD = look.UNFOLD
LOGIN_REDIRECT_URL = "admin:index"  # Unfold's log-in page does not say where to go next
# A policy may list 1,000 merchants, and a group more cards: each is a field of the form.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# --- PostgreSQL ----------------------------------------------------------------

EMBEDDED_POSTGRES_DIR = BASE_DIR / Path(text("EMBEDDED_POSTGRES_DIR", ".postgres")).expanduser()
# Why this may be a deployment, in which nothing may be assumed that is not set; else "".
DEPLOYED = first_env.why_deployed(BASE_DIR)
if DEPLOYED and not text("DATABASE_URL") and not text("EMBEDDED_POSTGRES_DIR"):
    raise ImproperlyConfigured(
        f"No database is named, and {DEPLOYED}. Set DATABASE_URL, or EMBEDDED_POSTGRES_DIR for the "
        f"embedded PostgreSQL; {first_env.WITH_SETTINGS}."
    )
DATABASES: dict[str, dict[str, Any]] = {
    "default": databases.from_url(text("DATABASE_URL"))
    if text("DATABASE_URL")
    else databases.embedded(EMBEDDED_POSTGRES_DIR)
}
DATABASES["default"]["CONN_MAX_AGE"] = 0  # the pool keeps the connections
# A cursor WITH HOLD belongs to a session, which a pooler does not keep (pooler.py).
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
DATABASES["default"]["OPTIONS"] = {
    # Parameters are sent apart from the statement, so that the server can keep its plan.
    "server_side_binding": True,
    # Prepare no statement because it is used often, only where the code asks for it, on the
    # decision path. (Django's default, None, would forbid that, too.)
    "prepare_threshold": 2**31,
    "connect_timeout": 5,
    "pool": {
        # One for each thread of a server process, so that none is opened while Stripe waits.
        "min_size": 4,
        "max_size": 16,
        "timeout": 5.0,  # for commands; that of servers is shorter: see services/runtime/pool.py
        "connection_class": DeadlineConnection,
        # Connections are renewed, because a plan prepared on an empty table stays bad.
        "max_lifetime": 600,
    },
    **DATABASES["default"].get("OPTIONS", {}),
}
if not databases.pooled:
    del DATABASES["default"]["OPTIONS"]["pool"]
# How many searches, filtered lists, exports and other heavy pages this host reads at once. By
# default purchases have one processor for themselves.
HEAVY_READS = int(
    matching("HEAVY_READS", str(max((os.cpu_count() or 1) - 1, 1)), r"[1-9]\d{0,2}", "1")
)
# Shared by all processes: the numbers of wrong codes, and the codes that were used.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "authorizations_shared_cache",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Time and language ---------------------------------------------------------

USE_TZ = True
# For readers whose browser has not sent a zone (web/middleware.py); policies have their own.
TIME_ZONE = text("TIME_ZONE", "UTC").strip()
try:
    ZoneInfo(TIME_ZONE)
except (OSError, ValueError, LookupError) as unknown:
    raise ImproperlyConfigured(
        f"TIME_ZONE is {TIME_ZONE!r}; write the name of a time zone like Europe/Paris."
    ) from unknown
LANGUAGE_CODE = "en-us"
LANGUAGES = [("en", "English")]  # Django's hundred would cost time on each page
FORMAT_MODULE_PATH = "authz_project.formats"

# --- Static files: found in the packages by whitenoise, nothing to collect -------

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True

# --- Security: everything on, except for a developer's own machine ---------------

SECURE_SSL_REDIRECT = not DEBUG
# Requested by programs, with or without TLS behind the proxy; Stripe follows no redirects.
SECURE_REDIRECT_EXEMPT = [r"^webhook(?:\.php)?/?$", r"^healthz/?$", r"^readyz/?$", r"^metrics/?$"]
SECURE_HSTS_SECONDS = 0 if DEBUG else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = not DEBUG
SECURE_HSTS_PRELOAD = not DEBUG
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
# Browsers accept a cookie with this prefix only from this host, over HTTPS, and for all its pages,
# so that no other host of the domain can set one.
if not DEBUG:
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
MESSAGE_STORAGE = "authorizations.web.sessions.MessageStorage"
# A log-in ends with the browser, after SESSION_HOURS without a click, and SESSION_MAX_HOURS after
# it began.
SESSION_COOKIE_AGE = int(matching("SESSION_HOURS", "12", r"[1-9]\d{0,2}", "12")) * 3600
SESSION_MAX_AGE_S = int(matching("SESSION_MAX_HOURS", "24", r"[1-9]\d{0,2}", "24")) * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_ENGINE = "authorizations.web.sessions"
REQUIRE_MFA = yes_or_no("REQUIRE_MFA") or False
# Only if a proxy in front always sets this header itself; otherwise any client could.
if yes_or_no("TRUST_PROXY_TLS"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Watching ------------------------------------------------------------------

# Networks that may read /metrics; others get a 404. Default: this machine and private networks.
METRICS_ALLOWED = networks(
    "METRICS_ALLOWED", "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
)
# The directory where the processes of a server combine their metrics.
METRICS_DIR = Path(text("METRICS_DIR")).expanduser() if text("METRICS_DIR") else None

# --- Logging: one line per record, to stderr; JSON except in development -----------

LOGGING = logs.configuration(json_lines=not DEBUG)
