"""Engines that the whole suite shares."""

from collections.abc import Iterator

import pytest
from hypothesis import settings
from pyspark.sql import SparkSession

from vitrina.engine import spark_session
from vitrina.settings import Settings, load_settings

# An example is a query or two, so a few dozen are many, and timings say nothing of a law.
# `pytest --hypothesis-profile thorough` looks longer.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The embedded engine, or the cluster that `VITRINA_SPARK_REMOTE` names."""
    remote = load_settings().spark_remote
    home = tmp_path_factory.mktemp("home")
    with spark_session(Settings(home=home, spark_remote=remote)) as session:
        yield session
