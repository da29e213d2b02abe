"""manage.py policy_schema"""

import json
from typing import Any

from django.core.management.base import BaseCommand

from authorizations.rules.policy.schema import policy_file_schema


class Command(BaseCommand):
    help = "Prints the JSON Schema of policy files, by which editors complete and check them."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(json.dumps(policy_file_schema(), indent=1, ensure_ascii=False))
