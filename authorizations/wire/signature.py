"""Verifies that a body comes from Stripe.

The check itself is Stripe's (stripe.WebhookSignature). The header's grammar and time are checked
before it, because the library raises TypeError on a v1 that is not ASCII, accepts any timestamp in
the future, and gives no cause that an operator could act on.

Importing stripe takes about 0.2 s, so it is imported when the process starts.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE_SECONDS = 300
"""Maximum age of a signature (Stripe's default), so that no recorded request can be replayed."""

AHEAD_SECONDS = 300
"""How far the sender's clock may be ahead of this one's.

Clocks of laptops and containers lag, and only who has the secret can date a signature ahead.
"""

MAX_HEADER_CHARS = 4096
MAX_SIGNATURES = 8

# Items of key=value, separated by commas, in printable ASCII.
_HEADER = re.compile(r"[A-Za-z0-9_]+=[ -+\--~]*(?:,[A-Za-z0-9_]+=[ -+\--~]*)*")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_V1 = re.compile(r"[0-9a-f]{64}")


class SignatureCause(StrEnum):
    """Why a signature is rejected, in the order of the checks."""

    MISSING = "missing"
    MALFORMED = "malformed"
    NO_V1 = "no_v1"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    MISMATCH = "mismatch"


_SENTENCES = {
    SignatureCause.MISSING: (
        "There is no Stripe-Signature header: the request is not Stripe's, or a proxy removed the "
        "header. Send events from Stripe, with `stripe listen`, or with `manage.py simulate`."
    ),
    SignatureCause.MALFORMED: (
        "The Stripe-Signature header does not read t=<seconds>,v1=<64 hexadecimal digits>: it is "
        "not Stripe's, or a proxy changed it. Configure the proxy to pass it on unchanged."
    ),
    SignatureCause.NO_V1: (
        "The Stripe-Signature header has no v1 signature, and only v1 is accepted. Send the event "
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
        "a different endpoint (each endpoint in the Dashboard has a secret of its own, and so has "
        "`stripe listen`), or a proxy changed the body."
    ),
}


class SignatureError(Exception):
    """The signature is missing or wrong; `sentence` says the likely cause and what to do."""

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

    There are several while a secret is rotated, and where the CLI's is used beside the
    Dashboard's. `now` is in Unix seconds. Raises SignatureError.

    Source: https://docs.stripe.com/webhooks/signature
    """
    timestamp = read_timestamp(header)
    # The clock is checked before the signature, so that it is named as the cause. `now` is rounded
    # down: a difference of exactly 300 is a little more than 300 seconds, and the library, which
    # uses fractions of a second, rejects it too.
    if now - timestamp >= TOLERANCE_SECONDS:
        raise SignatureError(SignatureCause.TOO_OLD)
    if timestamp - now > AHEAD_SECONDS:
        raise SignatureError(SignatureCause.TOO_NEW)
    for secret in secrets:
        try:
            WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
        except (SignatureVerificationError, UnicodeDecodeError):
            # The library decodes the body; Stripe's is always UTF-8, so this one was changed.
            continue
        return Verified(fingerprint(secret), timestamp)
    raise SignatureError(SignatureCause.MISMATCH)


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """The Stripe-Signature header that Stripe would send with `body` at `timestamp`."""
    message = b"%d.%b" % (timestamp, body)
    digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def fingerprint(secret: str) -> str:
    """Identifies a secret in the record without revealing it: 8 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def read_timestamp(header: str | None) -> int:
    """The timestamp of a well-formed header with v1 signatures, in Unix seconds.

    Needs no body, so a request without such a header need not be read. Raises SignatureError.
    """
    if not header:
        raise SignatureError(SignatureCause.MISSING)
    if len(header) > MAX_HEADER_CHARS or not _HEADER.fullmatch(header):
        raise SignatureError(SignatureCause.MALFORMED)
    values: dict[str, list[str]] = {"t": [], "v1": []}
    for item in header.split(","):
        key, _, value = item.partition("=")
        values.setdefault(key, []).append(value)
    times, signatures = values["t"], values["v1"]
    if len(times) != 1 or not _TIMESTAMP.fullmatch(times[0]):
        raise SignatureError(SignatureCause.MALFORMED)
    if not signatures:
        raise SignatureError(SignatureCause.NO_V1)
    if len(signatures) > MAX_SIGNATURES or not all(map(_V1.fullmatch, signatures)):
        raise SignatureError(SignatureCause.MALFORMED)
    return int(times[0])
