"""What a run tells StatsD and OpenLineage, and that it makes no difference to the run."""

import datetime
import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import HttpUrl, SecretStr
from pyspark.sql import SparkSession

from tests.homes import home_folder
from tests.postgres_data import PostgresData
from tests.servers.receivers import Received, http_receiver, silence, udp_receiver
from vitrina.counts import Analyzed, Counts
from vitrina.errors import FeedError, StoreUnavailable
from vitrina.generator.recipe import Recipe
from vitrina.observability.delivery import deliver, line_of
from vitrina.observability.lineage import Lineage, dataset_names
from vitrina.observability.metrics import send_metrics
from vitrina.pipeline import STEPS, Opened, Place, Run
from vitrina.settings import Settings
from vitrina.store import GENERATED, Batch
from vitrina.stores import versions
from vitrina.stores.lake import Lake
from vitrina.stores.opening import open_clickhouse, open_postgres

AS_OF = datetime.date(2026, 11, 24)


@pytest.fixture(scope="module")
def told(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, postgres_data: PostgresData
) -> Iterator[tuple[Settings, dict[str, Counts], Received, dict[str, float]]]:
    """A whole batch: its settings, counts by step, lineage events and gauges."""
    counts: dict[str, Counts] = {}
    with (
        home_folder(tmp_path_factory.mktemp("told")) as home,
        http_receiver() as collector,
        udp_receiver() as statsd,
    ):
        postgres_data.copy_to(home / "postgres")
        settings = Settings(
            home=home,
            statsd=f"localhost:{statsd.getsockname()[1]}",
            openlineage_url=HttpUrl(collector.url),
            openlineage_key=SecretStr("a key"),
        )
        with Run(settings, AS_OF, Recipe(rows=2_000), opened=Opened(spark=spark)) as run:
            for step in STEPS:
                counts[step.name] = run.step(step)
        yield settings, counts, collector, gauges(statsd, len(STEPS))


def gauges(statsd: socket.socket, datagrams: int) -> dict[str, float]:
    lines = [line for _ in range(datagrams) for line in statsd.recv(4096).decode().splitlines()]
    found = {}
    for line in lines:
        name, value = line.removesuffix("|g").split(":")
        found[name] = float(value)
    return found


def test_each_step_sends_its_rows_rejects_and_seconds(told: Any) -> None:
    _, counts, _, sent = told
    rows = {
        "generate": counts["generate"].feed_rows,
        "validate": counts["validate"].valid,
        "clean": counts["clean"].clean,
        "load": counts["clean"].clean,
        "analyze": sum(counts["analyze"].marts.values()),
        "publish": sum(counts["analyze"].marts.values()),
    }
    assert {step: sent[f"vitrina.{step}.rows"] for step in rows} == rows
    assert rows["generate"] > rows["validate"] > rows["clean"] > 0
    assert sent["vitrina.validate.rejects"] == counts["validate"].rejected > 0
    assert sent["vitrina.clean.rejects"] == counts["clean"].conflicting
    assert all(0 < sent[f"vitrina.{step}.seconds"] < 60 for step in rows)
    assert len(sent) == 2 * len(STEPS) + 2


def test_each_step_tells_that_it_starts_and_that_it_is_complete(told: Any) -> None:
    events = told[2].bodies
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        (f"sales.{step.name}", state) for step in STEPS for state in ("START", "COMPLETE")
    ]
    runs = [event["run"]["runId"] for event in events]
    assert runs[::2] == runs[1::2]
    assert len(set(runs)) == len(STEPS)
    for event in events:
        nominal_time = event["run"]["facets"]["nominalTime"]["nominalStartTime"]
        assert nominal_time == "2026-11-24T00:00:00+03:00"
        assert datetime.datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    for headers in told[2].headers:
        assert headers["path"] == "/api/v1/lineage"
        assert headers["Authorization"] == "Bearer a key"


def test_a_step_reads_what_steps_before_it_left(told: Any) -> None:
    left: set[tuple[str, str]] = set()
    for event in told[2].bodies[1::2]:
        assert {(each["namespace"], each["name"]) for each in event["inputs"]} <= left
        left |= {(each["namespace"], each["name"]) for each in event["outputs"]}


