"""manage.py collectstatic, which hosting platforms run by themselves."""

from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic


class Command(collectstatic.Command):
    help = "Does nothing: there is nothing to collect."

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write("Nothing to collect: the server reads static files from their packages.")
