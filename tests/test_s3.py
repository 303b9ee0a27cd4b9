"""A lake at `s3://…`: a whole batch as on disk, and failures of S3 in one clear line."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from pyarrow import fs
from pyspark.sql import SparkSession
from spark_server import free_port

from tests.rows import AS_OF, feed
from vitrina.contract import SALES, Batch
from vitrina.engine import spark_session
from vitrina.errors import CorruptFile, SettingsError, StoreError, StoreUnavailable
from vitrina.marts import marts
from vitrina.settings import Settings
from vitrina.steps.load import shares
from vitrina.stores.lake import Lake
from vitrina.stores.opening import open_clickhouse, open_postgres

VITRINA = Path(sys.executable).with_name("vitrina")
LAKE = "s3://sales/a/prefix"
# Nobody checks these keys, unless `keys_are_checked`.
KEYS = {
    "AWS_ACCESS_KEY_ID": "a-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret",
    "AWS_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def send(method: str, url: str, text: str = "") -> None:
    request = Request(url, text.encode(), {"Content-Type": "text/plain"}, method=method)  # noqa: S310
    urlopen(request, timeout=10).close()  # noqa: S310


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of an S3 server with the bucket `sales`."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                send("PUT", f"{address}/sales")
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def variables(server: str) -> Iterator[dict[str, str]]:
    """What reaches the server, set in this process as well."""
    variables = KEYS | {"AWS_ENDPOINT_URL": server}
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        # The embedded engine's, which it sets itself.
        patch.setenv("AWS_ALLOW_HTTP", "")
        patch.delenv("AWS_ALLOW_HTTP")
        yield variables


@pytest.fixture(scope="module")
def sail(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The embedded engine, even where the other tests have Apache Spark: it lacks the jars."""
    home = tmp_path_factory.mktemp("sail")
    with spark_session(Settings(home=home, spark_remote=None)) as session:
        yield session


@pytest.fixture
def lake(variables: dict[str, str], request: pytest.FixtureRequest) -> Lake:
    """A lake of the test's own."""
    return Lake(f"{LAKE}/{request.node.name}", AS_OF)


@pytest.fixture
def keys_are_checked(server: str) -> Iterator[None]:
    """From now on the server refuses keys that it does not know, and it knows none."""
    send("POST", f"{server}/moto-api/reset-auth", "0")
    yield
    send("POST", f"{server}/moto-api/reset-auth", "inf")


@pytest.fixture
def nothing_may_be_written(server: str) -> Iterator[None]:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    send("PUT", f"{server}/sales?policy", json.dumps(policy))
    yield
    send("DELETE", f"{server}/sales?policy")


def leave(spark: SparkSession, lake: Lake, *sale_ids: str) -> None:
    with lake.step("generate") as left:
        lake.write(left, "feed", feed(spark, *[{"sale_id": i} for i in sale_ids]), "parquet")
        left.counts = {"rows": len(sale_ids)}


def sale_ids(spark: SparkSession, lake: Lake) -> list[str]:
    rows = lake.read(spark, lake.dataset("generate", "feed"))
    return sorted(row.sale_id for row in rows.collect())


def keys(lake: Lake) -> list[str]:
    """The objects of the batch, without those that stand for folders."""
    bucket, path = fs.FileSystem.from_uri(lake.root)
    found = bucket.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    return sorted(
        entry.path.removeprefix(f"{path}/") for entry in found if entry.type == fs.FileType.File
    )


def kinds(files: list[str]) -> set[str]:
    """The names of files without the parts that differ from one run to the next."""
    return {re.sub(r"/[0-9a-f]{12}/(\w+)/.*?\.", r"/\1/", file) for file in files}


