"""The two webhook endpoints to register at Stripe, and the events to select for them.

Stripe sends authorization requests to the authorization webhook in the Issuing settings, and all
later events to ordinary webhook endpoints.

Source: https://docs.stripe.com/issuing/controls/real-time-authorizations
"""

from authorizations.wire.events import AUTHORIZATION_REQUEST
from authorizations.wire.reports import AFTERWARDS

__all__ = ["AFTERWARDS", "ALL", "listen_command"]

ALL = (AUTHORIZATION_REQUEST, *AFTERWARDS)
"""The events that the Stripe CLI forwards, which replaces both endpoints."""


def listen_command(port: int = 4242) -> str:
    """The command that makes the Stripe CLI forward to a desk on this port of the same machine.

    It names the events, which the CLI requires since version 1.51.
    """
    return f"stripe listen --events {','.join(ALL)} --forward-to localhost:{port}/webhook"
