"""Reads Stripe's lists of authorizations and transactions through its API, page by page.

Objects are kept as Stripe wrote them: the library's own objects lose fields it does not know.
"""

import json
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec
import stripe

from authorizations.wire import lenient, masking, shapes
from authorizations.wire.convert import REFUSED
from authorizations.wire.events import READ

PAGE = 100
"""Objects per page; the most that Stripe allows."""

_RETRIES = 4
"""Retries by the library: after failed connections, conflicts and server errors."""

_WAITS_SECONDS = (1, 2, 4, 8, 16, 32)
"""Waits before further retries, unless Stripe says how long to wait."""

_LONGEST_WAIT_SECONDS = 60

_TYPES = {
    "authorizations": f"{READ}issuing_authorization",
    "transactions": f"{READ}issuing_transaction",
}


class CannotReadError(Exception):
    """The API refused or could not be read; the text is a sentence that says what to do."""


class UnknownPlaceError(CannotReadError):
    """Stripe does not know the object after which the list should continue."""


class ListedObject(NamedTuple):
    """An object of a list. `body` is an event whose object is as Stripe wrote it.

    `created` is in Unix seconds; it and `id` are None if they can't be read.
    """

    id: str | None
    created: int | None
    body: bytes


class ApiPage(NamedTuple):
    """A page of a list, newest first. `headers` are those of Stripe's answer that are kept."""

    found: list[ListedObject]
    has_more: bool
    headers: dict[str, str]


class _Identity(msgspec.Struct, frozen=True):
    """The fields of an object that its event repeats."""

    id: shapes.Id | None = None
    created: shapes.Instant | None = None
    livemode: bool | None = None


class Api:
    """A client with this secret key; `base` is the API's address without a path."""

    def __init__(self, key: str, base: str) -> None:
        self._base = base.rstrip("/")
        self._client = stripe.StripeClient(
            key, base_addresses={"api": self._base}, max_network_retries=_RETRIES
        )

    def page(self, listing: str, *, since: int, after: str = "") -> ApiPage:
        """A page of "authorizations" or "transactions" created at `since` (Unix seconds) or later.

        The page begins after the object with the id `after`, or with the newest one. Raises
        CannotReadError.
        """
        position = {"starting_after": after} if after else {}
        try:
            answer = self._get(f"/v1/issuing/{listing}", created={"gte": since}, **position)
        except stripe.InvalidRequestError as refused:
            if after and refused.param == "starting_after":
                raise UnknownPlaceError(self._sentence(refused)) from None
            raise CannotReadError(self._sentence(refused)) from None
        except stripe.StripeError as error:
            raise CannotReadError(self._sentence(error)) from None
        headers, listed = answer.headers, answer.data
        has_more = listed.get("has_more") if isinstance(listed, dict) else None
        if not isinstance(has_more, bool) or not isinstance(listed.get("data"), list):
            raise CannotReadError(_UNREADABLE)
        try:
            at = int(parsedate_to_datetime(headers["Date"]).timestamp())
        except (KeyError, ValueError):
            raise CannotReadError(_UNREADABLE) from None
        version = headers.get("Stripe-Version", "")
        found = [
            as_event(_TYPES[listing], raw, at, version) for raw in _listed_objects(answer.body)
        ]
        if has_more and not (found and found[-1].id):
            raise CannotReadError(_UNREADABLE)
        kept = ("Date", "Request-Id", "Stripe-Version")
        return ApiPage(found, has_more, {name: headers[name] for name in kept if name in headers})

    def _get(self, path: str, **params: Any) -> Any:
        """Request a page; retries where the library does not."""
        waits = iter(_WAITS_SECONDS)
        while True:
            try:
                return self._client.raw_request("get", path, limit=PAGE, **params)
            except stripe.RateLimitError as limited:
                if (wait_s := next(waits, None)) is None:
                    raise
                header = str((limited.headers or {}).get("Retry-After", ""))
                requested_s = int(header) if re.fullmatch(r"\d{1,9}", header) else 0
                time.sleep(min(requested_s, _LONGEST_WAIT_SECONDS) or wait_s)
            except stripe.APIConnectionError as broken:
                if broken.should_retry or (wait_s := next(waits, None)) is None:
                    raise  # if it should be retried, the library has done so already
                time.sleep(wait_s)

    def _sentence(self, error: stripe.StripeError) -> str:
        match error:
            case stripe.AuthenticationError():
                return (
                    "Stripe does not accept the key in STRIPE_API_KEY. Copy it again from the "
                    "Dashboard: Developers, API keys."
                )
            case stripe.PermissionError():
                return (
                    "The key in STRIPE_API_KEY may not read Issuing. Give it read permission for "
                    "Issuing authorizations and transactions in the Dashboard: Developers, API "
                    "keys."
                )
            case stripe.RateLimitError():
                return "Stripe keeps asking to slow down. Run it again later."
            case stripe.APIConnectionError():
                return f"Stripe can't be reached at {self._base}. Check the network."
        if (error.http_status or 0) < 400:
            return _UNREADABLE
        message = " ".join(str(error.user_message or "nothing more").split())[:300]
        return f"Stripe answered with status {error.http_status}: {message}"


_UNREADABLE = (
    "Stripe's answer can't be read as a list. If there is a proxy between the desk and Stripe, "
    "check it; otherwise try again later."
)


def _listed_objects(text: str) -> Iterator[bytes]:
    """Each object of a readable list, byte for byte."""
    position = 1 + text.index("{")
    while True:
        key, position = _decode(text, _next(text, position))
        position = _next(text, position)
        if key == "data":
            break
        _, position = _decode(text, position)
    position = _next(text, position + 1)
    while text[position] != "]":
        _, end = _decode(text, position)
        yield text[position:end].encode()
        position = _next(text, end)


_decode = json.JSONDecoder().raw_decode
_BETWEEN = re.compile(r"[\s:,]*")


def _next(text: str, position: int) -> int:
    """Where the next value or bracket begins."""
    between = _BETWEEN.match(text, position)
    return between.end() if between else position


def as_event(type_: str, raw: bytes, at: int, version: str) -> ListedObject:
    """An object as an event, which is read, stored and applied like any other.

    Its id begins with read_, and its time is `at`, when the API was read.
    """
    try:
        found = msgspec.json.decode(raw, type=_Identity)
    except REFUSED:
        tree = lenient.loads(raw)
        found = lenient.build(_Identity, tree if isinstance(tree, dict) else {}, "")
    event = {
        "id": f"read_{found.id}_{at}" if found.id else None,
        "type": type_,
        "created": at,
        "livemode": found.livemode,
        "api_version": version or None,
        "data": {"object": msgspec.Raw(raw)},
    }
    return ListedObject(found.id, found.created, masking.body(msgspec.json.encode(event)))
