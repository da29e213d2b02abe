"""manage.py export_policies"""

import json
from typing import Any

from django.core.management.base import BaseCommand

from authorizations.services.policies.files import export_policies


class Command(BaseCommand):
    help = (
        "Prints all policies, groups and assignments as a policy file: "
        "`manage.py export_policies > policies.json`. Importing it again changes nothing."
    )
    requires_migrations_checks = True

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(json.dumps(export_policies(), indent=2, ensure_ascii=False))
