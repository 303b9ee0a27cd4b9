"""One batch has one run at a time, and each run of a step is in the ledger of runs."""

import datetime
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.commands import VITRINA
from tests.postgres_data import PostgresData
from tests.rows import AS_OF, BATCH
from vitrina.counts import Counts
from vitrina.errors import FeedError, StoreUnavailable
from vitrina.ledger import RunStart, StepRun
from vitrina.pipeline import GENERATE, STEPS, Run
from vitrina.settings import Settings
from vitrina.store import Batch
from vitrina.stores.postgres import lock
from vitrina.stores.postgres.session import open_session
from vitrina.stores.postgres.store import postgres

MOMENT = datetime.datetime(2026, 11, 24, 9, 45, tzinfo=datetime.UTC)
START = RunStart("a1", AS_OF, "generate", MOMENT, "elsewhere", 4711, "vitrina run", "0.1.0")
WEEK_BEFORE = AS_OF - datetime.timedelta(days=7)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 0.3)


# One run at a time


def test_of_two_runs_of_a_batch_the_second_is_told_of_the_first(database: str) -> None:
    with postgres(database) as one, postgres(database) as other:
        with one.alone_with(BATCH) as runs:
            runs.begin(START)
            with (
                pytest.raises(
                    StoreUnavailable,
                    match=r"^batch 2026-11-24 has another run at work: vitrina generate "
                    r"2026-11-24, process 4711 on elsewhere \(PostgreSQL's process \d+\), since "
                    r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC; nothing was changed; run the same",
                ),
                other.alone_with(BATCH),
            ):
                pytest.fail("two runs at once")
        with other.alone_with(BATCH):
            pass


def test_other_batches_and_other_stores_run_side_by_side(database: str) -> None:
    with ExitStack() as opened:
        for schema in ("vitrina", "store_kiosk"):
            for day in (AS_OF, WEEK_BEFORE):
                store = opened.enter_context(postgres(database, schema))
                opened.enter_context(store.alone_with(Batch(day)))


_HOLD = """
import sys, time
from tests.rows import BATCH
from vitrina.stores.postgres.store import postgres
with postgres(sys.argv[1]) as store, store.alone_with(BATCH):
    print("alone", flush=True)
    time.sleep(60)
"""


def test_a_run_that_was_killed_keeps_nobody_out(database: str) -> None:
    program = [sys.executable, "-c", _HOLD, database]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "alone\n"
        with postgres(database) as store:
            with pytest.raises(StoreUnavailable), store.alone_with(BATCH):
                pytest.fail("two runs at once")
            killed.kill()
            with store.alone_with(BATCH):
                pass


def test_a_name_too_long_for_postgresql_begins_with_what_matters(database: str) -> None:
    long = replace(START, host="ы" * 200)
    with postgres(database) as store, store.alone_with(BATCH) as runs:
        runs.begin(long)
        [(name,)] = [
            row
            for row in store.query("SELECT application_name FROM pg_stat_activity")[1]
            if "4711" in row[0]
        ]
    assert name.startswith("vitrina generate 2026-11-24, process 4711 on ")


def test_the_server_looks_after_a_host_that_may_have_gone(database: str) -> None:
    with (
        open_session(f"{database} options='-c idle_session_timeout=1s'", "vitrina") as session,
        lock.alone(session, AS_OF) as holder,
    ):
        assert session.execute("SHOW idle_session_timeout") == [("1s",)]
        assert holder.execute("SHOW idle_session_timeout") == [("0",)]
        used = holder.connection.info.get_parameters()
    assert (used["keepalives_idle"], used["keepalives_count"]) == ("30", "3")


# The ledger of runs


@pytest.fixture
def run(database: str, tmp_path: Path) -> Iterator[Run]:
    settings = Settings(home=tmp_path, postgres_dsn=database)  # type: ignore[arg-type]
    with Run(settings, AS_OF, started_by="vitrina run --as-of 2026-11-24") as under_way:
        yield under_way


def take(run: Run, work: Callable[[Run], Counts]) -> None:
    run.step(replace(GENERATE, work=work))


def leave(run: Run) -> Counts:
    with run.lake.step("generate") as left:
        left.counts = {"source": "generated"}
    return Counted()


class Counted(Counts):
    @property
    def rows_left(self) -> int:
        return 0


def runs(database: str, as_of: datetime.date | None = None) -> list[StepRun]:
    with postgres(database) as store:
        return store.runs(10, as_of)


def test_a_run_has_its_moments_its_attempt_and_what_started_it(run: Run, database: str) -> None:
    before = datetime.datetime.now(datetime.UTC)
    take(run, leave)
    [found] = runs(database)
    assert found.end is not None
    assert before <= found.start.started_at <= found.end.ended_at
    assert found.start.step == "generate"
    assert (found.start.host, found.start.pid) == (socket.gethostname(), os.getpid())
    assert found.start.started_by == "vitrina run --as-of 2026-11-24"
    assert (found.end.outcome, found.end.error) == ("done", None)
    assert found.end.attempt == run.lake.result("generate")["attempt"]
    assert not found.is_running


