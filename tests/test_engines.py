"""Apache Spark against the embedded engine: the same batch comes out the same, cell by cell."""

from collections import Counter
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from tests.batches import BATCHES, GENERATED, collect, prepare, read
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
