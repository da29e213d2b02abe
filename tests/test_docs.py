"""The documents say what the code says."""

import json
import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from django.conf import settings
from django.core.management import get_commands

from authorizations.admin.exports.columns import AUTHORIZATIONS, DECISIONS, LEDGER, REQUESTS
from authorizations.admin.exports.lifecycle_columns import FINDINGS, TRANSACTIONS
from authorizations.rules.decision.values import DeclineReason
from authorizations.rules.policy import own_amounts_csv
from authorizations.rules.policy.document import normalize
from authorizations.rules.wording.reasons import TEXTS
from drawing import pictures, ways
from drawing.sequences import Step, Way
from tests.support.policy_files import load
from tests.wire.stripes_schema import request_schema

DOCS = settings.BASE_DIR / "docs"


def test_every_decline_reason_is_documented_in_order_of_precedence() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", (DOCS / "reasons.md").read_text(), re.MULTILINE)
    assert rows == [(reason, TEXTS[reason].staff) for reason in DeclineReason]


@pytest.mark.django_db
def test_the_policy_file_of_the_documents_can_be_imported() -> None:
    [example] = re.findall(r"```json\n(.+?)```", (DOCS / "policies.md").read_text(), re.DOTALL)
    changes = load(json.loads(example))
    assert [change.name for change in changes.policies] == ["Team", "Travel"]


def test_the_table_of_own_amounts_of_the_documents_is_one() -> None:
    [example] = re.findall(r"```csv\n(.+?)```", (DOCS / "policies.md").read_text(), re.DOTALL)
    lines, problems = own_amounts_csv.read(example)
    assert (len(lines), problems) == (2, [])


def test_every_key_of_a_policy_is_documented() -> None:
    text = (DOCS / "policies.md").read_text()
    keys = normalize({"name": "Any"}).keys()
    assert [key for key in keys if key not in text and not key.startswith("blocked_")] == []


def test_every_field_of_a_request_is_documented_once() -> None:
    text = (DOCS / "policies.md").read_text().partition("## What a request tells")[2]
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", text.partition("\n##")[0], re.MULTILINE)
    named = [name for fields, _ in rows for name in re.findall(r"`([\w.]+)`", fields)]
    shapes = request_schema().schema["$defs"]
    parts = {
        "": "issuing.authorization",
        "pending_request.": "issuing.authorization.pending_request",
        "merchant_data.": "issuing.authorization.merchant_data",
        "verification_data.": "issuing.authorization.verification_data",
        "card.": "issuing.card",
        "card.cardholder.": "issuing.cardholder",
    }
    fields = [prefix + field for prefix, of in parts.items() for field in shapes[of]["properties"]]
    told_in_parts = {prefix.removesuffix(".") for prefix in parts} - {"card", "card.cardholder"}
    assert sorted(named) == sorted({*fields} - told_in_parts)
    keys = {*normalize({"name": "Any"}), "categories", "countries", "merchants", "cash_only"}
    for _, how in rows:
        is_asked = not how.startswith(("no rule", "without any policy", "[assign]"))
        assert not is_asked or keys & {*re.findall(r"`(\w+)`", how)}, how


def test_every_column_of_the_exported_files_is_documented() -> None:
    text = (DOCS / "exports.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (`.+`) \| (.*) \|$", text, re.MULTILINE)
    assert {name: re.findall(r"`(\w+)`", csv + more) for name, csv, more in rows} == {
        exported.name: [*exported.columns, *exported.more]
        for exported in (DECISIONS, REQUESTS, AUTHORIZATIONS, LEDGER, TRANSACTIONS, FINDINGS)
    }


ROOT = Path(settings.BASE_DIR)
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
FILE = re.compile(r"\.(?:py|md|css|svg|toml|json|csv|conf|yaml|service|timer|lock|txt)$")

NOT_OURS = {
    "policies.json",
    "amounts.csv",
    "nginx.conf",
    "pg_hba.conf",
    "pg_ident.conf",
    "ON_ERROR_STOP",
}
"""A file of the reader, and files and names of the programs around."""


def without_fences(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", without_fences(page), re.MULTILINE)
    }


def test_every_link_of_the_documents_leads_somewhere() -> None:
    links = 0
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", without_fences(page)):
            path, _, anchor = target.partition("#")
            leads_to = page.parent / path if path else page
            assert leads_to.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(leads_to), f"{page.name}: {target}"
            links += 1
    assert links > 50


def test_the_readme_leads_to_every_document() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [path for path in PAGES if path.parent != DOCS / "adr" and path.name != "README.md"]
    assert [
        str(page.relative_to(ROOT)) for page in pages if f"({page.relative_to(ROOT)}" not in readme
    ] == []


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


def code(page: Path) -> list[str]:
    """What a page shows as code: spans, and the lines of blocks."""
    text = page.read_text()
    fences = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    prose = without_fences(page)
    blocks = re.findall(r"(?<=\n\n)(?: {4,}.*\n)+", prose)
    lines = [line for block in (*fences, *blocks) for line in block.splitlines()]
    spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose)]
    return [*lines, *spans]


