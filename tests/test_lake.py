"""What a step leaves is seen whole or not at all, and is what was written."""

import json
import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.rows import AS_OF, feed
from vitrina.errors import BatchError, CorruptFile, SettingsError
from vitrina.settings import Settings
from vitrina.stores.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "озеро с пробелом"), AS_OF)


def leave(spark: SparkSession, lake: Lake, *sale_ids: str) -> None:
    with lake.step("generate") as left:
        lake.write(left, "feed", feed(spark, *[{"sale_id": i} for i in sale_ids]), "parquet")
        left.counts = {"rows": len(sale_ids)}


def sale_ids(spark: SparkSession, lake: Lake) -> list[str]:
    rows = lake.read(spark, lake.dataset("generate", "feed"))
    return sorted(row.sale_id for row in rows.collect())


def test_a_step_that_has_not_ended_has_left_nothing(spark: SparkSession, lake: Lake) -> None:
    with pytest.raises(BatchError, match="run: vitrina generate --as-of 2026-11-24"):
        lake.dataset("generate", "feed")


def test_a_step_that_fails_leaves_what_was_there_before(spark: SparkSession, lake: Lake) -> None:
    leave(spark, lake, "1", "2")

    def fail() -> None:
        with lake.step("generate") as left:
            lake.write(left, "feed", feed(spark, {"sale_id": "3"}), "parquet")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sale_ids(spark, lake) == ["1", "2"]


def test_a_step_done_again_replaces_what_it_left_and_keeps_one_attempt(
    spark: SparkSession, lake: Lake
) -> None:
    leave(spark, lake, "1", "2")
    leave(spark, lake, "3")
    assert sale_ids(spark, lake) == ["3"]
    assert lake.result("generate")["counts"] == {"rows": 1}
    folders = [path for path in Path(lake.root, "generate").iterdir() if path.is_dir()]
    assert len(folders) == 1


def test_a_dataset_without_rows_is_read_with_its_columns(spark: SparkSession, lake: Lake) -> None:
    leave(spark, lake)
    rows = lake.read(spark, lake.dataset("generate", "feed"))
    assert rows.count() == 0
    assert rows.columns[0] == "sale_id"


def test_a_flipped_bit_is_found_and_the_file_named(spark: SparkSession, lake: Lake) -> None:
    leave(spark, lake, "1", "2")
    file = lake.dataset("generate", "feed").files[0]
    path = Path(lake.root, file.path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptFile, match=f"{path.name} has changed .* run: vitrina generate"):
        lake.dataset("generate", "feed")


def test_a_missing_file_is_found_and_named(spark: SparkSession, lake: Lake) -> None:
    leave(spark, lake, "1")
    path = Path(lake.root, lake.dataset("generate", "feed").files[0].path)
    path.unlink()
    with pytest.raises(CorruptFile, match=path.name):
        lake.dataset("generate", "feed")


def test_a_file_of_somebody_elses_in_the_folder_is_not_read(
    spark: SparkSession, lake: Lake
) -> None:
    leave(spark, lake, "1")
    path = Path(lake.root, lake.dataset("generate", "feed").files[0].path)
    path.with_name("stray.parquet").write_bytes(path.read_bytes())
    assert sale_ids(spark, lake) == ["1"]


def test_forgetting_a_step_removes_what_it_left_and_nothing_else(
    spark: SparkSession, lake: Lake
) -> None:
    leave(spark, lake, "1")
    with lake.step("validate") as left:
        left.counts = {"rows_in": 1}
    lake.forget(["validate", "clean"])
    assert lake.read_document("validate", "step.json") is None
    assert not Path(lake.root, "validate").exists()
    assert sale_ids(spark, lake) == ["1"]


def test_batches_lie_beside_each_other(spark: SparkSession, tmp_path: Path) -> None:
    one, other = Lake(str(tmp_path), AS_OF), Lake(str(tmp_path), AS_OF.replace(day=17))
    leave(spark, one, "1")
    leave(spark, other, "2")
    assert (sale_ids(spark, one), sale_ids(spark, other)) == (["1"], ["2"])


def test_a_result_says_when_and_how_long(lake: Lake) -> None:
    with lake.step("generate"):
        time.sleep(0.02)
    result = json.loads(Path(lake.root, "generate", "step.json").read_text())
    assert result["started"] <= result["finished"]
    assert result["seconds"] >= 0.02


@pytest.mark.parametrize("name", ["a*b", "a[1]", "{x}", "who?"])
def test_a_folder_that_spark_takes_for_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="takes for a pattern"):
        _ = Settings(home=tmp_path / name).lake_root


def test_a_lake_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SettingsError, match="cannot be opened"):
        Lake("nowhere://bucket", AS_OF)
