"""Logging in: the brakes on guessing (django-axes) and second factors (django-allauth)."""

from datetime import timedelta

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses before a password is looked at
    "django.contrib.auth.backends.ModelBackend",
]

# Who guesses at a name is stopped at the address they guess from. Everywhere else the same name
# logs in as before, so nobody can lock an operator out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or the page's "try again at" would lie
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "authorizations.web.peers.network_of_client"
AXES_LOCKOUT_CALLABLE = "authorizations.admin.site.lockout.locked_out"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# Of allauth only the second factors are used: the password is asked by the admin's own page.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_ADAPTER = "authorizations.web.second_factor.AccountAdapter"
# Wrong codes, counted in the cache that all processes share.
ACCOUNT_RATE_LIMITS = {"login_failed": "5/15m/key", "reauthenticate": "20/15m/user"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Authorization desk"
MFA_TOTP_TOLERANCE = 1  # periods of 30 seconds that a phone's clock may be off
MFA_RECOVERY_CODES_SHOW_ONCE = True
