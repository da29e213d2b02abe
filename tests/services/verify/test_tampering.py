"""What somebody alters who owns the database, with every trigger off: which command notices it.

The table is the promise that docs/auditors.md makes, no more and no less: what a command notices
is exactly what stands beside it here, and where nothing stands, nothing does.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from authorizations.models import (
    Authorization,
    Decision,
    HistoryEntry,
    LedgerEntry,
    PolicyVersion,
    WebhookRequest,
)
from authorizations.services.host import versions
from authorizations.services.policies.freeze import freeze
from authorizations.services.policies.publish import publish
from authorizations.services.runtime.actor import acting
from simulator.stripe import samples
from tests.support.desk import Shopper, deliver, in_force, says
from tests.support.lifecycle import Told
from tests.support.verification import contradictions, differences, redecided

pytestmark = pytest.mark.django_db

RECORD, BOOKS, AGAIN = "verify_record", "verify_books", "redecide"
NOBODY: set[str] = set()


@pytest.fixture(scope="module", autouse=True)
def _desk(one_transaction: None) -> None:
    """A policy published twice by somebody, purchases, what followed, and a card frozen."""
    olga = User.objects.create_user("olga")
    User.objects.create_user("otto")
    policy = in_force(spending_limits=[{"amount": 20_000, "interval": "daily"}])
    halved = says(policy) | {"spending_limits": [{"amount": 10_000, "interval": "daily"}]}
    with acting(user=olga, url="/admin/"):
        publish(halved, author=olga, reason="Half of it")
    shopper = Shopper()
    event = shopper.event(shopper.purchase(2_000), "evt_it")
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    deliver(event, **forwarded)
    deliver(event)
    assert shopper.reason(90_000) == "amount_limit_exceeded"
    bought = Told(1_000)
    bought.buys()
    bought.captures(1_000)
    refused = Told(700)
    refused.stripe("insufficient_funds", approved=False)
    Shopper(card_id="ic_2", cardholder_id="ich_2").asks(300, "evt_last")
    with acting(user=olga, url="/admin/"):
        freeze(["ic_2"], by=olga, reason="Lost")


@dataclass(frozen=True)
class Case:
    """What is done, and which commands notice."""

    does: Callable[[], object]
    noticed_by: set[str]


def sql(statement: str, *parameters: Any) -> None:
    """With no trigger in the way, as a superuser can."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0, statement
        cursor.execute("SET LOCAL session_replication_role = origin")


def change(table: str, column: str, value: str, where: str) -> Callable[[], None]:
    """Sets a column to what SQL says."""
    return lambda: sql(f"UPDATE authorizations_{table} SET {column} = {value} WHERE {where}")  # noqa: S608


def delete(table: str, where: str) -> Callable[[], None]:
    return lambda: sql(f"DELETE FROM authorizations_{table} WHERE {where}")  # noqa: S608


def all_of(*steps: Callable[[], object]) -> Callable[[], None]:
    def do_all() -> None:
        for step in steps:
            step()

    return do_all


IT, ASKED = "id = 'evt_it'", "event_id = 'evt_it'"
_ITS_REQUEST = "(SELECT webhook_request_id FROM authorizations_decision WHERE id = 'evt_it')"
FIRST = f"{ASKED} AND id = {_ITS_REQUEST}"
AGAIN_ASKED = f"{ASKED} AND NOT ({FIRST})"


def other_body(*, with_hash: bool) -> Callable[[], None]:
    """The merchant in the body as Stripe sent it."""

    def do() -> None:
        row = WebhookRequest.objects.get(pk=Decision.objects.get(pk="evt_it").webhook_request_id)
        event = json.loads(bytes(row.body))
        event["data"]["object"]["merchant_data"]["name"] = "Somewhere Else"
        body = samples.to_bytes(event)
        digest = hashlib.sha256(body).hexdigest() if with_hash else row.body_sha256
        sql(
            "UPDATE authorizations_webhookrequest SET body = %s, body_sha256 = %s WHERE id = %s",
            *(body, digest, row.pk),
        )

    return do