def test_a_run_that_failed_has_its_error_in_one_line(run: Run, database: str) -> None:
    def refuse(_: Run) -> Counts:
        raise FeedError("the feed has no rows;\n  nothing was loaded")

    with pytest.raises(FeedError):
        take(run, refuse)
    [found] = runs(database)
    assert found.end is not None
    assert (found.end.outcome, found.end.attempt) == ("failed", None)
    assert found.end.error == "the feed has no rows; nothing was loaded"


def test_of_an_error_that_is_not_ours_only_the_kind_is_kept(run: Run, database: str) -> None:
    def fail(_: Run) -> Counts:
        raise ConnectionError("postgresql://me:secret@host")

    with pytest.raises(ConnectionError):
        take(run, fail)
    [found] = runs(database)
    assert found.end is not None
    assert found.end.error == "ConnectionError; the log tells more"


def test_a_run_that_was_interrupted_says_so(run: Run, database: str) -> None:
    def interrupt(_: Run) -> Counts:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(run, interrupt)
    assert [each.end and each.end.outcome for each in runs(database)] == ["interrupted"]


def test_a_run_without_an_end_is_running_while_it_has_the_batch(run: Run, database: str) -> None:
    seen: list[StepRun] = []

    def look(under_way: Run) -> Counts:
        seen.extend(runs(database))
        return leave(under_way)

    take(run, leave)
    take(run, look)
    assert [(each.end is None, each.is_running) for each in seen] == [(True, True), (False, False)]
    with postgres(database) as store, store.alone_with(Batch(WEEK_BEFORE)) as killed:
        killed.begin(replace(START, as_of=WEEK_BEFORE, run_id="b2"))
    [lost] = runs(database, WEEK_BEFORE)
    assert (lost.end, lost.is_running) == (None, False)
    assert len(runs(database)) == 3


def lose_connections(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_ledger_that_cannot_be_written_hides_no_error(run: Run, database: str) -> None:
    def lose_and_refuse(_: Run) -> Counts:
        lose_connections(database)
        raise FeedError("the feed has no rows")

    with pytest.raises(FeedError, match="the feed has no rows"):
        take(run, lose_and_refuse)
    assert [each.end for each in runs(database)] == [None]


def test_who_has_lost_the_batch_goes_no_further(run: Run, database: str) -> None:
    take(run, leave)
    lose_connections(database)
    with pytest.raises(StoreUnavailable):
        take(run, lambda _: pytest.fail("the batch may be another's"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE vitrina.run_event SET outcome = 'done'",
        "DELETE FROM vitrina.run_event WHERE run_id = 'none'",
        "TRUNCATE vitrina.run_event",
    ],
)
def test_nothing_in_the_ledger_is_changed_or_deleted(
    run: Run, database: str, statement: str
) -> None:
    take(run, leave)
    with (
        pytest.raises(
            psycopg.errors.InsufficientPrivilege,
            match="rows of run_event are never changed or deleted",
        ),
        psycopg.connect(database) as owner,
    ):
        owner.execute(statement.encode())
    assert len(runs(database)) == 1


def test_a_run_makes_no_table_but_the_ledger_of_runs(run: Run, database: str) -> None:
    take(run, leave)
    with postgres(database) as store:
        tables = store.query("SELECT tablename FROM pg_tables WHERE schemaname = 'vitrina'")[1]
        assert (store.version(), store.ledger()) == (None, [])
    assert tables == [("run_event",)]


# Both together, from the command line


def test_two_commands_for_one_batch_do_not_meet(home: Path, postgres_data: PostgresData) -> None:
    postgres_data.copy_to(home / "postgres")
    environment = os.environ | {"VITRINA_HOME": str(home)}
    command = [str(VITRINA), "run", "--rows", "3000", "--as-of", "2026-11-24"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stderr is not None
        assert first.stderr.readline().startswith("✓ generate")
        first.send_signal(signal.SIGSTOP)
        try:
            second = subprocess.run(
                [str(VITRINA), "generate", "--seed", "3", "--as-of", "2026-11-24"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            first.send_signal(signal.SIGCONT)
        first.communicate()
    assert first.returncode == 0
    assert second.returncode == 1
    assert re.search(
        rf"error: batch 2026-11-24 has another run at work: vitrina \w+ 2026-11-24, "
        rf"process {first.pid} on ",
        second.stderr,
    )
    shown = subprocess.run(
        [str(VITRINA), "runs"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    lines = [line.split() for line in shown.splitlines() if " done " in line]
    assert [line[3] for line in reversed(lines)] == [step.name for step in STEPS]
    assert all("vitrina run --rows 3000 --as-of 2026-11-24" in " ".join(line) for line in lines)
