"""Rejected rows, as people get to see them and mend them."""

import datetime
import gzip
import json
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.sql import SparkSession

from tests.batches import prepare
from vitrina.errors import BatchError, FeedError, SettingsError
from vitrina.exports.rejects import Reject, rejects, write_mendable
from vitrina.exports.store_file import load_store
from vitrina.pipeline import EXTRACT, STEPS, Opened, Run
from vitrina.settings import Settings
from vitrina.store import GENERATED, Batch, Store
from vitrina.stores.addresses import lake_root
from vitrina.stores.lake import Lake

AS_OF = datetime.date(2026, 11, 24)
STORE = """
name = "moscow"
title = "Магазин"
time_zone = "Europe/Moscow"
[source]
files = ["exports"]
csv = { delimiter = ";", encoding = "cp1251" }
numbers = { decimal = "," }
[source.fields]
sale_id = { column = "Номер" }
product_id = { column = "Товар" }
quantity = { column = "Штук" }
sale_date = { column = "День", format = "dd.MM.yyyy" }
sale_amount = { column = "Сумма" }
region = { column = "Регион", allowed = ["Север", "Юг"] }
"""
HEADER = "Номер;Товар;Штук;День;Сумма;Регион;Заметка"
OCTOBER = f"""{HEADER}
1;чай;1;01.10.2026;100,50;Север;
2;чай;1;02.10.2026;100,555;Север;"в два
ряда; и с ""кавычками"" там"
3;кофе;много;03.10.2026;200,00;Запад;к обеду
4;кофе;1;04.10.2026;200,00;Юг
5;кофе;1;05.10.2026;200,00;Юг;
"""
NOVEMBER = """Номер;Регион;Товар;Штук;День;Сумма
6;Восток;чай;2;01.11.2026;201,00
7;Юг;чай;2;02.11.2026;201,00
"""


def exported(folder: Path, **files: str | bytes) -> Store:
    """A store whose folder has these files, a full stop in their names written as `__`."""
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    for name, content in files.items():
        data = content.encode("cp1251") if isinstance(content, str) else content
        (exports / name.replace("__", ".")).write_bytes(data)
    (folder / "store.toml").write_text(STORE, "utf-8")
    return load_store(folder / "store.toml")


def validated(spark: SparkSession, folder: Path, store: Store, share: str = "1") -> Lake:
    """The lake after the store's files were read and judged."""
    settings = Settings(home=folder / "home", max_rejected_share=Decimal(share))
    with Run(settings, AS_OF, store=store, opened=Opened(spark=spark, alone=True)) as run:
        run.step(EXTRACT)
        run.step(STEPS[1])
        return run.lake


def found(lake: Lake, store: Store, reason: str | None = None) -> list[Reject]:
    return [*rejects(lake, Batch(AS_OF, store), reason)]


def mendable(lake: Lake, store: Store, file: Path) -> list[Path]:
    return write_mendable(lake, Batch(AS_OF, store), file).files


def test_a_rejected_row_is_shown_by_file_and_line_with_the_store_s_own_columns(
    spark: SparkSession, tmp_path: Path
) -> None:
    store = exported(
        tmp_path, october__csv=OCTOBER, november__csv__gz=gzip.compress(NOVEMBER.encode("cp1251"))
    )
    shown = found(validated(spark, tmp_path, store), store)
    places = [(reject.file, reject.line, reject.reasons) for reject in shown]
    assert places == [
        ("exports/november.csv.gz", 2, ("region_unknown",)),
        ("exports/october.csv", 3, ("sale_amount_too_many_decimals",)),
        ("exports/october.csv", 5, ("quantity_not_an_integer", "region_unknown")),
        ("exports/october.csv", 6, ("row_has_6_fields_of_7",)),
    ]
    assert shown[0].values == {
        "Номер": "6",
        "Регион": "Восток",
        "Товар": "чай",
        "Штук": "2",
        "День": "01.11.2026",
        "Сумма": "201,00",
    }
    assert shown[1].values["Заметка"] == 'в два\nряда; и с "кавычками" там'
    assert (shown[3].values, shown[3].raw) == ({}, "4;кофе;1;04.10.2026;200,00;Юг")


