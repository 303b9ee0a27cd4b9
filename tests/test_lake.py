"""What a step leaves is seen whole or not at all, and is what was written: on disk and on S3."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyarrow import fs
from pyspark.sql import SparkSession

from tests.rows import AS_OF, feed
from tests.servers.s3 import BUCKET
from vitrina.errors import BatchError, CorruptFile, SettingsError
from vitrina.settings import Settings
from vitrina.stores.lake import Lake


@pytest.fixture(params=["disk", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "disk":
        return Lake(str(tmp_path / "озеро с пробелом"), AS_OF)
    request.getfixturevalue("s3_variables")
    return Lake(f"s3://{BUCKET}/a/prefix/{uuid.uuid4().hex}", AS_OF)


@pytest.fixture
def engine(lake: Lake, request: pytest.FixtureRequest) -> SparkSession:
    """An engine that reads and writes there."""
    session: SparkSession = request.getfixturevalue(
        "sail" if lake.root.startswith("s3://") else "spark"
    )
    return session


def place(lake: Lake, path: str = "") -> tuple[fs.FileSystem, str]:
    """Where a file of the lake is, as Arrow has it."""
    where = f"{lake.root}/{path}".rstrip("/")
    if "://" in where:
        system, where = fs.FileSystem.from_uri(where)
        return system, where
    return fs.LocalFileSystem(), where


def files(lake: Lake) -> list[str]:
    """The files of the batch, without the engine's own beside them."""
    system, root = place(lake)
    found = system.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    return sorted(
        entry.path.removeprefix(f"{root}/")
        for entry in found
        if entry.type == fs.FileType.File and not entry.base_name.startswith(("_", "."))
    )


def content(lake: Lake, path: str) -> bytes:
    system, where = place(lake, path)
    with system.open_input_stream(where) as stream:
        read: bytes = stream.read()
        return read


def put(lake: Lake, path: str, data: bytes) -> None:
    system, where = place(lake, path)
    with system.open_output_stream(where) as stream:
        stream.write(data)


def leave(spark: SparkSession, lake: Lake, *sale_ids: str) -> None:
    with lake.step("generate") as left:
        lake.write(left, "feed", feed(spark, *[{"sale_id": i} for i in sale_ids]), "parquet")
        left.counts = {"rows": len(sale_ids)}


def sale_ids(spark: SparkSession, lake: Lake) -> list[str]:
    rows = lake.read(spark, lake.dataset("generate", "feed"))
    return sorted(row.sale_id for row in rows.collect())


def test_a_step_that_has_not_ended_has_left_nothing(engine: SparkSession, lake: Lake) -> None:
    with pytest.raises(BatchError, match="run: vitrina generate --as-of 2026-11-24"):
        lake.dataset("generate", "feed")


def test_a_step_that_fails_leaves_what_was_there_before(engine: SparkSession, lake: Lake) -> None:
    leave(engine, lake, "1", "2")

    def fail() -> None:
        with lake.step("generate") as left:
            lake.write(left, "feed", feed(engine, {"sale_id": "3"}), "parquet")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sale_ids(engine, lake) == ["1", "2"]


def test_a_step_done_again_replaces_what_it_left_and_keeps_one_attempt(
    engine: SparkSession, lake: Lake
) -> None:
    leave(engine, lake, "1", "2")
    leave(engine, lake, "3")
    assert sale_ids(engine, lake) == ["3"]
    assert lake.result("generate")["counts"] == {"rows": 1}
    [file] = lake.dataset("generate", "feed").files
    assert files(lake) == sorted([file.path, "generate/step.json"])
    system, where = place(lake, "generate")
    folders = [
        entry
        for entry in system.get_file_info(fs.FileSelector(where))
        if entry.type == fs.FileType.Directory
    ]
    assert len(folders) == 1


def test_a_dataset_without_rows_is_read_with_its_columns(engine: SparkSession, lake: Lake) -> None:
    leave(engine, lake)
    rows = lake.read(engine, lake.dataset("generate", "feed"))
    assert rows.count() == 0
    assert rows.columns[0] == "sale_id"


