"""The trial `systemd`: the units of deploy/ under a systemd that boots, with the database away.

Whatever comes, signed purchases are answered: the machine boots without its database, which comes
back later; processes are killed; the machine is rebooted, and its power cut; tables are behind the
program. In the end each answer is in the record, once.
"""

from tests.prove import CANNOT_RUN, LackingError
from tests.prove.buyers import Bought
from tests.prove.installed import Desk, installed, kept_directory, play

PURCHASES = 12


class _Tried:
    """What was bought, and what was not as it should be."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.bought: list[Bought] = []
        self.wrong: list[str] = []

    def buys(self, when: str, *, usual: bool) -> None:
        """A dozen purchases, each of which must be answered, by stand-in unless `usual`."""
        bought = self.desk.purchases(PURCHASES)
        self.bought.extend(bought)
        answered = sum(it.status == 200 for it in bought)
        stood_in = sum(bool(it.stand_in) for it in bought)
        holds = answered == len(bought) and stood_in == (0 if usual else len(bought))
        print(f"{when}: of {len(bought)} purchases {answered} answered, {stood_in} of them by "
              f"stand-in{'' if holds else ': NOT as it should be'}.", flush=True)  # fmt: skip
        if not holds:
            print(*bought, sep="\n")
            self.wrong.append(when)

    def expect(self, what: str, *, holds: bool) -> None:
        print(f"{what}: {'yes' if holds else 'NO'}.", flush=True)
        if not holds:
            self.wrong.append(what)

    def answers(self) -> set[str]:
        return {it.event_id for it in self.bought if it.status == 200}


def main() -> int:
    """The status to end with."""
    kept = kept_directory("systemd")
    print(f"What the machine wrote is in {kept}.", flush=True)
    try:
        with installed(kept) as desk:
            tried = _Tried(desk)
            _try(tried, desk)
    except LackingError as lacking:
        print(lacking)
        return CANNOT_RUN
    if tried.wrong:
        print("Not as it should be: " + ", ".join(tried.wrong))
    else:
        print(f"{len(tried.bought)} purchases, all answered: database away, kill -9, reboot.")
    return int(bool(tried.wrong))


def _try(tried: _Tried, desk: Desk) -> None:
    machine = desk.machine
    tried.buys("As installed", usual=True)

    machine.run("systemctl", "disable", "postgresql")
    machine.shut_down()
    machine.boot()
    tried.buys("Booted without a database", usual=False)
    for signal in ("main", "all"):
        machine.run("systemctl", "kill", f"--kill-who={signal}", "--signal=KILL", "desk@webhook")
        tried.buys(f"kill -9 ({signal}) without a database", usual=False)
    machine.run("systemctl", "enable", "--now", "postgresql")
    desk.wait_until_usual()
    tried.buys("The database is back", usual=True)

    machine.shut_down()
    machine.boot()
    desk.wait_until_usual()
    tried.buys("Rebooted", usual=True)
    machine.cut_off()
    machine.boot()
    desk.wait_until_usual()
    tried.buys("After a power cut", usual=True)

    last = "(SELECT max(id) FROM django_migrations WHERE app = 'authorizations')"
    desk.sql(f"CREATE TABLE kept AS SELECT * FROM django_migrations WHERE id = {last}")  # noqa: S608
    desk.sql(f"DELETE FROM django_migrations WHERE id = {last}")  # noqa: S608
    machine.run("systemctl", "restart", "desk@webhook")
    desk.wait_until_usual()
    tried.buys("Tables behind the program", usual=True)
    tried.expect("/readyz says that tables are behind", holds="migrations" in desk.readiness())
    desk.sql("INSERT INTO django_migrations SELECT * FROM kept")
    tried.expect("Each answer is in the record, once", holds=desk.has_recorded(tried.answers()))


if __name__ == "__main__":
    play(main)
