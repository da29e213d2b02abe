"""How the tests read events."""

import json

import pytest

from authorizations.rules.purchases.events import AuthorizationRequest
from authorizations.wire.events import MalformedEventError, authorization_request, read
from simulator.stripe import samples


def asked(event: samples.Json | bytes) -> AuthorizationRequest:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return authorization_request(read(body))


def problem(event: samples.Json | bytes) -> str:
    with pytest.raises(MalformedEventError) as malformed:
        asked(event)
    return malformed.value.problem
