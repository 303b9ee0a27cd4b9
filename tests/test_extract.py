"""Extract: files in, the feed out with file and line, and every file's fate told."""

import datetime
import gzip
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from pyspark.sql import SparkSession

from tests.servers.s3 import BUCKET
from tests.test_export_files import place
from vitrina.counts import Extracted
from vitrina.errors import CorruptFile, ExportError, FeedError, SettingsError
from vitrina.exports.feed import FILE_NUMBER, SET_ASIDE, feed_schema
from vitrina.exports.intake import Tally
from vitrina.exports.store_file import StoreFile
from vitrina.proof.withdrawal import archived, carry_out
from vitrina.steps import extract
from vitrina.steps.extract import AFTER, BEFORE, days_of, set_aside_outside, tallies
from vitrina.store import Batch, Store
from vitrina.stores.lake import Lake

AS_OF = datetime.date(2026, 12, 1)
NAMES = ("sale_id", "customer_id", "product_id", "quantity", "sale_date", "sale_amount", "region")
HEADER = ",".join(NAMES)


def shop(folder: Path, *files: str, **other: Any) -> Store:
    """A store whose columns are named like the fields; its files are CSV unless given."""
    fields: dict[str, Any] = {name: {"column": name} for name in NAMES}
    for name, said in other.pop("fields", {}).items():
        fields[name] = fields.get(name, {}) | said
    said = {
        "name": "shop",
        "title": "Shop",
        "time_zone": other.pop("time_zone", "Europe/Moscow"),
        "source": {"files": files or ["*.csv"], "fields": fields, "folder": folder, **other},
    }
    return StoreFile.model_validate(said).store()


def export(path: Path, *rows: str, header: str = HEADER) -> None:
    place(path, "\n".join([header, *rows, ""]).encode())


def sale(number: int, day: str = "2026-11-01", amount: str = "1.00") -> str:
    return f"{number},1,1,1,{day},{amount},North"


class Shop:
    """A store with a folder of exports and a lake."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark = spark
        self.folder = folder / "exports"
        self.folder.mkdir()
        self.root: Path | str = folder / "lake" / "stores" / "shop"

    def extract(self, store: Store | None = None, as_of: datetime.date = AS_OF) -> Extracted:
        self.lake = Lake(str(self.root), as_of)
        return extract.run(self.spark, self.lake, Batch(as_of, store or shop(self.folder)))

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """The feed's rows, in the order of files and lines; file and line first."""
        feed = self.lake.read(self.spark, self.lake.dataset("extract", "feed"))
        rows = feed.orderBy("file_number", "line").select("file", "line", *columns).collect()
        return [tuple(row) for row in rows]

    def report(self) -> Mapping[str, Any]:
        report = self.lake.read_document("extract", "report.json")
        assert report is not None
        return report

    def read(self) -> list[str]:
        return [each["name"] for each in self.report()["read"]]


@pytest.fixture
def own(spark: SparkSession, tmp_path: Path) -> Shop:
    return Shop(spark, tmp_path)


def test_columns_go_by_name_in_each_file(own: Shop) -> None:
    export(own.folder / "2026-10.csv", "10001,71,910,1,2026-10-30,3.00,North")
    export(
        own.folder / "2026-11.csv",
        "10003,910,71,1,2026-11-01,3.00,North,web",
        header="sale_id,product_id,customer_id,quantity,sale_date,sale_amount,region,channel",
    )
    assert own.extract() == Extracted("2026-10.csv, 2026-11.csv", 2, 2, 2, 0, 0)
    assert own.rows(*NAMES) == [
        ("2026-10.csv", 2, "10001", "71", "910", "1", "2026-10-30", "3.00", "North"),
        ("2026-11.csv", 2, "10003", "71", "910", "1", "2026-11-01", "3.00", "North"),
    ]
    assert [each["unmapped_columns"] for each in own.report()["read"]] == [[], ["channel"]]


