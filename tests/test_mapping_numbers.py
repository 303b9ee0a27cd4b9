"""Numbers as stores write them: marks, signs, decimals, products."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pieces import fates_of, rows_of, store_of

NO_NUMBER = ["sale_amount_not_a_number"]
NO_INTEGER = ["quantity_not_an_integer"]

amounts = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=2)


def marks(decimal: str = ".", thousands: str = "", more: str = "") -> str:
    return f'numbers = {{ decimal = "{decimal}", thousands = "{thousands}"{more} }}'


@pytest.mark.parametrize(
    ("decimal", "thousands", "text", "fate"),
    [
        (",", " ", "1 234,50", "1234.50"),
        (",", " ", "1\u00a0234\u00a0567,5", "1234567.5"),
        (",", " ", "1\u202f234", "1234"),
        (",", " ", "1\u2009234", "1234"),
        (",", " ", "1234,5", "1234.5"),
        (",", " ", "1 23,5", NO_NUMBER),
        (",", " ", "12,345", "12.345"),
        (",", "", "12.50", NO_NUMBER),
        (",", ".", "1.234,5", "1234.5"),
        (",", ".", "1.234", "1234"),
        (",", ".", "1.23", NO_NUMBER),
        (",", ".", "1234.567", NO_NUMBER),
        (".", ",", "1,234.50", "1234.50"),
        (".", ",", "1,2,345", NO_NUMBER),
        (".", "'", "1'234.5", "1234.5"),
        (".", "'", "1\u2019234", "1234"),
        (".", "", "1,234", NO_NUMBER),
        (".", "", "1 234", NO_NUMBER),
        (",", "", "\u221212,5", "-12.5"),
        (",", "", "(30,00)", "-30.00"),
        (",", "", "50,00-", "-50.00"),
        (",", "", "-(30,00)", NO_NUMBER),
        (",", "", "--3", NO_NUMBER),
        (",", "", "-3-", NO_NUMBER),
        (",", "", "\u20133", NO_NUMBER),
        (",", "", "'12,5", "12.5"),
        (",", "", " 12,5\u00a0", "12.5"),
        (".", "", "+1", NO_NUMBER),
        (".", "", "1e3", NO_NUMBER),
        (".", "", "1_000", NO_NUMBER),
        (".", "", "NaN", NO_NUMBER),
        (".", "", "Infinity", NO_NUMBER),
        (".", "", "\uff12", NO_NUMBER),
        (".", "", "\u0663", NO_NUMBER),
        (".", "", "\u00b2", NO_NUMBER),
        (".", "", "1\u00bd", NO_NUMBER),
        (".", "", "", ""),
        (".", "", None, None),
    ],
)
def test_a_number_has_the_form_that_is_declared(
    decimal: str, thousands: str, text: str | None, fate: str | list[str] | None
) -> None:
    store = store_of(marks(decimal, thousands))
    assert fates_of(rows_of(store, sum=[text]), "sale_amount") == [fate]
    # Beside others of its column, too.
    many = fates_of(rows_of(store, sum=["7", text, "\u22127", None]), "sale_amount")
    assert many == ["7", fate, "-7", None]


@given(
    amounts,
    st.sampled_from([(".", ""), (",", ""), (",", "."), (".", ","), (",", " "), (".", "'")]),
    st.booleans(),
    st.sampled_from(["-{}", "\u2212{}", "({})", "{}-", "- {}"]),
)
def test_a_number_written_in_any_declared_marks_comes_back(
    amount: Decimal, declared: tuple[str, str], is_grouped: bool, negative: str
) -> None:
    decimal, thousands = declared
    text = f"{abs(amount):,.2f}" if is_grouped else f"{abs(amount):.2f}"
    text = text.replace(",", "T").replace(".", decimal).replace("T", thousands)
    if amount < 0:
        text = negative.format(text)
    rows = rows_of(store_of(marks(decimal, thousands)), sum=[text, "0"])
    assert rows[0]["problems"] is None
    assert Decimal(rows[0]["sale_amount"]) == amount


@given(st.text("0123456789-.,' ()\u2212\u00a0", max_size=8), st.booleans())
def test_a_text_is_a_number_of_one_value_or_none(text: str, comma: bool) -> None:
    store = store_of(marks(*((",", " ") if comma else (".", "'"))))
    row = rows_of(store, sum=[text])[0]
    if row["problems"] is None and row["sale_amount"] not in {"", text}:
        bare = text.replace("\u2212", "-").strip(" \u00a0'")
        for mark in (" ", "\u00a0") if comma else ("'",):
            bare = bare.replace(mark, "")
        is_negative = "-" in bare or "(" in bare
        digits = bare.replace(",", ".").strip("()-")
        assert Decimal(row["sale_amount"]) == (-Decimal(digits) if is_negative else Decimal(digits))


@pytest.mark.parametrize(
    ("text", "fate", "repairs"),
    [
        ("2", "2", None),
        ("2,0", "2", ["quantity_decimal_zero"]),
        ("2,000", "2", ["quantity_decimal_zero"]),
        ("2,5", NO_INTEGER, None),
        ("2.0", NO_INTEGER, None),
        ("1_0", NO_INTEGER, None),
        ("1 000", "1000", None),
    ],
)
def test_a_whole_number_may_have_decimals_that_are_zero(
    text: str, fate: str | list[str], repairs: list[str] | None
) -> None:
    rows = rows_of(store_of(marks(",", " ")), pieces=[text], sum=["1"])
    assert fates_of(rows, "quantity") == [fate]
    assert rows[0]["repaired"] == repairs


def test_a_typed_number_is_in_canonical_form_whatever_is_declared() -> None:
    store = store_of(marks(",", "."))
    rows = rows_of(store, typed=["sum"], sum=["1.234", "12.3400", "12.30", "true", "2026-11-24"])
    assert fates_of(rows, "sale_amount") == ["1.234", "12.34", "12.30", NO_NUMBER, NO_NUMBER]
    rows = rows_of(
        store, typed=["pieces"], pieces=["1234", "2.0", "0.5", "true", None], sum=["1"] * 5
    )
    assert fates_of(rows, "quantity") == ["1234", "2", NO_INTEGER, NO_INTEGER, None]
    assert rows[1]["repaired"] == ["quantity_decimal_zero"]


@given(st.lists(st.decimals(-1000, 1000, allow_nan=False, places=5), min_size=1, max_size=5))
def test_surplus_decimals_are_rounded_half_away_from_zero_where_a_store_wants_it(
    numbers: list[Decimal],
) -> None:
    store = store_of(marks(",", "", ", round = true"))
    rows = rows_of(store, sum=[f"{number:f}".replace(".", ",") for number in numbers])
    cents = [number.quantize(Decimal("0.01"), ROUND_HALF_UP) for number in numbers]
    assert [Decimal(row["sale_amount"]) for row in rows] == cents


def test_halves_are_rounded_away_from_zero() -> None:
    store = store_of(marks(more=", round = true"))
    rows = rows_of(
        store, sum=["0.005", "-0.005", "1.004999", "2.5"], pieces=["0.5", "-0.5", "1.5", "2.0"]
    )
    assert fates_of(rows, "sale_amount") == ["0.01", "-0.01", "1.00", "2.5"]
    assert fates_of(rows, "quantity") == ["1", "-1", "2", "2"]


def test_a_product_is_exact_and_missing_where_a_part_is() -> None:
    store = store_of(sale_amount='multiply = ["pieces", "price"]')
    rows = rows_of(
        store,
        pieces=["6", "12", "1", "-2", "3", "1", ""],
        price=["2.55", "0.42", "0.001", "2.50", "", "1e3", "1"],
    )
    assert fates_of(rows, "sale_amount") == ["15.3", "5.04", "0.001", "-5", None, NO_NUMBER, None]
    assert rows[5]["sale_amount"] == "1e3"


def test_what_is_no_number_in_a_product_is_told_though_it_looks_like_one() -> None:
    store = store_of(sale_amount='multiply = ["pieces", "price"]')
    rows = rows_of(store, pieces=["1", "2"], price=["1-2", "3"])
    assert fates_of(rows, "sale_amount") == [NO_NUMBER, "6"]


whole_numbers = st.integers(-(10**30), 10**30)


@given(st.lists(st.tuples(whole_numbers, amounts, amounts), min_size=1, max_size=4))
def test_a_product_less_a_discount_has_all_its_digits(
    parts: list[tuple[int, Decimal, Decimal]],
) -> None:
    store = store_of(marks(","), sale_amount='multiply = ["n", "price"], minus = "off"')
    written = [tuple(str(part).replace(".", ",") for part in row) for row in parts]
    rows = rows_of(
        store,
        n=[row[0] for row in written],
        price=[row[1] for row in written],
        off=[row[2] for row in written],
    )
    expected = [a * int(b * 100) - int(c * 100) for a, b, c in parts]
    assert [Fraction(row["sale_amount"]) * 100 for row in rows] == expected


def test_a_product_of_money_knows_its_currency() -> None:
    store = store_of(sale_amount='multiply = ["pieces", "price"]', top='currency = "EUR"')
    rows = rows_of(store, pieces=["2", "2"], price=["€1.5", "$1.5"])
    assert fates_of(rows, "sale_amount") == ["3", ["currency_other"]]
    assert rows[0]["repaired"] == ["currency_sign"]