def named(pattern: str) -> dict[str, str]:
    """What the pages name in code, each with a page that does."""
    return {
        found: page.name
        for page in PAGES
        for shown in code(page)
        for found in re.findall(pattern, shown)
    }


def exists(path: str, page: Path) -> bool:
    if "/" not in path:
        return any(not set(found.parts) & {".venv", ".git"} for found in ROOT.rglob(path))
    return any(
        any(start.glob(path.rstrip("/"))) for start in (ROOT, ROOT / "authorizations", page.parent)
    )


def test_every_path_that_the_documents_name_exists() -> None:
    """A path is what ends like a file, or begins with a folder of ours."""
    folders = {
        path.name
        for start in (ROOT, ROOT / "authorizations", ROOT / "deploy")
        for path in start.iterdir()
        if path.is_dir() and not path.name.startswith(".")
    }
    found = 0
    for page in PAGES:
        for shown in code(page):
            for path in re.findall(r"(?<![\w./:<…-])[\w*-][\w./*-]*", shown):
                begins = path.split("/")[0]
                if path in NOT_OURS:
                    continue
                if FILE.search(path) or ("/" in path and begins in folders):
                    assert exists(path, page), f"{page.name}: {path}"
                    found += 1
    assert found > 60


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets_named = named(r"(?:^|\s)make ([a-z-]+)")
    assert len(targets_named) > 10
    assert {name: page for name, page in targets_named.items() if name not in targets} == {}


def test_every_command_that_the_documents_name_exists() -> None:
    commands = named(r"manage\.py ([a-z_]+)") | named(r"deploy/desk (?:--as \w+ )?([a-z_]+)")
    assert len(commands) > 15
    assert {name: page for name, page in commands.items() if name not in get_commands()} == {}


def test_every_setting_that_the_documents_name_exists() -> None:
    """Or it is a name in the code, or a variable of make or of a deployed host."""
    files = [ROOT / ".env.example", ROOT / "Makefile"]
    files += [path for path in (ROOT / "deploy").rglob("*") if path.suffix not in (".md", ".pyc")]
    for package in ("authorizations", "authz_project", "simulator", "tests", "benchmarks"):
        files += (ROOT / package).rglob("*.py")
    known = set(NOT_OURS)
    for file in files:
        if file.is_file():
            known |= set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", file.read_text()))
    settings_named = named(r"(?<![\w-])[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
    assert len(settings_named) > 25
    assert {name: page for name, page in settings_named.items() if name not in known} == {}


def test_every_metric_that_the_documents_name_exists() -> None:
    own = (ROOT / "authorizations" / "services").rglob("*.py")
    known = {name for file in own for name in re.findall(r"\bdesk_[a-z_]+\b", file.read_text())}
    known |= {f"{name}_total" for name in known} | {f"{name}_bucket" for name in known}
    roles = {"desk_owner", "desk_webhook", "desk_admin", "desk_record"}
    metrics_named = named(r"\bdesk_[a-z_]+\b")
    assert len(metrics_named) > 20
    assert {name: page for name, page in metrics_named.items() if name not in known | roles} == {}


def test_the_architecture_names_every_folder() -> None:
    page = (DOCS / "architecture.md").read_text()
    [tree] = re.findall(r"```text\n(.+?)```", page, re.DOTALL)
    told, parents = set(), [""]
    for indent, name in re.findall(r"^( *)(\w+)/", tree, re.MULTILINE):
        parents[len(indent) // 2 :] = [name]
        told.add("/".join(parents))
    there = {
        str(path.relative_to(ROOT))
        for start in ("authorizations", "simulator")
        for path in (ROOT / start, *(ROOT / start).rglob("*"))
        if path.is_dir() and path.name != "__pycache__"
    }
    assert told == there


def test_the_pictures_of_the_architecture_are_drawn_from_the_code_as_it_is() -> None:
    for name, drawn in pictures.drawn().items():
        is_same = (DOCS / "pictures" / name).read_text() == drawn
        assert is_same, f"docs/pictures/{name} is of other code: look at it after `make drawing`."


@pytest.mark.parametrize("way", [ways.REQUEST, ways.LATER_EVENT, ways.OUTAGE])
def test_each_step_of_a_way_names_what_there_is(way: Way) -> None:
    for step in way.steps:
        if isinstance(step, Step) and step.code:
            resolve_name(f"authorizations.{step.code}")


def test_the_glossary_links_to_where_each_name_is_defined() -> None:
    rows = re.findall(r"^\| [A-Z].+$", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert len(rows) > 25
    for row in rows:
        term, _, where = (cell.strip() for cell in row.strip("| ").split(" | "))
        links = re.findall(r"(?:`(\w+)` in )?\[[^\]]+\]\((\S+)\)", where)
        assert links, term
        for name, path in links:
            text = (DOCS / path).read_text()
            assert not name or re.search(rf"^(?:class|def) {name}\b", text, re.MULTILINE), term
