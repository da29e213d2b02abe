"""Everybody who may come by, and one row of everything for them to look at."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from authorizations.models import (
    CardGroup,
    Export,
    ExportEnd,
    FundEntry,
    Instruction,
    Policy,
    ProgramDefaults,
    ProofRun,
    StandInSwitch,
)
from authorizations.services.verify.proofs import Proof
from tests.admin.addresses import Address
from tests.support.builders import CREATED
from tests.support.desk import Shopper, deliver, deliver_forged, in_force
from tests.support.lives import approved

Visit = Callable[[str], Client]


def make_rows() -> None:
    """One row of everything that has a page."""
    in_force(spending_limits=[{"amount": 10_000, "interval": "daily"}])
    Shopper().asks(100)
    CardGroup.objects.create(name="Team")
    ProgramDefaults.objects.create()
    deliver_forged(b"{}")
    author = User.objects.create_user("somebody", password="pass-word-1")
    now = timezone.now()
    _play_a_life()
    export = Export.objects.create(author=author, started_at=now, what="decisions", format="csv")
    ExportEnd.objects.create(export=export, ended_at=now, rows=1, complete=True)
    Proof(ProofRun.Command.REDECIDE).save("somebody on a host")
    StandInSwitch.objects.create(is_on=False, author=author, switched_at=now, reason="Over")
    Instruction.objects.create(
        kind="freeze",
        scope="cardholder:ich_nobody",
        starts_at=now,
        author=author,
        author_name=author.username,
        reason="Lost",
    )
    policy, _ = Policy.objects.get_or_create(name="Pots")
    FundEntry.objects.create(
        policy=policy,
        limit_key="pot",
        scope="cardholder:ich_nobody",
        currency="eur",
        amount=5,
        counts_from=CREATED,
        entered_at=now,
        author=author,
        reference="PO-17",
        reason="Budget",
    )


def _play_a_life() -> None:
    """Captured above its approval, so that there is a finding; and an event that says nothing."""
    life = approved()
    life.capture(15_000, at=CREATED + 60)
    for event in life.events:
        deliver(event)
    deliver({"id": "evt_unreadable", "type": "issuing_transaction.created", "created": 1})


def client_of(role: str, staff: Callable[[str], User]) -> Client:
    """Logged in as somebody with the role; errors come as answers (500), as from a server."""
    client = Client(raise_request_exception=False)
    if role == "outsider":
        client.force_login(User.objects.create_user("outsider", password="pass-word-1"))
    elif role != "anonymous":
        client.force_login(staff("" if role == "nobody" else role))
    return client


def parameters(address: Address) -> dict[str, Any]:
    """Values for the address's parameters, so that it leads to a row."""
    known: dict[str, Any] = {"app_label": "authorizations", "content_type_id": "0", "url": "x"}
    row = _row(address.model) if address.model and address.parameters else None
    return {name: known.get(name, row.pk if row else "0") for name in address.parameters}


def _row(model: type[Model]) -> Model:
    row = model._default_manager.first()
    if row is None:
        pytest.fail(f"Let tests/admin/visitors.py make a row of {model.__name__} as well.")
    return row


def answer(response: Any) -> str:
    """In the words of the table."""
    if response.streaming:
        response.getvalue()
    if response.status_code != 302:
        return str(response.status_code)
    return "login" if "/login/" in response.headers["Location"] else "moved"
