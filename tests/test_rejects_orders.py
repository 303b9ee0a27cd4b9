"""Rejected rows of stores whose rows depend on others: what is to be mended is whole orders."""

import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from vitrina.errors import SettingsError
from vitrina.exports.rejects import Mendable, write_mendable
from vitrina.exports.store_file import load_store
from vitrina.exports.whole_orders import lines_of_orders
from vitrina.pipeline import Opened, Run
from vitrina.settings import Settings
from vitrina.store import Batch, Store
from vitrina.stores.addresses import lake_root
from vitrina.stores.lake import Lake

AS_OF = datetime.date(2026, 11, 24)
STORE = """
name = "cafe"
title = "Café"
[source]
files = ["exports/*"]
{source}
[source.fields]
sale_id = {{ column = "order"{sale_id} }}
product_id = {{ column = "product" }}
quantity = {{ column = "pieces" }}
sale_date = {{ column = "day"{sale_date} }}
sale_amount = {{ column = "sum" }}
region = {{ column = "city", allowed = ["Bern", "Basel"] }}
"""
HEADER = "order,product,pieces,day,sum,city"
IN_ORDER = ', place = "order"'


class Shop:
    """A store in a folder, and the engine."""

    def __init__(self, spark: SparkSession, folder: Path, source: str = "", **keys: str) -> None:
        self.spark, self.folder = spark, folder
        said = STORE.format(source=source, **{"sale_id": IN_ORDER, "sale_date": "", **keys})
        (folder / "store.toml").write_text(said)
        (folder / "exports").mkdir()
        self.store: Store = load_store(folder / "store.toml")
        self.settings = Settings(home=folder / "home", max_rejected_share=Decimal(1))

    def put(self, name: str, *rows: str, header: str = HEADER) -> None:
        (self.folder / "exports" / name).write_text("\n".join([header, *rows, ""]))

    def sales(self) -> dict[str, tuple[str, Decimal]]:
        """The product and the amount of each sale that a run comes to, by its id."""
        opened = Opened(spark=self.spark, alone=True)
        with Run(self.settings, AS_OF, store=self.store, opened=opened) as run:
            for step in run.steps[:3]:
                run.step(step)
            rows = run.lake.read(self.spark, run.lake.dataset("clean", "clean")).collect()
        assert len(rows) == len({row.sale_id for row in rows})
        return {row.sale_id: (row.product_id, row.sale_amount) for row in rows}

    def mendable(self, name: str = "mend.csv", reason: str | None = None) -> Mendable:
        lake = Lake(lake_root(self.settings, self.store), AS_OF)
        return write_mendable(lake, Batch(AS_OF, self.store), self.folder / name, reason)

    def mend(self, wrong: str, right: str) -> list[list[str]]:
        """Correct what is written, and put it where the exports are; the lines as written."""
        written = []
        for file in self.mendable().files:
            text = file.read_text()
            written.append(text.splitlines())
            (self.folder / "exports" / file.name).write_text(text.replace(wrong, right))
            file.unlink()
        return written


