"""`export_policies` and `import_policies` as people run them."""

import io
import json
import os
import subprocess
import sys
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from authorizations.models import Card, Instruction, Policy, PolicyVersion
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.services.policies import funds, plan
from tests.support import database
from tests.support.desk import in_force, republish
from tests.support.meanwhile import right_after

pytestmark = pytest.mark.django_db

FILE = {"policies": [{"name": "Caf\u00e9", "max_network_risk_score": 50}]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps(FILE), "utf-8")
    return file


def run(command: str, *arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def test_a_file_is_imported_and_its_changes_are_told(path: Path) -> None:
    assert run("import_policies", str(path)).splitlines() == [
        'Policy "Café": new',
        "  max_network_risk_score: null -> 50",
        (
            "  please check: This policy grants no purchase, as it has no amount limit and is not "
            "unlimited: its cards need another policy that grants what they may pay."
        ),
        "Done, and in force.",
    ]
    assert Policy.objects.get().current_version is not None


def test_a_dry_run_tells_the_same_and_writes_nothing(path: Path) -> None:
    lines = run("import_policies", str(path), "--dry-run").splitlines()
    assert lines[0] == 'Policy "Café": new'
    assert lines[-1] == "Nothing was written."
    assert not Policy.objects.exists()


OPENING = {
    "policies": [{"name": "P", "unlimited": True}],
    "assignments": [{"policy": "P", "program": True}],
}


def test_a_file_that_lets_cards_spend_is_imported_only_where_that_is_said(path: Path) -> None:
    Card.objects.bulk_create(Card(id=f"ic_{number}", root_id=f"ic_{number}") for number in range(3))
    path.write_text(json.dumps(OPENING), "utf-8")
    told = "3 cards could spend that could not before."
    assert told in run("import_policies", str(path), "--dry-run").splitlines()
    with pytest.raises(CommandError, match=f"{told}.* --allow-new-spending.*Nothing was written"):
        run("import_policies", str(path))
    assert not Policy.objects.exists()
    assert run("import_policies", str(path), "--allow-new-spending").splitlines()[-2:] == [
        told,
        "Done, and in force.",
    ]
    path.write_text(json.dumps(OPENING | {"assignments": []}), "utf-8")
    lost = "3 cards can no longer spend: everything they ask for is declined."
    assert lost in run("import_policies", str(path)).splitlines()


def test_what_is_as_the_file_says_is_told_as_such(path: Path) -> None:
    run("import_policies", str(path))
    assert "Nothing to change" in run("import_policies", str(path))


def test_an_export_goes_back_in_through_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    Policy.objects.create(name="Café")
    exported = run("export_policies")
    assert "Café" in exported
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(exported.encode())))
    run("import_policies", "-")
    assert PolicyVersion.objects.count() == 1


def test_a_byte_order_mark_is_no_problem(path: Path) -> None:
    path.write_text(json.dumps(FILE), "utf-8-sig")
    run("import_policies", str(path))
    assert Policy.objects.exists()


def test_versions_get_author_and_reason(path: Path) -> None:
    User.objects.create(username="ops")
    run("import_policies", str(path), author="ops", reason="Season")
    version = PolicyVersion.objects.select_related("author").get()
    assert version.author is not None
    assert (version.author.username, version.reason) == ("ops", "Season")


FREEZE = {"card": "ic_1", "reason": "Audit"}


def test_what_is_gone_since_the_file_was_compared_is_named_and_nothing_else_is_claimed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = in_force("Team", spending_limits=[{"key": "pot", "funds": True}], unlimited=False)
    entry = {"policy": "Team", "limit": "pot", "card": "ic_1", "reference": "1", "reason": "Trip"}
    once_compared = partial(right_after, monkeypatch, plan, "changes")

    path.write_text(json.dumps({"funds": [entry | {"amount": 100}]}), "utf-8")
    once_compared(lambda: republish(policy, name="Crew"))
    gone = r'^The limit "pot" of the policy "Team" is gone: .* Import the file again: nothing'
    with pytest.raises(CommandError, match=gone):
        run("import_policies", str(path))
    republish(policy, name="Team")
    run("import_policies", str(path))

    less = entry | {"amount": -100, "reference": "2"}
    path.write_text(json.dumps({"funds": [less], "freezes": [FREEZE]}), "utf-8")
    pot = Scope(ScopeKind.CARD, "ic_1")
    once_compared(
        lambda: funds.enter(policy, "pot", pot, -1, by=None, reference="3", reason="Somebody")
    )
    with pytest.raises(CommandError, match=r"Only €0\.99 is left") as refused:
        run("import_policies", str(path))
    assert "What comes before this is written" in str(refused.value)
    assert "Nothing was written" not in str(refused.value)
    assert Instruction.objects.get().kind == "freeze"