def test_a_flipped_bit_is_found_and_the_file_named(engine: SparkSession, lake: Lake) -> None:
    leave(engine, lake, "1", "2")
    file = lake.dataset("generate", "feed").files[0]
    flipped = bytearray(content(lake, file.path))
    flipped[len(flipped) // 2] ^= 1
    put(lake, file.path, bytes(flipped))
    changed = rf"{file.path} has changed .* \({file.size} bytes then.* run: vitrina generate"
    with pytest.raises(CorruptFile, match=changed):
        lake.dataset("generate", "feed")


def test_a_missing_file_is_found_and_named(engine: SparkSession, lake: Lake) -> None:
    leave(engine, lake, "1")
    [file] = lake.dataset("generate", "feed").files
    system, where = place(lake, file.path)
    system.delete_file(where)
    with pytest.raises(CorruptFile, match=file.path):
        lake.dataset("generate", "feed")


def test_a_file_that_vanishes_before_it_is_measured_ends_the_step(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(ThreadPoolExecutor):
        """What measures the files that were listed, when one of them has gone."""

        def __init__(self) -> None:
            next(tmp_path.rglob("*.parquet")).unlink()
            super().__init__()

    monkeypatch.setattr("vitrina.stores.lake.ThreadPoolExecutor", Late)
    lake = Lake(str(tmp_path), AS_OF)
    with pytest.raises(CorruptFile, match="has vanished since Spark wrote it; see that nothing"):
        leave(spark, lake, "1")
    assert lake.read_document("generate", "step.json") is None


@pytest.mark.parametrize("counted", [0, 1, 3])
def test_rows_that_were_not_counted_are_not_handed_over(
    engine: SparkSession, lake: Lake, counted: int
) -> None:
    with lake.step("clean", {"step": "validate", "attempt": "7d0a3f9c41b2"}) as left:
        lake.write(
            left, "clean", engine.createDataFrame([("1",), ("2",)], "sale_id string"), "parquet"
        )
    result = lake.result("clean")
    assert len(lake.handed_over(result, "clean", 2).files) > 0
    with pytest.raises(
        CorruptFile,
        match=f"clean/step.json: the files of clean have 2 rows, and clean counted {counted}; "
        f"run: vitrina clean --as-of {lake.as_of}",
    ):
        lake.handed_over(result, "clean", counted)


def test_a_file_of_somebody_elses_in_the_folder_is_not_read(
    engine: SparkSession, lake: Lake
) -> None:
    leave(engine, lake, "1")
    [file] = lake.dataset("generate", "feed").files
    folder = file.path.rpartition("/")[0]
    put(lake, f"{folder}/stray.parquet", content(lake, file.path))
    assert sale_ids(engine, lake) == ["1"]


def test_forgetting_a_step_removes_what_it_left_and_nothing_else(
    engine: SparkSession, lake: Lake
) -> None:
    leave(engine, lake, "1")
    before = files(lake)
    with lake.step("validate") as left:
        lake.write(left, "typed", feed(engine, {"sale_id": "1"}), "parquet")
        left.counts = {"rows_in": 1}
    lake.forget(["validate", "clean"])
    assert lake.read_document("validate", "step.json") is None
    assert files(lake) == before
    system, where = place(lake, "validate")
    assert system.get_file_info(where).type == fs.FileType.NotFound
    assert sale_ids(engine, lake) == ["1"]


def test_batches_lie_beside_each_other(spark: SparkSession, tmp_path: Path) -> None:
    one, other = Lake(str(tmp_path), AS_OF), Lake(str(tmp_path), AS_OF.replace(day=17))
    leave(spark, one, "1")
    leave(spark, other, "2")
    assert (sale_ids(spark, one), sale_ids(spark, other)) == (["1"], ["2"])


def test_a_result_says_when_and_how_long(lake: Lake) -> None:
    with lake.step("generate"):
        time.sleep(0.02)
    result = json.loads(content(lake, "generate/step.json"))
    assert result["started"] <= result["finished"]
    assert result["seconds"] >= 0.02


@pytest.mark.parametrize("name", ["a*b", "a[1]", "{x}", "who?"])
def test_a_folder_that_spark_takes_for_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="takes for a pattern"):
        _ = Settings(home=tmp_path / name).lake_root


@pytest.mark.parametrize(
    "lake",
    [
        "gs://key:secret@b",
        "s3a://secret",
        "S3://secret",
        "file:///secret",
        "s3:/secret",
        "s3:secret",
    ],
)
def test_a_lake_of_an_unknown_kind_is_refused_and_not_shown(lake: str) -> None:
    with pytest.raises(SettingsError, match=r"VITRINA_LAKE: .*: is not .* s3://bucket/") as refused:
        _ = Settings(lake=lake).lake_root
    assert lake.partition(":")[0] in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_folder_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    assert Settings(lake=f"{tmp_path}/a:b").lake_root == f"{tmp_path}/a:b"
    assert Settings(lake="./s3:b").lake_root == f"{Path.cwd()}/s3:b"