def test_a_bad_line_amid_an_order_is_mended_and_displaces_no_sale(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = Shop(spark, tmp_path)
    rows = (
        "7,tea,1,2026-11-01,1.00,Bern",
        "8,jam,1,2026-11-01,8.00,Bern",
        "7,milk,some,2026-11-01,2.00,Bern",
        "7,bread,1,2026-11-01,4.00,Bern",
        "9,jam,1,2026-11-01,16.00,Bern",
    )
    shop.put("week.csv", *rows)
    before = shop.sales()
    assert before == {
        "7/1": ("tea", Decimal("1.00")),
        "7/3": ("bread", Decimal("4.00")),
        "8/1": ("jam", Decimal("8.00")),
        "9/1": ("jam", Decimal("16.00")),
    }
    assert shop.mend("some", "1") == [[HEADER, rows[0], rows[2], rows[3]]]
    assert shop.sales() == {**before, "7/2": ("milk", Decimal("2.00"))}
    # What was mended stands in a later file now, so that nobody mends it again.
    again = shop.mendable()
    assert (again.files, again.left_out) == ([], 1)


def test_a_line_that_could_not_be_told_apart_comes_with_the_order_around_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = Shop(spark, tmp_path)
    shop.put(
        "week.csv",
        "6,jam,1,2026-11-01,32.00,Bern",
        "7,tea,1,2026-11-01,1.00,Bern",
        "7,milk, cold,1,2026-11-01,2.00,Bern",
        "7,bread,1,2026-11-01,4.00,Bern",
        "8,jam,1,2026-11-01,8.00,Bern",
    )
    # The bad line has no place, so that the line below has it.
    assert shop.sales()["7/2"] == ("bread", Decimal("4.00"))
    (written,) = shop.mend("milk, cold", "milk")
    assert [line.split(",")[1] for line in written[1:]] == ["tea", "milk", "bread"]
    assert shop.sales() == {
        "6/1": ("jam", Decimal("32.00")),
        "7/1": ("tea", Decimal("1.00")),
        "7/2": ("milk", Decimal("2.00")),
        "7/3": ("bread", Decimal("4.00")),
        "8/1": ("jam", Decimal("8.00")),
    }


def test_an_order_that_a_later_export_has_is_not_mended_in_the_older_one(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = Shop(spark, tmp_path)
    shop.put("1.csv", "7,tea,1,2026-11-01,1.00,Bern", "7,milk,1,2026-11-01,2.00,Rom")
    shop.put("2.csv", "7,tea,1,2026-11-01,1.50,Bern", "7,milk,1,2026-11-01,2.00,Bern")
    shop.put("3.csv", "8,tea,1,2026-11-01,3.00,Bern", "8,milk,1,2026-11-01,2.00,Rom")
    before = shop.sales()
    found = shop.mendable()
    assert found.left_out == 1
    lines = [file.read_text().splitlines()[1:] for file in found.files]
    assert lines == [["8,tea,1,2026-11-01,3.00,Bern", "8,milk,1,2026-11-01,2.00,Rom"]]
    found.files[0].unlink()
    shop.mend("Rom", "Basel")
    assert shop.sales() == {**before, "8/2": ("milk", Decimal("2.00"))}


def test_each_export_has_a_file_of_its_own_and_a_reason_chooses_orders(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = Shop(spark, tmp_path)
    shop.put("1.csv", "7,tea,1,2026-11-01,1.00,Bern", "7,milk,1,2026-11-01,2.00,Rom")
    shop.put("2.csv", "8,tea,1,2026-11-01,3.00,Rom", "9,tea,x,2026-11-01,3.00,Bern")
    shop.sales()
    found = shop.mendable(reason="region_unknown")
    assert [len(file.read_text().splitlines()) for file in found.files] == [2, 3]
    with pytest.raises(SettingsError, match="has no row rejected for x; it has quantity_not_an_in"):
        shop.mendable("other.csv", "x")


def test_a_value_from_the_line_above_comes_with_the_order(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = Shop(spark, tmp_path, 'order = ["order"]', sale_date=", carried_down = true")
    shop.put("week.csv", "7,tea,1,2026-11-01,1.00,Bern", "7,milk,1,,2.00,Rom", "8,jam,1,,,")
    shop.sales()
    (written,) = shop.mend("Rom", "Bern")
    assert written[1:] == ["7,tea,1,2026-11-01,1.00,Bern", "7,milk,1,,2.00,Rom", "8,jam,1,,,"]
    assert shop.sales() == {"7/1": ("tea", Decimal("1.00")), "7/2": ("milk", Decimal("2.00"))}


def test_with_places_in_the_file_rows_are_mended_in_the_export_itself(
    spark: SparkSession, tmp_path: Path
) -> None:
    shop = Shop(spark, tmp_path, sale_id=', place = "file"')
    rows = ("7,tea,1,2026-11-01,1.00,Bern", "7,milk,1,2026-11-01,2.00,Rom")
    shop.put("week.csv", *rows)
    before = shop.sales()
    with pytest.raises(SettingsError, match=r'place = "file".*put these back under their names'):
        shop.mendable()
    shop.put("week.csv", rows[0], rows[1].replace("Rom", "Bern"))
    assert shop.sales() == {**before, "7/3": ("milk", Decimal("2.00"))}


def test_lines_are_of_one_order_if_any_key_joins_them() -> None:
    rows = pa.table(
        {
            "line": [2, 3, 4, 5, 6],
            "sale_id": ["a", "a", "b", "c", None],
            "_parts": ["x", "y", "y", "z", "z"],
        }
    )

    def found(*lines: int, unsure: tuple[int, ...] = (), later: str = "") -> list[int]:
        numbers = [pa.array(each, pa.int64()) for each in (lines, unsure)]
        texts = [pa.array([*each], pa.string()) for each in ("", later)]
        answer: list[int] = lines_of_orders(rows, *numbers, *texts).to_pylist()
        return answer

    assert found(2) == [2, 3, 4]
    assert found(4) == [2, 3, 4]
    assert found(5) == [5, 6]
    # Its number is missing: it may be of the order above.
    assert found(6) == [5, 6]
    assert found(5, unsure=(5,)) == [2, 3, 4, 5, 6]
    assert found(2, later="b") == [2, 3]
    assert found(2, later="a") == []
