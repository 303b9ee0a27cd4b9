"""Apache Spark against the embedded engine: the same batch comes out the same, cell by cell.

And an Apache Spark that is killed, which `make faults` does with the embedded engine alone.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from pyspark.sql import SparkSession
from spark_server import spark_server

from tests.batches import BATCHES, GENERATED, collect, prepare, read
from tests.commands import VITRINA
from tests.waiting import wait_for
from vitrina.engine import spark_session
from vitrina.settings import Settings, load_settings
from vitrina.steps.analyze import mart_rows
from vitrina.stores.lake import Lake

pytestmark = pytest.mark.skipif(
    load_settings().spark_remote is None,
    reason="two engines are compared, and here is one: make test-spark runs this",
)

DATASETS = (
    ("generate", "feed"),
    ("validate", "typed"),
    ("validate", "rejects"),
    ("clean", "repeated"),
    ("clean", "conflicts"),
    ("clean", "clean"),
)
DOCUMENTS = (("generate", "truth.json"), ("validate", "report.json"))


@pytest.fixture(scope="module")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The embedded engine, whatever `VITRINA_SPARK_REMOTE` says."""
    home = tmp_path_factory.mktemp("sail")
    with spark_session(Settings(home=home, spark_remote=None)) as session:
        yield session


@pytest.fixture(scope="module", params=BATCHES)
def lakes(
    request: pytest.FixtureRequest,
    spark: SparkSession,
    sail: SparkSession,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Lake, Lake]:
    """A batch's name, and what each engine makes of it."""
    folder = tmp_path_factory.mktemp("engines")
    name = request.param
    return name, prepare(spark, name, f"{folder}/spark"), prepare(sail, name, f"{folder}/sail")


def test_the_two_engines_are_not_the_same(spark: SparkSession, sail: SparkSession) -> None:
    assert spark.version != sail.version


def test_both_engines_leave_the_same_rows(
    spark: SparkSession, sail: SparkSession, lakes: tuple[str, Lake, Lake]
) -> None:
    _, by_spark, by_sail = lakes
    for step, name in DATASETS:
        assert by_spark.dataset(step, name).schema == by_sail.dataset(step, name).schema
        left = Counter(collect(read(spark, by_spark, step, name)).rows)
        other = Counter(collect(read(sail, by_sail, step, name)).rows)
        assert (left - other, other - left) == (Counter(), Counter()), f"{step}: {name}"


def test_both_engines_count_the_same(lakes: tuple[str, Lake, Lake]) -> None:
    batch, by_spark, by_sail = lakes
    for step in ("generate", "validate", "clean"):
        assert by_spark.result(step)["counts"] == by_sail.result(step)["counts"]
    for step, name in DOCUMENTS if batch in GENERATED else DOCUMENTS[1:]:
        found = by_spark.read_document(step, name)
        assert found is not None
        assert found == by_sail.read_document(step, name)


def test_both_engines_compute_the_same_marts(
    spark: SparkSession, sail: SparkSession, lakes: tuple[str, Lake, Lake]
) -> None:
    name, by_spark, by_sail = lakes
    marts = mart_rows(read(spark, by_spark, "clean", "clean"), BATCHES[name])
    others = mart_rows(read(sail, by_sail, "clean", "clean"), BATCHES[name])
    for mart, rows in marts.items():
        assert rows.schema.simpleString() == others[mart].schema.simpleString()
        found, other = (
            {tuple(row[key] for key in mart.key): row.asDict() for row in frame.collect()}
            for frame in (rows, others[mart])
        )
        assert found == other, mart.name


@contextmanager
def running(home: Path, remote: str | None) -> Iterator["subprocess.Popen[str]"]:
    """A batch on that engine; it is ended with the block."""
    environment = os.environ | {"VITRINA_HOME": str(home), "VITRINA_SPARK_REMOTE": remote or ""}
    with subprocess.Popen(
        [VITRINA, "run", "--rows", "20000", "--as-of", "2026-11-24"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.timeout(900)
def test_a_server_killed_in_mid_job_ends_the_step_within_a_minute_and_a_rerun_heals(
    home: Path,
) -> None:
    validate = home / "lake" / "2026-11-24" / "validate"
    before = set(psutil.Process().children())
    with spark_server() as remote:
        [server] = set(psutil.Process().children()) - before
        with running(home, remote) as batch:
            # It writes what it has typed.
            wait_for(lambda: any(validate.glob("*/typed/*")), 300)
            os.killpg(server.pid, signal.SIGKILL)
            killed = time.monotonic()
            _, said = batch.communicate(timeout=90)
        assert time.monotonic() - killed < 60
    assert batch.returncode == 1
    assert "Traceback" not in said
    [error] = [line for line in said.splitlines() if line.startswith("error: ")]
    assert error == (
        f"error: Spark at {remote} no longer answers (UNAVAILABLE); "
        "run: vitrina validate --as-of 2026-11-24"
    )
    assert not (validate / "step.json").exists()

    # Either engine goes on from what the other left.
    with running(home, None) as again:
        summary, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert "✗" not in summary
    # Nothing of the first attempt is left.
    assert len([each for each in validate.iterdir() if each.is_dir()]) == 1
