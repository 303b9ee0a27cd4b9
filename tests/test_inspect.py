"""Inspect: what it proposes for files of many makes, and what it asks."""

import io
import json
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from vitrina.errors import ExportError, SettingsError
from vitrina.exports import files
from vitrina.exports.inspection.evidence import days_of, minuses_of, numbers_of
from vitrina.exports.inspection.propose import Proposal, propose, write_new
from vitrina.exports.store_file import load_store

NAMES = "sale_id,customer_id,product_id,quantity,sale_date,sale_amount,region"
PLAIN = f"""{NAMES}
1001,501,9001,2,2026-11-02,25.90,North
1002,502,9002,1,2026-11-03,7.00,South
1003,,9003,10,2026-11-13,1150.00,East
"""
RUSSIAN = """Номер чека;Клиент;Артикул;Количество;Дата;Сумма;Регион
20001;К-15;А-100;2;05.11.2026;1 234,50;Север
20002;К-16;Б-7/2;1;05.11.2026;89,00;Юг
20003;К-17;А-100;10;06.11.2026;12,345;Восток
"""
MAPPED = ("sale_id", "product_id", "quantity", "sale_date", "sale_amount", "region")


@pytest.fixture(autouse=True)
def files_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody writes these files any more: they need no second look."""
    monkeypatch.setattr(files, "QUIET_SECONDS", 0.0)


def proposed(folder: Path, *names: str) -> tuple[Proposal, dict[str, Any]]:
    """The proposal for these files, or for the whole folder, and what it says as TOML."""
    proposal = propose([folder / name for name in names] or [folder])
    return proposal, tomllib.loads(proposal.text)


def accepted(proposal: Proposal, folder: Path) -> None:
    """Check that the file is a store's: nothing in it is left to decide."""
    file = folder / "proposed.toml"
    file.write_text(proposal.text, encoding="utf-8")
    load_store(file)


def columns(document: dict[str, Any]) -> dict[str, Any]:
    """The column, or the columns, of each field."""
    return {
        name: field.get("column") or field.get("columns") or field.get("multiply")
        for name, field in document["source"]["fields"].items()
    }


