"""The six steps together: whatever happens to a run, running it again gives the same figures."""

import datetime
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pyspark.sql import SparkSession

from tests.faults import forks
from tests.homes import home_folder
from tests.lakes import generated
from tests.rows import shop
from tests.test_store_file import WHOLE
from tests.waiting import wait_for
from vitrina.columns import Integer, Label, Numeric
from vitrina.contract import SALES, Contract, Field
from vitrina.counts import Counts
from vitrina.errors import BatchError, EngineError, FeedError, StoreUnavailable, VitrinaError
from vitrina.exports.store_file import load_store
from vitrina.generator.feed import make_feed
from vitrina.generator.recipe import Dirt, Recipe
from vitrina.marts import marts
from vitrina.pipeline import STEPS, Opened, Run, Step, naming
from vitrina.settings import Settings, load_settings
from vitrina.steps import analyze, clean, validate
from vitrina.store import GENERATED, Batch
from vitrina.stores.lake import Lake

AS_OF = datetime.date(2026, 11, 24)
WEEK_BEFORE = AS_OF - datetime.timedelta(days=7)
RECIPE = Recipe(rows=1_000, dirt=Dirt(Decimal("0.03"), Decimal("0.02"), Decimal("0.02")))
# What differs from one run to the next.
MOMENTS = {"attempt", "started_at", "loaded_at", "analyzed_at", "published_at", "imported_at"}

ELSEWHERE = Contract(
    (
        *(
            replace(field, allowed=("Süd", "Nord-Ost", "L'Ouest"))
            if field.name == "region"
            else replace(field, maximum=4)
            if field.name == "quantity"
            else replace(
                field, type=Numeric(9, 3), minimum=Decimal("0.001"), maximum=Decimal(99_999)
            )
            if field.name == "sale_amount"
            else field
            for field in SALES.fields
        ),
        Field("channel", Label(), "Where the order came from", allowed=("web", "shop")),
        Field("cashier", Integer(32), "Who sold it", minimum=1, maximum=20),
    ),
    days=60,
)

Contents = dict[str, Counter[tuple[Any, ...]]]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Settings]:
    """Settings of embedded stores that hold nothing yet."""
    with home_folder(tmp_path) as folder:
        yield Settings(
            home=folder,
            spark_remote=load_settings().spark_remote,
            max_rejected_share=Decimal("0.1"),
        )


def take(under_way: Run, *steps: str) -> None:
    """Take the batch through these steps, through all of them unless some are named."""
    for step in STEPS:
        if not steps or step.name in steps:
            under_way.step(step)


def contents_of(there: Run, as_of: datetime.date = AS_OF, contract: Contract = SALES) -> Contents:
    found: Contents = {}
    for step in ("generate", "validate", "clean"):
        for name in there.lake.result(step)["datasets"]:
            rows = there.lake.read(there.spark, there.lake.dataset(step, name))
            found[f"lake.{step}.{name}"] = Counter(
                tuple(map(str, row)) for row in rows.select(sorted(rows.columns)).collect()
            )
    tables = [mart.name for mart in marts(contract)]
    for table in ("sale", *tables):
        found[f"postgres.{table}"] = counted(*there.postgres.query(f"SELECT * FROM {table}"))
    for table in (*tables, "control_totals", "rejects_by_reason", "batch"):
        query = f"SELECT * FROM {table} WHERE import_date = '{as_of}'"
        found[f"clickhouse.{table}"] = counted(*there.clickhouse.query(query))
    return found


def counted(names: Any, rows: Any) -> Counter[tuple[Any, ...]]:
    kept = [place for place, name in enumerate(names) if name not in MOMENTS]
    return Counter(tuple(row[place] for place in kept) for row in rows)


def test_running_any_step_again_leaves_what_was_there(home: Settings, engines: Opened) -> None:
    with Run(home, AS_OF, RECIPE, opened=engines) as first_time:
        take(first_time)
        before = contents_of(first_time)
    assert all(before.values())
    with Run(home, AS_OF, RECIPE, opened=engines) as again:
        for step in STEPS:
            # Once since what it was made from is replaced, and once without such a reason.
            again.step(step)
            again.step(step)
        assert contents_of(again) == before