@pytest.mark.django_db(transaction=True)
def test_the_exit_status_says_whether_there_is_something_to_change(path: Path) -> None:
    """As a pipeline sees it."""

    def status(*options: str) -> int:
        command = [sys.executable, "manage.py", "import_policies", *options]
        environment = os.environ | {
            "DATABASE_URL": database.url(),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        ended = subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in ended.stderr
        return ended.returncode

    detailed = (str(path), "--detailed-exitcode")
    assert status(*detailed, "--dry-run") == 2
    assert not Policy.objects.exists()
    assert status(*detailed) == 2
    assert Policy.objects.exists()
    assert status(*detailed, "--dry-run") == 0
    assert status(str(path)) == 0
    path.write_text("{}}", "utf-8")
    assert status(*detailed, "--dry-run") == 1
    assert status(*detailed, "--dryrun") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"author": "nobody"}, 'there is no user "nobody"'),
        ({"reason": "x" * 501}, "--reason: keep it to 500 characters"),
    ],
)
def test_an_option_that_can_t_be_is_refused_before_anything_is_written(
    path: Path, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        run("import_policies", str(path), **options)
    assert not Policy.objects.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"policies": [}', r"not JSON: line 1, column 15.*\nNothing was written"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b'{"policies": [{}]}', r"policies\[0\]\.name: Give the policy a name"),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_sentence(
    path: Path, content: bytes, sentence: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        run("import_policies", str(path))


def test_a_file_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="can't be read: No such file"):
        run("import_policies", str(tmp_path / "gone.json"))


TABLE = """card;policy;limit;amount;reason
ic_1;Café;monthly;800.00;Lyon
"""


@pytest.fixture
def amounts(tmp_path: Path) -> Path:
    in_force("Café", spending_limits=[{"amount": 50_000, "interval": "monthly"}])
    file = tmp_path / "amounts.csv"
    file.write_bytes(TABLE.encode("utf-8-sig"))
    return file


def test_a_table_of_own_amounts_is_tried_imported_and_imported_again(amounts: Path) -> None:
    line = '  + "Café", monthly, set to €800.00 for card ic_1: Lyon'
    new_card = ["Not seen yet; their details come with their first purchase", "  + card ic_1"]
    assert run("import_own_amounts", str(amounts), "--dry-run").splitlines() == [
        line,
        *new_card,
        "Own amounts that it would give: 1. Nothing was written.",
    ]
    assert not Instruction.objects.exists()
    User.objects.create(username="ops")
    assert run("import_own_amounts", str(amounts), author="ops").splitlines() == [
        line,
        *new_card,
        "Own amounts given, and in force: 1.",
    ]
    assert Instruction.objects.get().author_name == "ops"
    assert run("import_own_amounts", str(amounts)).splitlines() == [
        "Lines that are in force already: 1.",
        "Nothing to change.",
    ]


def test_a_table_with_an_error_is_refused_whole(amounts: Path) -> None:
    amounts.write_text(f"{TABLE}ic_2;Café;monthly;a lot;Fair\n", "utf-8")
    with pytest.raises(CommandError, match=r"Line 3, amount: .*\nNothing was written"):
        run("import_own_amounts", str(amounts))
    amounts.write_bytes(TABLE.encode("latin-1"))
    with pytest.raises(CommandError, match="is not text in UTF-8"):
        run("import_own_amounts", str(amounts))
    assert not Instruction.objects.exists()