def test_a_plain_file_is_read_by_what_is_proposed(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(PLAIN, encoding="utf-8-sig")
    proposal, document = proposed(tmp_path, "sales.csv")
    accepted(proposal, tmp_path)
    assert columns(document) == {name: name for name in NAMES.split(",")}
    assert document["source"]["fields"]["customer_id"]["optional"]
    assert document["source"]["files"] == [(tmp_path / "sales.csv").as_posix()]
    assert document["source"].keys() == {"files", "fields"}
    assert document["name"] == "sales"


@pytest.mark.parametrize("encoding", ["cp1251", "cp866", "koi8-r", "utf-16", "utf-8-sig"])
def test_a_russian_file_is_understood_in_each_of_its_encodings(
    tmp_path: Path, encoding: str
) -> None:
    # Windows and a till write the space of 1 234 as one that does not break.
    text = RUSSIAN if encoding == "koi8-r" else RUSSIAN.replace("1 234", "1\u00a0234")
    (tmp_path / "продажи.csv").write_bytes(text.encode(encoding))
    proposal, document = proposed(tmp_path, "продажи.csv")
    accepted(proposal, tmp_path)
    assert list(columns(document).values()) == RUSSIAN.splitlines()[0].split(";")
    declared = document["source"]["csv"]
    assert declared["delimiter"] == ";"
    assert declared.get("encoding", "utf-8-sig") == encoding
    assert document["source"]["numbers"] == {"decimal": ",", "thousands": " "}
    assert document["source"]["fields"]["sale_date"]["format"] == "dd.MM.yyyy"


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters_and_a_line_for_a_spreadsheet_are_found_out(
    tmp_path: Path, delimiter: str
) -> None:
    text = PLAIN.replace(",", delimiter).replace(".", ",")
    for before in ("", f"sep={delimiter}\r\n"):
        (tmp_path / "sales.txt").write_text(before + text, encoding="utf-8")
        proposal, document = proposed(tmp_path, "sales.txt")
        accepted(proposal, tmp_path)
        assert document["source"]["csv"] == {"delimiter": delimiter}
        assert document["source"]["numbers"] == {"decimal": ","}
        assert document["source"]["fields"].keys() >= set(MAPPED)


def dated(*days: str) -> str:
    rows = (f"{place},1,1,1,{day},1.00,North" for place, day in enumerate(days))
    return "\n".join((NAMES, *rows))


def test_a_date_that_fits_two_formats_is_asked_for_and_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(dated("03/11/2026", "04/12/2026"), encoding="utf-8")
    proposal, document = proposed(tmp_path, "sales.csv")
    assert "sale_date" not in document["source"]["fields"]
    first, second = (
        f'sale_date = {{ column = "sale_date", format = "{format_}" }}'
        for format_ in ("dd/MM/yyyy", "MM/dd/yyyy")
    )
    assert f"# {first}\n# {second}\n" in proposal.text
    assert any("dd/MM/yyyy or MM/dd/yyyy?" in found for found in proposal.findings)
    with pytest.raises(SettingsError, match="sale_date is missing"):
        accepted(proposal, tmp_path)
    for chosen in (first, second):
        text = proposal.text.replace(f"# {chosen}", chosen)
        accepted(Proposal(text, []), tmp_path)


@pytest.mark.parametrize(
    ("values", "formats", "evidence"),
    [
        (
            ["03/11/2026", "13/11/2026"],
            ("dd/MM/yyyy",),
            "first number is above 12 in 1 of 2",
        ),
        (["11/3/2026", "11/13/2026"], ("M/d/yyyy",), "second number is above 12 in 1 of 2"),
        (
            ["13/01/2026", "01/13/2026"],
            ("dd/MM/yyyy", "MM/dd/yyyy"),
            "in 1, the second in 1",
        ),
        (["1.2.26"], ("d.M.yy",), "with dots"),
        (["2026/1/2"], ("yyyy/M/d",), "year first"),
        (["12/31/2026 8:26"], ("MM/dd/yyyy H:mm",), "second"),
        (["31-12-2026 08:26:01"], ("dd-MM-yyyy HH:mm:ss",), "first"),
        (["12/31/2026 8:26 PM"], ("MM/dd/yyyy h:mm a",), "second"),
        (["31.12.2026 08:26:01 UTC"], ("dd.MM.yyyy HH:mm:ss UTC",), "first"),
        (["2026-11-01", "2026-11-02T10:00:00Z"], ("iso",), "year first"),
    ],
)
def test_the_whole_column_tells_the_format_of_dates(
    values: list[str], formats: tuple[str, ...], evidence: str
) -> None:
    found = days_of(values)
    assert found is not None
    assert found.formats == formats
    assert evidence in found.evidence


@pytest.mark.parametrize(
    ("values", "decimal", "thousands", "unclear", "contrary"),
    [
        (["1234.5", "1,234"], ".", ",", 0, 0),
        (["1234,5", "1.234", "12,345"], ",", ".", 0, 0),
        (["1,234.50", "7"], ".", ",", 0, 0),
        (["1 234,50", "1\u202f000"], ",", " ", 0, 0),
        (["1'234.50"], ".", "'", 0, 0),
        (["1.234.567"], None, ".", 0, 0),
        (["1,234", "7"], None, "", 1, 0),
        (["0,234", "12345,678"], ",", "", 0, 0),
        (["1.50", "2.50", "3,5"], ".", "", 0, 1),
        (["7", "8"], None, "", 0, 0),
    ],
)
def test_the_marks_of_numbers_are_told_by_all_of_them(
    values: list[str], decimal: str | None, thousands: str, unclear: int, contrary: int
) -> None:
    found = numbers_of(values)
    assert (found.decimal, found.thousands) == (decimal, thousands)
    # 1,234 beside 1234.5 can only be thousands, of which it is the evidence.
    assert (found.unclear, found.contrary) == (unclear, contrary)


def test_currencies_are_counted_by_sign_word_and_code() -> None:
    found = numbers_of(["€12.50", "12.50 EUR", "$ 5", "-3 руб.", "7"])
    assert found.currencies == Counter(EUR=2, USD=1, RUB=1)


def test_an_order_s_number_is_not_taken_for_a_sale_s_id(tmp_path: Path) -> None:
    rows = """InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
700001,90001A,6,11/13/2026,2.55,20001,France
700001,90001a,6,11/13/2026,1.25,20001,France
C700002,90001A,-2,11/4/2026,2.55,,France
"""
    (tmp_path / "uci.csv").write_text(rows, encoding="utf-8")
    proposal, document = proposed(tmp_path, "uci.csv")
    accepted(proposal, tmp_path)
    fields = document["source"]["fields"]
    assert fields["sale_id"] == {"column": "InvoiceNo", "place": "order"}
    assert fields["order_id"] == {"column": "InvoiceNo"}
    assert document["source"]["order"] == ["InvoiceNo"]
    assert fields["sale_amount"] == {"multiply": ["Quantity", "UnitPrice"]}
    assert any("InvoiceNo repeats" in found for found in proposal.findings)


def test_an_order_s_first_line_is_carried_down_and_its_total_is_no_line_s(tmp_path: Path) -> None:
    rows = """Name,Email,Total,Created at,Lineitem quantity,Price,Lineitem sku,Lineitem name,Country
#1,a@b.c,25.00,2026-11-01,1,5.00,BAG,Bag,FR
#1,,,,2,10.00,,Strap,
#2,,7.00,2026-11-02,1,7.00,BAG,Bag,DE
"""
    (tmp_path / "orders.csv").write_text(rows, encoding="utf-8")
    proposal, document = proposed(tmp_path, "orders.csv")
    accepted(proposal, tmp_path)
    fields = document["source"]["fields"]
    assert fields["sale_date"] == {"column": "Created at", "carried_down": True}
    assert fields["region"] == {"column": "Country", "carried_down": True}
    assert fields["sale_amount"] == {"multiply": ["Lineitem quantity", "Price"]}
    assert fields["product_id"] == {"columns": ["Lineitem sku", "Lineitem name"], "first": True}
    # What no line of an order has, is not above.
    _, document = written(tmp_path, rows.replace(",FR", ","))
    assert document["source"]["fields"]["region"] == {"column": "Country"}


def test_an_id_that_a_row_lacks_is_still_an_id(tmp_path: Path) -> None:
    lines = [f'{{"sale_id": {n}, "quantity": 1}}' for n in range(9)]
    lines += ['{"quantity": 1}', '{"sale_id": 1', "[]"]
    (tmp_path / "sales.jsonl").write_text("\n".join(lines), encoding="utf-8")
    proposal, document = proposed(tmp_path, "sales.jsonl")
    assert document["source"]["fields"]["sale_id"] == {"column": "sale_id"}
    assert "# 9 different in 9 rows. In 1 row there is none.\nsale_id" in proposal.text


def test_an_order_and_its_line_s_number_make_an_id(tmp_path: Path) -> None:
    rows = """ORDERNUMBER,ORDERLINENUMBER,QUANTITYORDERED,PRICEEACH,SALES,ORDERDATE,SKU,TERRITORY
1,1,30,95.70,2871.00,11/13/2026,S1,NA
1,2,41,100.00,4650.22,11/2/2026,S2,NA
2,1,1,5.00,5.00,11/2/2026,S2,EMEA
"""
    (tmp_path / "orders.csv").write_text(rows, encoding="utf-8")
    proposal, document = proposed(tmp_path, "orders.csv")
    accepted(proposal, tmp_path)
    assert document["source"]["fields"]["sale_id"] == {
        "columns": ["ORDERNUMBER", "ORDERLINENUMBER"]
    }
    assert document["source"]["fields"]["sale_amount"] == {"column": "SALES"}
    assert any("SALES is not QUANTITYORDERED × PRICEEACH in 1 of 3" in f for f in proposal.findings)


def test_titles_totals_notes_and_repeated_headers_are_no_evidence(tmp_path: Path) -> None:
    header, *rows = RUSSIAN.splitlines()
    lines = ["Отчет;;;;;;", ";;;;;;", header, rows[0], "Итого за день;;;2;;1 234,50;", header]
    lines += [rows[1], "Итого;;;3;;1 323,50;", ";;;;;;", "Ответственный: ___;;;;;;"]
    (tmp_path / "report.csv").write_text("\n".join(lines), encoding="utf-8")
    proposal, document = proposed(tmp_path, "report.csv")
    accepted(proposal, tmp_path)
    assert document["source"]["totals"] == ["Итого"]
    assert "optional" not in document["source"]["fields"]["customer_id"]
    assert document["source"]["fields"]["sale_id"] == {"column": "Номер чека"}
    assert any("2 rows above the header" in found for found in proposal.findings)
    assert any("header comes again 1 times" in found for found in proposal.findings)


def test_regions_that_are_spelt_in_two_ways_are_listed_once(tmp_path: Path) -> None:
    # The more frequent spelling, or the one with capitals.
    more = ("north", "SOUTH", "SOUTH")
    (tmp_path / "sales.csv").write_text(
        PLAIN + "".join(f"{n},1,1,1,2026-11-03,1.00,{r}\n" for n, r in enumerate(more)),
        encoding="utf-8",
    )
    _, document = proposed(tmp_path, "sales.csv")
    assert document["source"]["fields"]["region"]["allowed"] == ["East", "North", "SOUTH"]


def test_files_of_a_folder_are_compared(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "1.csv").write_text(PLAIN, encoding="utf-8")
    later = PLAIN.replace("region\n", "region,channel\n").replace("th\n", "th,web\n")
    (exports / "2.csv").write_text(later.replace("East\n", "East,shop\n"), encoding="utf-8")
    (exports / "3.csv").write_text("code,name\n1,Mug\n2,Bowl\n", encoding="utf-8")
    (exports / ".hidden.csv").write_text(PLAIN, encoding="utf-8")
    (exports / "notes.docx").write_text("x", encoding="utf-8")
    proposal, document = proposed(exports)
    accepted(proposal, tmp_path)
    assert document["source"]["files"] == [exports.as_posix()]
    told = "\n".join(proposal.findings)
    assert "1.csv: it also has channel" in told
    assert "3.csv is unlike" in told
    assert ".hidden.csv is passed over: hidden" in told
    assert "notes.docx is passed over" in told


def test_formats_with_types_are_looked_into(tmp_path: Path) -> None:
    header, *lines = [line.split(",") for line in PLAIN.splitlines()]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    table = pa.Table.from_pylist(rows)
    table = table.set_column(4, "sale_date", table["sale_date"].cast(pa.date32()))
    pq.write_table(
        table.set_column(5, "sale_amount", table["sale_amount"].cast("double")),
        tmp_path / "a.parquet",
    )
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "c.json").write_text(json.dumps(rows), encoding="utf-8")
    for name in ("a.parquet", "b.jsonl", "c.json"):
        proposal, document = proposed(tmp_path, name)
        accepted(proposal, tmp_path)
        assert columns(document) == {each: each for each in header}