def test_the_report_tells_how_many_rows_of_a_workbook_are_hidden(own: Shop) -> None:
    workbook = openpyxl.Workbook()
    for sheet in (workbook.active, workbook.create_sheet("December")):
        for row in (HEADER, *map(sale, range(1, 6))):
            sheet.append(row.split(","))
    for number in (3, 4):
        workbook.worksheets[0].row_dimensions[number].hidden = True
    workbook["December"].row_dimensions[6].hidden = True
    # It has no cells, and so is no row.
    workbook["December"].row_dimensions[9].hidden = True
    workbook.save(own.folder / "a.xlsx")
    export(own.folder / "b.csv", sale(9))
    # They are rows like others.
    assert own.extract(shop(own.folder, "*")).rows_in == 11
    assert [each["hidden_rows"] for each in own.report()["read"]] == [3, 0]


def test_times_without_a_time_zone_refuse_each_file_that_has_some(own: Shop) -> None:
    timed = sale(1, "2026-11-01T23:30:00Z")
    export(own.folder / "a.csv", sale(3), timed, timed)
    export(own.folder / "b.csv", sale(2))
    export(own.folder / "c.csv", timed)
    store = shop(own.folder)
    assert own.extract(store).rows_in == 5
    with pytest.raises(ExportError) as refused:
        own.extract(replace(store, names_zone=False))
    first, *lines = str(refused.value).splitlines()
    assert first == "2 files are refused:"
    assert [line.split(": ")[0].strip() for line in lines] == ["a.csv, line 3", "c.csv, line 2"]


def test_an_older_file_that_is_sent_again_keeps_its_place(own: Shop) -> None:
    export(own.folder / "b.csv", sale(1, amount="1.00"))
    own.extract()
    export(own.folder / "a.csv", sale(1, amount="2.00"))
    shutil.copy2(own.folder / "b.csv", own.folder / "again.csv")
    own.extract()
    assert own.rows("file_number", "sale_amount") == [
        ("b.csv", 2, 1, "1.00"),
        ("a.csv", 2, 2, "2.00"),
    ]
    assert {each["name"]: each["why"] for each in own.report()["passed_over"]} == {
        "again.csv": "the same as b.csv"
    }


def test_a_batch_runs_again_after_the_store_has_deleted_its_export(own: Shop) -> None:
    export(own.folder / "a.csv", sale(1), sale(2))
    counts = own.extract()
    before = own.rows(*NAMES)
    (own.folder / "a.csv").unlink()
    assert own.extract() == counts
    assert own.rows(*NAMES) == before


def test_an_export_of_last_week_extends_what_was_there(own: Shop) -> None:
    path = own.folder / "sales.csv"
    export(path, sale(1, "2026-11-10"))
    own.extract(as_of=datetime.date(2026, 11, 17))
    export(path, sale(2, "2026-11-17"))
    own.extract(as_of=datetime.date(2026, 11, 24))
    assert own.rows("sale_id", "set_aside") == [
        ("sales.csv", 2, "1", None),
        ("sales.csv", 2, "2", None),
    ]


def test_a_withdrawn_file_does_not_count_wherever_it_lies(own: Shop) -> None:
    export(own.folder / "bad.csv", sale(1, amount="999.00"))
    export(own.folder / "good.csv", sale(2))
    own.extract()
    bad, good = archived(str(own.root))
    assert [each.batches for each in (bad, good)] == [(AS_OF,), (AS_OF,)]
    carry_out([bad], str(own.root), withdraws=True)
    export(own.folder / "copy of bad.csv", sale(1, amount="999.00"))
    for names in (["bad.csv", "copy of bad.csv"], ["bad.csv"], []):
        for path in own.folder.glob("*bad.csv"):
            if path.name not in names:
                path.unlink()
        assert own.extract().rows_in == 1
        assert own.read() == ["good.csv"]
        today = datetime.datetime.now(ZoneInfo("Europe/Moscow")).date().isoformat()
        passed_over = own.report()["passed_over"]
        assert [(each["name"], each["why"]) for each in passed_over] == [
            (name, f"withdrawn on {today}") for name in names
        ]
        (told,) = own.report()["withdrawn"]
        assert (told["name"], told["sha256"], told["since"]) == ("bad.csv", bad.kept.sha256, today)
    carry_out([good], str(own.root), withdraws=True)
    (own.folder / "good.csv").unlink()
    with pytest.raises(ExportError, match="of the archive, 2 files are withdrawn"):
        own.extract()
    carry_out([bad], str(own.root), withdraws=False)
    assert own.extract().rows_in == 1
    assert own.read() == ["bad.csv"]