def test_one_reason_is_chosen_and_an_unknown_one_names_those_there_are(
    spark: SparkSession, tmp_path: Path
) -> None:
    store = exported(tmp_path, october__csv=OCTOBER)
    lake = validated(spark, tmp_path, store)
    assert [reject.line for reject in found(lake, store, "region_unknown")] == [5]
    with pytest.raises(
        SettingsError,
        match="no row rejected for region; it has quantity_not_an_integer, region_unknown, row_has",
    ):
        found(lake, store, "region")


def test_the_mended_file_is_read_by_the_next_run(spark: SparkSession, tmp_path: Path) -> None:
    store = exported(tmp_path, october__csv=OCTOBER, november__csv=NOVEMBER)
    lake = validated(spark, tmp_path, store)
    mend = tmp_path / "exports" / "mend.csv"
    files = mendable(lake, store, mend)
    # A file for each header.
    assert [file.name for file in files] == ["mend.csv", "mend-2.csv"]
    header, row = NOVEMBER.splitlines()[:2]
    assert mend.read_bytes().decode("cp1251") == f"{header}\n{row}\n"
    october = OCTOBER.splitlines(keepends=True)
    rows = "".join(october[2:6])
    assert files[1].read_bytes().decode("cp1251") == f"{HEADER}\n{rows}"

    with pytest.raises(SettingsError, match=r"mend\.csv is there already .*; give --csv"):
        mendable(lake, store, mend)
    assert mend.read_bytes().decode("cp1251") == f"{header}\n{row}\n"

    mend.write_bytes(mend.read_bytes().replace("Восток".encode("cp1251"), "Юг".encode("cp1251")))
    files[1].unlink()
    again = validated(spark, tmp_path, store)
    feed = again.read(spark, again.dataset("validate", "typed"))
    mended = feed.where("file = 'exports/mend.csv' AND reasons IS NULL").collect()
    assert [(row.sale_id, row.region, row.line) for row in mended] == [("6", "Юг", 2)]


def test_the_header_is_written_as_the_file_has_it_for_a_spreadsheet(
    spark: SparkSession, tmp_path: Path
) -> None:
    text = f"sep=,\nОтчёт за октябрь\n{OCTOBER.replace(',', '.').replace(';', ',')}"
    store = exported(tmp_path, october__csv=text)
    lake = validated(spark, tmp_path, store)
    (file,) = mendable(lake, store, tmp_path / "mend.csv")
    lines = file.read_bytes().decode("cp1251").splitlines()
    assert lines[:2] == ["sep=,", HEADER.replace(";", ",")]
    assert "6,чай" not in lines


def test_a_batch_that_its_rejects_have_stopped_shows_them_too(
    spark: SparkSession, tmp_path: Path
) -> None:
    store = exported(tmp_path, october__csv=OCTOBER)
    with pytest.raises(FeedError):
        validated(spark, tmp_path, store, share="0.01")
    settings = Settings(home=tmp_path / "home")
    lake = Lake(lake_root(settings, store), AS_OF)
    assert [reject.line for reject in found(lake, store)] == [3, 5, 6]


def test_before_a_batch_was_judged_the_error_says_what_to_run(tmp_path: Path) -> None:
    store = exported(tmp_path, october__csv=OCTOBER)
    with pytest.raises(BatchError, match="run: vitrina validate --as-of 2026-11-24"):
        found(Lake(str(tmp_path / "lake"), AS_OF), store)


def test_rows_of_json_lines_are_written_as_they_stood(spark: SparkSession, tmp_path: Path) -> None:
    rows = [
        {"Номер": "1", "Товар": "чай", "Штук": 1, "День": "01.10.2026", "Регион": region}
        for region in ("Юг", "Запад", "Север", "Восток")
    ]
    lines = [json.dumps({**row, "Сумма": "1,50"}, ensure_ascii=False) for row in rows]
    lines.insert(2, '{"Номер": ')
    store = exported(tmp_path, sales__jsonl="\n".join(lines).encode())
    lake = validated(spark, tmp_path, store)
    shown = found(lake, store)
    assert [(reject.line, reject.reasons) for reject in shown] == [
        (2, ("region_unknown",)),
        (3, ("not_json",)),
        (5, ("region_unknown",)),
    ]
    assert shown[0].values["Регион"] == "Запад"
    (file,) = mendable(lake, store, tmp_path / "mend.jsonl")
    assert file.read_text("utf-8").splitlines() == [lines[1], lines[2], lines[4]]


