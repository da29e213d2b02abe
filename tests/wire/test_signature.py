"""Only Stripe gets in, and whoever is refused learns why."""

import hashlib
import hmac
import time

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from authorizations.wire.signature import (
    SignatureCause,
    SignatureError,
    fingerprint,
    sign,
    verify,
)

BODY = '{"id": "evt_1", "object": "event", "name": "Évian"}'.encode()
OLD, NEW, FOREIGN = "whsec_old", "whsec_new", "whsec_foreign"
GOOD_V1 = "0" * 64


@pytest.fixture
def now() -> int:
    """The library reads the clock itself, so tests sign at the real time."""
    return int(time.time())


def independent(body: bytes, secret: str, timestamp: int) -> str:
    """Stripe's documented algorithm, written down once more: the v1 value."""
    message = str(timestamp).encode() + b"." + body
    return hmac.new(secret.encode("utf-8"), message, hashlib.sha256).hexdigest()


def cause(body: bytes, header: str | None, now: int) -> SignatureCause:
    with pytest.raises(SignatureError) as refused:
        verify(body, header, [OLD, NEW], now)
    return refused.value.cause


def test_a_signature_made_by_the_documented_algorithm_is_accepted(now: int) -> None:
    header = f"t={now},v1={independent(BODY, NEW, now)}"
    assert verify(BODY, header, [NEW], now) == (fingerprint(NEW), now)


def test_a_signature_made_by_the_official_library_is_accepted(now: int) -> None:
    header = stripe.WebhookSignature.generate_signature_header(BODY.decode(), NEW, now)
    assert verify(BODY, header, [NEW], now).timestamp == now


def test_the_official_library_accepts_what_we_sign(now: int) -> None:
    event = stripe.Webhook.construct_event(BODY, sign(BODY, NEW, now), NEW)
    assert event.id == "evt_1"


def test_the_header_stripe_sends_in_test_mode_with_v0_and_v1_is_accepted(now: int) -> None:
    header = f"{sign(BODY, NEW, now)},v0={'f' * 64}"
    assert verify(BODY, header, [NEW], now).signing_key == fingerprint(NEW)


def test_an_empty_body_can_be_signed(now: int) -> None:
    assert verify(b"", sign(b"", NEW, now), [NEW], now).timestamp == now


def test_the_secret_that_matched_is_named_by_eight_digits_of_its_hash(now: int) -> None:
    verified = verify(BODY, sign(BODY, NEW, now), [OLD, NEW], now)
    assert verified.signing_key == hashlib.sha256(NEW.encode()).hexdigest()[:8]


class TestRotation:
    def test_during_a_rotation_either_secret_is_enough(self, now: int) -> None:
        for secret in (OLD, NEW):
            assert verify(BODY, sign(BODY, secret, now), [OLD, NEW], now)

    def test_stripe_signs_with_both_secrets_and_each_receiver_finds_its_own(self, now: int) -> None:
        both = f"t={now},v1={independent(BODY, OLD, now)},v1={independent(BODY, NEW, now)}"
        assert verify(BODY, both, [OLD], now).signing_key == fingerprint(OLD)
        assert verify(BODY, both, [NEW], now).signing_key == fingerprint(NEW)

    def test_with_several_matches_the_first_configured_secret_is_named(self, now: int) -> None:
        both = f"t={now},v1={independent(BODY, OLD, now)},v1={independent(BODY, NEW, now)}"
        assert verify(BODY, both, [NEW, OLD], now).signing_key == fingerprint(NEW)

    def test_once_the_old_secret_is_removed_it_opens_nothing(self, now: int) -> None:
        with pytest.raises(SignatureError):
            verify(BODY, sign(BODY, OLD, now), [NEW], now)

    def test_without_any_secret_nothing_is_accepted(self, now: int) -> None:
        with pytest.raises(SignatureError):
            verify(BODY, sign(BODY, "", now), [], now)

    def test_a_blank_secret_opens_nothing(self, now: int) -> None:
        for blank in ("", " ", "\t"):
            with pytest.raises(SignatureError):
                verify(BODY, sign(BODY, blank, now), [blank], now)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "missing"),
        ("", "missing"),
        ("   ", "malformed"),
        ("nonsense", "malformed"),
        (f"v1={GOOD_V1}", "malformed"),
        (f"t=,v1={GOOD_V1}", "malformed"),
        (f"t=NOW,t=NOW,v1={GOOD_V1}", "malformed"),
        (f"t=-1,v1={GOOD_V1}", "malformed"),
        (f"t=+NOW,v1={GOOD_V1}", "malformed"),
        (f"t=NOW.5,v1={GOOD_V1}", "malformed"),
        (f"t=1e9,v1={GOOD_V1}", "malformed"),
        (f"t=1_700_000_000,v1={GOOD_V1}", "malformed"),
        (f"t=\u0661\u0667,v1={GOOD_V1}", "malformed"),
        (f"t={'9' * 13},v1={GOOD_V1}", "malformed"),
        (f"t={'9' * 4000},v1={GOOD_V1}", "malformed"),
        (f"t=NOW, v1={GOOD_V1}", "malformed"),
        (f"t =NOW,v1={GOOD_V1}", "malformed"),
        (f"T=NOW,v1={GOOD_V1}", "malformed"),
        (f"t=NOW,v1={GOOD_V1},", "malformed"),
        (f"t=NOW,,v1={GOOD_V1}", "malformed"),
        (f"t=NOW,v1={GOOD_V1},=x", "malformed"),
        (f"t=NOW;v1={GOOD_V1}", "malformed"),
        (f"t=NOW,v1={GOOD_V1}\n", "malformed"),
        (f"t=NOW,v1={GOOD_V1}\0", "malformed"),
        ("t=NOW,v1=", "malformed"),
        (f"t=NOW,v1={'0' * 63}", "malformed"),
        (f"t=NOW,v1={'0' * 65}", "malformed"),
        (f"t=NOW,v1={'A' * 64}", "malformed"),
        (f"t=NOW,v1={'g' * 64}", "malformed"),
        (f"t=NOW,v1={'é' * 64}", "malformed"),
        (f"t=NOW,v1={GOOD_V1},v1=short", "malformed"),
        ("t=NOW" + f",v1={GOOD_V1}" * 9, "malformed"),
        (f"t=NOW,v1={GOOD_V1},v0={'0' * 4096}", "malformed"),
        ("t=NOW", "no_v1"),
        (f"t=NOW,v0={GOOD_V1}", "no_v1"),
        (f"t=NOW,v2={GOOD_V1},V1={GOOD_V1}", "no_v1"),
        (f"t=0,v1={GOOD_V1}", "too_old"),
        (f"t={'9' * 12},v1={GOOD_V1}", "too_new"),
        (f"t=NOW,v1={GOOD_V1}", "mismatch"),
        ("t=NOW" + f",v1={GOOD_V1}" * 8, "mismatch"),
        (f"t=NOW,v1={GOOD_V1},v0=", "mismatch"),
    ],
)
def test_each_bad_header_is_refused_for_its_own_cause(
    header: str | None, expected: str, now: int
) -> None:
    assert cause(BODY, header and header.replace("NOW", str(now)), now) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (301, "too_old"),
        (300, "too_old"),
        (86_400, "too_old"),
        (-301, "too_new"),
        (-3600, "too_new"),
    ],
)
def test_a_true_signature_at_the_wrong_time_is_refused_and_the_clock_is_named(
    age: int, expected: str, now: int
) -> None:
    assert cause(BODY, sign(BODY, NEW, now - age), now) == expected


