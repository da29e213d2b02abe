"""Tables of own amounts as spreadsheets and people write them."""

from collections.abc import Callable

import pytest

from authorizations.rules.basics.controls import Interval, LimitControl
from authorizations.rules.policy.own_amounts_csv import AmountLine, figure, read

HEADER = "card,policy,limit,amount,raise_by,until,reason"
LYON = AmountLine(2, "ic_1", "Team", "monthly", "amount", "800.00", "Trip to Lyon")
LINE = "ic_1,Team,monthly,800.00,,,Trip to Lyon"


def problems(text: str) -> list[str]:
    return [str(problem) for problem in sorted(read(text)[1])]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text + "\n\n,,,,,,\n",
        lambda text: text.replace("Trip to Lyon", '"Trip to Lyon"').replace("card,", '"card",'),
        lambda text: text.replace("card,policy", " Card , POLICY").replace("ic_1", " ic_1 "),
        lambda text: text.replace("reason", "reason,,").replace("Lyon", "Lyon,,"),
    ],
)
def test_what_spreadsheets_make_of_it_is_read_all_the_same(change: Callable[[str], str]) -> None:
    assert read(change(f"{HEADER}\n{LINE}")) == ([LYON], [])


def test_columns_stand_in_any_order_and_not_all_are_needed() -> None:
    text = "reason,amount,limit,policy,card\nTrip to Lyon,800.00,monthly,Team,ic_1"
    assert read(text) == ([LYON], [])


def test_a_line_keeps_its_number_behind_blank_ones_and_texts_over_several_lines() -> None:
    text = f'\n{HEADER}\n\nic_0,Team,monthly,1,,,"two\nlines"\n{LINE}'
    lines, found = read(text)
    assert [line.number for line in lines] == [6]
    assert [str(problem) for problem in found] == [
        "Line 4, reason: Leave out line breaks and other characters that can't be seen."
    ]


def test_all_that_a_line_can_say_is_read() -> None:
    text = f'{HEADER}\nic_1,"Team, travel",visits,,5,2026-12-31T18:00:00+01:00,"the ""big"" fair"'
    assert read(text) == (
        [
            AmountLine(
                2, "ic_1", "Team, travel", "visits", "raise_by", "5", 'the "big" fair', 1798736400
            )
        ],
        [],
    )


@pytest.mark.parametrize(
    ("header", "sentences"),
    [
        ("", [f"Line 1: The file is empty: begin it with {HEADER}."]),
        ("\n \n", [f"Line 1: The file is empty: begin it with {HEADER}."]),
        (
            "card,policy,limit,amount,raise_by,until,reason,colour",
            [f'Line 1: There is no column "colour". There are {HEADER.replace(",", ", ")}.'],
        ),
        (
            "card,policy,limit,amuont,reason",
            ['There is no column "amuont". Did you mean "amount"?'],
        ),
        ("card,card,policy,limit,amount,reason", ['The column "card" is there twice']),
        ("card,,policy,limit,amount,reason", ["Column 2 has no name."]),
        ("card,policy,amount", ['The column "limit" is missing', 'The column "reason" is missing']),
        ("card,policy,limit,reason", ['neither a column "amount" nor "raise_by"']),
        (LINE, ['There is no column "ic_1".']),
    ],
)
def test_a_first_line_that_does_not_name_the_columns_is_refused(
    header: str, sentences: list[str]
) -> None:
    found = problems(f"{header}\n{LINE}" if header.strip() else header)
    assert len(found) >= len(sentences)
    for sentence in sentences:
        assert any(sentence in problem for problem in found)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (",Team,monthly,1,,,x", "Line 2, card: Give the card's id."),
        ("4242,Team,monthly,1,,,x", 'Line 2, card: "4242" is no id of a card'),
        ("ic 1,Team,monthly,1,,,x", "Line 2, card: Give Stripe's id as text"),
        ("ic_1,,monthly,1,,,x", "Line 2, policy: Name the policy."),
        ("ic_1,Team,,1,,,x", "Line 2, limit: Name the limit by its key."),
        ("ic_1,Team,The monthly one,1,,,x", "Line 2, limit: Write a key"),
        ("ic_1,Team,monthly,,,,x", "Line 2: Give an amount, or raise_by."),
        ("ic_1,Team,monthly,1,1,,x", "Line 2: Give an amount or raise_by, not both."),
        ("ic_1,Team,monthly,1,,31.12.2026,x", "Line 2, until: Write a date such as"),
        ("ic_1,Team,monthly,1,,,", "Line 2, reason: Give a reason: others will ask why."),
        ("ic_1,Team,monthly,1,,,x,y", "Line 2: There are 8 values for 7 columns"),
        ('ic_1,Team,monthly,1,,,"x', "Line 2: A quote is not closed here"),
        ('ic_1,Team,monthly,1,,,"the "big" fair"', "Line 2: A quote is not closed here"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number_and_what_to_do(
    line: str, sentence: str
) -> None:
    [problem] = problems(f"{HEADER}\n{line}")
    assert problem.startswith(sentence)


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert len(problems(f"{HEADER}\n,,,,,,x\n{LINE}\n4242,Team,monthly,1,1,soon,")) == 4 + 4


EURO = LimitControl(Interval.MONTHLY, amount=50_000, currency="eur")
YEN = LimitControl(Interval.MONTHLY, amount=50_000, currency="jpy")
COUNT = LimitControl(Interval.DAILY, count=5)
TRIES = LimitControl(Interval.DAILY, attempts=5)
FUNDS = LimitControl(Interval.FUNDS, amount=0, currency="eur")


@pytest.mark.parametrize(
    ("written", "limit", "amount"),
    [
        ("800", EURO, 80_000),
        ("800.00", EURO, 80_000),
        ("€1,250.50", EURO, 125_050),
        ("0", EURO, 0),
        ("800", YEN, 800),
        ("5", COUNT, 5),
    ],
)
def test_figures_are_written_as_on_the_pages(
    written: str, limit: LimitControl, amount: int
) -> None:
    line = AmountLine(2, "ic_1", "Team", "monthly", "amount", written, "x")
    assert figure(line, limit) == amount


@pytest.mark.parametrize(
    ("how", "written", "limit", "sentence"),
    [
        ("amount", "800,00", EURO, "decimals with a point"),
        ("amount", "-5", EURO, "negative"),
        ("amount", "800.00", YEN, "no decimals"),
        ("amount", "=A1", EURO, "in figures"),
        ("amount", "5.0", COUNT, "whole number, such as 5"),
        ("amount", "9999999", COUNT, "at most 1,000,000"),
        ("amount", "1001", TRIES, "at most 1,000"),
        ("amount", "5.0", TRIES, "This limit counts attempts"),
        ("raise_by", "0", EURO, "0 changes nothing"),
        ("amount", "5", FUNDS, "funds, which have no own amount"),
    ],
)
def test_a_figure_that_can_not_be_is_refused(
    how: str, written: str, limit: LimitControl, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        figure(AmountLine(2, "ic_1", "Team", "monthly", how, written, "x"), limit)
