"""manage.py verify_usage"""

from typing import Any

from django.core.management.base import BaseCommand

from authorizations.management.terminal import console_of, report
from authorizations.models import Authorization, LedgerEntry, Usage
from authorizations.services.checking import estimated_count
from authorizations.services.verify_usage import verify_usage


class Command(BaseCommand):
    help = (
        "Compares what limits read with the ledger: every authorization with the sum of its "
        "entries, every remembered sum with what it sums up. Reports differences: none, as it "
        "should be. Ends with status 1 where there are some."
    )
    requires_migrations_checks = True

    def handle(self, *_: Any, **__: Any) -> None:
        total = estimated_count(LedgerEntry, Authorization, Usage)
        what = "ledger entries, authorizations and sums"
        report(console_of(self.stdout), verify_usage(), total=total, what=what)