def test_a_workbook_s_texts_tell_what_its_typed_cells_cannot(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Sales"
    sheet.append(["Sales of November"])
    sheet.append(NAMES.split(","))
    sheet.append([1, 501, "00123", 2, "13/11/2026", "12,50", "North"])
    sheet.append([2, 501, "123", 2, "02/11/2026", 12.5, "North"])
    workbook.create_sheet("Codes").append(["code"])
    stream = io.BytesIO()
    workbook.save(stream)
    (tmp_path / "book.xlsx").write_bytes(stream.getvalue())
    proposal, document = proposed(tmp_path, "book.xlsx")
    accepted(proposal, tmp_path)
    assert document["source"]["xlsx"] == {"sheets": ["Sales"]}
    assert document["source"]["numbers"] == {"decimal": ","}
    assert document["source"]["fields"]["sale_date"]["format"] == "dd/MM/yyyy"


def test_what_is_not_there_is_asked_for(tmp_path: Path) -> None:
    text = "item_id,store,d_2026-11-01,d_2026-11-02\nA,S1,5,6\nB,S2,7,8\n"
    (tmp_path / "wide.csv").write_text(text, encoding="utf-8")
    proposal, document = proposed(tmp_path, "wide.csv")
    assert "sale_date" not in document["source"]["fields"]
    told = "\n".join(proposal.findings)
    for question in ("which column is the day", "the money", "tells one sale from another"):
        assert question in told
    with pytest.raises(SettingsError, match="is missing"):
        accepted(proposal, tmp_path)


def test_without_a_file_that_can_be_read_there_is_nothing_to_propose(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="leads to no file"):
        propose([tmp_path / "exports"])
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(ExportError, match=r"book\.xlsx"):
        propose([tmp_path / "book.xlsx"])


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "store.toml"
    write_new(Proposal("name = 1\n", []), file)
    with pytest.raises(SettingsError, match="is there already and stays as it is"):
        write_new(Proposal("name = 2\n", []), file)
    assert file.read_text() == "name = 1\n"
    with pytest.raises(SettingsError, match="cannot be written"):
        write_new(Proposal("", []), tmp_path / "nowhere" / "store.toml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    names=st.lists(st.text(min_size=1), min_size=7, max_size=9, unique=True),
    value=st.text(),
)
def test_whatever_the_columns_are_called_the_proposal_is_toml(
    tmp_path: Path, names: list[str], value: str
) -> None:
    rows = [
        {**dict.fromkeys(names, value), "status": value, "region": value, "country": value + "x"},
        {**dict.fromkeys(names, "2026-11-01"), "status": "paid", "region": value.upper()},
    ]
    (tmp_path / "sales.json").write_text(json.dumps(rows), encoding="utf-8")
    try:
        proposal = propose([tmp_path / "sales.json"])
    except ExportError:
        return
    assert tomllib.loads(proposal.text)["source"]["files"]


def written(folder: Path, text: str, name: str = "sales.csv") -> tuple[Proposal, dict[str, Any]]:
    """The proposal for a file with this text."""
    (folder / name).write_text(text, encoding="utf-8")
    return proposed(folder, name)


def ruled(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**rule} for rule in document["source"].get("rows", [])]