def test_a_file_that_lies_before_the_window_is_not_read_again(own: Shop) -> None:
    export(own.folder / "2024.csv", sale(1, "2024-05-01"), sale(2, "2024-06-01"))
    export(own.folder / "2026.csv", sale(3))
    own.extract()
    # As long as the store has it, its rows are accounted for.
    own.extract()
    assert own.rows("set_aside") == [
        ("2024.csv", 2, BEFORE),
        ("2024.csv", 3, BEFORE),
        ("2026.csv", 2, None),
    ]
    (own.folder / "2024.csv").unlink()
    own.extract()
    assert own.read() == ["2026.csv"]
    (outside,) = own.report()["outside_the_window"]
    assert (outside["name"], outside["days"]) == ("2024.csv", ["2024-05-01", "2024-06-01"])
    # A batch of that year reads it.
    own.extract(as_of=datetime.date(2024, 7, 1))
    assert own.rows("set_aside") == [
        ("2024.csv", 2, None),
        ("2024.csv", 3, None),
        ("2026.csv", 2, AFTER),
    ]


def test_no_file_at_all_says_where_it_looked(own: Shop) -> None:
    place(own.folder / "a.csv.part")
    place(own.folder / "notes.md")
    with pytest.raises(
        ExportError,
        match=rf"no file to read: \*\.csv leads to no file: {own.folder} has a\.csv\.part, ",
    ):
        own.extract()
    with pytest.raises(ExportError, match=r"a\.csv\.part is passed over: a download"):
        own.extract(shop(own.folder, "."))


def test_all_refusals_of_a_run_are_told_together_and_nothing_is_left(own: Shop) -> None:
    export(own.folder / "a.csv", sale(1))
    place(own.folder / "b.csv.gz", gzip.compress(b"x" * 99)[:-5])
    export(own.folder / "c.csv", "1", header="something")
    store = shop(own.folder, ".")
    with pytest.raises(ExportError) as refused:
        own.extract(store)
    said = str(refused.value).splitlines()
    assert said[0] == "2 files are refused:"
    assert "b.csv.gz" in said[1]
    assert "c.csv" in said[2]
    assert own.lake.read_document("extract", "step.json") is None
    assert not [*Path(own.root, "archive").glob("*.json")]
    # Mended, they are all read, and the archive knows nothing of the refused ones.
    place(own.folder / "b.csv.gz", gzip.compress(f"{HEADER}\n{sale(2)}\n".encode()))
    (own.folder / "c.csv").unlink()
    assert own.extract(store).rows_in == 2
    assert len([*Path(own.root, "archive").iterdir()]) == 4


def test_a_file_that_was_refused_leaves_the_batch_before_as_it_was(own: Shop) -> None:
    export(own.folder / "a.csv", sale(1))
    own.extract()
    export(own.folder / "b.csv", "1", header="something")
    with pytest.raises(ExportError, match=r"b\.csv"):
        own.extract()
    assert own.rows("sale_id") == [("a.csv", 2, "1")]


