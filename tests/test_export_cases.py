"""Files as stores send them, each with what a careful importer makes of every row.

`tests/exports/<case>/` holds the files and their `store.toml`; `expected.json` the values, the
fates, the reasons and the lines, written down by hand.
"""

import datetime
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.batches import until_clean
from vitrina.errors import ExportError
from vitrina.exports.store_file import load_store
from vitrina.pipeline import Opened, Run
from vitrina.settings import Settings
from vitrina.steps.clean import SUPERSEDED

CASES = Path(__file__).parent / "exports"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CASES / "expected.json").read_text("utf-8"))
AS_OF = datetime.date(2026, 12, 1)
REFUSED = "wide_crosstab_by_day"
READ = sorted(set(EXPECTED) - {REFUSED})
FIELDS = ("sale_id", "customer_id", "product_id", "quantity", "sale_date", "sale_amount", "region")


@dataclass
class Outcome:
    """What became of a case's rows, each with the line it stood in."""

    accepted: list[dict[str, str]]
    rejected: dict[str, list[str]]
    set_aside: dict[str, str]
    superseded: int
    collapsed: int
    rows_in: int
    repairs: dict[str, list[str]]


def outcome(spark: SparkSession, case: str, folder: Path) -> Outcome:
    """Take a case through reading, validation and cleaning."""
    store = load_store(CASES / case / "store.toml")
    settings = Settings(home=folder, max_rejected_share=Decimal(1))
    with Run(settings, AS_OF, store=store, opened=Opened(spark=spark, alone=True)) as run:
        extracted, validated, cleaned = until_clean(run)

        def rows(step: str, name: str) -> list[dict[str, Any]]:
            found: DataFrame = run.lake.read(spark, run.lake.dataset(step, name))
            return [row.asDict() for row in found.collect()]

        files = len(list((CASES / case / "files").iterdir()))
        clean = rows("clean", "clean")
        typed = rows("validate", "typed")
        fates = {(row["file"], row["line"]): row["fate"] for row in rows("clean", "repeated")}

    def place(row: dict[str, Any]) -> str:
        file = str(row["file"]).partition("/")[2]
        return f"{file}:{row['line']}" if files > 1 else str(row["line"])

    def text(value: Any) -> str:
        return "-" if value is None else str(value)

    assert extracted.rows_in == validated.rows_in - extracted.refunds + extracted.added_up
    return Outcome(
        accepted=[
            {"line": place(row), **{name: text(row[name]) for name in FIELDS}} for row in clean
        ],
        rejected={place(row): row["reasons"] for row in typed if row["reasons"]},
        set_aside={
            place(row): row["set_aside"]
            for row in typed
            if row["set_aside"] and fates.get((row["file"], row["line"])) != SUPERSEDED
        },
        superseded=cleaned.superseded,
        collapsed=cleaned.collapsed + extracted.added_up,
        rows_in=extracted.rows_in + extracted.refunds,
        repairs={place(row): row["repairs"] for row in typed if row["repairs"]},
    )


@pytest.fixture(scope="module", params=READ)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def found(spark: SparkSession, case: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return outcome(spark, case, tmp_path_factory.mktemp("case"))


def test_each_row_is_accepted_with_its_values_or_not_at_all(case: str, found: Outcome) -> None:
    expected = [
        {"line": str(row["line"]), **{name: row[name] for name in FIELDS}}
        for row in EXPECTED[case]["accepted"]
    ]
    order = lambda row: (row["line"], row["sale_id"])  # noqa: E731
    assert sorted(found.accepted, key=order) == sorted(expected, key=order)


def test_each_reject_has_its_line_and_reason(case: str, found: Outcome) -> None:
    expected = {str(row["line"]): row["reason"] for row in EXPECTED[case]["rejected"]}
    assert found.rejected.keys() == expected.keys()
    for line, reason in expected.items():
        assert reason in found.rejected[line], line


def test_what_is_no_sale_is_set_aside_or_superseded(case: str, found: Outcome) -> None:
    expected = EXPECTED[case]["set_aside"]
    superseded = [row for row in expected if row["why"] == "superseded"]
    assert found.set_aside.keys() == {
        str(row["line"]) for row in expected if row["why"] != "superseded"
    }
    assert found.superseded == len(superseded)


def test_each_repair_is_told(case: str, found: Outcome) -> None:
    expected = {
        str(row["line"]): [row["repair"]] for row in EXPECTED[case]["accepted"] if row["repair"]
    }
    assert found.repairs == expected


def test_every_row_has_one_fate(found: Outcome) -> None:
    assert found.rows_in == (
        len(found.accepted)
        + len(found.rejected)
        + len(found.set_aside)
        + found.superseded
        + found.collapsed
    )


def test_a_file_without_the_mapped_columns_is_refused_with_both_lists(
    spark: SparkSession, tmp_path: Path
) -> None:
    with pytest.raises(ExportError) as refused:
        outcome(spark, REFUSED, tmp_path)
    for name in ("sale_id", "customer_id", "sale_date", "sale_amount", "item_id", "d_2026-11-01"):
        assert name in str(refused.value)