OLD, OTHER = "1,a,1,2026-11-01,5.00,N", "3,a,1,2026-11-01,5.00,N"
SOLD = "sale_id,product_id,quantity,sale_date,sale_amount,region,status\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1,a,1,2026-11-01,5.00,N,Paid\n2,a,1,2026-11-01,5.00,N,Cancelled\n", ["Cancelled"]),
        (
            f"{OLD},Доставлен\n2,a,1,2026-11-01,5.00,N,Отменён\n{OTHER},отменен продавцом\n",
            ["Отменён", "отменен продавцом"],
        ),
        (
            f"{OLD},Продажа\n2,a,0,2026-11-01,0,N,Логистика\n{OTHER},Штраф\n",
            ["Логистика", "Штраф"],
        ),
        ("1,a,1,2026-11-01,5.00,N,Shipped\n2,a,1,2026-11-01,5.00,N,On Hold\n", None),
        # What all rows are is what is sold there.
        ("1,a,1,2026-11-01,5.00,N,Failed\n2,a,1,2026-11-01,5.00,N,Failed\n", None),
    ],
)
def test_rows_are_set_aside_by_words_that_mean_no_sale_anywhere(
    tmp_path: Path, rows: str, expected: list[str] | None
) -> None:
    proposal, document = written(tmp_path, SOLD + rows)
    accepted(proposal, tmp_path)
    found = [rule for rule in ruled(document) if rule["column"] == "status"]
    assert found == ([{"column": "status", "equals": expected}] if expected else [])
    assert any("On Hold (1)?" in finding for finding in proposal.findings) == ("On Hold" in rows)


