"""The documents say what the code says."""

import json
import re
from pathlib import Path

from django.conf import settings

from authorizations.admin.exports.columns import AUTHORIZATIONS, DECISIONS, LEDGER, REQUESTS
from authorizations.admin.exports.later_columns import FINDINGS, TRANSACTIONS
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.policy.document import normalize
from authorizations.rules.wording.reasons import TEXTS

DOCS = settings.BASE_DIR / "docs"
DEPLOY = settings.BASE_DIR / "deploy"


def test_every_decline_reason_is_documented_in_order_of_precedence() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (DOCS / "reasons.md").read_text(), re.MULTILINE)
    assert rows == [(reason, TEXTS[reason].staff) for reason in DeclineReason]


def test_the_policy_file_of_the_documents_is_one() -> None:
    [example] = re.findall(r"```json\n(.+?)```", (DOCS / "policies.md").read_text(), re.DOTALL)
    [policy] = json.loads(example)["policies"]
    assert normalize(policy)["name"] == "Travel"


def test_every_key_of_a_policy_is_documented() -> None:
    text = (DOCS / "policies.md").read_text()
    keys = normalize({"name": "Any"}).keys()
    assert [key for key in keys if key not in text and not key.startswith("blocked_")] == []


def test_every_column_of_the_exported_files_is_documented() -> None:
    text = (DOCS / "exports.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (`.+`) \| (.*) \|$", text, re.MULTILINE)
    assert {name: re.findall(r"`(\w+)`", csv + more) for name, csv, more in rows} == {
        exported.name: [*exported.columns, *exported.more]
        for exported in (DECISIONS, REQUESTS, AUTHORIZATIONS, LEDGER, TRANSACTIONS, FINDINGS)
    }


PAGES = sorted([*settings.BASE_DIR.glob("*.md"), *DOCS.rglob("*.md"), *DEPLOY.rglob("*.md")])


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    }


def test_every_link_of_the_documents_leads_somewhere() -> None:
    links = 0
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", without_code(page)):
            path, _, anchor = target.partition("#")
            leads_to = page.parent / path if path else page
            assert leads_to.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(leads_to), f"{page.name}: {target}"
            links += 1
    assert links > 50


def test_the_decisions_are_numbered_once_and_listed() -> None:
    records = sorted(path.name for path in (DOCS / "adr").glob("[0-9]*.md"))
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
    rows = re.findall(
        r"^\| (\d{4}) \| \[(.+)\]\((.+)\) \| ([\d-]+) \|$",
        (DOCS / "adr" / "README.md").read_text(),
        re.MULTILINE,
    )
    listed = [(DOCS / "adr" / name).read_text().splitlines()[:3] for name in records]
    assert [(number, name) for number, _, name, _ in rows] == [(name[:4], name) for name in records]
    assert [
        [f"# {int(number)}. {title}", "", f"Accepted on {date}."] for number, title, _, date in rows
    ] == listed
