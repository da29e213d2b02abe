"""Whether a body comes from Stripe.

The check is Stripe's own (stripe.WebhookSignature). It stands behind a strict check of the
header's grammar, since the library raises TypeError on a v1 that is not ASCII, lets timestamps of
the future pass, and names no cause that an operator could act on.

Importing stripe takes about 0.2 s, whichever part is asked for: it belongs to the start of the
process, not to the first purchase.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE_SECONDS = 300
"""Older signatures are refused (Stripe's default): a recorded request can't be sent again later."""

AHEAD_SECONDS = 300
"""How far the sender's clock may be ahead of ours; the library would allow any future.

As far as behind: clocks of laptops and containers lag, and who can date ahead has the secret.
"""

MAX_HEADER_CHARS = 4096
MAX_SIGNATURES = 8

_KEY = re.compile(r"[A-Za-z0-9_]+")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_V1 = re.compile(r"[0-9a-f]{64}")


class SignatureCause(StrEnum):
    """Why a request was refused at the door, in the order in which it is checked."""

    MISSING = "missing"
    MALFORMED = "malformed"
    NO_V1 = "no_v1"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    MISMATCH = "mismatch"


_SENTENCES = {
    SignatureCause.MISSING: (
        "There is no Stripe-Signature header: the request is not Stripe's, or a proxy removed the "
        "header. Send events from Stripe, with `stripe listen`, or with "
        "`manage.py simulate`."
    ),
    SignatureCause.MALFORMED: (
        "The Stripe-Signature header does not read t=<seconds>,v1=<64 hexadecimal digits>: it is "
        "not Stripe's, or a proxy changed it. Let the proxy pass it on untouched."
    ),
    SignatureCause.NO_V1: (
        "The Stripe-Signature header holds no v1 signature, and only v1 counts. Send the event "
        "again from Stripe."
    ),
    SignatureCause.TOO_OLD: (
        "The signature is older than 300 seconds: this machine's clock is ahead, or the delivery "
        "was delayed or sent again from a recording. Check that the clock is synchronized; Stripe "
        "signs every new delivery afresh."
    ),
    SignatureCause.TOO_NEW: (
        "The signature is dated more than 300 seconds ahead: this machine's clock is behind. Check "
        "that the clock is synchronized."
    ),
    SignatureCause.MISMATCH: (
        "No configured secret made this signature. Either STRIPE_WEBHOOK_SECRET belongs to "
        "another endpoint (each endpoint of the Dashboard has its own, `stripe listen` has "
        "another one), or a proxy changed the body on its way."
    ),
}


class SignatureError(Exception):
    """The request can't be trusted; `sentence` says the likely cause and what to do about it."""

    def __init__(self, cause: SignatureCause) -> None:
        self.cause = cause
        self.sentence = _SENTENCES[cause]
        super().__init__(self.sentence)


class Verified(NamedTuple):
    """`signing_key` is the fingerprint of the secret that matched, `timestamp` in Unix seconds."""

    signing_key: str
    timestamp: int


def verify(body: bytes, header: str | None, secrets: Sequence[str], now: int) -> Verified:
    """Check the Stripe-Signature `header` of the raw `body` against each of `secrets`.

    Several secrets live side by side while one is rolled, and where the CLI's stands beside the
    Dashboard's. Raises SignatureError. Source: https://docs.stripe.com/webhooks/signature
    """
    timestamp, checked_header = _read_header(header)
    _check_clock(timestamp, now)
    for secret in secrets:
        if _signed_with(secret, body, checked_header):
            return Verified(fingerprint(secret), timestamp)
    raise SignatureError(SignatureCause.MISMATCH)


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header that Stripe would send with `body` at `timestamp`."""
    message = b"%d.%b" % (timestamp, body)
    digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def fingerprint(secret: str) -> str:
    """Names a secret in the records without telling it: 8 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _read_header(header: str | None) -> tuple[int, str]:
    """The timestamp, and the header now known to be well-formed."""
    if not header:
        raise SignatureError(SignatureCause.MISSING)
    if len(header) > MAX_HEADER_CHARS or not (header.isascii() and header.isprintable()):
        raise SignatureError(SignatureCause.MALFORMED)
    items = [item.partition("=") for item in header.split(",")]
    times = [value for key, _, value in items if key == "t"]
    signatures = [value for key, _, value in items if key == "v1"]
    if not all(equals and _KEY.fullmatch(key) for key, equals, _ in items):
        raise SignatureError(SignatureCause.MALFORMED)
    if len(times) != 1 or not _TIMESTAMP.fullmatch(times[0]):
        raise SignatureError(SignatureCause.MALFORMED)
    if not signatures:
        raise SignatureError(SignatureCause.NO_V1)
    if len(signatures) > MAX_SIGNATURES or not all(map(_V1.fullmatch, signatures)):
        raise SignatureError(SignatureCause.MALFORMED)
    return int(times[0]), header


def _check_clock(timestamp: int, now: int) -> None:
    """Before the signature itself, so that the cause named is the clock.

    `now` is rounded down: a difference of exactly 300 is a little more than 300 seconds, and the
    library, which looks at the clock's fractions, refuses it too.
    """
    if now - timestamp >= TOLERANCE_SECONDS:
        raise SignatureError(SignatureCause.TOO_OLD)
    if timestamp - now > AHEAD_SECONDS:
        raise SignatureError(SignatureCause.TOO_NEW)


def _signed_with(secret: str, body: bytes, header: str) -> bool:
    try:
        WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except (SignatureVerificationError, UnicodeDecodeError):
        # The library decodes the body; Stripe's is always UTF-8, so another one was changed.
        return False
    return True
