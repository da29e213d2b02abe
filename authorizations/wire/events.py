"""Reads Stripe's events.

`read` decodes the envelope, `authorization_request` the request in it. Both try a fast, typed
decoder first and then a lenient one: unknown fields and values are accepted, and unreadable ones
fail only if they are required.
"""

import re

import msgspec

from authorizations.rules.kinds import ASKED_FIELDS
from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.wire import lenient, shapes
from authorizations.wire.convert import (
    REFUSED,
    MalformedEventError,
    card,
    card_presence,
    id_of,
    lower,
    merchant,
    needed,
    reader,
    snapshot,
    text,
    transactions,
    verification,
)

__all__ = [
    "AUTHORIZATION_REQUEST",
    "READ",
    "THIN",
    "Event",
    "MalformedEventError",
    "NotAnEventError",
    "authorization_request",
    "identity",
    "read",
    "wants_decision",
]

AUTHORIZATION_REQUEST = "issuing_authorization.request"
"""The type of the event that requires a decision."""

_AUTHORIZATION_REQUESTS = re.compile(r"(?:v[0-9]+\.)?issuing[._]authorization\.request")
"""Thin events name the same type in this form, with the version of the resource in front."""

THIN = "This destination sends thin events; choose snapshot events"
"""The problem with an event that does not contain its object; a sentence without the full stop."""

READ = "api."
"""The prefix of the types of what is not sent by Stripe but read from its API: see api.py."""

MAX_TYPE_CHARS = 255


class NotAnEventError(ValueError):
    """The body is not a JSON object with a type; `sentence` says so to the sender."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Event(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An event's envelope; None stands for missing or unreadable fields. `data` is raw JSON."""

    type: str
    id: shapes.Id | None = None
    created: shapes.Instant | None = None
    object: str | None = None
    livemode: bool | None = None
    account: shapes.Id | None = None
    # With beta features: "2020-08-27; issuing_flows_beta=v1".
    api_version: shapes.Label | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def is_read(self) -> bool:
        """Whether it was read from Stripe's API, so that no answer is sent."""
        return self.type.startswith(READ)

    @property
    def is_thin(self) -> bool:
        """Whether it names its object without containing it, so that it can't be used.

        Source: https://docs.stripe.com/event-destinations#thin-events
        """
        return self.object == "v2.core.event"


def wants_decision(event_type: str) -> bool:
    """Whether events of this type require a decision, as snapshot or thin events."""
    return event_type == AUTHORIZATION_REQUEST or bool(
        _AUTHORIZATION_REQUESTS.fullmatch(event_type)
    )


_decode_event = msgspec.json.Decoder(Event).decode
_requested_authorization = reader(shapes.RequestedAuthorization)


def read(body: bytes) -> Event:
    """Read the envelope of a signed body. Raises NotAnEventError."""
    try:
        event = _decode_event(body)
    except REFUSED:
        try:
            tree = lenient.loads(body)
            event = lenient.build(Event, tree, "")
        except lenient.UnreadableFieldError:
            raise NotAnEventError(
                "The body is not a JSON object with a type, as Stripe's events are."
            ) from None
        data = msgspec.Raw(lenient.dumps(tree.get("data")))
        event = msgspec.structs.replace(event, data=data)
    if len(event.type) <= MAX_TYPE_CHARS and "\0" not in event.type:
        return event
    return msgspec.structs.replace(event, type=text(event.type)[:MAX_TYPE_CHARS])


def authorization_request(event: Event) -> AuthorizationRequest:
    """The request in an event that requires a decision. Raises MalformedEventError."""
    if event.is_thin:
        raise MalformedEventError(f"{THIN}.")
    event_id, at = identity(event)
    livemode = needed(event.livemode, "livemode: expected true or false")
    unreadable: list[str] = []
    found = _requested_authorization(event.data, unreadable)
    pending = found.pending_request
    currency, moved = pending.currency.lower(), transactions(found, at)
    details = pending.amount_details or shapes.AmountDetails()
    presence, method = card_presence(found), text(found.authorization_method)
    return AuthorizationRequest(
        event_id=event_id,
        event_created=at,
        livemode=livemode,
        authorization_id=found.id,
        created=found.created,
        card=card(found.card),
        amount=pending.amount,
        currency=currency,
        merchant=merchant(found.merchant_data, presence or "", method),
        snapshot=snapshot(found, at, currency, moved),
        transactions=moved,
        account=event.account,
        merchant_amount=pending.merchant_amount,
        merchant_currency=lower(pending.merchant_currency) or None,
        is_amount_controllable=pending.is_amount_controllable,
        cashback_amount=details.cashback_amount or 0,
        atm_fee=details.atm_fee or 0,
        network_risk_score=pending.network_risk_score,
        authorization_method=method,
        card_presence=presence,
        wallet=text(found.wallet) or None,
        token=id_of(found.token),
        verification=verification(found.verification_data),
        verified_by_fraud_challenge=found.verified_by_fraud_challenge,
        unreadable=tuple(
            sorted(
                {
                    name
                    for path in unreadable
                    for name in _RULED.get(path.removeprefix("data.object."), ())
                }
            )
        ),
    )


_RENAMED = {"postal_code": "merchant_postal_code"}
"""The fields of a merchant whose name is also that of a check of the cardholder."""

_MERCHANT = {
    field: name
    for field in shapes.MerchantData.__struct_fields__
    if (name := _RENAMED.get(field, field)) in ASKED_FIELDS
}
"""What rules can ask of a merchant, by its field in merchant_data."""

_CHECKS = {
    "cvc_check": "cvc",
    "address_postal_code_check": "postal_code",
    "three_d_secure": "three_d_secure",
    "three_d_secure.result": "three_d_secure",
}
_RULED: dict[str, tuple[str, ...]] = {
    "merchant_data": tuple(_MERCHANT.values()),
    **{f"merchant_data.{field}": (name,) for field, name in _MERCHANT.items()},
    "verification_data": ("cvc", "postal_code", "three_d_secure"),
    **{f"verification_data.{field}": (name,) for field, name in _CHECKS.items()},
    "pending_request.merchant_currency": ("merchant_currency",),
    "pending_request.network_risk_score": ("network_risk_score",),
    "verified_by_fraud_challenge": ("verified_by_fraud_challenge",),
    "card.created": ("card_created",),
    "token": ("token",),
    # Card presence may follow from the method: see convert.card_presence.
    "authorization_method": ("authorization_method", "card_presence"),
    "card_presence": ("card_presence",),
    "wallet": ("wallet",),
}
"""By path in the authorization, the fields that policies can use: see rules.kinds."""


def identity(event: Event) -> tuple[str, int]:
    """The id and `created` of an event. Raises MalformedEventError if either is missing."""
    event_id = needed(event.id, "id: expected an id of 1 to 255 visible characters")
    at = needed(event.created, "created: expected whole Unix seconds up to the year 9999")
    return event_id, at