def test_a_file_that_was_changed_in_the_archive_stops_the_batch(own: Shop) -> None:
    export(own.folder / "a.csv", sale(1))
    own.extract()
    (own.folder / "a.csv").unlink()
    (kept,) = [path for path in Path(own.root, "archive").iterdir() if not path.suffix]
    kept.write_bytes(kept.read_bytes().replace(b"1.00", b"9.00"))
    with pytest.raises(CorruptFile, match="is not the file that was kept"):
        own.extract()


def test_other_rules_in_the_store_file_read_every_file_of_the_archive_again(own: Shop) -> None:
    export(own.folder / "a.csv", f"{sale(1, '2024-01-01')},2026-11-02", header=f"{HEADER},paid")
    export(own.folder / "b.csv", f"{sale(2)},2026-11-03", header=f"{HEADER},paid")
    own.extract()
    (own.folder / "a.csv").unlink()
    own.extract()
    assert own.read() == ["b.csv"]
    own.extract(shop(own.folder, fields={"sale_date": {"column": "paid"}}))
    assert own.rows("sale_date") == [("a.csv", 2, "2026-11-02"), ("b.csv", 2, "2026-11-03")]


def test_orders_are_completed_before_the_window_is_looked_at(own: Shop) -> None:
    """A line's place counts all lines of its order, and its day may come from the line above."""
    export(
        own.folder / "a.csv",
        "7,1,1,1,2024-01-01,1.00,North",
        "7,1,2,1,,2.00,North",
        "8,1,1,1,2026-11-01,3.00,North",
        "8,1,2,1,,4.00,North",
    )
    store = shop(
        own.folder,
        order=["sale_id"],
        fields={"sale_id": {"place": "order"}, "sale_date": {"carried_down": True}},
    )
    assert own.extract(store) == Extracted("a.csv", 1, 4, 4, 0, 0)
    assert own.rows("sale_id", "sale_date", "set_aside") == [
        ("a.csv", 2, "7/1", "2024-01-01", BEFORE),
        ("a.csv", 3, "7/2", "2024-01-01", BEFORE),
        ("a.csv", 4, "8/1", "2026-11-01", None),
        ("a.csv", 5, "8/2", "2026-11-01", None),
    ]
    folders = [path.name for path in Path(own.lake.root, "extract").glob("*/*")]
    assert folders == ["feed"]


def test_an_order_that_is_cut_between_two_files_is_not_taken_for_two_versions(own: Shop) -> None:
    store = shop(
        own.folder, order=["sale_id"], fields={"sale_id": {"column": "sale_id", "place": "order"}}
    )

    def row(order: int, product: str) -> str:
        return f"{order},1,{product},1,2026-11-01,1.00,North"

    export(own.folder / "1.csv", row(1, "a"), row(2, "b"), row(2, "c"))
    export(own.folder / "2.csv", row(2, "d"), row(3, "a"))
    with pytest.raises(
        ExportError, match=r"order 2 ends 1\.csv and begins 2\.csv, with no product in common"
    ):
        own.extract(store)
    assert archived(str(own.root)) == []
    # Days of two exports overlap, here by one order: its lines are versions of each other.
    export(own.folder / "2.csv", row(2, "b"), row(2, "d"), row(3, "a"))
    own.extract(store)
    # What comes later has changed since.
    export(own.folder / "3.csv", row(3, "e"), row(4, "a"))
    own.extract(store)
    assert [line[2] for line in own.rows("sale_id")] == [
        *("1/1", "2/1", "2/2"),
        *("2/1", "2/2", "3/1"),
        *("3/1", "4/1"),
    ]


