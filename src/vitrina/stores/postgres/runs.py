"""The ledger of runs: when each run of a step began and ended, and how. Rows are only added."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from vitrina.ledger import RUN_EVENT, RunEnd, RunStart, StepRun
from vitrina.stores.postgres.lock import call, held, key
from vitrina.stores.postgres.session import Session, translated


class RunsOfBatch:
    """The runs of the batch that a session has locked."""

    def __init__(self, holder: Session) -> None:
        self._holder = holder

    def begin(self, start: RunStart) -> None:
        """Enter that a run of a step has begun.

        Raises:
            StoreUnavailable: the session was lost, and the lock with it.
        """
        with translated(self._holder.address):
            call(self._holder, start.name)
            self._add(start, {"event": "started", "at": start.started_at})

    def end(self, start: RunStart, end: RunEnd) -> None:
        """Enter how it has ended.

        Raises:
            StoreUnavailable: the session was lost.
        """
        found = {"at": end.ended_at, "outcome": end.outcome, "error": end.error}
        with translated(self._holder.address):
            self._add(start, {"event": "ended", "attempt": end.attempt, **found})

    def _add(self, start: RunStart, event: Mapping[str, Any]) -> None:
        row = {name: value for name, value in asdict(start).items() if name != "started_at"}
        self._holder.insert(RUN_EVENT, {**row, **event})


def last_runs(session: Session, number: int, as_of: date | None) -> list[StepRun]:
    """The last runs of steps, of one batch or of all, newest first."""
    rows = session.execute(
        "SELECT began.run_id, began.as_of, began.step, began.at, began.host, began.pid, "
        "began.started_by, began.version, ended.at, ended.outcome, ended.error, ended.attempt "
        "FROM run_event AS began LEFT JOIN run_event AS ended "
        "ON ended.run_id = began.run_id AND ended.event = 'ended' "
        "WHERE began.event = 'started' AND (%s::date IS NULL OR began.as_of = %s) "
        "ORDER BY began.at DESC, began.run_id LIMIT %s",
        as_of,
        as_of,
        number,
    )
    locked, seen = held(session), set[date]()
    runs = []
    for *began, ended_at, outcome, error, attempt in rows:
        start = RunStart(*began)
        end = None if outcome is None else RunEnd(ended_at, outcome, error, attempt)
        # A run that was killed has no end either; but then nobody has the lock, or a later run.
        is_newest = start.as_of not in seen
        is_running = end is None and is_newest and key(session.schema, start.as_of) in locked
        seen.add(start.as_of)
        runs.append(StepRun(start, end, is_running))
    return runs
