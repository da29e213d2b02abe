"""Whether a report tells more than is on record, so that what is known already leaves no rows."""

from authorizations.models import Authorization
from authorizations.models import Transaction as TransactionRow
from authorizations.rules.purchases import news
from authorizations.rules.purchases.books import AuthorizationState
from authorizations.rules.purchases.reports import AuthorizationReport, Report, TransactionReport
from authorizations.services.purchases import linking
from authorizations.services.purchases.entries import unlisted_declines
from authorizations.services.runtime import codec
from authorizations.services.store.statements import drive


def is_news(report: Report | None) -> bool:
    """Whether settling it would change the books, or list one more of Stripe's own declines."""
    match report:
        case AuthorizationReport():
            return _is_new_authorization(report)
        case TransactionReport():
            return _is_new_transaction(report)
    return False


def _is_new_authorization(report: AuthorizationReport) -> bool:
    books = _books(report.authorization_id)
    if books is None:
        return True
    arriving = linking.arriving(report, moved=())
    return news.is_news(books, report.snapshot, arriving) or bool(
        drive(unlisted_declines(report.authorization_id, books))
    )


def _is_new_transaction(report: TransactionReport) -> bool:
    if linking.is_outdated(report):
        return False
    placed = linking.place(report)
    row = TransactionRow.objects.filter(
        pk=report.transaction.id,
        linked=report.linked or "",
        booked_under=placed.authorization_id,
    )
    books = _books(placed.authorization_id)
    return books is None or not row.exists() or news.is_news(books, None, [report.transaction])


def _books(authorization_id: str) -> AuthorizationState | None:
    found = Authorization.objects.filter(pk=authorization_id).values_list("books", flat=True)
    kept = found.first()
    return None if kept is None else codec.value(AuthorizationState, kept)