def test_rows_made_of_refunds_and_rows_added_up_are_counted(own: Shop) -> None:
    header = f"{HEADER},refunded"
    export(
        own.folder / "a.csv",
        f"{sale(1, amount='5.00')},2.00",
        f"{sale(2, amount='3.00')},",
        f"{sale(2, amount='4.00')},",
        f"{sale(3, amount='6.00')},1.00",
        f"{sale(4, amount='1.00')},",
        f"{sale(4, amount='1.50')},",
        header=header,
    )
    store = shop(
        own.folder, order=["sale_id"], refund={"column": "refunded"}, add_up={"by": ["sale_id"]}
    )
    assert own.extract(store) == Extracted("a.csv", 1, 6, 6, 2, 2)
    amounts = sorted(row[2] for row in own.rows("sale_amount"))
    assert amounts == ["-1.00", "-2.00", "2.50", "5.00", "6.00", "7.00"]


def test_versions_and_fates_are_in_the_feed_whichever_file_is_first(own: Shop) -> None:
    header = f"{HEADER},status,updated"
    export(
        own.folder / "2026-11-10.csv",
        f"{sale(1)},paid,2026-11-08T10:00:00",
        f"{sale(2)},pending,2026-11-09T12:00:00",
        header=header,
    )
    export(
        own.folder / "2026-11-17.csv",
        f"{sale(1)},cancelled,2026-11-12T09:00:00",
        f"{sale(2)},paid,2026-11-11T08:00:00",
        header=header,
    )
    store = shop(
        own.folder,
        versions={"column": "updated"},
        rows=[{"column": "status", "equals": ["paid"], "negate": True}],
    )
    own.extract(store)
    rows = own.rows("sale_id", "file_number", "set_aside", "version")
    assert [row[:-1] for row in rows] == [
        ("2026-11-10.csv", 2, "1", 1, None),
        ("2026-11-10.csv", 3, "2", 1, "pending"),
        ("2026-11-17.csv", 2, "1", 2, "cancelled"),
        ("2026-11-17.csv", 3, "2", 2, None),
    ]
    versions = [row[-1] for row in rows]
    assert versions[2] > versions[0]
    assert versions[3] > versions[1]


def test_files_of_every_kind_make_one_feed(own: Shop) -> None:
    values = dict(zip(NAMES, sale(2).split(","), strict=True))
    export(own.folder / "a.csv", sale(1))
    place(own.folder / "b.jsonl", json.dumps(values).encode())
    place(own.folder / "c.json", json.dumps([values | {"sale_id": 3}]).encode())
    parquet.write_table(
        pa.table({**{n: [v] for n, v in values.items()}, "sale_id": [4]}), own.folder / "d.parquet"
    )
    with zipfile.ZipFile(own.folder / "e.zip", "w") as packed:
        packed.writestr("2.csv", f"{HEADER}\n{sale(6)}\n")
        packed.writestr("1.csv", f"{HEADER}\n{sale(5)}\n")
    place(own.folder / "f.csv.gz", gzip.compress(f"{HEADER}\n{sale(7)}\n".encode()))
    place(own.folder / "g.csv.zst", pa.Codec("zstd").compress(f"{HEADER}\n{sale(8)}\n".encode()))
    own.extract(shop(own.folder, "."))
    assert own.rows("file_number", "sale_id", "sale_date") == [
        ("a.csv", 2, 1, "1", "2026-11-01"),
        ("b.jsonl", 1, 2, "2", "2026-11-01"),
        ("c.json", 1, 3, "3", "2026-11-01"),
        ("d.parquet", 1, 4, "4", "2026-11-01"),
        ("e.zip/1.csv", 2, 5, "5", "2026-11-01"),
        ("e.zip/2.csv", 2, 6, "6", "2026-11-01"),
        ("f.csv.gz", 2, 7, "7", "2026-11-01"),
        ("g.csv.zst", 2, 8, "8", "2026-11-01"),
    ]


def test_the_day_of_first_sight_is_the_stores(own: Shop) -> None:
    """At any moment it is a later day in Kiritimati than on Niue."""
    today = datetime.datetime.now(ZoneInfo("Pacific/Kiritimati")).date()
    export(own.folder / "a.csv", sale(1, str(today)))
    for zone, why in {"Pacific/Kiritimati": AFTER, "Pacific/Niue": None}.items():
        own.extract(shop(own.folder, time_zone=zone), as_of=today)
        assert own.rows("set_aside") == [("a.csv", 2, why)]