def test_only_returns_with_figures_above_0_are_told_by_a_word(tmp_path: Path) -> None:
    rows = SOLD + "1,a,1,2026-11-01,5.00,N,Payment\n2,a,{},2026-11-02,{},N,Refund\n"
    for quantity, amount in (("-1", "-5.00"), ("-1", "(5.00)"), ("-1", "5.00-")):
        _, document = written(tmp_path, rows.format(quantity, amount))
        assert ruled(document) == []
    expected = [{"column": "status", "equals": ["Refund"], "fate": "return"}]
    for quantity, amount in (("1", "5.00"), ("1", "-5.00"), ("-1", "5.00")):
        proposal, document = written(tmp_path, rows.format(quantity, amount))
        accepted(proposal, tmp_path)
        assert ruled(document) == expected
    # A sale that was refunded is still the sale: money back is another row, or a column.
    _, document = written(tmp_path, rows.format("1", "5.00").replace("Refund", "Refunded"))
    assert ruled(document) == []


def test_each_way_to_write_a_minus_is_understood_and_told(tmp_path: Path) -> None:
    rows = [f"{n},a,1,2026-11-01,{amount},N,Paid" for n, amount in enumerate(MINUSES)]
    proposal, document = written(tmp_path, SOLD + "\n".join(rows))
    accepted(proposal, tmp_path)
    assert document["source"]["fields"]["sale_amount"] == {"column": "sale_amount"}
    assert (
        f"{len(MINUSES) - 1} are negative, written -30.00 and 50.00- and (30.00)" in proposal.text
    )


