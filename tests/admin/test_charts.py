"""Charts are drawn to scale, and nothing is so small that it can't be seen."""

import pytest

from authorizations.admin.home.svg import Named, Stack, chart, ranking, round_up, share_words


def stack(approved: int, declined: int = 0) -> Stack:
    return Stack("10:00 to 11:00", "10", approved, declined, "/all", "/approved", "/declined")


def named(value: str) -> Named:
    return Named(value.upper(), f"/{value}")


def area(text: str) -> tuple[float, ...]:
    return tuple(float(part.split('"')[1].rstrip("%")) for part in text.split())


@pytest.mark.parametrize(
    ("highest", "unit", "expected"),
    [
        (0, 1, 4),
        (4, 1, 4),
        (5, 1, 8),
        (33, 1, 40),
        (56, 1, 80),
        (1_001, 1, 1_200),
        (1, 100, 400),
        (1_100_000, 100, 1_200_000),
        (9_999_999_999, 1_000, 12_000_000_000),
    ],
)
def test_a_scale_ends_on_a_round_figure(highest: int, unit: int, expected: int) -> None:
    assert round_up(highest, unit) == expected


def test_declined_stands_on_approved() -> None:
    [first, second] = chart("test", "Test", [stack(30, 10), stack(0, 20)], str).columns
    assert area(first.approved_area) == (4.5, 41, 25, 75)
    assert area(first.declined_area) == (4.5, 41, 0, 25)
    assert area(second.declined_area) == (54.5, 41, 50, 50)
    assert area(second.whole_area) == (50, 50, 0, 100)
    assert (first.middle, second.middle) == ("25.00%", "75.00%")


def test_a_single_decline_among_thousands_is_seen() -> None:
    [column] = chart("test", "Test", [stack(7_999, 1)], str).columns
    *_, height = area(column.declined_area)
    assert height == 0.8


def test_what_is_nothing_has_no_height() -> None:
    drawn = chart("test", "Test", [stack(0), stack(3)], str)
    assert [area(column.approved_area)[3] for column in drawn.columns] == [0, 75]
    assert [column.stack.approved for column in drawn.filled] == [3]


def test_the_lines_of_the_scale_are_named_without_decimals() -> None:
    drawn = chart("test", "Test", [stack(39_900)], lambda cents: f"€{cents / 100:.2f}", unit=100)
    assert drawn.lines == [
        ("0.00%", "€400"),
        ("25.00%", "€300"),
        ("50.00%", "€200"),
        ("75.00%", "€100"),
        ("100.00%", "€0"),
    ]


def test_a_ranking_ends_in_what_the_others_add_up_to() -> None:
    rows = [("a", 50), ("b", 30), ("c", 15), ("d", 5)]
    first, second, others = ranking(rows, named, str, shown=2)
    assert first.text == "A"
    assert (first.figure, first.share, first.length, first.url) == ("50", "50.0%", "100.00%", "/a")
    assert (second.share, second.length, second.is_rest) == ("30.0%", "60.00%", False)
    assert (others.text, others.figure, others.url) == ("2 others", "20", "")
    assert others.is_rest


def test_a_single_other_one_is_named_like_the_rest() -> None:
    bars = ranking([("a", 3), ("b", 2), ("c", 1)], named, str, shown=2)
    assert [(bar.text, bar.url, bar.is_rest) for bar in bars][-1] == ("C", "/c", False)


def test_a_ranking_without_others_has_no_row_for_them() -> None:
    bars = ranking([("a", 1), ("b", 1)], named, str, shown=2)
    assert [bar.is_rest for bar in bars] == [False, False]
    assert ranking([], named, str, shown=2) == []


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (0, 0, "0%"),
        (0, 9, "0%"),
        (9, 9, "100%"),
        (1, 3, "33.3%"),
        (1, 100_000, "under 0.1%"),
        (99_999, 100_000, "over 99.9%"),
        (1, 1_000, "0.1%"),
    ],
)
def test_a_share_is_nothing_or_all_only_where_it_is(part: int, whole: int, expected: str) -> None:
    assert share_words(part, whole) == expected