def test_many_rows_are_all_written_once(own: Shop) -> None:
    numbers = range(1, 300_001)
    export(own.folder / "a.csv", *map(sale, numbers))
    assert own.extract().feed_rows == 300_000
    feed = own.lake.read(own.spark, own.lake.dataset("extract", "feed"))
    (counted,) = feed.selectExpr(
        "min(line)", "max(line)", "count(*)", "sum(cast(sale_id AS bigint))", "sum(line)"
    ).collect()
    first, last, rows, ids, lines = counted
    assert (first, last, rows) == (2, 300_001, 300_000)
    assert (ids, lines) == (sum(numbers), sum(numbers) + 300_000)
    assert len(own.lake.dataset("extract", "feed").files) > 1


def test_a_table_is_read_as_it_is(
    own: Shop, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT 7::bigint AS sale_id, 'c' AS customer_id, 'p' AS "
            "product_id, 2 AS quantity, DATE '2026-11-03' AS sale_date, 12.50::numeric(9, 2) AS "
            "sale_amount, 'North' AS region, 1 AS more"
        )
    store = shop(own.folder, files=(), postgres="orders", postgres_dsn_variable="SHOP_DSN")
    with pytest.raises(SettingsError, match="SHOP_DSN is not set"):
        own.extract(store)
    monkeypatch.setenv("SHOP_DSN", database)
    assert own.extract(store) == Extracted("orders", 1, 1, 1, 0, 0)
    (row,) = own.rows("sale_id", "quantity", "sale_date", "region", "set_aside")
    assert row == ("orders", 1, "7", "2", "2026-11-03", "North", None)
    assert not Path(own.root, "archive").exists()


def test_a_lake_on_s3_keeps_the_files_and_completes_orders(
    sail: SparkSession, tmp_path: Path
) -> None:
    own = Shop(sail, tmp_path)
    own.root = f"s3://{BUCKET}/extract/shop"
    export(own.folder / "a.csv", "7,1,1,1,2026-11-01,1.00,North", "7,1,2,1,2026-11-01,2.00,North")
    store = shop(own.folder, order=["sale_id"], fields={"sale_id": {"place": "order"}})
    for _ in range(2):
        assert own.extract(store) == Extracted("a.csv", 1, 2, 2, 0, 0)
        assert own.rows("sale_id") == [("a.csv", 2, "7/1"), ("a.csv", 3, "7/2")]
        (own.folder / "a.csv").unlink(missing_ok=True)


# The window, and what is counted


def feed(*rows: dict[str, Any]) -> pa.RecordBatch:
    schema = feed_schema(shop(Path()).contract)
    empty = dict.fromkeys(schema.names) | {FILE_NUMBER: 1}
    return pa.RecordBatch.from_pylist([empty | row for row in rows], schema)


BATCH = Batch(AS_OF, shop(Path()))
SEEN = {1: datetime.date(2026, 12, 24), 2: datetime.date(2026, 11, 25)}


@pytest.mark.parametrize(
    ("day", "file", "why"),
    [
        ("2025-11-30", 1, BEFORE),
        ("2025-12-01", 1, None),
        ("2026-11-30", 1, None),
        ("2026-12-01", 1, AFTER),
        ("2026-12-24", 1, AFTER),
        # In the future when the file was first seen: validation rejects it.
        ("2026-12-25", 1, None),
        ("2026-12-01", 2, None),
        # No day: validation says what is wrong with it.
        ("24.12.2020", 1, None),
        ("20201224", 1, None),
        ("2020-12-24 ", 1, None),
        ("2020-02-30", 1, None),
        ("", 1, None),
        (None, 1, None),
    ],
)
def test_a_row_is_set_aside_by_its_day(day: str | None, file: int, why: str | None) -> None:
    inside = {"sale_date": "2026-11-01", FILE_NUMBER: file}
    rows = feed({"sale_date": day, FILE_NUMBER: file}, inside)
    assert set_aside_outside(rows, days_of(rows), BATCH, SEEN)[SET_ASIDE].to_pylist() == [why, None]


