"""Wrong Stripe-Signature headers of a right body, and what each is refused for."""

import hashlib
import hmac
import time

from tests.hostile.exchange import post
from tests.hostile.requests import purchase
from tests.settings import SECRETS

GOOD = "t={t},v1={v1}"
OTHER = "0" * 64

SIGNATURES = [
    ("none", "missing", []),
    ("empty", "missing", [""]),
    ("spaces", "missing", ["   "]),
    ("a comma", "malformed", [","]),
    ("a word", "malformed", ["nonsense"]),
    ("an equals sign", "malformed", ["="]),
    ("without t", "malformed", ["v1={v1}"]),
    ("t empty", "malformed", ["t=,v1={v1}"]),
    ("t a word", "malformed", ["t=now,v1={v1}"]),
    ("t negative", "malformed", ["t=-{t},v1={v1}"]),
    ("t with a sign", "malformed", ["t=+{t},v1={v1}"]),
    ("t with a space", "malformed", ["t= {t},v1={v1}"]),
    ("t with an underscore", "malformed", ["t=1_0,v1={v1}"]),
    ("t a decimal", "malformed", ["t={t}.0,v1={v1}"]),
    ("t in powers", "malformed", ["t=1e9,v1={v1}"]),
    ("t hexadecimal", "malformed", ["t=0x10,v1={v1}"]),
    ("t of a thousand digits", "malformed", [f"t={'9' * 1000},v1={{v1}}"]),
    ("t in milliseconds", "malformed", ["t={t}000,v1={v1}"]),
    ("t superscript", "malformed", ["t=\xb2,v1={v1}"]),
    ("t twice", "malformed", ["t={t},t={t},v1={v1}"]),
    ("t in capitals", "malformed", ["T={t},v1={v1}"]),
    ("t zero", "too_old", ["t=0,v1={v1}"]),
    ("t five minutes ago", "too_old", ["t={t-301},v1={v1}"]),
    ("t in seven minutes", "too_new", ["t={t+420},v1={v1}"]),
    ("t the last of 12 digits", "too_new", [f"t={'9' * 12},v1={{v1}}"]),
    ("t another second", "mismatch", ["t={t-1},v1={v1}"]),
    ("v1 missing", "no_v1", ["t={t}"]),
    ("v1 under another name", "no_v1", ["t={t},v0={v1}"]),
    ("v1 in capitals", "no_v1", ["t={t},V1={v1}"]),
    ("v1 empty", "malformed", ["t={t},v1="]),
    ("v1 short", "malformed", ["t={t},v1={v1[:-1]}"]),
    ("v1 long", "malformed", ["t={t},v1={v1}0"]),
    ("v1 in capital digits", "malformed", ["t={t},v1={V1}"]),
    ("v1 quoted", "malformed", ['t={t},v1="{v1}"']),
    ("v1 of other letters", "malformed", [f"t={{t}},v1={'g' * 64}"]),
    ("v1 not ASCII", "malformed", ["t={t},v1=" + "\xe9" * 64]),
    ("v1 with a byte that is no text", "malformed", ["t={t},v1={v1}\xff"]),
    ("v1 with a space", "malformed", ["t={t},v1= {v1}"]),
    ("v1 of another body", "mismatch", [f"t={{t}},v1={OTHER}"]),
    ("v1 of a retired secret", "mismatch", ["t={t},v1={retired}"]),
    ("v1 of an empty secret", "mismatch", ["t={t},v1={empty}"]),
    ("v1 a hash without a secret", "mismatch", ["t={t},v1={hash}"]),
    ("v1 of the body alone", "mismatch", ["t={t},v1={body_only}"]),
    ("v1 nine times", "malformed", ["t={t}," + ",".join([f"v1={OTHER}"] * 8) + ",v1={v1}"]),
    ("separated by semicolons", "malformed", ["t={t};v1={v1}"]),
    ("with a comma behind", "malformed", [GOOD + ","]),
    ("with a space between", "malformed", ["t={t}, v1={v1}"]),
    ("of 5,000 characters", "malformed", [GOOD + ",v0=" + "a" * 5000]),
    ("twice", "malformed", [GOOD, GOOD]),
    ("in two halves", "malformed", ["t={t}", "x v1={v1}"]),
    ("a bearer's", "malformed", ["Bearer {v1}"]),
    # Other schemes may come beside it, and one v1 per secret while it is rolled.
    ("v1 eight times, one right", "approved", ["t={t}," + f"v1={OTHER}," * 7 + "v1={v1}"]),
    ("with other schemes", "approved", [GOOD + ",v0=x,v2=y"]),
    ("t in four minutes", "approved", ["t={t+240},v1={v1 of t+240}"]),
    ("t with leading zeros", "approved", ["t=00{t},v1={v1}"]),
    ("v1 before t", "approved", ["v1={v1},t={t}"]),
]


def purchase_signed(headers: list[str]) -> bytes:
    """A request with a new purchase, and these headers instead of the right one."""
    body, _ = purchase()
    return post(body, *(f"Stripe-Signature: {_filled(header, body)}" for header in headers))


def _filled(header: str, body: bytes) -> str:
    now = int(time.time())
    signed = b"%d.%b" % (now, body)
    v1 = _digest(SECRETS[0], signed)
    values = {
        "{t}": now,
        "{t-1}": now - 1,
        "{t-301}": now - 301,
        "{t+240}": now + 240,
        "{t+420}": now + 420,
        "{v1 of t+240}": _digest(SECRETS[0], b"%d.%b" % (now + 240, body)),
        "{v1}": v1,
        "{v1[:-1]}": v1[:-1],
        "{V1}": v1.upper(),
        "{retired}": _digest("whsec_retired", signed),
        "{empty}": _digest("", signed),
        "{hash}": hashlib.sha256(signed).hexdigest(),
        "{body_only}": _digest(SECRETS[0], body),
    }
    for name, value in values.items():
        header = header.replace(name, str(value))
    return header


def _digest(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
