"""A lake at `s3://…`: a whole batch as on disk, and failures of S3 in one clear line.

What a lake does anywhere is in `test_lake`.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pyarrow import fs
from pyspark.sql import SparkSession
from spark_server import free_port

from tests.postgres_data import PostgresData
from tests.rows import AS_OF, feed
from tests.servers.proxy import Proxy, proxy
from tests.servers.s3 import BUCKET, KEYS, send
from vitrina.contract import SALES
from vitrina.engine import spark_session
from vitrina.errors import SettingsError, StoreError, StoreUnavailable
from vitrina.generator.recipe import Recipe
from vitrina.marts import marts
from vitrina.pipeline import STEPS, Opened, Run
from vitrina.proof.prove import prove
from vitrina.settings import Settings
from vitrina.steps.load import shares
from vitrina.store import GENERATED, Batch
from vitrina.stores import s3
from vitrina.stores.lake import Lake, batches_of
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.s3 import open_bucket

VITRINA = Path(sys.executable).with_name("vitrina")
LAKE = f"s3://{BUCKET}/a/prefix"


@pytest.fixture
def lake(s3_variables: dict[str, str], request: pytest.FixtureRequest) -> Lake:
    """A lake of the test's own."""
    return Lake(f"{LAKE}/{request.node.name}", AS_OF)


@pytest.fixture
def keys_are_checked(s3_address: str) -> Iterator[None]:
    """From now on the server refuses keys that it does not know, and it knows none."""
    send("POST", f"{s3_address}/moto-api/reset-auth", "0")
    yield
    send("POST", f"{s3_address}/moto-api/reset-auth", "inf")


@pytest.fixture
def nothing_may_be_written(s3_address: str) -> Iterator[None]:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    send("PUT", f"{s3_address}/sales?policy", json.dumps(policy))
    yield
    send("DELETE", f"{s3_address}/sales?policy")


def leave(spark: SparkSession, lake: Lake, *sale_ids: str) -> None:
    with lake.step("generate") as left:
        lake.write(left, "feed", feed(spark, *[{"sale_id": i} for i in sale_ids]), "parquet")
        left.counts = {"rows": len(sale_ids)}


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
    with (
        open_postgres(settings, GENERATED) as postgres,
        open_clickhouse(settings, GENERATED) as clickhouse,
    ):
        found = {"sale": Counter(postgres.query("SELECT * FROM sale")[1])}
        for mart in marts(SALES):
            query = f"SELECT {', '.join(mart.names)} FROM {mart.name}"
            found[f"{mart.name} in PostgreSQL"] = Counter(postgres.query(query)[1])
            found[f"{mart.name} in ClickHouse"] = Counter(clickhouse.query(query)[1])
    return found


def test_a_batch_over_s3_is_the_batch_on_disk_cell_by_cell(
    sail: SparkSession, s3_variables: dict[str, str], home: Path, postgres_data: PostgresData
) -> None:
    for place in ("s3", "disk"):
        postgres_data.copy_to(home / place / "postgres")
    at_url = {"VITRINA_LAKE": f"{LAKE}/whole/"} | s3_variables
    on_s3 = run(home / "s3", "run", "--rows", "3000", "--as-of", "2026-11-24", **at_url)
    assert on_s3.returncode == 0, on_s3.stderr
    with Run(
        Settings(home=home / "disk"), AS_OF, Recipe(3_000), opened=Opened(spark=sail)
    ) as on_disk:
        for step in STEPS:
            on_disk.step(step)
    found = cells(home / "s3")
    assert found == cells(home / "disk")
    assert all(found.values())

    # The same files, by what the steps call them, and none of them on disk.
    lake, disk = Lake(f"{LAKE}/whole", AS_OF), Lake(str(home / "disk" / "lake"), AS_OF)
    files = [str(path.relative_to(disk.root)) for path in Path(disk.root).rglob("*.*")]
    assert kinds(keys(lake)) == kinds(files)
    assert not (home / "s3" / "lake").exists()

    proof = prove(Settings(home=home / "s3", lake=f"{LAKE}/whole"), GENERATED, from_feed=True)
    assert [each for check in proof.checks for each in check.wrong] == []
    assert all(check.is_kept for check in proof.checks)