def test_a_step_done_again_is_forgotten_by_the_later_ones_and_one_that_fails_keeps_what_it_left(
    spark: SparkSession, home: Settings
) -> None:
    lake = Lake(home.lake_root, AS_OF)
    with Run(home, AS_OF, RECIPE, opened=Opened(spark=spark, alone=True)) as under_way:
        take(under_way, "generate", "validate", "clean")
        take(under_way, "validate")
    assert lake.result("generate")
    with pytest.raises(BatchError, match="run: vitrina clean"):
        lake.result("clean")
    before = lake.result("validate")
    strict = home.model_copy(update={"max_rejected_share": Decimal(0)})
    with (
        Run(strict, AS_OF, RECIPE, opened=Opened(spark=spark, alone=True)) as under_way,
        pytest.raises(FeedError),
    ):
        take(under_way, "validate")
    assert lake.result("validate") == before


def test_what_spark_raises_in_a_step_is_our_error_with_the_command_to_run(
    spark: SparkSession, home: Settings
) -> None:
    def divide(run: Run) -> Counts:
        run.spark.sql("SELECT 1 / 0").collect()
        raise AssertionError

    with (
        Run(home, AS_OF, opened=Opened(spark=spark, alone=True)) as under_way,
        pytest.raises(EngineError, match="run: vitrina clean --as-of 2026-11-24"),
    ):
        under_way.step(replace(STEPS[2], work=divide))


def test_what_a_run_was_handed_open_stays_open(spark: SparkSession, home: Settings) -> None:
    with Run(home, AS_OF, RECIPE, opened=Opened(spark=spark, alone=True)) as under_way:
        assert under_way.spark is spark
        assert under_way.step(STEPS[0]).rows_left > RECIPE.rows
    assert spark.range(1).count() == 1


def test_a_newer_batch_takes_the_place_of_another_in_postgresql_and_stands_beside_it_in_clickhouse(
    home: Settings, engines: Opened
) -> None:
    with Run(home, WEEK_BEFORE, RECIPE, opened=engines) as week_before:
        take(week_before)
        earlier = contents_of(week_before, WEEK_BEFORE)
        with Run(home, AS_OF, RECIPE, opened=engines) as this_week:
            take(this_week)
            later = contents_of(this_week)
        both = contents_of(week_before, WEEK_BEFORE)
    for table, rows in earlier.items():
        if table.startswith("postgres"):
            assert both[table] == later[table] != rows
        else:
            assert both[table] == rows, table


def test_another_contract_goes_all_the_way(home: Settings, engines: Opened) -> None:
    with Run(home, AS_OF, replace(RECIPE, rows=600), shop(ELSEWHERE), opened=engines) as under_way:
        take(under_way)
        found = contents_of(under_way, contract=ELSEWHERE)
        regions = {row[0] for row in found["postgres.sales_by_region"]}
        assert regions == {"Süd", "Nord-Ost", "L'Ouest"}
        days = {
            row[0] for row in found["clickhouse.sales_by_day"] if isinstance(row[0], datetime.date)
        }
        assert len(days) <= 60
        sales = found["postgres.sale"].total()
        assert sales == found["lake.clean.clean"].total() > 500
        for table in ("sales_by_region", "sales_by_product", "sales_by_day"):
            query = f"SELECT sum(total_sales), sum(total_sales_amount) FROM {table}"
            _, in_postgres = under_way.postgres.query(query)
            _, in_clickhouse = under_way.clickhouse.query(query)
            assert in_postgres[0] == in_clickhouse[0]
            assert in_postgres[0][0] == sales


