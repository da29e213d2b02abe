"""Settings for logging in: lockout (django-axes) and second factors (django-allauth)."""

from datetime import timedelta

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # refuses before the password is checked
    "django.contrib.auth.backends.ModelBackend",
]

# A name is locked only at the address that guesses its password. From other addresses the user can
# log in, so that no attacker can lock an operator out.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # keeps the page's "try again at" right
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "authorizations.web.peers.network_of_client"
AXES_LOCKOUT_CALLABLE = "authorizations.admin.site.lockout.locked_out"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# Only allauth's second factors are used; the admin's own page asks for the password.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_ADAPTER = "authorizations.web.second_factor.AccountAdapter"
# Wrong codes are counted in the cache that all processes share.
ACCOUNT_RATE_LIMITS = {"login_failed": "5/15m/key", "reauthenticate": "20/15m/user"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Authorization desk"
MFA_TOTP_TOLERANCE = 1  # periods of 30 seconds that a phone's clock may be off
MFA_RECOVERY_CODES_SHOW_ONCE = True