MINUSES = (
    "3.00",
    "-3.00",
    "\u22123.00",
    "-$3.00",
    "$-3.00",
    "3.00-",
    "3.00 €-",
    "(3.00)",
    "($3.00)",
)


def test_half_a_parenthesis_makes_no_number() -> None:
    assert minuses_of(["(5.00", "5.00)", "x(5.00)"]) == Counter()
    assert numbers_of(["(5.00", "5,00)"]).decimal is None


def test_a_total_s_row_is_told_from_a_product_called_so(tmp_path: Path) -> None:
    rows = "1,Total care,1,2026-11-01,5.00,N,Paid\n2,b,1,2026-11-02,7.00,N,Paid\n"
    _, document = written(tmp_path, SOLD + rows)
    assert ruled(document) == []
    proposal, document = written(tmp_path, SOLD + rows + ",Total,2,,12.00,,\nTotal 2026,,2,,,,\n")
    accepted(proposal, tmp_path)
    assert document["source"]["totals"] == ["Total"]
    assert ruled(document) == [
        {"column": "product_id", "starts_with": ["Total"], "why": "total row"}
    ]


def test_an_account_s_own_rows_have_neither_a_product_nor_a_quantity(tmp_path: Path) -> None:
    good = "1,a,1,2026-11-01,5.00,N,\n2,b,1,2026-11-02,7.00,N,\n"
    _, document = written(tmp_path, SOLD + good + "3,,,2026-11-02,-1.50,,\n")
    assert ruled(document) == [{"column": "product_id", "is_blank": True, "why": "no product"}]
    # A product that was left out is a mistake, which the run should tell.
    _, document = written(tmp_path, SOLD + good + "3,,2,2026-11-02,1.50,N,\n")
    assert ruled(document) == []


def test_rows_without_money_are_write_offs_if_goods_went_away(tmp_path: Path) -> None:
    good = "1,a,1,2026-11-01,5.00,N,\n"
    rule = {"column": "sale_amount", "equals": ["0"], "why": "no money"}
    _, document = written(tmp_path, f"{SOLD}{good}2,b,-3,2026-11-02,0.00,N,\n")
    assert ruled(document) == [rule]
    proposal, document = written(tmp_path, f"{SOLD}{good}2,b,3,2026-11-02,0.00,N,\n")
    assert ruled(document) == []
    assert any("are rows sales in which sale_amount is 0?" in each for each in proposal.findings)
    asked = proposal.text.replace("# [[source.rows]]", "[[source.rows]]")
    for key in ("column = ", "equals = ", "why = "):
        asked = asked.replace(f"# {key}", key)
    assert ruled(tomllib.loads(asked)) == [rule]


def test_what_was_refunded_of_an_order_and_its_cancellation_are_of_all_its_lines(
    tmp_path: Path,
) -> None:
    rows = """Name,Cancelled at,Refunded Amount,Created at,Lineitem quantity,Lineitem price,Lineitem sku,Lineitem discount
#1,,5.00,2026-11-01,1,5.00,BAG,0.00
#1,,,2026-11-01,2,10.00,STRAP,1.00
#2,2026-11-03,0.00,2026-11-02,1,7.00,BAG,0.00
#2,,,2026-11-02,1,7.00,STRAP,0.00
"""  # noqa: E501
    proposal, document = written(tmp_path, rows)
    accepted(proposal, tmp_path)
    source = document["source"]
    assert source["refund"] == {"column": "Refunded Amount"}
    assert source["order"] == ["Name"]
    assert ruled(document) == [
        {"column": "Cancelled at", "is_blank": False, "why": "cancelled", "in_order": True}
    ]
    assert source["fields"]["sale_amount"]["minus"] == "Lineitem discount"
    assert "# 1 different in 2 rows: an order's number" in proposal.text, "#2 is no evidence"
    _, document = written(tmp_path, rows.replace("5.00,2026", "0.00,2026"))
    assert "refund" not in document["source"]


def test_a_discount_of_no_known_kind_is_asked_for(tmp_path: Path) -> None:
    rows = "id,sku,qty,price,date,region,Discount\n1,a,1,5.00,2026-11-01,N,{}\n"
    for discount, is_asked in (("0.10", True), ("0.00", False)):
        proposal, document = written(tmp_path, rows.format(discount))
        assert "minus" not in document["source"]["fields"]["sale_amount"]
        assert any("is Discount an amount to take off" in f for f in proposal.findings) == is_asked


