"""The two endpoints at Stripe that lead to this desk, and which events to choose for them.

Stripe sends the questions to the authorization webhook of the Issuing settings, and all that comes
afterwards to ordinary webhook endpoints only
(docs.stripe.com/issuing/controls/real-time-authorizations).
"""

from authorizations.wire.events import AUTHORIZATION_REQUEST
from authorizations.wire.reports import AFTERWARDS

__all__ = ["AFTERWARDS", "ALL", "listen_command"]

ALL = (AUTHORIZATION_REQUEST, *AFTERWARDS)
"""What the Stripe CLI is to forward, which stands in for both endpoints."""


def listen_command(port: int = 4242) -> str:
    """What to type so that the Stripe CLI forwards to a desk on this port of the same machine.

    It names the events: without them the CLI ends with an error from 1.51 on.
    """
    return f"stripe listen --events {','.join(ALL)} --forward-to localhost:{port}/webhook"
