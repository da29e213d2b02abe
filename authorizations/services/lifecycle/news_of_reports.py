"""Whether a report says anything new, so that a known object leaves no rows."""

from authorizations.models import Authorization
from authorizations.models import Transaction as TransactionRow
from authorizations.rules.purchases import news
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.reports import AuthorizationReport, Report, TransactionReport
from authorizations.services.purchases import linking
from authorizations.services.purchases.entries import unlisted_declines
from authorizations.services.runtime import codec
from authorizations.services.store.plans import drive


def is_news(report: Report | None) -> bool:
    """Whether applying it would change the books, or list one more of Stripe's own declines."""
    match report:
        case AuthorizationReport():
            state = _books(report.authorization_id)
            if state is None:
                return True
            transactions = linking.transactions_of(report, moved=())
            return news.is_news(state, report.snapshot, transactions) or bool(
                drive(unlisted_declines(report.authorization_id, state))
            )
        case TransactionReport():
            if linking.is_outdated(report):
                return False
            resolved = linking.resolve(report)
            state = _books(resolved.authorization_id)
            if state is None or news.is_news(state, None, [report.transaction]):
                return True
            same_link = TransactionRow.objects.filter(
                pk=report.transaction.id,
                linked=report.linked or "",
                booked_under=resolved.authorization_id,
            )
            return not same_link.exists()
    return False


def _books(authorization_id: str) -> AuthorizationState | None:
    found = Authorization.objects.filter(pk=authorization_id).values_list("books", flat=True)
    state = found.first()
    return None if state is None else codec.value(AuthorizationState, state)
