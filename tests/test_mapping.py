"""The mapping of a store's columns to the fields of the feed: texts, regions, currencies, fates."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pieces import GOOD, fates_of, piece, rows_of, store_of
from vitrina.exports.feed import Piece, feed_schema
from vitrina.exports.mapping import mapped, mapped_schema
from vitrina.exports.texts import INVISIBLE, SPACES, id_reader

REGIONS = 'column = "where", allowed = ["North", "South", "Нижний"]'


def test_a_plain_row_is_mapped_as_it_stands() -> None:
    store = store_of()
    batch = mapped(piece(store), store, "sales.csv", 3)
    assert batch.schema == feed_schema(store.contract) == mapped_schema(store)
    assert batch.to_pylist() == [
        {
            "sale_id": "1",
            "customer_id": None,
            "product_id": "A-1",
            "quantity": "2",
            "sale_date": "2026-11-23",
            "sale_amount": "19.98",
            "region": "North",
            "file": "sales.csv",
            "line": 2,
            "file_number": 3,
            "problems": None,
            "repaired": None,
            "set_aside": None,
            "version": None,
            "raw": None,
        }
    ]


def test_a_slice_of_a_column_is_mapped_like_the_rows_it_has() -> None:
    store = store_of('numbers = { decimal = "," }')
    sums = pa.array(["9", "1,5", None, "x", "2,5"])
    whole = piece(store, sum=["0"] * 5)
    cut = Piece(
        {k: v.slice(1, 3) for k, v in {**whole.columns, "sum": sums}.items()}, whole.lines[1:4]
    )
    assert fates_of(mapped(cut, store, "f", 1).to_pylist(), "sale_amount") == [
        "1.5",
        None,
        ["sale_amount_not_a_number"],
    ]


def test_only_an_empty_text_and_those_declared_are_missing() -> None:
    words = ["NA", "null", "None", "nan", "-", " - ", "", "N/A"]
    store = store_of('missing = ["-"]', product_id='column = "product"')
    rows = rows_of(store, product=words)
    assert [row["product_id"] for row in rows] == [
        "NA",
        "null",
        "None",
        "nan",
        None,
        None,
        "",
        "N/A",
    ]
    assert [row["problems"] for row in rows] == [None] * 8


@pytest.mark.parametrize(
    ("text", "value", "repairs"),
    [
        ("\ufeff18", "18", ["sale_id_invisible"]),
        ("18\u200b", "18", ["sale_id_invisible"]),
        ("\u202f18\u00ad", "18", ["sale_id_spaces", "sale_id_invisible"]),
        ('="00123"', "00123", ["sale_id_guard"]),
        ("'00123", "00123", ["sale_id_guard"]),
        ("'t Veld", "'t Veld", None),
        ("Cafe\u0301", "Café", ["sale_id_composed"]),
        ("и\u0306", "й", ["sale_id_composed"]),
        ("1E3", "1E3", None),
        ("0x1F", "0x1F", None),
        ("02.янв", "02.янв", None),
        ("#1001", "#1001", None),
        ("A-1.5E-X", "A-1.5E-X", None),
        ("می\u200cخواهم", "می\u200cخواهم", None),
    ],
)
def test_an_id_keeps_all_but_what_nobody_sees_and_guards(
    text: str, value: str, repairs: list[str] | None
) -> None:
    [row] = rows_of(store_of(), id=[text])
    assert (row["sale_id"], row["repaired"], row["problems"]) == (value, repairs, None)


@pytest.mark.parametrize(
    "text",
    [
        "4.60123E+12",
        "4,60123E+12",
        "5E+12",
        "1.2e-05",
        "#N/A",
        "#DIV/0!",
        "#ЗНАЧ!",
        "####",
        "Err:502",
    ],
)
def test_a_code_that_a_spreadsheet_replaced_is_mangled(text: str) -> None:
    [row] = rows_of(store_of(), product=[text])
    assert (row["product_id"], row["problems"]) == (text, ["product_id_mangled"])


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "a\x7fb", "18\u00ad006", "a\u200bb", "a\u202eb"])
def test_an_id_with_something_hidden_inside_is_malformed(text: str) -> None:
    [row] = rows_of(store_of(), product=[text])
    assert (row["product_id"], row["problems"]) == (text, ["product_id_malformed"])


def test_a_number_of_a_workbook_is_an_id_without_its_decimal_zero_unless_digits_are_lost() -> None:
    rows = rows_of(store_of(), typed=["product"], product=["123", "17850.0", "1.91431E+18"])
    assert fates_of(rows, "product_id") == ["123", "17850", ["product_id_mangled"]]
    assert [row["repaired"] for row in rows] == [None, ["product_id_decimal_zero"], None]


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.text(SPACES + INVISIBLE, max_size=2),
    st.text(SPACES + INVISIBLE, max_size=2),
)
def test_no_id_changes_without_a_note(core: str, before: str, after: str) -> None:
    text = f"{before}{core}{after}"
    row = rows_of(store_of(), product=[text])[0]
    assert row["product_id"] in {text, ""} or row["repaired"]
    # What the look at a column's bytes passes over, reading it would not have changed.
    read = id_reader(typed=False)(text)
    if row["product_id"] == text and not row["problems"]:
        assert read.problem is None
        assert (read.text or "").strip(" ") == text.strip(" ")


@pytest.mark.parametrize(
    ("text", "region", "repairs"),
    [
        ("North", "North", None),
        ("North\u200b", "North", ["region_invisible"]),
        ("Nor\u00adth", "North", ["region_invisible"]),
        ("\u00a0North", "North", ["region_spaces"]),
        ("нИЖНИИ\u0306", "Нижний", ["region_composed", "region_case"]),
        ("Север", "North", None),
        (" СЕВЕР ", "North", ["region_spaces"]),
    ],
)
def test_a_region_is_known_by_its_letters(
    text: str, region: str, repairs: list[str] | None
) -> None:
    store = store_of(region=REGIONS + ', synonyms = { "Север" = "North" }')
    [row] = rows_of(store, where=[text])
    assert (row["region"], row["repaired"], row["problems"]) == (region, repairs, None)


@pytest.mark.parametrize("text", ["N\u043erth", "Nor\0th", "West", "#N/A"])
def test_a_region_of_other_letters_is_unknown(text: str) -> None:
    store = store_of(region=REGIONS + ', synonyms = { "Север" = "North" }')
    [row] = rows_of(store, where=[text])
    assert (row["region"], row["problems"]) == (text, ["region_unknown"])


def test_the_rest_of_the_regions_is_read_as_other_but_not_a_missing_one() -> None:
    store = store_of(region='column = "where", allowed = ["France"], other = "Abroad"')
    rows = rows_of(store, where=["FRANCE", "Peru", "Abroad", "", None, "P\0eru"])
    assert fates_of(rows, "region") == ["France", "Abroad", "Abroad", "", None, ["region_unknown"]]


def test_where_any_region_is_allowed_synonyms_join_them_and_cases_stay() -> None:
    store = store_of(region='column = "where", synonyms = { "EIRE" = "Ireland" }')
    rows = rows_of(store, where=["eire", "Peru", "PERU"])
    assert fates_of(rows, "region") == ["Ireland", "Peru", "PERU"]


@pytest.mark.parametrize(
    ("text", "fate", "repairs"),
    [
        ("€12.50", "12.50", ["currency_sign"]),
        ("12.50 EUR", "12.50", ["currency_sign"]),
        ("12.50\u00a0€", "12.50", ["currency_sign"]),
        ("-€1,234.50", "-1234.50", ["currency_sign"]),
        ("(€12.50)", "-12.50", ["currency_sign"]),
        ("1,234.50", "1234.50", None),
        ("$12.50", ["currency_other"], None),
        ("12.50 usd", ["currency_other"], None),
        ("12.50 руб.", ["currency_other"], None),
        ("€12.50€", ["sale_amount_not_a_number"], None),
        ("12.50 kg", ["sale_amount_not_a_number"], None),
    ],
)
def test_a_currency_beside_an_amount_is_the_stores_or_another(
    text: str, fate: str | list[str], repairs: list[str] | None
) -> None:
    store = store_of('numbers = { thousands = "," }', top='currency = "EUR"')
    rows = rows_of(store, sum=[text])
    assert fates_of(rows, "sale_amount") == [fate]
    assert rows[0]["repaired"] == repairs


def test_a_sign_that_several_currencies_share_is_the_stores() -> None:
    rows = rows_of(store_of(top='currency = "CAD"'), sum=["$5.00", "US$5.00", "C$5.00"])
    assert fates_of(rows, "sale_amount") == ["5.00", ["currency_other"], "5.00"]


def test_a_quantity_has_no_currency() -> None:
    rows = rows_of(store_of(top='currency = "EUR"'), pieces=["2 €"])
    assert fates_of(rows, "quantity") == [["quantity_not_an_integer"]]


def test_a_column_says_which_rows_are_of_another_currency() -> None:
    store = store_of('currency = { column = "money" }', top='currency = "EUR"')
    rows = rows_of(store, money=["EUR", "eur", "", None, "€", "USD", "??"])
    assert [row["problems"] for row in rows] == [*[None] * 5, *[["currency_other"]] * 2]


def test_a_text_of_the_stores_own_may_break_its_line() -> None:
    store = store_of(extra='note = { column = "note" }')
    rows = rows_of(store, note=["two\nlines", "a\0b", "'single'", "\u200bx"])
    assert fates_of(rows, "note") == ["two\nlines", ["note_malformed"], "'single'", "x"]


def test_columns_are_joined_and_missing_where_a_part_is() -> None:
    store = store_of(sale_id='columns = ["order", "id"], separator = "-"')
    rows = rows_of(store, order=["7", " 8", "", None, "#N/A"], id=["1", "'2", "3", "4", "5"])
    assert fates_of(rows, "sale_id") == ["7-1", "8-2", None, None, ["sale_id_mangled"]]
    assert rows[1]["repaired"] == ["sale_id_spaces", "sale_id_guard"]


def test_the_first_column_with_a_value_is_taken() -> None:
    store = store_of(product_id='columns = ["sku", "name"], first = true')
    rows = rows_of(store, sku=["S1", "", " ", None], name=["Mug", "Bowl", "Cup", None])
    assert fates_of(rows, "product_id") == ["S1", "Bowl", "Cup", None]


def test_a_constant_is_the_same_in_every_row() -> None:
    store = store_of(region='constant = "Online"', quantity='constant = "1"')
    rows = rows_of(store, id=["1", "2"])
    assert [(row["region"], row["quantity"]) for row in rows] == [("Online", "1")] * 2


def test_the_line_of_a_file_makes_an_id_that_no_other_file_has() -> None:
    alone = rows_of(store_of(sale_id='place = "file"'), first_line=5, sum=["1", "2"])
    assert [row["sale_id"] for row in alone] == ["sales.csv/5", "sales.csv/6"]
    appended = rows_of(store_of(sale_id='column = "id", place = "file"'), id=["a", ""])
    assert [row["sale_id"] for row in appended] == ["a/2", None]


RULES = """
[[source.rows]]
column = "kind"
equals = ["0", "fee"]
[[source.rows]]
column = "id"
starts_with = ["A", "B"]
why = "adjustment"
[[source.rows]]
column = "kind"
is_blank = true
why = "nothing"
"""


def test_the_first_rule_that_applies_decides_a_rows_fate() -> None:
    rows = rows_of(
        store_of(RULES),
        id=["1", "2", "A3", "B4", "5", "A6", "7"],
        kind=["0.00", " fee", "sale", "sale", "", "fee", "FEE"],
    )
    assert [row["set_aside"] for row in rows] == [
        "0.00",
        "fee",
        "adjustment",
        "adjustment",
        "nothing",
        "fee",
        None,
    ]


def test_a_rule_that_is_negated_applies_to_all_other_rows() -> None:
    store = store_of('[[source.rows]]\ncolumn = "kind"\nequals = ["paid"]\nnegate = true')
    rows = rows_of(store, kind=["paid", "open", "", None])
    assert [row["set_aside"] for row in rows] == [None, "open", "no kind", "no kind"]


def test_numbers_are_compared_as_the_store_writes_them() -> None:
    store = store_of(
        'numbers = { decimal = "," }\n[[source.rows]]\ncolumn = "price"\nequals = ["1.5"]'
    )
    rows = rows_of(store, price=["1,50", "1.5", "1,5", "1.50"])
    # The second is the text of the rule; the last is no number here.
    assert [row["set_aside"] for row in rows] == ["1,50", "1.5", "1,5", None]


def test_a_row_that_is_set_aside_is_no_mistake() -> None:
    store = store_of('[[source.rows]]\ncolumn = "kind"\nequals = ["fee"]')
    rows = rows_of(store, kind=["fee", "x"], pieces=["?", "?"], product=["\ufeffA", "\ufeffA"])
    assert [(row["problems"], row["repaired"]) for row in rows] == [
        (None, None),
        (["quantity_not_an_integer"], ["product_id_invisible"]),
    ]


RETURNS = """
[[source.rows]]
column = "kind"
equals = ["return"]
fate = "return"
[[source.rows]]
column = "kind"
equals = ["correction"]
fate = "sale"
quantity = 0
"""


def test_a_return_is_below_zero_whatever_sign_the_file_gives_it() -> None:
    rows = rows_of(
        store_of(RETURNS),
        kind=["return", "return", "return", "sale", "return", "return"],
        pieces=["1", "1", "-1", "1", "0", "?"],
        sum=["5.00", "-5.00", "-5.00", "5.00", "0.00", "?"],
    )
    assert [(row["quantity"], row["sale_amount"]) for row in rows] == [
        ("-1", "-5.00"),
        ("-1", "-5.00"),
        ("-1", "-5.00"),
        ("1", "5.00"),
        ("0", "0.00"),
        ("?", "?"),
    ]


def test_a_rule_may_say_what_the_quantity_is() -> None:
    rows = rows_of(store_of(RETURNS), kind=["correction"] * 2, pieces=["1", "?"], sum=["-5", "5"])
    assert [(row["quantity"], row["sale_amount"], row["problems"]) for row in rows] == [
        ("0", "-5", None),
        ("0", "5", None),
    ]


def test_what_the_reader_decided_on_a_row_stays() -> None:
    store = store_of(RULES)
    count = 3
    given: dict[str, Any] = {name: [None] * count for name in [*GOOD, "kind"]}
    given["pieces"] = ["?"] * count
    read = piece(store, **given)
    read = Piece(
        read.columns,
        read.lines,
        problems=pa.array([["not_json"], None, None], pa.list_(pa.string())),
        repaired=pa.array([None, None, ["float_noise"]], pa.list_(pa.string())),
        set_aside=pa.array([None, "total row", None]),
        raw=pa.array(["{", None, None]),
    )
    rows = mapped(read, store, "f", 1).to_pylist()
    assert [(row["problems"], row["set_aside"], row["raw"]) for row in rows] == [
        (["not_json"], None, "{"),
        (None, "total row", None),
        (None, "nothing", None),
    ]


@pytest.mark.parametrize(
    "versions",
    [
        ["2026-11-08T10:00:00+03:00", "2026-11-08T07:00:01Z", "2026-11-08T09:30:00+01:00"],
        ["2026-11-08", "2026-11-08T00:00:01", "2026-11-08T23:59:59", "2026-11-09"],
        ["-20", "-3", "0", "2.5", "9", "10", "100000000000000000000"],
        ["31.12.2025 10:00", "01.01.2026 09:00"],
    ],
)
def test_versions_sort_as_times_or_numbers_do(versions: list[str]) -> None:
    format_ = "dd.MM.yyyy HH:mm" if "." in versions[0] else "iso"
    store = store_of(f'versions = {{ column = "version", format = "{format_}" }}')
    rows = rows_of(store, version=versions)
    found = [row["version"] for row in rows]
    assert found == sorted(found)
    assert len(set(found)) == len(versions)
    alone = [rows_of(store, version=[version])[0]["version"] for version in versions]
    assert alone == found


def test_a_version_that_is_no_time_and_no_number_is_malformed_and_an_empty_one_the_oldest() -> None:
    rows = rows_of(store_of('versions = { column = "version" }'), version=["new", "", None])
    assert fates_of(rows, "version") == [["version_malformed"], None, None]