@pytest.mark.parametrize("age", [0, 1, 295, -60, -300])
def test_a_true_signature_within_the_tolerance_is_accepted(age: int, now: int) -> None:
    assert verify(BODY, sign(BODY, NEW, now - age), [NEW], now).timestamp == now - age


def test_the_librarys_own_look_at_the_clock_stays_in_force(now: int) -> None:
    old = now - 400
    with pytest.raises(SignatureError):
        verify(BODY, sign(BODY, NEW, old), [NEW], old)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(BODY + b" ", id="a space at the end"),
        pytest.param(BODY.replace(b": ", b":"), id="JSON written anew"),
        pytest.param(BODY.decode().encode("latin-1"), id="another encoding"),
        pytest.param(b"\xef\xbb\xbf" + BODY, id="a byte order mark in front"),
        pytest.param(b"\x1f\x8b\x08\x00\xff", id="gzip"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_body_changed_on_its_way_does_not_match(body: bytes, now: int) -> None:
    assert cause(body, sign(BODY, NEW, now), now) == "mismatch"


def test_a_body_that_is_not_utf8_is_refused_even_with_a_true_hmac(now: int) -> None:
    assert cause(b"\xff\xfe", sign(b"\xff\xfe", NEW, now), now) == "mismatch"


def test_a_changed_timestamp_does_not_match(now: int) -> None:
    _, v1 = sign(BODY, NEW, now - 10).split(",")
    assert cause(BODY, f"t={now},{v1}", now) == "mismatch"


def test_the_sentences_say_what_to_do_and_tell_no_secret(now: int) -> None:
    clues = {"missing": "proxy", "malformed": "proxy", "no_v1": "v1", "too_old": "clock"}
    clues |= {"too_new": "clock", "mismatch": "STRIPE_WEBHOOK_SECRET"}
    for cause in SignatureCause:
        sentence = SignatureError(cause).sentence
        assert clues[cause] in sentence
        assert sentence.endswith(".")
    with pytest.raises(SignatureError) as refused:
        verify(BODY, sign(BODY, FOREIGN, now), [NEW], now)
    told = repr(vars(refused.value)) + str(refused.value)
    assert NEW not in told
    assert independent(BODY, NEW, now) not in told
    assert fingerprint(NEW) not in told


@given(st.one_of(st.text(), st.from_regex(r"(t|v1|v0)=[0-9a-f]{0,70}(,(t|v1|v0)=[0-9a-f]{0,70})*")))
def test_no_header_ever_raises_anything_else_or_gets_in(header: str) -> None:
    with pytest.raises(SignatureError):
        verify(BODY, header, [NEW], int(time.time()))


@given(st.text().filter(str.strip), st.text(st.characters(codec="utf-8")))
def test_whatever_the_text_and_the_secret_what_we_sign_is_what_the_library_signs(
    secret: str, text: str
) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    header = stripe.WebhookSignature.generate_signature_header(text, secret, 1_700_000_000)
    assert sign(text.encode(), secret, 1_700_000_000) == header
