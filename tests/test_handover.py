"""What a step is handed: all of it and of one attempt, or an error that says what to run."""

import datetime
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.homes import home_folder
from tests.postgres_data import PostgresData
from vitrina.errors import (
    BatchError,
    CorruptFile,
    ReconciliationError,
    SettingsError,
    VitrinaError,
)
from vitrina.generator.feed import make_feed
from vitrina.generator.recipe import Recipe
from vitrina.pipeline import STEPS, Opened, Run
from vitrina.settings import Settings, load_settings

AS_OF = datetime.date(2026, 11, 24)
RECIPE = Recipe(rows=600, seed=3)
STEP = {step.name: step for step in STEPS}
# What each step reads of the lake: the step before and its dataset.
HANDED_OVER = [
    ("validate", "generate", "feed"),
    ("clean", "validate", "typed"),
    ("load", "clean", "clean"),
    ("analyze", "clean", "clean"),
]

Document = dict[str, Any]


@pytest.fixture(scope="module")
def done(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, postgres_data: PostgresData
) -> Iterator[Run]:
    """A batch that has gone through every step, each dataset of several files."""
    with home_folder(tmp_path_factory.mktemp("done")) as folder:
        postgres_data.copy_to(folder / "postgres")
        settings = Settings(home=folder, spark_remote=load_settings().spark_remote)
        with Run(settings, AS_OF, RECIPE, opened=Opened(spark=spark, alone=True)) as run:
            run.step(STEP["generate"])
            with run.lake.step("generate") as left:
                feed = make_feed(spark, run.batch, RECIPE).drop("defect")
                run.lake.write(left, "feed", feed.repartition(3), "csv")
                left.counts = run.lake.result("generate")["counts"]
            for step in STEPS[1:]:
                run.step(step)
            yield run


@pytest.fixture
def batch(done: Run) -> Iterator[Path]:
    """The folder of the batch in the lake, which is as it was once the test is over."""
    folder, kept = Path(done.lake.root), Path(f"{done.lake.root}.kept")
    shutil.copytree(folder, kept)
    yield folder
    shutil.rmtree(folder)
    kept.rename(folder)


def change(folder: Path, step: str, how: Callable[[Document], object]) -> None:
    path = folder / step / "step.json"
    document = json.loads(path.read_text())
    how(document)
    path.write_text(json.dumps(document))


def drop_file(dataset: str) -> Callable[[Document], object]:
    def drop(document: Document) -> None:
        files = document["datasets"][dataset]["files"]
        files.remove(max(files, key=lambda file: file["size"]))

    return drop


def add(**more: int) -> Callable[[Document], object]:
    """Add these to the counts."""

    def count(document: Document) -> None:
        for name, number in more.items():
            document["counts"][name] += number

    return count


def name_attempt(document: Document) -> None:
    document["attempt"] = "0c41d27b90ee"


def refusal(run: Run, step: str) -> VitrinaError:
    with pytest.raises(VitrinaError) as refused:
        run.step(STEP[step])
    assert not isinstance(refused.value, SettingsError)
    return refused.value


@pytest.mark.parametrize(("step", "before", "dataset"), HANDED_OVER)
def test_a_file_that_step_json_no_longer_names_is_missed(
    done: Run, batch: Path, step: str, before: str, dataset: str
) -> None:
    change(batch, before, drop_file(dataset))
    error = refusal(done, step)
    assert isinstance(error, CorruptFile | ReconciliationError)
    assert re.search(rf"\b{dataset}\b.*\brows\b.* run: vitrina {before} --as-of", str(error))


@pytest.mark.parametrize(("step", "before", "dataset"), HANDED_OVER)
def test_a_file_that_was_deleted_is_missed(
    done: Run, batch: Path, step: str, before: str, dataset: str
) -> None:
    file = next(each for each in batch.glob(f"{before}/*/{dataset}/*") if each.name[0] not in "._")
    file.unlink()
    error = refusal(done, step)
    assert isinstance(error, CorruptFile)
    assert f"{file.name}, which {before} wrote, is missing; run: vitrina {before}" in str(error)


@pytest.mark.parametrize(
    ("step", "before", "edit", "remedy"),
    [
        ("validate", "generate", add(feed_rows=1), "generate"),
        ("validate", "generate", add(feed_rows=-1), "generate"),
        ("clean", "validate", add(rows_in=1), "validate"),
        ("clean", "validate", add(valid=-1), "validate"),
        ("load", "generate", add(feed_rows=1), "validate"),
        ("load", "validate", add(rejected=-1), "validate"),
        ("load", "clean", add(clean=1), "validate"),
        ("load", "clean", add(clean=-1, collapsed=1), "clean"),
        ("load", "clean", add(total_quantity=1), "clean"),
        ("load", "clean", add(total_returns=1), "clean"),
        ("analyze", "clean", add(clean=1), "clean"),
        ("publish", "analyze", add(sales_by_day=-1), "analyze"),
        ("publish", "analyze", add(sales_by_product=1), "analyze"),
    ],
)
def test_a_count_that_was_edited_is_missed(
    done: Run, batch: Path, step: str, before: str, edit: Any, remedy: str
) -> None:
    change(batch, before, edit)
    error = refusal(done, step)
    assert isinstance(error, CorruptFile | ReconciliationError)
    assert str(error).endswith(f"run: vitrina {remedy} --as-of 2026-11-24")


@pytest.mark.parametrize(
    ("step", "other", "remedy"),
    [
        ("load", "generate", "validate"),
        ("load", "validate", "validate"),
        ("load", "clean", "clean"),
        ("analyze", "clean", "load"),
        ("publish", "analyze", "load"),
    ],
)
def test_what_was_made_from_another_attempt_is_not_put_together(
    done: Run, batch: Path, step: str, other: str, remedy: str
) -> None:
    change(batch, other, name_attempt)
    error = refusal(done, step)
    assert isinstance(error, BatchError)
    assert "0c41d27b90ee" in str(error)
    assert str(error).endswith(f"run: vitrina {remedy} --as-of 2026-11-24")


def test_every_step_names_the_attempt_of_the_feed_that_it_was_made_from(done: Run) -> None:
    attempts = {done.lake.result(step.name)["attempt"] for step in STEPS}
    entry = done.postgres.current_batch()
    [published] = done.clickhouse.query("SELECT attempt, seed FROM batch")[1]
    assert entry is not None
    assert attempts == {entry.attempt} == {published[0]}
    assert (entry.seed, published[1]) == (3, 3)


def test_marts_of_one_seed_never_stand_over_the_sales_of_another(done: Run, batch: Path) -> None:
    entry = done.postgres.current_batch()
    assert entry is not None
    other = replace(RECIPE, seed=4)
    with Run(done.settings, AS_OF, other, opened=opened(done)) as meanwhile:
        for name in ("generate", "validate", "clean"):
            meanwhile.step(STEP[name])
        attempt = meanwhile.lake.result("clean")["attempt"]
    with pytest.raises(
        BatchError, match=f"has attempt {entry.attempt} .* the lake has {attempt}; .* load"
    ):
        done.step(STEP["analyze"])
    assert done.postgres.current_batch() == entry


def opened(run: Run) -> Opened:
    return Opened(run.spark, run.postgres, run.clickhouse, alone=True)
