"""Normalisers: one reading, or none (ZKT-050)."""

from decimal import Decimal

import pytest

from trex.validators.zktls import normalise


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("12044", 12_044),
        ("12,044", 12_044),
        ("1,234,567", 1_234_567),
        ("1.234.567", 1_234_567),
        ("3 400", 3_400),
        ("3\u202f400", 3_400),
        ("1'234'567", 1_234_567),
        ("1.2M", 1_200_000),
        ("1,2M", 1_200_000),
        ("1.2 m", 1_200_000),
        ("15K", 15_000),
        ("2.5B", 2_500_000_000),
        ("15.3万", 153_000),
        ("1.2억", 120_000_000),
        (" 7 ", 7),
    ],
)
def test_count_reads(text: str, value: int) -> None:
    assert normalise.count(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "-1", "1.234", "1,234K", "1.234M", "1.5", "1.2.3M", "12,34", "1,23,456", "1e6", "0x10", "many"),
        *("1 M M", "1.00001K", "१२", "1,234.567", ".5M", "5.M", "9" * 60),
    ],
)
def test_count_without_one_reading_is_refused(text: str) -> None:
    with pytest.raises(normalise.NotNormalError):
        normalise.count(text)


@pytest.mark.parametrize(
    ("text", "currency", "value"),
    [
        ("1234.567", "USDT", "1234.567"),
        ("$1,234.56", "USD", "1234.56"),
        ("US$1,234.56", "USD", "1234.56"),
        ("1.234,56 €", "EUR", "1234.56"),
        ("1,234.56 usdt", "USDT", "1234.56"),
        ("0.00000001", "BTC", "0.00000001"),
        ("1,234,567", "USD", "1234567"),
        ("12,5 €", "EUR", "12.5"),
    ],
)
def test_amount_reads(text: str, currency: str, value: str) -> None:
    assert normalise.amount(text, currency) == normalise.Amount(Decimal(value), currency)


@pytest.mark.parametrize(
    "text", ["$1,234", "1.234 €", "-5", "€5", "5 BTC", "1e9", "", "USD", "1,2,3", "1.2,3.4", "1" * 50]
)
def test_amount_without_one_reading_or_in_another_currency_is_refused(text: str) -> None:
    with pytest.raises(normalise.NotNormalError):
        normalise.amount(text, "EUR" if "1.234" in text else "USD")


def test_plan_reads_by_its_table_and_knows_no_others() -> None:
    assert normalise.plan(" PlusPlan ", {"plusplan": "plus"}) == "plus"
    for text in ("plus", "plusplan2", ""):
        with pytest.raises(normalise.NotNormalError):
            normalise.plan(text, {"plusplan": "plus"})


def test_flag_reads_yes_and_no() -> None:
    assert [normalise.flag(text) for text in ("true", "False", "1", "0", "YES")] == [
        True,
        False,
        True,
        False,
        True,
    ]
    with pytest.raises(normalise.NotNormalError):
        normalise.flag("null")