def test_what_is_set_aside_already_stays_so() -> None:
    rows = feed({"sale_date": "2020-01-01", SET_ASIDE: "total row"}, {"sale_date": "2020-01-01"})
    judged = set_aside_outside(rows, days_of(rows), BATCH, SEEN)
    assert judged[SET_ASIDE].to_pylist() == ["total row", BEFORE]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                FILE_NUMBER: st.integers(1, 3),
                "sale_date": st.sampled_from([None, "2026-11-01", "2026-11-02", "soon"]),
                SET_ASIDE: st.sampled_from([None, "fee"]),
                "problems": st.sampled_from([None, [], ["a"], ["a", "b"]]),
            }
        )
    ),
    st.integers(0, 9),
)
def test_every_file_is_counted_by_itself(rows: list[dict[str, Any]], cut: int) -> None:
    found: dict[int, Tally] = {}
    for piece in (rows[:cut], rows[cut:]):
        batch = feed(*piece)
        for number, tally in tallies(batch, days_of(batch)).items():
            found.setdefault(number, Tally()).add(tally)
    assert set(found) == {row[FILE_NUMBER] for row in rows}
    for number, tally in found.items():
        own = [row for row in rows if row[FILE_NUMBER] == number]
        days = [row["sale_date"] for row in own if row["sale_date"] not in (None, "soon")]
        assert str(tally.first_day) == min(days, default="None")
        assert str(tally.last_day) == max(days, default="None")
        assert tally.set_aside["fee"] == sum(row[SET_ASIDE] is not None for row in own)
        sales = [row["problems"] or [] for row in own if row[SET_ASIDE] is None]
        assert tally.problems["a"] == sum("a" in problems for problems in sales)
        assert tally.problems["b"] == sum("b" in problems for problems in sales)


def test_the_report_tells_each_file_s_fate(own: Shop) -> None:
    export(own.folder / "a.csv", sale(1), sale(2, "2020-01-01"), "3,1,1", sale(4, "2026-11-30"))
    place(own.folder / "b.csv", b"")
    own.extract(shop(own.folder, "*.csv", "other/*.csv"))
    report = json.loads(Path(own.lake.root, "extract", "report.json").read_text())
    (read,) = report["read"]
    assert len(read.pop("sha256")) == 64
    assert read.pop("first_seen")[-6:] == "+00:00"
    assert read == {
        "name": "a.csv",
        "number": 1,
        "bytes": (own.folder / "a.csv").stat().st_size,
        "rows": 4,
        "first_day": "2020-01-01",
        "last_day": "2026-11-30",
        "set_aside": {BEFORE: 1},
        "problems": {"row_has_3_fields_of_7": 1},
        "hidden_rows": 0,
        "unmapped_columns": [],
    }
    assert report["passed_over"] == [{"name": "b.csv", "size": 0, "why": "empty"}]
    assert report["nothing_there"] == [f"other/*.csv leads to no file: {own.folder}/other has none"]


@pytest.mark.parametrize("feed_rows", [11, 13])
def test_a_row_that_is_lost_or_invented_stops_the_step(feed_rows: int) -> None:
    counted = Extracted("a.csv", files=1, rows_in=10, feed_rows=12, refunds=3, added_up=1)
    extract._balance(counted)  # noqa: SLF001
    with pytest.raises(FeedError, match=rf"10 rows were read, and {feed_rows} are in the feed"):
        extract._balance(replace(counted, feed_rows=feed_rows))  # noqa: SLF001
