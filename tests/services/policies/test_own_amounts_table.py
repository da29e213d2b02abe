"""Own amounts in bulk from a table: all or none, and again without effect."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from authorizations.models import Card, Cardholder, Instruction, Policy
from authorizations.rules.basics.controls import Scope, ScopeKind
from authorizations.rules.policy.own_amounts_csv import InvalidTableError
from authorizations.services.policies import own_amounts
from authorizations.services.policies.own_amounts_table import compare, import_own_amounts
from tests.support.desk import Shopper, in_force

pytestmark = pytest.mark.django_db

HEADER = "card,policy,limit,amount,raise_by,until,reason"
SOON = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0).isoformat()
LIMITS = [
    {"amount": 50_000, "interval": "monthly"},
    {"key": "visits", "count": 9, "interval": "daily"},
]


@pytest.fixture(autouse=True)
def team() -> Policy:
    return in_force("Team", spending_limits=LIMITS)


def table(*lines: str) -> str:
    return "\n".join([HEADER, *lines])


LYON = f"ic_1,Team,monthly,800.00,,{SOON},Lyon"
FAIR = "ic_1,Team,monthly,,300,,Fair"
AUDIT = "ic_2,Team,visits,1,,,Audit"


def refused(*lines: str) -> list[str]:
    """The problems; nothing was written."""
    before = Instruction.objects.count(), Card.objects.count()
    with pytest.raises(InvalidTableError) as found:
        import_own_amounts(table(*lines))
    assert (Instruction.objects.count(), Card.objects.count()) == before
    return str(found.value).splitlines()


def test_a_table_gives_own_amounts_which_hold_with_the_next_request() -> None:
    author = User.objects.create(username="ops")
    changes = import_own_amounts(table(LYON, FAIR, AUDIT), author=author)
    assert changes.new_cards == ("ic_1", "ic_2")
    rows = own_amounts.given().order_by("scope", "pk")
    monthly = {"limit": "monthly", "interval": "monthly", "currency": "eur"}
    assert [(row.scope, row.terms, row.reason, row.author_name) for row in rows] == [
        ("card:ic_1", monthly | {"amount": 80_000}, "Lyon", "ops"),
        ("card:ic_1", monthly | {"raise_by": 30_000}, "Fair", "ops"),
        ("card:ic_2", {"limit": "visits", "interval": "daily", "amount": 1}, "Audit", "ops"),
    ]
    assert rows[0].ends_at == datetime.fromisoformat(SOON)
    shopper = Shopper(card_id="ic_1", cardholder_id="ich_1")
    assert shopper.reason(110_001) == "amount_limit_exceeded"
    assert shopper.reason(110_000) == "approved"
    other = Shopper(card_id="ic_2", cardholder_id="ich_2")
    assert [other.reason(1), other.reason(1)] == ["approved", "count_limit_exceeded"]


def test_the_same_again_changes_nothing_and_what_is_new_is_added() -> None:
    import_own_amounts(table(LYON, FAIR))
    again = import_own_amounts(table(LYON, FAIR, AUDIT))
    assert (len(again.own_amounts), again.in_force) == (1, 2)
    assert not import_own_amounts(table(AUDIT, FAIR, LYON)).own_amounts
    assert Instruction.objects.count() == 3


def test_a_dry_run_writes_nothing() -> None:
    lines = [*compare(table(LYON, AUDIT)).lines()]
    assert any('"Team", monthly, set to €800.00 for card ic_1, until' in line for line in lines)
    assert '  + "Team", visits, set to 1 purchase for card ic_2: Audit' in lines
    assert "  + card ic_1" in lines
    assert not Instruction.objects.exists()
    assert not Card.objects.exists()


def test_it_asks_the_database_the_same_for_one_line_and_for_many() -> None:
    def statements(*cards: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            lines = (f"{card},Team,monthly,5,,,Fair" for card in cards)
            assert len(import_own_amounts(table(*lines)).own_amounts) == len(cards)
        return len(asked)

    assert statements("ic_1") == statements(*(f"ic_m{number}" for number in range(500)))


def test_no_line_reads_all_that_is_in_force() -> None:
    def scans() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq_scan FROM pg_stat_xact_user_tables "
                "WHERE relname = 'authorizations_openinstruction'"
            )
            [(number,)] = cursor.fetchall()
        return int(number)

    with connection.cursor() as cursor:  # as `migrate` does, of an empty table
        cursor.execute("ANALYZE authorizations_openinstruction")
    before = scans()
    import_own_amounts(table(*(f"ic_{number},Team,monthly,800,,,Lyon" for number in range(50))))
    assert scans() - before < 10


def test_what_is_past_its_end_is_skipped_and_counted() -> None:
    past = "ic_1,Team,monthly,5,,2020-01-01,Long ago"
    changes = import_own_amounts(table(past, AUDIT))
    assert (len(changes.own_amounts), changes.ended) == (1, 1)
    assert "Lines that are past their end, and skipped: 1." in list(changes.lines())


def test_a_replacement_stands_for_the_first_card_of_its_chain() -> None:
    Shopper(card_id="ic_old").asks(100)
    Shopper(card_id="ic_1", card={"replacement_for": "ic_old"}).asks(100)
    import_own_amounts(table(LYON))
    assert own_amounts.given().get().scope == "card:ic_old"
    assert not import_own_amounts(table(LYON.replace("ic_1", "ic_old"))).own_amounts
    [problem] = refused(LYON, LYON.replace("ic_1", "ic_old"))
    assert problem == "Line 3: Line 2 sets this limit of this card as well: keep one of them."


def test_all_that_is_wrong_is_told_line_by_line_and_nothing_is_written() -> None:
    Cardholder.objects.create(pk="ich_9")
    in_force("Elsewhere", spending_limits=LIMITS, to={"cardholder_id": "ich_9"})
    assert refused(
        LYON,
        "ic_1,Nobody,monthly,5,,,x",
        "ic_2,Nobody,monthly,5,,,x",
        "ic_3,Nobody,monthly,5,,,x",
        "ic_1,Team,weekly,5,,,x",
        "ic_1,Team,visits,5.5,,,x",
        "4242,Team,monthly,5,,,x",
        'ic_4,Team,monthly,"800,00",,,x',
        FAIR,
        FAIR,
        "ic_1,Team,monthly,5,,,Another",
        "ic_1,Elsewhere,monthly,5,,,x",
    ) == [
        'Line 3, policy: There is no policy "Nobody". So in 2 more lines.',
        'Line 6, limit: Team has no limit "weekly"; it has monthly, visits.',
        "Line 7, amount: This limit counts purchases: give a whole number, such as 5.",
        'Line 8, card: "4242" is no id of a card: it begins with ic_.',
        (
            "Line 9, amount: Write thousands with a comma and decimals with a point, such as "
            "€1,250.00."
        ),
        "Line 11: Line 10 says the same: keep one of them.",
        "Line 12: Line 2 sets this limit of this card as well: keep one of them.",
        (
            "Line 13, policy: Elsewhere: The limit measures no card there: assign the policy "
            "first, or give the amount to what it is assigned to."
        ),
    ]


def test_an_amount_that_a_newer_one_outdoes_is_not_taken_for_in_force(team: Policy) -> None:
    import_own_amounts(table(LYON))
    card = Scope(ScopeKind.CARD, "ic_1")
    own_amounts.give(card, team, "monthly", by=None, reason="Less", amount=10_000)
    [problem] = refused(LYON)
    assert problem.startswith("Line 2: This is in force already, but a newer own amount")
    own_amounts.give(card, team, "monthly", by=None, reason="More", raise_by=10_000)
    newer = "ic_1,Team,monthly,100,,,Less"
    assert not import_own_amounts(table(newer)).own_amounts


def test_one_that_begins_later_outdoes_nothing_yet(team: Policy) -> None:
    import_own_amounts(table(LYON))
    card, tomorrow = Scope(ScopeKind.CARD, "ic_1"), datetime.now(UTC) + timedelta(days=1)
    own_amounts.give(card, team, "monthly", by=None, reason="Less", amount=10_000, begins=tomorrow)
    assert import_own_amounts(table(LYON)).in_force == 1
