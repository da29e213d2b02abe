"""The pages of an authorization and of a ledger entry: everything their templates show."""

from typing import Any

from django.db.models import Case, IntegerField, Value, When

from authorizations.admin.authorizations.disputes import disputes_of
from authorizations.admin.authorizations.life import life, signed
from authorizations.admin.authorizations.life_events import life_events
from authorizations.admin.authorizations.purchase_state import is_lone, state_of
from authorizations.admin.authorizations.transactions import transaction_lines
from authorizations.admin.shared.bodies import pretty
from authorizations.admin.shared.explained import readable
from authorizations.admin.shared.facts import Facts, money_if_any, nonempty, place_facts, use_facts
from authorizations.admin.shared.limit_bars import PolicyBars, policy_bars
from authorizations.admin.shared.links import card_words, link, link_or_id, parent
from authorizations.admin.shared.surroundings import decisions_of
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization, Card, Decision, Finding, LedgerEntry
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import code_words
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.wording.findings import FindingKind
from authorizations.rules.wording.remaining import span_words
from authorizations.services.queries import remaining
from authorizations.services.runtime import codec

MAX_FINDINGS = 20
"""Maximum open findings on the page."""


def authorization_page(row: Authorization) -> dict[str, Any]:
    """The template's context. Unreadable books are named on the page, never raised."""
    state = readable(lambda: codec.value(AuthorizationState, row.books))
    events, is_cut = life_events(row, state, decisions_of(row))

    group = parent(row, "group")
    who = {
        "Card": link_or_id(row, "card", card_words),
        "Cardholder": link_or_id(row, "cardholder"),
        "Card group": link(group) if group else "",
    }
    record = {
        "Began": exact_time(row.created),
        "Counts as a purchase": "Yes" if row.count else "No",
        "Of this, cash": money_if_any(row.counted_cash, row.currency),
        "Transaction" if is_lone(row) else "Authorization": row.pk,
    }
    # The findings an operator can act on come first: FindingKind lists them in that order.
    ranks = [When(kind=kind.value, then=Value(rank)) for rank, kind in enumerate(FindingKind)]
    findings = Finding.objects.filter(authorization=row.pk, state=Finding.State.OPEN)
    findings = findings.order_by(Case(*ranks, output_field=IntegerField()), "pk")

    transaction_ids = [transaction.id for transaction in state.transactions] if state else []
    return {
        "state": state_of(row),
        "is_lone": is_lone(row),
        "figures": [
            ("counts against limits", format_money(row.counted_amount, row.currency)),
            ("held", format_money(state.held, row.currency) if state else "Can't be read"),
            ("captured", format_money(row.captured_amount, row.currency)),
            ("refunded", format_money(row.refunded_amount, row.currency)),
        ],
        "record": nonempty(record),
        "who_and_where": nonempty(
            who | place_facts(row) | {"Network id": row.network_id} | use_facts(row)
        ),
        "findings": findings[:MAX_FINDINGS],
        "steps": life(row, events),
        "is_cut": is_cut,
        "transactions": transaction_lines(transaction_ids),
        "disputes": disputes_of(row, transaction_ids) if state else [],
        "bars": _limit_bars(row),
        "stripe": _last_report(state, row.currency) if state else None,
        "books": pretty(row.books),
    }


def entry_page(row: LedgerEntry) -> dict[str, Any]:
    """The template's context for a ledger entry."""
    decision = Decision.objects.only("pk").filter(pk=row.event_id).first()
    count = "No change"
    if row.count:
        count = "One purchase more" if row.count > 0 else "One purchase less"
    facts = {
        "Entered": exact_time(row.entered_at),
        "Authorization": link_or_id(row, "authorization"),
        "Decision": link(decision) if decision else "",
        "Event": "" if decision else row.event_id,
        "Booked by": row.author,
        "Reason": row.reason,
        "Of this, cash": signed(row.cash_amount, row.currency) if row.cash_amount else "",
        "Refunded": signed(row.refunded_amount, row.currency) if row.refunded_amount else "",
        "Number of purchases": count,
    }
    return {"changed_by": signed(row.amount, row.currency), "facts": nonempty(facts)}


def _limit_bars(row: Authorization) -> list[PolicyBars]:
    root_id = row.root_id
    root = Card.objects.filter(pk=root_id).first()
    through = {
        ScopeKind.CARD: link(root, card_words(root)) if root else root_id,
        ScopeKind.CARDHOLDER: "The cardholder",
        ScopeKind.GROUP: "The card group",
        ScopeKind.PROGRAM: "Every card",
    }
    return policy_bars(
        remaining.of_purchase(row),
        int(row.created.timestamp()),
        through=through,
        currency=row.currency,
        period_words=lambda figures, _: span_words(figures),
    )


def _last_report(state: AuthorizationState, currency: str) -> Facts:
    """What Stripe reported last, and what the desk approved since."""
    ours = {
        "Captured": money_if_any(state.captured, currency),
        "Approved by us, not yet reported": money_if_any(state.unconfirmed, currency),
        "Adjusted by hand": signed(state.adjusted, currency) if state.adjusted else "",
    }
    if state.furthest is None:
        return [("Status", "Nothing reported yet"), *nonempty(ours)]
    reported = {
        "Status": code_words(state.status).capitalize(),
        "Amount at Stripe": format_money(state.furthest.amount, currency),
        "Requests so far": str(len(state.furthest.history)),
        "Transactions": str(state.furthest.transactions),
    }
    return nonempty(reported | ours)
