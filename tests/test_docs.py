"""The documents say what the code says."""

import json
import re

from django.conf import settings

from authorizations.admin.exports.columns import AUTHORIZATIONS, DECISIONS, LEDGER, REQUESTS
from authorizations.admin.exports.later_columns import FINDINGS, TRANSACTIONS
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.policy.document import normalize
from authorizations.rules.wording.reasons import TEXTS

DOCS = settings.BASE_DIR / "docs"


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


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for page in (*settings.BASE_DIR.glob("*.md"), *DOCS.glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