def later_body() -> None:
    """A capture made smaller, hash and all."""
    row = WebhookRequest.objects.filter(event_type="issuing_transaction.created").get()
    body = bytes(row.body).replace(b"1000", b"0100")
    digest = hashlib.sha256(body).hexdigest()
    sql(
        "UPDATE authorizations_webhookrequest SET body = %s, body_sha256 = %s WHERE id = %s",
        *(body, digest, row.pk),
    )


def halved(*, books: bool) -> Callable[[], None]:
    """An approval halved wherever the decision tells of it, and in the ledger as well."""

    def do() -> None:
        row = Decision.objects.get(pk="evt_it")
        request, trace = row.request | {"amount": 1_000}, row.trace
        for check in trace:
            if check.get("figures"):
                check["figures"]["asked"] = 1_000
        sql(
            "UPDATE authorizations_decision SET amount = 1000, approved_amount = 1000, "
            "request = %s, trace = %s WHERE id = 'evt_it'",
            *(json.dumps(request), json.dumps(trace)),
        )
        if books:
            sql(
                "UPDATE authorizations_ledgerentry SET amount = 1000 WHERE event_id = 'evt_it'",
            )
            purchase = Authorization.objects.get(pk=row.authorization_id)
            purchase.books["answers"][0] |= {"amount": 1_000, "asked": 1_000}
            sql(
                "UPDATE authorizations_authorization SET counted_amount = 1000, books = %s "
                "WHERE id = %s",
                *(json.dumps(purchase.books), purchase.pk),
            )
            sql(
                "UPDATE authorizations_usage SET amount = amount - 1000 WHERE scope = 'card:ic_1'",
            )

    return do


def the_last_purchase_s(*tables: str) -> Callable[[], None]:
    """Every row of a card's only purchase."""
    of_event = "event_id = 'evt_last'"
    purchase = "id = (SELECT authorization_id FROM authorizations_decision WHERE id = 'evt_last')"
    wheres = {
        "ledgerentry": of_event,
        "authorization": purchase,
        "usage": "scope = 'card:ic_2'",
        "webhookrequest": of_event,
        "decision": "id = 'evt_last'",
    }
    return all_of(*(delete(table, wheres[table]) for table in wheres if table in tables))


def body_as_if_masked() -> None:
    """Another body, which is said to be the one that masking left."""
    other_body(with_hash=False)()
    row = WebhookRequest.objects.get(pk=Decision.objects.get(pk="evt_it").webhook_request_id)
    digest = hashlib.sha256(bytes(row.body)).hexdigest()
    sql("UPDATE authorizations_webhookrequest SET masked_sha256 = %s WHERE id = %s", digest, row.pk)


def merchant_everywhere() -> None:
    row = Decision.objects.get(pk="evt_it")
    request = row.request
    request["merchant"]["name"] = "Somewhere Else"
    sql(
        "UPDATE authorizations_decision SET merchant_name = 'Somewhere Else', request = %s "
        "WHERE id = 'evt_it'",
        json.dumps(request),
    )


def declined_was_approved() -> None:
    """A decline made into an approval, in the decision alone."""
    sql(
        "UPDATE authorizations_decision SET approved = true, reason = '', approved_amount = amount "
        "WHERE reason = 'amount_limit_exceeded'"
    )


def history_user(where: str, *, with_facts: bool) -> Callable[[], None]:
    def do() -> None:
        otto = User.objects.get(username="otto").pk
        facts = f", facts = facts || '{{\"user\": {otto}}}'" if with_facts else ""
        sql(f"UPDATE authorizations_historyentry SET user_id = {otto}{facts} WHERE {where}")  # noqa: S608

    return do


PUBLISHED = "kind = 'policy' AND user_id IS NOT NULL"
FROZEN = "kind = 'card' AND object_id = 'ic_2' AND operation = 'update'"
BY_OTTO = "(SELECT id FROM auth_user WHERE username = 'otto')"

