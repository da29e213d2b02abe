"""manage.py doctor"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.text import Text

from authorizations.management.terminal import console_of
from authorizations.services.webhook import health
from authorizations.services.webhook.health import HealthState

_WORDS = {
    HealthState.OK: ("fine", "green"),
    HealthState.WARN: ("look", "yellow"),
    HealthState.BAD: ("wrong", "bold red"),
}
_SENTENCE_AT = 7


class Command(BaseCommand):
    help = (
        "Checks settings, secrets, database, spool, clocks, Stripe's endpoints, stand-in's copy, "
        "proxies and versions, and says what is wrong and what to do. Shows no secrets. Ends with "
        "status 1 if something is wrong; warnings do not count."
    )
    requires_system_checks = []  # it reports their messages, so they must not end it

    def handle(self, *_: Any, **__: Any) -> None:
        console = console_of(self.stdout)
        found = health.examine()
        for check in found:
            word, style = _WORDS[check.state]
            line = Text(word.ljust(_SENTENCE_AT), style=style).append(check.name, style="bold")
            console.print(line.append(f": {check.sentence}", style="not bold default"))
        wrong = [check.name for check in found if check.state is HealthState.BAD]
        if wrong:
            names = ", ".join(dict.fromkeys(wrong))
            raise CommandError(f"{len(wrong)} of {len(found)} are wrong: {names}.")
        console.print("Nothing is wrong.")
