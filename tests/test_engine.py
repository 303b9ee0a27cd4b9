"""Which Spark a client accepts."""

from types import SimpleNamespace

import pytest
from pyspark.sql import SparkSession

from vitrina.engine import require_python_of_workers, require_version
from vitrina.errors import SettingsError
from vitrina.settings import load_settings

REMOTE = "sc://spark:15002"
on_a_cluster = pytest.mark.skipif(
    load_settings().spark_remote is None,
    reason="the embedded engine has no workers: make test-spark runs this",
)


@pytest.mark.parametrize("server", ["4.1.9", "3.5.7"])
def test_a_spark_older_than_its_client_is_refused_with_both_versions(server: str) -> None:
    with pytest.raises(SettingsError, match=f"{REMOTE} is {server}, older .* 4.2.0"):
        require_version(server, "4.2.0", REMOTE)


@pytest.mark.parametrize("server", ["4.2.0", "4.2.3", "4.3.0", "4.10.0", "5.0.0-SNAPSHOT"])
def test_a_spark_as_new_as_its_client_is_taken(server: str) -> None:
    require_version(server, "4.2.1.dev0", REMOTE)


@on_a_cluster
def test_workers_with_the_driver_s_python_are_taken(spark: SparkSession) -> None:
    require_python_of_workers(spark, REMOTE)


@on_a_cluster
def test_workers_with_another_python_are_refused_with_both_versions(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The driver's version as its client tells it; the workers' own is as it is.
    monkeypatch.setattr("pyspark.sql.connect.udf.sys", SimpleNamespace(version_info=(3, 10)))
    with pytest.raises(SettingsError) as refused:
        require_python_of_workers(spark, f"{REMOTE}/;token=secret")
    assert "worker has different version: 3.1" in str(refused.value)
    assert "than that in driver: 3.10, PySpark" in str(refused.value)
    assert str(refused.value).startswith(f"VITRINA_SPARK_REMOTE: workers of Spark at {REMOTE} do")
    assert "\n" not in str(refused.value)
