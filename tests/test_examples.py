"""The stores of `examples/stores`: each file goes all the way into the marts, or says why not."""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.batches import until_clean
from vitrina.counts import Cleaned, Extracted, Validated
from vitrina.errors import ExportError
from vitrina.exports import files
from vitrina.exports.inspection.propose import propose, write_new
from vitrina.exports.store_file import load_store
from vitrina.pipeline import Opened, Run
from vitrina.proof.feed import clean_differences, recomputed
from vitrina.proof.recomputed import counts
from vitrina.settings import Settings

EXAMPLES = Path(__file__).parents[1] / "examples" / "stores"
AS_OF = datetime.date(2026, 12, 1)


@dataclass(frozen=True)
class Fates:
    """What becomes of an example's rows, and what its clean rows sum to."""

    clean: int
    net: str
    set_aside: int = 0
    rejected: int = 0
    collapsed: int = 0


def fates(extracted: Extracted, validated: Validated, cleaned: Cleaned) -> Fates:
    return Fates(
        cleaned.clean,
        str(cleaned.total_sales_amount - cleaned.total_returns_amount),
        validated.set_aside,
        validated.rejected,
        cleaned.collapsed + extracted.added_up,
    )


READ = {
    "1c": Fates(6, "21277.50", set_aside=4),
    "amazon-settlement": Fates(4, "63.00", set_aside=4, collapsed=1),
    "olist-joined": Fates(7, "689.39", set_aside=2, rejected=1),
    "online-retail": Fates(7, "155.54", set_aside=2, rejected=1),
    "online-retail-2": Fates(7, "140.04", set_aside=1, collapsed=2),
    "ozon": Fates(6, "6520.50", set_aside=2, rejected=2),
    "sample-sales": Fates(9, "34699.18", set_aside=1),
    "shopify": Fates(9, "112.00", set_aside=2, rejected=1),
    "square": Fates(9, "37.00", rejected=1),
    "stripe": Fates(9, "1275.00", set_aside=2, rejected=1),
    "superstore": Fates(9, "3519.44", set_aside=1),
    "wildberries": Fates(7, "10631.60", set_aside=3),
}

REFUSED = {
    "daily-totals": ("Product", "Quantity"),
    "instacart": ("order_date", "amount", "quantity", "region"),
    "olist": ("customer_unique_id", "order_purchase_timestamp", "customer_state"),
    "woocommerce": ("SKU", "Quantity", "Line total"),
}


def test_every_example_is_here() -> None:
    assert {folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()} == {*READ, *REFUSED}


def under_way(spark: SparkSession, example: str, home: Path) -> Run:
    # A tenth of so few rows is one row.
    settings = Settings(home=home, max_rejected_share=Decimal("0.3"))
    store = load_store(EXAMPLES / example / "store.toml")
    return Run(settings, AS_OF, store=store, opened=Opened(spark=spark, alone=True))


@pytest.mark.parametrize("example", READ)
def test_each_row_of_an_example_has_the_fate_that_it_should(
    spark: SparkSession, home: Path, example: str
) -> None:
    expected = READ[example]
    with under_way(spark, example, home) as run:
        extracted, validated, cleaned = until_clean(run)
        with recomputed(run.lake, run.batch) as database:
            assert clean_differences(database, run.lake, run.batch) == []
            found = counts(database)
    assert (found["rejected"], found["collapsed"]) == (validated.rejected, cleaned.collapsed)
    assert (found["set_aside"], found["superseded"]) == (validated.set_aside, cleaned.superseded)
    assert fates(extracted, validated, cleaned) == expected


@pytest.mark.parametrize("example", ["shopify", "wildberries", "amazon-settlement", "square"])
def test_what_is_proposed_for_an_example_reads_it_as_its_own_file_does(
    spark: SparkSession, home: Path, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    monkeypatch.setattr(files, "QUIET_SECONDS", 0.0)
    file = home / "proposed.toml"
    write_new(propose([EXAMPLES / example / "exports"]), file)
    settings = Settings(home=home, max_rejected_share=Decimal("0.3"))
    opened = Opened(spark=spark, alone=True)
    with Run(settings, AS_OF, store=load_store(file), opened=opened) as run:
        extracted, validated, cleaned = until_clean(run)
    assert fates(extracted, validated, cleaned) == READ[example]


@pytest.mark.parametrize("example", REFUSED)
def test_a_layout_that_cannot_fit_is_refused_by_the_names_that_are_missing(
    spark: SparkSession, home: Path, example: str
) -> None:
    with under_way(spark, example, home) as run, pytest.raises(ExportError) as refused:
        run.step(run.steps[0])
    for name in REFUSED[example]:
        assert name in str(refused.value)
