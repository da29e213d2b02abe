"""Stripe's own lists of authorizations and transactions, read through its API page by page.

What is listed stays as Stripe wrote it: the library's objects lose what the library does not know.
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
"""The most that Stripe lists at once."""

_RETRIES = 4
"""How often the library itself tries again: no connection, conflicts, errors of Stripe's own."""

_WAITS_SECONDS = (1, 2, 4, 8, 16, 32)
"""Before trying again where the library would not, unless Stripe says how long to wait."""

_LONGEST_WAIT_SECONDS = 60

_TYPES = {
    "authorizations": f"{READ}issuing_authorization",
    "transactions": f"{READ}issuing_transaction",
}


class CannotReadError(Exception):
    """The API refused or could not be read; the text is a sentence that says what to do."""


class UnknownPlaceError(CannotReadError):
    """Stripe does not know the object after which the list was to go on."""


class ListedObject(NamedTuple):
    """One object of a list: `body` holds it as Stripe wrote it, told in the form of an event.

    `id` is None where it can't be read; `created` is in Unix seconds.
    """

    id: str | None
    created: int | None
    body: bytes


class ApiPage(NamedTuple):
    """The newest come first. `headers` are those of the answer that are worth keeping."""

    found: list[ListedObject]
    has_more: bool
    headers: dict[str, str]


class _Listed(msgspec.Struct, frozen=True):
    """What is needed of an object to tell of it, whatever else can be read."""

    id: shapes.Id | None = None
    created: shapes.Instant | None = None
    livemode: bool | None = None


class Api:
    """Reads with this secret key; `base` is the address without a path."""

    def __init__(self, key: str, base: str) -> None:
        self._base = base.rstrip("/")
        self._client = stripe.StripeClient(
            key, base_addresses={"api": self._base}, max_network_retries=_RETRIES
        )

    def page(self, listing: str, *, since: int, after: str = "") -> ApiPage:
        """The "authorizations" or "transactions" created from `since` (Unix seconds) on.

        Those that follow the object with the id `after`, or the newest. Raises CannotReadError.
        """
        place = {"starting_after": after} if after else {}
        try:
            answer = self._get(f"/v1/issuing/{listing}", created={"gte": since}, **place)
        except stripe.InvalidRequestError as refused:
            if after and refused.param == "starting_after":
                raise UnknownPlaceError(self._sentence(refused)) from None
            raise CannotReadError(self._sentence(refused)) from None
        except stripe.StripeError as error:
            raise CannotReadError(self._sentence(error)) from None
        return _page(listing, answer)

    def _get(self, path: str, **params: Any) -> Any:
        for wait in _WAITS_SECONDS:
            try:
                return self._request(path, params)
            except stripe.RateLimitError as limited:
                time.sleep(_wait_asked_for(limited) or wait)
            except stripe.APIConnectionError as broken:
                if broken.should_retry:  # the library has done so in vain
                    raise
                time.sleep(wait)
        return self._request(path, params)

    def _request(self, path: str, params: dict[str, Any]) -> Any:
        request = self._client.raw_request
        return request("get", path, limit=PAGE, **params)

    def _sentence(self, error: stripe.StripeError) -> str:
        match error:
            case stripe.AuthenticationError():
                return (
                    "Stripe does not take the key in STRIPE_API_KEY. Copy it anew from the "
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
        said = " ".join(str(error.user_message or "nothing more").split())[:300]
        return f"Stripe answered with status {error.http_status}: {said}"


_UNREADABLE = (
    "Stripe's answer can't be read as a list. If something stands between the desk and Stripe, "
    "such as a proxy, see what it did; else try again later."
)


def _wait_asked_for(limited: stripe.RateLimitError) -> int:
    """Seconds; 0 where Stripe does not say."""
    asked = str((limited.headers or {}).get("Retry-After", ""))
    return min(int(asked), _LONGEST_WAIT_SECONDS) if re.fullmatch(r"\d{1,9}", asked) else 0


def _page(listing: str, answer: Any) -> ApiPage:
    headers, listed = answer.headers, answer.data
    has_more = listed.get("has_more") if isinstance(listed, dict) else None
    if not isinstance(has_more, bool) or not isinstance(listed.get("data"), list):
        raise CannotReadError(_UNREADABLE)
    try:
        at = int(parsedate_to_datetime(headers["Date"]).timestamp())
    except (KeyError, ValueError):
        raise CannotReadError(_UNREADABLE) from None
    version = headers.get("Stripe-Version", "")
    found = [_found(_TYPES[listing], raw, at, version) for raw in _split(answer.body)]
    if has_more and not (found and found[-1].id):
        raise CannotReadError(_UNREADABLE)
    kept = ("Date", "Request-Id", "Stripe-Version")
    return ApiPage(found, has_more, {name: headers[name] for name in kept if name in headers})


def _split(text: str) -> Iterator[bytes]:
    """Each object of a readable list as it stands there, to the byte."""
    place = 1 + text.index("{")
    while True:
        key, place = _decode(text, _next(text, place))
        place = _next(text, place)
        if key == "data":
            break
        _, place = _decode(text, place)
    place = _next(text, place + 1)
    while text[place] != "]":
        _, end = _decode(text, place)
        yield text[place:end].encode()
        place = _next(text, end)


_decode = json.JSONDecoder().raw_decode
_BETWEEN = re.compile(r"[\s:,]*")


def _next(text: str, place: int) -> int:
    """Where the next value begins, or a bracket."""
    between = _BETWEEN.match(text, place)
    return between.end() if between else place


def _found(type_: str, raw: bytes, at: int, version: str) -> ListedObject:
    """An object in the form of an event, which is read, kept and applied like any other.

    Its id begins with read_; it was created when the API was read.
    """
    listed = _identity(raw)
    event = {
        "id": f"read_{listed.id}_{at}" if listed.id else None,
        "type": type_,
        "created": at,
        "livemode": listed.livemode,
        "api_version": version or None,
        "data": {"object": msgspec.Raw(raw)},
    }
    return ListedObject(listed.id, listed.created, masking.body(msgspec.json.encode(event)))


def _identity(raw: bytes) -> _Listed:
    try:
        return msgspec.json.decode(raw, type=_Listed)
    except REFUSED:
        tree = lenient.loads(raw)
        return lenient.build(_Listed, tree if isinstance(tree, dict) else {}, "")