def test_no_figure_depends_on_how_the_feed_was_cut_into_partitions(
    spark: SparkSession, tmp_path: Path
) -> None:
    batch = Batch(AS_OF)
    found, files = [], set()
    for partitions in (1, 5):
        lake = Lake(str(tmp_path / str(partitions)), AS_OF)
        with lake.step("generate") as left:
            feed = make_feed(spark, batch, RECIPE, partitions).drop("defect")
            lake.write(left, "feed", feed.repartition(partitions), "csv")
            left.counts = generated(feed.count()).document()
            files.add(len(left.datasets["feed"].files))
        validated = validate.run(spark, lake, batch, Decimal("0.1"))
        cleaned = clean.run(spark, lake, batch)
        sales = lake.read(spark, lake.dataset("clean", "clean"))
        figures = {
            mart.name: sorted(map(str, rows.collect()))
            for mart, rows in analyze.mart_rows(sales, batch).items()
        }
        found.append((validated, cleaned, figures))
    assert len(files) == 2
    assert found[0] == found[1]


def test_a_run_killed_in_any_step_leaves_nothing_that_the_next_one_stumbles_over(
    spark: SparkSession, home: Settings, tmp_path: Path
) -> None:
    words = ["run", "--rows", str(RECIPE.rows), "--as-of", AS_OF.isoformat()]
    command = forks.Command(words, os.environ | {"VITRINA_HOME": str(home.home)}, tmp_path)
    for ended in range(len(STEPS)):
        command.said.unlink(missing_ok=True)
        run = forks.start(command)
        wait_for(lambda: command.steps_done() >= ended or not run.is_alive(), 60, pause=0.01)  # noqa: B023
        time.sleep(0.15)
        assert run.is_alive()
        run.kill()
        run.join()
    # This time to the end; and then again with nothing that a kill has left in the lake.
    with Run(home, AS_OF, Recipe(RECIPE.rows), opened=Opened(spark=spark)) as there:
        take(there)
        after_kills = contents_of(there)
        shutil.rmtree(home.lake_root)
        take(there)
        assert contents_of(there) == after_kills


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_step_that_computes_imports_spark_while_postgresql_starts(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported: list[str] = []
    monkeypatch.setattr("vitrina.pipeline.import_ahead", lambda _: imported.append(step.name))
    nowhere = Settings(home=tmp_path, postgres_dsn=SecretStr("postgresql://127.0.0.1:1/none"))
    with Run(nowhere, AS_OF) as run, pytest.raises(StoreUnavailable):
        run.step(step)
    assert imported == ([] if step.name in ("load", "publish") else [step.name])


def test_a_step_begins_once_all_that_is_imported_ahead_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def slowly() -> None:
        time.sleep(0.2)
        events.append("imported")

    def ahead(_: str) -> threading.Thread:
        thread = threading.Thread(target=slowly)
        thread.start()
        return thread

    def work(_: Run) -> Counts:
        events.append("begun")
        raise BatchError("that is enough")

    monkeypatch.setattr("vitrina.pipeline.import_ahead", ahead)
    with (
        Run(Settings(home=tmp_path), AS_OF, opened=Opened(alone=True)) as run,
        pytest.raises(BatchError),
    ):
        run.step(replace(STEPS[0], work=work))
    assert events == ["imported", "begun"]


def test_a_command_that_an_error_names_is_for_the_store_and_can_be_copied(
    spark: SparkSession, tmp_path: Path
) -> None:
    file = tmp_path / "my store.toml"
    file.write_text(WHOLE, "utf-8")
    opened = Opened(spark=spark, alone=True)
    with (
        Run(Settings(home=tmp_path), AS_OF, store=load_store(file), opened=opened) as run,
        pytest.raises(VitrinaError) as told,
    ):
        run.step(run.steps[1])
    assert f"run: vitrina extract --store '{file}' --as-of {AS_OF}" in str(told.value)
    with (
        pytest.raises(VitrinaError, match=re.escape(f"vitrina load --store '{file}' --as-of")),
        naming(run.store),
        naming(run.store),
    ):
        raise VitrinaError(f"run: vitrina load --as-of {AS_OF}")
    # The generated shop is what a command is for without the option.
    with pytest.raises(VitrinaError, match=r"^run: vitrina migrate$"), naming(GENERATED):
        raise VitrinaError("run: vitrina migrate")