def test_lineage_names_what_is_really_there(told: Any) -> None:
    settings = told[0]
    named = {
        each.name for step in STEPS for each in dataset_names(settings, GENERATED, step.leaves)
    }
    lake = Lake(settings.lake_root, AS_OF)
    written = {
        f"{settings.lake_root}/{step}/{name}"
        for step in ("generate", "validate", "clean")
        for name in lake.result(step)["datasets"]
        # Between the two halves of a step.
        if name != "repeated"
    }
    with open_postgres(settings, GENERATED) as postgres:
        _, tables = postgres.query(
            "SELECT current_database() || '.' || schemaname || '.' || viewname FROM pg_views "
            "WHERE schemaname = 'vitrina'"
        )
    written |= {name for (name,) in tables}
    with open_clickhouse(settings, GENERATED) as clickhouse:
        _, tables = clickhouse.query(
            "SELECT concat(database, '.', name) FROM system.tables "
            "WHERE database = currentDatabase()"
        )
    written |= {name for (name,) in tables}
    # No step leaves it: it has the version of the others.
    assert named == {name for name in written if not name.endswith(f".{versions.TABLE}")}


def test_datasets_of_servers_are_named_by_address_without_a_password() -> None:
    settings = Settings(
        lake="s3://bucket/vitrina",
        postgres_dsn=SecretStr("postgresql://loader:hunter2@db:5433/shop"),
        clickhouse_dsn=SecretStr("clickhouse://loader:hunter2@ch/marts"),
    )
    places = [Place("lake", "generate/feed"), Place("postgresql", "sale"), Place("clickhouse", "a")]
    found = dataset_names(settings, GENERATED, places)
    assert found == [
        ("s3://bucket", "vitrina/generate/feed"),
        ("postgres://db:5433", "shop.vitrina.sale"),
        ("clickhouse://ch:8123", "marts.a"),
    ]
    assert "hunter2" not in repr(found)


def test_a_step_that_fails_says_so_in_one_line(tmp_path: Path) -> None:
    with http_receiver() as collector:
        lineage = Lineage(
            Settings(home=tmp_path, openlineage_url=HttpUrl(f"{collector.url}/behind/a/proxy")),
            Batch(AS_OF),
        )
        with pytest.raises(FeedError), lineage.run(STEPS[1]):
            raise FeedError("too bad\nto load")
        with pytest.raises(psycopg.OperationalError), lineage.run(STEPS[3]):
            raise psycopg.OperationalError("password=hunter2")
        with pytest.raises(KeyboardInterrupt), lineage.run(STEPS[2]):
            raise KeyboardInterrupt
    ends = collector.bodies[1::2]
    assert [event["eventType"] for event in ends] == ["FAIL", "FAIL", "ABORT"]
    assert [event["run"]["facets"]["errorMessage"]["message"] for event in ends] == [
        "too bad to load",
        "OperationalError; the log tells more",
        "KeyboardInterrupt; the log tells more",
    ]
    assert "hunter2" not in json.dumps(collector.bodies)
    assert {headers["path"] for headers in collector.headers} == {"/behind/a/proxy/api/v1/lineage"}


def test_a_collector_that_does_not_answer_is_asked_once_and_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with silence() as port:
        settings = Settings(home=tmp_path, openlineage_url=HttpUrl(f"http://127.0.0.1:{port}"))
        lineage = Lineage(settings, Batch(AS_OF))
        started = time.monotonic()
        done = []
        for step in STEPS:
            with lineage.run(step):
                done.append(step.name)
        assert time.monotonic() - started < 6
    assert len(done) == len(STEPS)
    [said] = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert said.startswith("OpenLineage: ")


def test_an_address_that_cannot_be_read_fails_no_step_that_does_not_use_it(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        openlineage_url=HttpUrl("http://127.0.0.1:1"),
        postgres_dsn=SecretStr("postgresql://what is this"),
        statsd="no.such.host.invalid:99999",
    )
    with Lineage(settings, Batch(AS_OF)).run(STEPS[0]):
        pass
    send_metrics(settings.statsd, GENERATED, "analyze", Analyzed({"sales_by_region": 4}), 1.0)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_telling_neither_raises_nor_waits_long(
    seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    def send() -> None:
        time.sleep(seconds)
        raise OSError("refused")

    started = time.monotonic()
    assert not deliver("somebody", send, seconds=0.2)
    assert time.monotonic() - started < 0.8
    assert "somebody: " in caplog.text


def test_only_our_own_words_are_told_of_an_error() -> None:
    assert line_of(StoreUnavailable("no\n  answer")) == "no answer"
    assert "hunter2" not in line_of(ValueError("postgresql://loader:hunter2@db"))