def test_an_item_and_what_became_of_it_make_an_id_and_its_parts_a_sum(tmp_path: Path) -> None:
    head = "№,Srid,Тип документа,Артикул,Кол-во,Дата,Сумма,Страна\n"
    rows = "1,x1,Продажа,A,1,2026-11-01,5.00,RU\n2,x1,Возврат,A,1,2026-11-03,5.00,RU\n"
    proposal, document = written(tmp_path, head + rows)
    accepted(proposal, tmp_path)
    joined = ["Srid", "Тип документа"]
    assert document["source"]["fields"]["sale_id"] == {"columns": joined}
    assert "add_up" not in document["source"]
    _, document = written(tmp_path, head + rows + "3,x1,Продажа,A,1,2026-11-01,-1.00,RU\n")
    assert document["source"]["fields"]["sale_id"] == {"columns": joined}
    assert document["source"]["add_up"] == {"by": joined}
    # Of two products it is no sum.
    proposal, document = written(tmp_path, head + rows + "3,x1,Продажа,B,1,2026-11-01,2.00,RU\n")
    assert document["source"]["fields"]["sale_id"] == {"column": "№"}
    assert any("№ counts the rows of a file from 1" in found for found in proposal.findings)


def test_the_currency_of_an_amount_stands_beside_it(tmp_path: Path) -> None:
    head = "id,sku,qty,date,goods currency,amount,buyer currency,region\n"
    _, document = written(tmp_path, f"{head}1,a,1,2026-11-01,USD,5,EUR,N\n")
    assert document["source"]["currency"] == {"column": "buyer currency"}
    assert document["currency"] == "EUR"


@pytest.mark.parametrize(
    ("times", "zone"),
    [
        (["2026-11-01 10:00:00", "2026-11-02 23:59:59"], "UTC"),
        (["2026-11-01T23:30:00-05:00"], "Etc/GMT+5"),
        (["2026-11-01 23:30:00 +0300", "2026-11-02 23:30:00 +0300"], "Etc/GMT-3"),
        (["2026-11-01T23:30:00Z"], "UTC"),
        (["2026-11-01T23:30:00+05:30"], None),
        (["2026-11-01T23:30:00+01:00", "2026-11-01T23:30:00+02:00"], None),
        (["1793494800"], None),
    ],
)
def test_a_zone_is_proposed_in_which_each_day_is_the_one_that_is_written(
    tmp_path: Path, times: list[str], zone: str | None
) -> None:
    proposal, document = written(tmp_path, dated(*times))
    assert document.get("time_zone") == zone
    assert ("\n# time_zone = " in proposal.text) == (zone is None)
    assert any("to decide: time_zone" in found for found in proposal.findings)


def test_times_that_a_name_says_are_utc_stay_so_in_another_zone(tmp_path: Path) -> None:
    text = dated("2026-11-01 10:00:00").replace("sale_date", "Created date (UTC)")
    _, document = written(tmp_path, text)
    assert document["source"]["fields"]["sale_date"] == {
        "column": "Created date (UTC)",
        "zone": "UTC",
    }


def test_another_column_of_days_may_tell_the_day_from_the_month(tmp_path: Path) -> None:
    rows = NAMES + ",shipped\n1,1,1,1,03/11/2026,1.00,N,05/11/2026\n2,1,1,1,04/11/2026,1.00,N,{}\n"
    proposal, document = written(tmp_path, rows.format("13/11/2026"))
    accepted(proposal, tmp_path)
    assert document["source"]["fields"]["sale_date"]["format"] == "dd/MM/yyyy"
    assert "# As in shipped, where the first number is above 12 in 1 of 2 values." in proposal.text
    # Written otherwise, it tells nothing.
    _, document = written(tmp_path, rows.format("06/11/2026").replace("05/11/2026", "13-11-2026"))
    assert "sale_date" not in document["source"]["fields"]


