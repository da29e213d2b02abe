import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authorizations.rules.basics.money import (
    MAX_AMOUNT,
    exponent,
    format_money,
    known_currencies,
    parse_money,
)

ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
THREE_DECIMAL = "bhd jod kwd omr tnd"


def test_exactly_stripes_zero_decimal_currencies_have_no_decimals() -> None:
    assert {code for code in known_currencies() if exponent(code) == 0} == set(ZERO_DECIMAL.split())


def test_exactly_stripes_three_decimal_currencies_have_three() -> None:
    three = {code for code in known_currencies() if exponent(code) == 3}
    assert three == set(THREE_DECIMAL.split())


@pytest.mark.parametrize("currency", ["isk", "ugx", "huf", "twd"])
def test_currencies_that_only_iso_counts_without_decimals_have_two_at_stripe(currency: str) -> None:
    assert exponent(currency) == 2


def test_a_currency_nobody_told_us_of_has_two_decimals_and_shows_its_code() -> None:
    assert exponent("zzz") == 2
    assert format_money(1250, "zzz") == "ZZZ 12.50"


def test_the_list_holds_stripes_currencies_by_lower_case_code_with_a_name() -> None:
    assert len(known_currencies()) >= 135
    assert all(len(code) == 3 and code.islower() for code in known_currencies())
    assert all(currency.name for currency in known_currencies().values())


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (125000, "eur", "€1,250.00"),
        (125000, "EUR", "€1,250.00"),
        (5, "usd", "$0.05"),
        (0, "gbp", "£0.00"),
        (1250, "jpy", "¥1,250"),
        (1250, "kwd", "KWD 1.250"),
        (125000, "chf", "CHF 1,250.00"),
        (125000, "cad", "CA$1,250.00"),
        (125000, "aud", "A$1,250.00"),
        (-500, "eur", "\N{MINUS SIGN}€5.00"),
        (-1250, "kwd", "\N{MINUS SIGN}KWD 1.250"),
        (MAX_AMOUNT, "eur", "€90,071,992,547,409.91"),
    ],
)
def test_money_is_shown_as_people_write_it(amount: int, currency: str, text: str) -> None:
    assert format_money(amount, currency) == text


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("1250", "eur", 125000),
        ("1,250.00", "eur", 125000),
        ("€1,250.00", "eur", 125000),
        ("1 250", "eur", 125000),
        ("1\N{NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567.89 €", "eur", 123456789),
        ("€ 1,250.00", "eur", 125000),
        ("1250.5", "eur", 125050),
        (" 12 € ", "eur", 1200),
        ("EUR 12", "eur", 1200),
        ("12 eur", "eur", 1200),
        ("0", "eur", 0),
        ("007", "eur", 700),
        ("1,250", "jpy", 1250),
        ("1.250", "kwd", 1250),
        ("1.2", "kwd", 1200),
        ("CHF 1,250.00", "chf", 125000),
        ("90,071,992,547,409.91", "eur", MAX_AMOUNT),
    ],
)
def test_money_is_read_as_people_type_it(text: str, currency: str, amount: int) -> None:
    assert parse_money(text, currency) == amount


IN_FIGURES = "Write the amount in figures, such as €1,250.00."
COMMA_THOUSANDS = "Write thousands with a comma and decimals with a point, such as €1,250.00."
TOO_LARGE = "The amount is too large: €90,071,992,547,409.91 is the most."


@pytest.mark.parametrize(
    ("text", "currency", "sentence"),
    [
        ("12.345", "eur", "Euro amounts have at most two decimals, such as €123.45."),
        (
            "1.2345",
            "kwd",
            "Kuwaiti dinar amounts have at most three decimals, such as KWD 123.450.",
        ),
        ("1250.00", "jpy", "Japanese yen amounts have no decimals: write it without the point."),
        ("12.345", "", "Choose the currency first: it says how many decimals an amount has."),
        ("ten", "", "Write the amount in figures, such as 1,250.00."),
        ("-5", "eur", "Amounts can't be negative: write it without the minus."),
        ("\N{MINUS SIGN}€5.00", "eur", "Amounts can't be negative: write it without the minus."),
        ("1.250,00", "eur", COMMA_THOUSANDS),
        ("12,50", "eur", COMMA_THOUSANDS),
        ("90071992547409.92", "eur", TOO_LARGE),
        ("9" * 20, "eur", TOO_LARGE),
        ("9" * 100_000, "eur", TOO_LARGE),
        ("", "eur", IN_FIGURES),
        ("ten", "eur", IN_FIGURES),
        ("NaN", "eur", IN_FIGURES),
        ("1e3", "eur", IN_FIGURES),
        ("1_000", "eur", IN_FIGURES),
        ("$5", "eur", IN_FIGURES),
        ("1,25,0", "eur", IN_FIGURES),
        ("5.", "eur", IN_FIGURES),
        ("1 25", "eur", IN_FIGURES),
        ("1 250,000", "eur", IN_FIGURES),
        ("1  250", "eur", IN_FIGURES),
        ("\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}", "eur", IN_FIGURES),
        ("ten", "jpy", "Write the amount in figures, such as ¥1,250."),
    ],
)
def test_what_is_no_amount_is_refused_with_a_sentence(
    text: str, currency: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse_money(text, currency)


@given(st.integers(0, MAX_AMOUNT), st.sampled_from(sorted(known_currencies())))
def test_what_is_shown_can_be_typed_back(amount: int, currency: str) -> None:
    assert parse_money(format_money(amount, currency), currency) == amount


@given(st.text(), st.sampled_from(["eur", "jpy", "kwd", "zzz"]))
def test_any_text_is_an_amount_in_range_or_refused_in_words(text: str, currency: str) -> None:
    try:
        assert 0 <= parse_money(text, currency) <= MAX_AMOUNT
    except ValueError as refused:
        assert str(refused).endswith(".")  # noqa: PT017 - both outcomes are fine
