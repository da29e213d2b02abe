"""The trial `upgrade`: a new version, a restart and kills, while purchases come through nginx.

Twenty purchases a second. During `deploy/upgrade`, called as deploy/README.md says, each gets its
usual answer within Stripe's two seconds; so it does while a version that can't start is tried.
During a restart and under `kill -9` none is refused, whoever answers it and when. In the end each
purchase that was answered is in the record, once. It knows nothing of the server that answers.
"""

import time
from collections.abc import Callable

from tests.prove import CANNOT_RUN, LackingError
from tests.prove.buyers import Bought
from tests.prove.installed import (
    NEW_VERSION,
    Desk,
    commands,
    installed,
    is_usual,
    kept_directory,
    play,
)

RATE = 20
BEFORE_S, AFTER_S = 3, 5
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("authorizations", "{before}")]
    operations = [migrations.RunSQL("CREATE TABLE of_the_new_version (id int)")]
"""


def main() -> int:
    """The status to end with."""
    kept = kept_directory("upgrade")
    print(f"What the machine wrote is in {kept}.", flush=True)
    try:
        with installed(kept) as desk:
            return _tried(desk)
    except LackingError as lacking:
        print(lacking)
        return CANNOT_RUN


def _tried(desk: Desk) -> int:
    _new_version(desk, "/opt/desk-2")
    broken = desk.tree / "opt" / "desk-3"
    desk.copy_version("/opt/desk-3")
    for application in ("asgi.py", "wsgi.py"):
        (broken / "authz_project" / application).write_text(
            "raise RuntimeError('This one is broken.')\n"
        )
    [command] = commands(NEW_VERSION)
    machine = desk.machine
    everything: list[Bought] = []
    wrong: list[str] = []

    def during(what: str, does: Callable[[], object], *, must_be_usual: bool) -> None:
        with desk.buying(RATE) as bought:
            time.sleep(BEFORE_S)
            does()
            time.sleep(AFTER_S)
        lost = [it for it in bought if not (is_usual(it) if must_be_usual else it.status == 200)]
        slowest = max(it.took_ms for it in bought)
        stood_in = sum(1 for it in bought if it.stand_in)
        print(f"{what}: {len(bought)} purchases, {len(lost)} lost, {stood_in} by stand-in, the "
              f"slowest after {slowest:.0f} ms.", *lost[:5], sep="\n  ", flush=True)  # fmt: skip
        everything.extend(bought)
        if lost:
            wrong.append(what)

    def expect(what: str, holds: object) -> None:
        print(f"{what}: {'yes' if holds else 'NO'}.", flush=True)
        if not holds:
            wrong.append(what)

    def upgraded() -> None:
        print(machine.run("sh", "-c", command))

    during("An upgrade", upgraded, must_be_usual=True)
    expect("The new version answers", _folder(desk) == "/opt/desk-2")
    expect("Its tables are there", desk.sql("SELECT to_regclass('of_the_new_version')"))
    expect("The bridge is gone", not machine.run("systemctl", "list-units", "-q", "desk-bridge*"))

    def broken_one() -> None:
        said = machine.run("sh", "-c", command.replace("desk-2", "desk-3"), check=False)
        print(said)
        expect("It is said that the version before goes on", "the one before goes on" in said)

    during("A version that can't start", broken_one, must_be_usual=True)
    expect("The version before answers", _folder(desk) == "/opt/desk-2")
    expect("The bridge is gone", not machine.run("systemctl", "list-units", "-q", "desk-bridge*"))

    machine.run("sh", "-c", "echo '# ours' >> /etc/systemd/system/desk@.service")
    said = machine.run("sh", "-c", command, check=False)
    expect("A unit that somebody changed is not replaced", "systemctl edit" in said)

    unit = "desk@webhook.service"
    for what, words in (
        ("A restart", ("restart", unit)),
        ("kill -9 of the main process", ("kill", "--kill-who=main", "--signal=KILL", unit)),
        ("kill -9 of every process", ("kill", "--signal=KILL", unit)),
    ):
        during(what, lambda words=words: _until_active(desk, *words), must_be_usual=False)  # type: ignore[misc]
        desk.wait_until_usual()

    answered = {it.event_id for it in everything if it.status == 200}
    expect("Each answer is in the record, once", desk.has_recorded(answered))
    print("Not as it should be: " + ", ".join(wrong) if wrong else
          f"{len(everything)} purchases, none lost: upgrade, restart, kill -9.")  # fmt: skip
    return int(bool(wrong))


def _new_version(desk: Desk, folder: str) -> None:
    """As this one, with a migration of its own."""
    desk.copy_version(folder)
    migrations = desk.tree / folder.lstrip("/") / "authorizations" / "migrations"
    before = max(file.stem for file in migrations.glob("0*.py"))
    number = int(before.partition("_")[0]) + 1
    name = migrations / f"{number:04}_of_the_new_version.py"
    name.write_text(MIGRATION.format(before=before), "utf-8")


def _folder(desk: Desk) -> str:
    """In which the process lies that answers."""
    process = desk.machine.process_of("desk@webhook")
    return desk.machine.run("readlink", str(process / "cwd")).strip()


def _until_active(desk: Desk, *words: str) -> None:
    """Call systemctl, and wait until the desk has been started anew."""
    before = desk.machine.process_of("desk@webhook")
    desk.machine.run("systemctl", *words)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        active = desk.machine.run("systemctl", "is-active", "desk@webhook", check=False).strip()
        if active == "active" and desk.machine.process_of("desk@webhook") != before:
            return
        time.sleep(0.2)
    raise AssertionError("desk@webhook has not come back.")


if __name__ == "__main__":
    play(main)