def run(home: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name not in KEYS}
    for name in ("VITRINA_SPARK_REMOTE", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"):
        environment.pop(name, None)
    return subprocess.run(
        [VITRINA, *arguments],
        env=environment | {"VITRINA_HOME": str(home)} | settings,
        capture_output=True,
        text=True,
        check=False,
    )


def cells(home: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    """Every cell of `sale` and of the marts, in PostgreSQL and in ClickHouse."""
    settings = Settings(home=home)
    with open_postgres(settings) as postgres, open_clickhouse(settings) as clickhouse:
        found = {"sale": Counter(postgres.query("SELECT * FROM sale")[1])}
        for mart in marts(SALES):
            query = f"SELECT {', '.join(mart.names)} FROM {mart.name}"
            found[f"{mart.name} in PostgreSQL"] = Counter(postgres.query(query)[1])
            found[f"{mart.name} in ClickHouse"] = Counter(clickhouse.query(query)[1])
    return found


def test_a_batch_over_s3_is_the_batch_on_disk_cell_by_cell(
    variables: dict[str, str], tmp_path: Path
) -> None:
    command = ("run", "--rows", "3000", "--as-of", "2026-11-24")
    at_url = {"VITRINA_LAKE": f"{LAKE}/whole/"} | variables
    on_s3 = run(tmp_path / "s3", *command, **at_url)
    assert on_s3.returncode == 0, on_s3.stderr
    on_disk = run(tmp_path / "disk", *command)
    assert on_disk.returncode == 0, on_disk.stderr
    found = cells(tmp_path / "s3")
    assert found == cells(tmp_path / "disk")
    assert all(found.values())

    # The same files, by what the steps call them, and none of them on disk.
    lake, disk = Lake(f"{LAKE}/whole", AS_OF), Lake(str(tmp_path / "disk" / "lake"), AS_OF)
    files = [str(path.relative_to(disk.root)) for path in Path(disk.root).rglob("*.*")]
    assert kinds(keys(lake)) == kinds(files)
    assert not (tmp_path / "s3" / "lake").exists()


def test_a_step_that_fails_leaves_what_was_there_before(sail: SparkSession, lake: Lake) -> None:
    leave(sail, lake, "1", "2")

    def fail() -> None:
        with lake.step("generate") as left:
            lake.write(left, "feed", feed(sail, {"sale_id": "3"}), "parquet")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert sale_ids(sail, lake) == ["1", "2"]


def test_a_step_done_again_replaces_what_it_left_and_keeps_one_attempt(
    sail: SparkSession, lake: Lake
) -> None:
    leave(sail, lake, "1", "2")
    leave(sail, lake, "3")
    assert sale_ids(sail, lake) == ["3"]
    [file] = lake.dataset("generate", "feed").files
    assert keys(lake) == sorted([file.path, "generate/step.json"])


def test_forgetting_a_step_removes_what_it_left_and_nothing_else(
    sail: SparkSession, lake: Lake
) -> None:
    leave(sail, lake, "1")
    before = keys(lake)
    with lake.step("validate") as left:
        lake.write(left, "typed", feed(sail, {"sale_id": "1"}), "parquet")
    lake.forget(["validate", "clean"])
    assert keys(lake) == before
    assert lake.read_document("validate", "step.json") is None


def test_an_object_that_was_changed_is_found_and_named(sail: SparkSession, lake: Lake) -> None:
    leave(sail, lake, "1", "2")
    [file] = lake.dataset("generate", "feed").files
    bucket, path = fs.FileSystem.from_uri(f"{lake.root}/{file.path}")
    with bucket.open_output_stream(path) as stream:
        stream.write(b"other bytes")
    with pytest.raises(CorruptFile, match=rf"{file.path} has changed .* \({file.size} bytes then"):
        lake.dataset("generate", "feed")


def test_an_object_that_is_gone_is_found_and_named(sail: SparkSession, lake: Lake) -> None:
    leave(sail, lake, "1")
    [file] = lake.dataset("generate", "feed").files
    bucket, path = fs.FileSystem.from_uri(f"{lake.root}/{file.path}")
    bucket.delete_file(path)
    with pytest.raises(CorruptFile, match=file.path):
        lake.dataset("generate", "feed")


def test_a_bucket_that_is_not_there_is_one_clear_line(
    variables: dict[str, str], tmp_path: Path
) -> None:
    elsewhere = {"VITRINA_LAKE": "s3://nowhere/lake"} | variables
    failed = run(tmp_path, "generate", "--rows", "10", "--as-of", "2026-11-24", **elsewhere)
    assert failed.returncode == 1
    said = " ".join(failed.stderr.split())
    assert "error: lake s3://nowhere/lake/2026-11-24: there is no bucket nowhere" in said
    assert "Traceback" not in failed.stderr
    assert "a-secret" not in failed.stderr


def test_refused_keys_are_not_tried_again(lake: Lake, keys_are_checked: None) -> None:
    with pytest.raises(StoreError, match=r"S3 refuses .* \(ACCESS_DENIED\)") as refused:
        Lake(LAKE, AS_OF)
    assert not refused.value.transient
    # Those that were good at first as well.
    for ask in (lambda: lake.result("generate"), lambda: lake.forget(["validate"])):
        with pytest.raises(StoreError, match="S3 refuses"):
            ask()


def test_the_engine_is_refused_in_the_same_words(
    sail: SparkSession, lake: Lake, keys_are_checked: None
) -> None:
    with pytest.raises(StoreError, match=r"S3 refuses .* \(InvalidAccessKeyId\)") as refused:
        leave(sail, lake, "1")
    assert not refused.value.transient
    assert "a-key" not in str(refused.value)


def test_a_bucket_that_may_not_be_written_to_keeps_what_it_has(
    sail: SparkSession, lake: Lake, nothing_may_be_written: None
) -> None:
    with pytest.raises(StoreError, match=r"S3 refuses .* \(lacked the necessary privileges\)"):
        leave(sail, lake, "1")
    assert keys(lake) == []


def test_a_server_that_does_not_answer_is_worth_another_try(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable, match=r"cannot be reached .* \(NETWORK_CONNECTION\)"):
        Lake(LAKE, AS_OF)


def test_a_file_that_cannot_be_fetched_is_no_corrupt_file(
    sail: SparkSession, lake: Lake, server: str, keys_are_checked: None
) -> None:
    send("POST", f"{server}/moto-api/reset-auth", "inf")
    leave(sail, lake, "1")
    dataset = lake.dataset("generate", "feed")
    # The footers are read at once, the rows when they are asked for.
    [first, _] = shares(lake, dataset, Batch(AS_OF))
    send("POST", f"{server}/moto-api/reset-auth", "0")
    with pytest.raises(StoreError, match="S3 refuses"):
        next(first)


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:secret@sales/lake",
        "s3://sales/lake?endpoint_override=127.0.0.1:9000",
        "s3://sales/2026*",
        "s3://",
    ],
)
def test_a_url_that_engines_read_each_in_its_own_way_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match="VITRINA_LAKE: a URL is s3://bucket/prefix") as error:
        _ = Settings(lake=url).lake_root
    assert "secret" not in str(error.value)
