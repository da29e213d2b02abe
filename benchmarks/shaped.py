"""What benchmarks.shape prints; see there.

The purchase is of a known card, under six rules and five limits, and is approved.
"""

import ast
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.test import RequestFactory
from rich.console import Console
from rich.table import Table

from authorizations.views import webhook
from authorizations.wire.signature import sign
from benchmarks.servers import ROOT
from simulator.stripe import samples
from tests.support.desk import Shopper, in_force

PACKAGES = ("authorizations", "simulator", "authz_project")
LONGEST_FUNCTION, LONGEST_FILE = 60, 400
DIALECT = {
    "tell or told": r"\b[Tt](?:ells?|old|elling)\b",
    "whoever, whatever and their like": r"\b(?:[Ww]h(?:o|at|ich|en|er)|[Hh]ow)ever\b",
    "nobody": r"\b[Nn]obody\b",
    "is none": r"\bis none\b",
}
RULES = tuple(ROOT / "authorizations" / "rules" / room for room in ("decision", "kinds"))
POLICY: dict[str, Any] = {
    "blocked_categories": ["betting_casino_gambling"],
    "allowed_merchant_countries": ["FR", "DE"],
    "blocked_merchants": ["casino"],
    "allowed_card_presences": ["present"],
    "allowed_authorization_methods": ["chip"],
    "max_network_risk_score": 90,
    "spending_limits": [
        {"amount": 50_000, "interval": "per_authorization"},
        {"amount": 100_000, "interval": "daily"},
        {"amount": 500_000, "interval": "weekly"},
        {"amount": 900_000, "interval": "monthly"},
        {"count": 50, "interval": "daily"},
    ],
}


def run() -> int:
    """Print the figures; status 1 where the purchase was not approved."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    files = [path for path in files if "migrations" not in path.parts]
    table = Table("what", "figure")
    for what, figure in (*_lengths(files), *_words(files)):
        table.add_row(what, figure)
    answer, entered = _purchase()
    places = {
        "rules" if any(path.is_relative_to(room) for room in RULES) else path for path, _ in entered
    }
    table.add_row("files that an approved purchase enters, all rule files as one", f"{len(places)}")
    table.add_row("functions that it enters", f"{len(entered)}")
    Console(highlight=False).print(table)
    return 0 if answer.get("approved") else 1


def _lengths(files: list[Path]) -> Iterator[tuple[str, str]]:
    long_functions = functions = once = not_called = 0
    for path in files:
        tree = ast.parse(path.read_text("utf-8"))
        used, called = Counter[str](), Counter[str]()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                used[_name(node)] += 1
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                called[_name(node.func)] += 1
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions += 1
                long_functions += (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
                if node.name.startswith("_") and not node.name.startswith("__"):
                    if used[node.name] != 1:
                        continue
                    # What is decorated (cached, a transaction) or handed over has to be a function.
                    is_helper = called[node.name] == 1 and not node.decorator_list
                    once += is_helper
                    not_called += not is_helper
    yield "functions", f"{functions:,}"
    yield "private functions called once", f"{once:,} ({once / functions:.0%} of all functions)"
    yield "private functions decorated or handed over, once", f"{not_called:,}"
    yield f"functions of more than {LONGEST_FUNCTION} lines", f"{long_functions}"
    lengths = [len(path.read_text("utf-8").splitlines()) for path in files]
    yield "files", f"{len(files):,}"
    yield f"files of more than {LONGEST_FILE} lines", f"{sum(it > LONGEST_FILE for it in lengths)}"


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _words(files: list[Path]) -> Iterator[tuple[str, str]]:
    pages = [*(ROOT / "templates").rglob("*.html"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    lines = [line for path in (*files, *pages) for line in path.read_text("utf-8").splitlines()]
    for words, pattern in DIALECT.items():
        found = re.compile(pattern)
        yield f"lines with {words}", f"{sum(bool(found.search(line)) for line in lines):,}"


def _purchase() -> tuple[dict[str, Any], set[tuple[Path, str]]]:
    """The answer to a card's second purchase, and the functions entered, each with its file."""
    call_command("migrate", verbosity=0)
    in_force(**POLICY)
    shopper = Shopper(at=int(time.time()))
    _answer(shopper.event(shopper.purchase(1_000)))
    entered: set[tuple[Path, str]] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        # A comprehension is a function to some versions of Python, and none to others.
        is_named = not frame.f_code.co_name.startswith("<")
        if event == "call" and is_named and path.is_relative_to(ROOT / "authorizations"):
            entered.add((path, frame.f_code.co_qualname))

    question = shopper.event(shopper.purchase(2_000))
    sys.setprofile(note)
    answer = _answer(question)
    sys.setprofile(None)
    return answer, entered


def _answer(event: dict[str, Any]) -> dict[str, Any]:
    """As wsgi.py has it answered: straight by the view."""
    body = samples.to_bytes(event)
    signature = sign(body, settings.STRIPE_WEBHOOK_SECRETS[0], int(time.time()))
    request = RequestFactory(headers={"Stripe-Signature": signature, "Host": "127.0.0.1"}).post(
        "/webhook", body, content_type="application/json"
    )
    found: dict[str, Any] = json.loads(webhook(request).content)
    return found