def test_what_no_column_is_like_is_the_same_in_every_row_of_what_is_a_sale(tmp_path: Path) -> None:
    rows = "id,created,amount,fee\nch_1,2026-11-01,29.00,0.69\nch_2,2026-11-02,99.00,1.70\n"
    proposal, document = written(tmp_path, rows)
    accepted(proposal, tmp_path)
    fields = document["source"]["fields"]
    assert (fields["product_id"], fields["quantity"], fields["region"]) == (
        {"constant": "all"},
        {"constant": "1"},
        {"constant": "all"},
    )
    assert sum("in every row: is that right?" in each for each in proposal.findings) == 3
    # A column of whole numbers may be the quantity, under a name of the store's own.
    _, document = written(tmp_path, rows.replace("fee", "Menge").replace("0.69", "2"))
    assert "quantity" in document["source"]["fields"]
    _, document = written(
        tmp_path, rows.replace("fee", "Menge").replace("0.69", "2").replace("1.70", "1")
    )
    assert "quantity" not in document["source"]["fields"]


def test_several_products_in_one_cell_are_no_product(tmp_path: Path) -> None:
    rows = 'id,product,qty,date,amount\n1,"2× Mug, 1× Bowl",3,2026-11-01,9.00\n'
    proposal, document = written(tmp_path, rows)
    assert "product_id" not in document["source"]["fields"]
    assert any("several products in one cell" in found for found in proposal.findings)
    _, document = written(tmp_path, rows.replace("2× Mug, 1× Bowl", "Mug, 2 x 3 cm"))
    assert document["source"]["fields"]["product_id"] == {"column": "product"}


def test_many_amounts_with_more_decimals_are_kept_and_one_is_a_slip(tmp_path: Path) -> None:
    plain = [f"{n},a,1,2026-11-01,5.25,N,Paid" for n in range(3)]
    fine = [f"{n},a,1,2026-11-01,5.2{n}5,N,Paid" for n in range(3, 6)]
    _, document = written(tmp_path, SOLD + "\n".join(plain + fine))
    assert document["source"]["fields"]["sale_amount"]["decimals"] == 3
    _, document = written(tmp_path, SOLD + "\n".join(plain + fine[:1]))
    assert "decimals" not in document["source"]["fields"]["sale_amount"]


def test_files_that_are_parts_of_one_are_to_be_joined_first(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(
        "order_id,sku,qty,price,note\nx1,a,1,5.00,\nx2,b,1,7.00,\n", encoding="utf-8"
    )
    (tmp_path / "orders.csv").write_text(
        "order_id,order date,country\nx1,2026-11-01,FR\nx2,2026-11-02,DE\n", encoding="utf-8"
    )
    proposal, _ = proposed(tmp_path)
    (told,) = (found for found in proposal.findings if "is unlike" in found)
    assert "both have order_id" in told
    assert "join them first" in told
    assert "source.postgres" in told


def test_sheets_of_one_header_are_looked_at_together(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for title, day in (("2025", "2025-12-30"), ("2026", "2026-01-02")):
        sheet = workbook.create_sheet(title)
        sheet.append(NAMES.split(","))
        sheet.append([f"s{title}", "c", "p", 1, day, 5, "North"])
    workbook.save(tmp_path / "book.xlsx")
    proposal, document = proposed(tmp_path, "book.xlsx")
    accepted(proposal, tmp_path)
    assert "xlsx" not in document["source"]
    assert "# 2 different in 2 rows.\nsale_id" in proposal.text


ASKED = {
    # No date tells the day from the month.
    "online-retail": "sale_date",
    "price_capped_amount_is_truth": "sale_date",
    "returns_cancellations_adjustments": "sale_date",
    # No list of sales: see `examples/stores`.
    "daily-totals": "sale_id",
    "instacart": "sale_date",
    "olist": "sale_date",
    "wide_crosstab_by_day": "sale_date",
    "woocommerce": "product_id",
}
LAYOUTS = [
    *((folder, "files") for folder in (Path(__file__).parent / "exports").iterdir()),
    *((folder, "exports") for folder in (Path(__file__).parents[1] / "examples/stores").iterdir()),
]


@pytest.mark.parametrize(
    ("folder", "files_"),
    [pytest.param(*each, id=each[0].name) for each in LAYOUTS if each[0].is_dir()],
)
def test_a_proposal_for_a_known_layout_leaves_nothing_open_that_the_file_shows(
    tmp_path: Path, folder: Path, files_: str
) -> None:
    proposal = propose([folder / files_])
    fields = tomllib.loads(proposal.text)["source"]["fields"]
    if folder.name in ASKED:
        assert ASKED[folder.name] not in fields
        assert any(each.startswith("to decide: ") for each in proposal.findings)
    else:
        accepted(proposal, tmp_path)
