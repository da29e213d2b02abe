"""The page of an authorization: how it stands, its whole life, and the limits it counts in."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Case, IntegerField, Value, When

from authorizations.admin.authorizations.disputes import disputes_of
from authorizations.admin.authorizations.happenings import happenings
from authorizations.admin.authorizations.life import life, signed
from authorizations.admin.authorizations.standing import is_lone, state_of
from authorizations.admin.authorizations.transactions import TransactionLine, lines_of
from authorizations.admin.shared.bodies import pretty
from authorizations.admin.shared.explained import readable
from authorizations.admin.shared.facts import Facts, money_if_any, place_facts, told
from authorizations.admin.shared.limit_bars import PolicyBars, policy_bars
from authorizations.admin.shared.links import card_words, known_or_id, link, parent
from authorizations.admin.shared.surroundings import decisions_of
from authorizations.admin.shared.times import exact_time
from authorizations.models import Authorization, Card, Decision, Finding, LedgerEntry
from authorizations.rules.basics.controls import ScopeKind
from authorizations.rules.basics.money import format_money
from authorizations.rules.basics.words import code_words
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.wording.findings import FindingKind
from authorizations.rules.wording.left import span_words
from authorizations.services.queries import remaining
from authorizations.services.runtime import codec

FINDINGS = 20


def authorization_page(row: Authorization) -> dict[str, Any]:
    """Never fails for what another version of this program has written."""
    books = readable(lambda: codec.value(AuthorizationState, row.books))
    happened, is_cut = happenings(row, books, decisions_of(row))
    return {
        "state": state_of(row),
        "is_lone": is_lone(row),
        "figures": _figures(row, books),
        "sums": _sums(row),
        "who_and_where": told(_who(row) | place_facts(row) | {"Network id": row.network_id}),
        "findings": _open_findings(row),
        "steps": life(row, happened),
        "is_cut": is_cut,
        "transactions": _transactions(books),
        "disputes": disputes_of(row, (t.id for t in books.transactions)) if books else [],
        "bars": _bars(row),
        "stripe": _stripe(books, row.currency) if books else None,
        "books": pretty(row.books),
    }


def entry_page(row: LedgerEntry) -> dict[str, Any]:
    decision = Decision.objects.only("pk").filter(pk=row.event_id).first()
    facts = {
        "Entered": exact_time(row.entered_at),
        "Authorization": known_or_id(row, "authorization"),
        "Decision": link(decision) if decision else "",
        "Event": "" if decision else row.event_id,
        "Booked by": row.author,
        "Reason": row.reason,
        "Of it cash": signed(row.cash_amount, row.currency) if row.cash_amount else "",
        "Refunded": signed(row.refunded_amount, row.currency) if row.refunded_amount else "",
        "As a number of purchases": _counts(row.count),
    }
    return {"changed_by": signed(row.amount, row.currency), "facts": told(facts)}


def _counts(change: int) -> str:
    if not change:
        return "Changes nothing"
    return "One purchase more" if change > 0 else "One purchase less"


def _figures(row: Authorization, books: AuthorizationState | None) -> Facts:
    """What it counts for, and of what that is made up."""
    held = format_money(books.held, row.currency) if books else "Can't be read"
    return [
        ("counts in limits", format_money(row.counted_amount, row.currency)),
        ("held", held),
        ("captured", format_money(row.captured_amount, row.currency)),
        ("refunded", format_money(row.refunded_amount, row.currency)),
    ]


def _sums(row: Authorization) -> Facts:
    sums = {
        "Began": exact_time(row.created),
        "As a number of purchases": "Counts as one" if row.count else "Does not count",
        "Of it cash": money_if_any(row.counted_cash, row.currency),
        "Transaction" if is_lone(row) else "Authorization": row.pk,
    }
    return told(sums)


def _who(row: Authorization) -> dict[str, str]:
    group = parent(row, "group")
    return {
        "Card": known_or_id(row, "card", card_words),
        "Cardholder": known_or_id(row, "cardholder"),
        "Card group": link(group) if group else "",
    }


def _open_findings(row: Authorization) -> Iterable[Finding]:
    """In the order of how much somebody can do about them."""
    places = [When(kind=kind.value, then=Value(place)) for place, kind in enumerate(FindingKind)]
    ranked = Finding.objects.filter(authorization=row.pk, state=Finding.State.OPEN)
    return ranked.order_by(Case(*places, output_field=IntegerField()), "pk")[:FINDINGS]


def _transactions(books: AuthorizationState | None) -> list[TransactionLine]:
    return lines_of(transaction.id for transaction in books.transactions) if books else []


def _bars(row: Authorization) -> list[PolicyBars]:
    """Whatever is wrong with a policy, the rest of the page still opens."""
    root_id = row.root_id
    root = Card.objects.filter(pk=root_id).first()
    through = {
        ScopeKind.CARD: link(root, card_words(root)) if root else root_id,
        ScopeKind.CARDHOLDER: "All cards of the cardholder together",
        ScopeKind.GROUP: "One budget shared by the cards of the group",
        ScopeKind.PROGRAM: "Every card, each measured on its own",
    }
    return policy_bars(
        remaining.of_purchase(row),
        int(row.created.timestamp()),
        through=through,
        currency=row.currency,
        when=lambda figures, _: span_words(figures),
    )


def _stripe(books: AuthorizationState, currency: str) -> Facts:
    """What Stripe reported last, and what we approved since."""
    ours = {
        "Captured": money_if_any(books.captured, currency),
        "Approved by us, not yet reported": money_if_any(books.uncovered, currency),
        "Adjusted by hand": signed(books.adjusted, currency) if books.adjusted else "",
    }
    if books.furthest is None:
        return [("Status", "Nothing reported yet"), *told(ours)]
    status = code_words(books.status).capitalize()
    reported = {
        "Status": status,
        "Amount at Stripe": format_money(books.furthest.amount, currency),
        "Requests so far": str(len(books.furthest.history)),
        "Transactions": str(books.furthest.transactions),
    }
    return told(reported | ours)