CASES: dict[str, Case] = {
    # What was asked.
    "a body, its hash left": Case(other_body(with_hash=False), {RECORD, AGAIN}),
    "a body and its hash": Case(other_body(with_hash=True), {RECORD, AGAIN}),
    "a body, said to be masked": Case(body_as_if_masked, {RECORD, AGAIN}),
    "a later event's body and its hash": Case(later_body, {RECORD}),
    "a hash": Case(
        change("webhookrequest", "body_sha256", "repeat('0', 64)", FIRST), {RECORD, AGAIN}
    ),
    "the sender behind a proxy": Case(
        change("webhookrequest", "sender", "'198.51.100.1'", FIRST), {RECORD, AGAIN}
    ),
    "the sender of what came straight": Case(
        change("webhookrequest", "sender", "'198.51.100.1'", AGAIN_ASKED), NOBODY
    ),
    "the signing key": Case(
        change("webhookrequest", "signing_key", "'00000000'", FIRST), {RECORD, AGAIN}
    ),
    "the signature's time": Case(
        change(
            "webhookrequest",
            "headers",
            "jsonb_set(headers, '{Stripe-Signature}', to_jsonb(regexp_replace("
            "headers ->> 'Stripe-Signature', 't=\\d', 't=0')))",
            FIRST,
        ),
        {RECORD, AGAIN},
    ),
    "the time of arrival, by an hour": Case(
        change("webhookrequest", "received_at", "received_at - interval '1 hour'", FIRST),
        {RECORD, AGAIN},
    ),
    "the time of arrival, by a second": Case(
        change("webhookrequest", "received_at", "received_at - interval '1 second'", FIRST),
        {RECORD, AGAIN},
    ),
    "a later event's time of arrival, by an hour": Case(
        change(
            "webhookrequest",
            "received_at",
            "received_at - interval '1 hour'",
            "event_type = 'issuing_transaction.created'",
        ),
        {RECORD},
    ),
    "a later event's time of arrival, by a second": Case(
        change(
            "webhookrequest",
            "received_at",
            "received_at - interval '1 second'",
            "event_type = 'issuing_transaction.created'",
        ),
        NOBODY,
    ),
    # What was answered.
    "the answer that was sent": Case(
        change("webhookrequest", "answer_body", "'{\"approved\":false}'", FIRST), {RECORD, AGAIN}
    ),
    "the answer that the decision tells of": Case(
        change("decision", "answer", "'{\"approved\":false}'", IT), {RECORD, AGAIN}
    ),
    "both answers alike": Case(
        all_of(
            change("decision", "answer", "replace(answer, 'true', 'false')", IT),
            change("webhookrequest", "answer_body", "replace(answer_body, 'true', 'false')", ASKED),
        ),
        {RECORD, AGAIN},
    ),
    "the answer to a repeat": Case(
        change(
            "webhookrequest", "answer_body", "replace(answer_body, 'true', 'false')", AGAIN_ASKED
        ),
        {RECORD},
    ),
    # What was decided.
    "an approval halved in row, request, trace and answer": Case(
        halved(books=False), {RECORD, AGAIN}
    ),
    "the same, in the books as well": Case(halved(books=True), {RECORD, AGAIN, BOOKS}),
    "a decline made an approval": Case(declined_was_approved, {RECORD, BOOKS, AGAIN}),
    "the merchant in the request and its columns": Case(merchant_everywhere, {RECORD, AGAIN}),
    "when it was decided": Case(
        change("decision", "decided_at", "decided_at + interval '1 minute'", IT), {RECORD, AGAIN}
    ),
    "a usage figure": Case(
        change(
            "decision",
            "usage",
            "replace(usage::text, '\"amount\":0', '\"amount\":5')::json",
            IT,
        ),
        {BOOKS, AGAIN},
    ),
    "a figure in the trace": Case(
        change(
            "decision",
            "trace",
            "replace(trace::text, '\"limit\":10000', '\"limit\":99999')::json",
            IT,
        ),
        {AGAIN},
    ),
    "Stripe's reason for a decline of its own": Case(
        change("decision", "reason", "'stripe_verification_failed'", "decided_by = 'stripe'"),
        {RECORD},
    ),
    # What was booked.
    "an approval deleted, its entry left": Case(the_last_purchase_s("decision"), {RECORD}),
    "an approval and its request deleted, the entry left": Case(
        the_last_purchase_s("decision", "webhookrequest"), {RECORD}
    ),
    "an approval's entry deleted": Case(the_last_purchase_s("ledgerentry"), {RECORD, BOOKS}),
    "a purchase's every row deleted, and its sums": Case(
        the_last_purchase_s("decision", "webhookrequest", "ledgerentry", "authorization", "usage"),
        NOBODY,
    ),
    "an entry's amount": Case(
        change("ledgerentry", "amount", "amount - 1", ASKED), {BOOKS, RECORD}
    ),
    "when it was booked": Case(
        change("ledgerentry", "entered_at", "entered_at + interval '1 day'", ASKED), {RECORD}
    ),
    "what a purchase counts for": Case(
        change("authorization", "counted_amount", "counted_amount + 1", "counted_amount = 300"),
        {BOOKS},
    ),
    "a remembered sum": Case(
        change("usage", "amount", "amount - 1", "scope = 'card:ic_1'"), {BOOKS}
    ),
    "a finding deleted": Case(
        all_of(
            lambda: Told(400).captures(900),
            delete("finding", "true"),
        ),
        NOBODY,
    ),
    # Policies and who changed what.
    "a version's content, its hash left": Case(
        change("policyversion", "content", "replace(content, '10000', '90000')", "number = 2"),
        {RECORD, AGAIN},
    ),
    "a version's content and its hash": Case(
        change(
            "policyversion",
            "(content, sha256)",
            "(replace(content, '10000', '90000'), encode(sha256(convert_to("
            "replace(content, '10000', '90000'), 'UTF8')), 'hex'))",
            "number = 2",
        ),
        {AGAIN},
    ),
    "a version's author": Case(
        change("policyversion", "author_id", BY_OTTO, "number = 2"), {RECORD}
    ),
    "a version's reason": Case(change("policyversion", "reason", "'None'", "number = 2"), {RECORD}),
    "a version's time": Case(
        change("policyversion", "created_at", "created_at - interval '1 hour'", "number = 2"),
        {RECORD},
    ),
    "the version in force": Case(
        change(
            "policy",
            "current_version_id",
            "(SELECT min(id) FROM authorizations_policyversion)",
            "true",
        ),
        {RECORD},
    ),
    "what a change left": Case(
        change("historyentry", "after", "jsonb_set(after, '{name}', '5')", "kind = 'policy'"),
        {RECORD},
    ),
    "whose change it was, in its column": Case(history_user(FROZEN, with_facts=False), {RECORD}),
    "whose publishing it was": Case(history_user(PUBLISHED, with_facts=True), {RECORD}),
    "whose freezing it was, wherever it is told": Case(
        history_user(FROZEN, with_facts=True), NOBODY
    ),
    "a change deleted": Case(delete("historyentry", FROZEN), {RECORD}),
    "a card thawed behind the triggers": Case(
        change("card", "frozen", "false", "id = 'ic_2'"), {RECORD}
    ),
    "an assignment deleted behind the triggers": Case(delete("assignment", "true"), {RECORD}),
}


def test_before_anything_is_altered_nothing_is_noticed() -> None:
    assert (contradictions(), differences(), redecided()) == ([], [], [])


@pytest.mark.parametrize("name", CASES)
def test_what_is_altered_is_noticed_by_these_commands_and_no_other(name: str) -> None:
    case = CASES[name]
    case.does()
    versions._cache.clear()  # as in a process that has just started
    found: dict[str, Any] = {RECORD: contradictions(), BOOKS: differences(), AGAIN: redecided()}
    assert {command for command, wrong in found.items() if wrong} == case.noticed_by
    versions._cache.clear()


def test_the_table_stands_for_as_many_ways_as_it_says() -> None:
    assert len(CASES) >= 32
    assert HistoryEntry.objects.exists()
    assert LedgerEntry.objects.exists()
    assert PolicyVersion.objects.count() == 2