def test_a_batch_is_deleted_with_all_its_objects(sail: SparkSession, lake: Lake) -> None:
    later = Lake(lake.batches, AS_OF + timedelta(days=7))
    leave(sail, lake, "1", "2")
    leave(sail, later, "3")
    assert batches_of(lake.batches) == [AS_OF, later.as_of]
    assert lake.size() > later.size() > 0
    lake.delete()
    assert (keys(lake), batches_of(lake.batches)) == ([], [later.as_of])
    assert keys(later)


def test_arrow_is_told_the_region_and_asks_amazon_for_none(
    lake: Lake, s3_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    # As for a bucket at Amazon, until it is opened.
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setattr(s3, "s3_address", lambda: s3_address)
    opened, _ = open_bucket(lake.root)
    assert opened.region == "eu-west-3"


def test_a_bucket_that_is_not_there_is_one_clear_line(
    s3_variables: dict[str, str], home: Path
) -> None:
    elsewhere = {"VITRINA_LAKE": "s3://nowhere/lake"} | s3_variables
    failed = run(home, "generate", "--rows", "10", "--as-of", "2026-11-24", **elsewhere)
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
    s3_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable, match=r"cannot be reached .* \(NETWORK_CONNECTION\)"):
        Lake(LAKE, AS_OF)


def test_a_file_that_cannot_be_fetched_is_no_corrupt_file(
    sail: SparkSession, lake: Lake, s3_address: str, keys_are_checked: None
) -> None:
    send("POST", f"{s3_address}/moto-api/reset-auth", "inf")
    leave(sail, lake, "1")
    dataset = lake.dataset("generate", "feed")
    # The footers are read at once, the rows when they are asked for.
    [first, _] = shares(lake, dataset, Batch(AS_OF))
    send("POST", f"{s3_address}/moto-api/reset-auth", "0")
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


@contextmanager
def far_away(address: str, delay: float, patch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The server, reached through a proxy."""
    server = urlsplit(address)

    def connect() -> socket.socket:
        return socket.create_connection((str(server.hostname), int(server.port or 80)))

    with proxy(connect, delay) as before:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{before.port}")
        yield before


def test_a_lake_200_ms_away_is_only_slow(
    lake: Lake, s3_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with far_away(s3_address, 0.2, monkeypatch):
        far = Lake(lake.root, AS_OF)
        with far.step("generate") as left:
            left.counts = {"rows": 0}
        assert far.result("generate")["counts"] == {"rows": 0}


@pytest.fixture
def soon_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_SILENCE", 1.0)
    monkeypatch.setattr(s3, "_ATTEMPTS", 1)
    monkeypatch.setattr(s3, "_PAUSE", 0.2)


@pytest.mark.usefixtures("soon_given_up")
def test_a_server_that_falls_silent_is_given_up(
    lake: Lake, s3_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with far_away(s3_address, 0, monkeypatch) as before:
        far = Lake(lake.root, AS_OF)
        before.silent = True
        for ask in (lambda: far.result("generate"), lambda: Lake(lake.root, AS_OF)):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"cannot be reached .*; run the step again"):
                ask()
            assert time.monotonic() - began < 10


@pytest.mark.usefixtures("soon_given_up")
def test_an_engine_does_not_wait_for_a_silent_server_and_a_rerun_heals(
    lake: Lake, s3_address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, spark_remote=None)
    with far_away(s3_address, 0, monkeypatch) as before:
        far = Lake(lake.batches, AS_OF)

        def read_in_silence(spark: SparkSession) -> None:
            leave(spark, far, "1")
            dataset = far.dataset("generate", "feed")
            with far.step("validate", far.result("generate")):
                before.silent = True
                far.read(spark, dataset).collect()

        def write_in_silence(spark: SparkSession) -> None:
            with far.step("generate") as left:
                before.silent = True
                far.write(left, "feed", feed(spark, {"sale_id": "2"}), "parquet")

        for work in (read_in_silence, write_in_silence):
            with spark_session(settings) as spark:
                began = time.monotonic()
                with pytest.raises(StoreUnavailable, match=r"S3 cannot be reached .*; run the"):
                    work(spark)
            # Without it, Sail would ask for three minutes, and its end wait for that.
            assert time.monotonic() - began < 20
            before.silent = False
        with spark_session(settings) as spark:
            assert far.read(spark, far.dataset("generate", "feed")).collect()[0].sale_id == "1"
            leave(spark, far, "3", "4")
            assert far.read(spark, far.dataset("generate", "feed")).count() == 2