def test_rows_of_parquet_are_shown_and_mended_there(spark: SparkSession, tmp_path: Path) -> None:
    columns = {
        "Номер": ["1", "2"],
        "Товар": ["чай", "чай"],
        "Штук": ["1", "1"],
        "День": ["01.10.2026", "02.10.2026"],
        "Сумма": ["1,50", "1,50"],
        "Регион": ["Юг", "Запад"],
    }
    store = exported(tmp_path)
    parquet.write_table(pa.table(columns), tmp_path / "exports" / "sales.parquet")
    lake = validated(spark, tmp_path, store)
    (reject,) = found(lake, store)
    assert (reject.file, reject.line) == ("exports/sales.parquet", 2)
    assert reject.values["Регион"] == "Запад"
    with pytest.raises(SettingsError, match=r"sales\.parquet has no lines of text; mend the rows"):
        mendable(lake, store, tmp_path / "mend.csv")
    assert not (tmp_path / "mend.csv").exists()


def test_rows_of_a_json_array_are_shown_by_their_line_and_mended_there(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [
        {"Номер": str(number), "Товар": "чай", "Штук": 1, "День": "01.10.2026", "Регион": region}
        for number, region in enumerate(["Юг", "Запад", "Север"])
    ]
    text = json.dumps([{**row, "Сумма": 1.50} for row in rows], ensure_ascii=False, indent=1)
    text = text.replace('"Север"', '"Север", "Штук": 2')
    store = exported(tmp_path, sales__json=text.encode())
    lake = validated(spark, tmp_path, store)
    shown = found(lake, store)
    lines = text.splitlines()
    assert [(reject.file, reject.reasons) for reject in shown] == [
        ("exports/sales.json", ("region_unknown",)),
        ("exports/sales.json", ("key_repeated",)),
    ]
    for reject, number in zip(shown, ("1", "2"), strict=True):
        # An object begins on the line above its first key.
        assert f'"Номер": "{number}"' in lines[reject.line or 0]
    assert shown[0].values == {**rows[1], "Штук": "1", "Сумма": "1.5"}
    assert shown[1].values == {}
    assert shown[1].raw is not None
    assert "Север" in shown[1].raw
    with pytest.raises(
        SettingsError, match=r"sales\.json has no lines of text; mend the rows there"
    ):
        mendable(lake, store, tmp_path / "mend.csv")


def test_rows_of_a_table_are_shown_by_their_number_with_the_fields_that_they_came_to(
    spark: SparkSession, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE orders AS SELECT number AS "Номер", \'чай\' AS "Товар", 1 AS '
            '"Штук", DATE \'2026-10-01\' AS "День", 1.50 AS "Сумма", region AS "Регион" '
            "FROM (VALUES (3, 'Восток'), (2, 'Юг'), (1, 'Запад')) AS given (number, region)"
        )
    monkeypatch.setenv("SHOP_DSN", database)
    exported(tmp_path)
    said = STORE.replace(
        'files = ["exports"]', 'postgres = "orders"\npostgres_dsn_variable = "SHOP_DSN"'
    )
    (tmp_path / "store.toml").write_text(said, "utf-8")
    store = load_store(tmp_path / "store.toml")
    lake = validated(spark, tmp_path, store)
    shown = found(lake, store)
    assert [(reject.file, reject.line, reject.values["sale_id"]) for reject in shown] == [
        ("orders", 1, "1"),
        ("orders", 3, "3"),
    ]
    assert (shown[0].reasons, shown[0].values["region"]) == (("region_unknown",), "Запад")
    with pytest.raises(SettingsError, match="orders has no lines of text; mend the rows there"):
        mendable(lake, store, tmp_path / "mend.csv")


def test_rejects_of_generated_rows_are_their_fields_and_conflicts_are_among_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = prepare(spark, "much dirt", str(tmp_path / "lake"))
    shown = found(lake, GENERATED)
    counted = lake.result("validate")["counts"]["rejected"]
    conflicting = lake.result("clean")["counts"]["conflicting"]
    assert len(shown) == counted + conflicting > 100
    conflicts = found(lake, GENERATED, "conflicting_duplicate")
    assert len(conflicts) == conflicting > 0
    assert {reject.file for reject in shown} == {None}
    assert set(conflicts[0].values) == set(GENERATED.contract.names)
    with pytest.raises(SettingsError, match="generated rows stand in no file"):
        mendable(lake, GENERATED, tmp_path / "mend.csv")
