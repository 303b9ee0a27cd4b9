"""Rounds of kills: batches are killed, run again, and compared with undisturbed runs."""

import random
from collections import Counter, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from tests.faults.airflow import StageAirflow
from tests.faults.kills import Target, kill
from tests.faults.readers import Reader, seen_in, wrong_in
from tests.faults.stage import HANG_SECONDS, Ended, SparkServer, Stage, Started, Work, spark_server
from tests.faults.state import State, left_over, state
from vitrina.stores.postgres.embedded import embedded_postgres

# The most kills between two whole runs.
_KILLS = 8
# How often readers look on, and how often a kill is at a commit.
_WATCHED = 0.5
_AT_COMMITS = 0.7
# How many rounds there are between two lines that say how far it is.
_ROUNDS_TOLD = 20


@dataclass
class Tally:
    """What was seen."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what was killed, and whether at a random moment or at a commit."""
    boundaries: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each store, the boundaries in a run: one before each commit, and one after it."""
    killed_at: set[tuple[str, int]] = field(default_factory=set)
    """Stores, and the numbers of the boundaries at which something was killed."""
    rounds: int = 0
    looks: int = 0
    undisturbed: list[float] = field(default_factory=list)
    recovered: list[float] = field(default_factory=list)
    """Seconds that whole runs took: before any kill, and after some."""
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        killed = sum(self.kills.values())
        said = [f"{killed} kills in {self.rounds} rounds; {len(self.problems)} problems"]
        said += [f"    {number:5} {name}" for name, number in sorted(self.kills.items())]
        there = sum(map(len, self.boundaries.values()))
        said.append(
            f"killed at {len(self.killed_at)} of {there} boundaries of commits; "
            f"readers looked {self.looks} times"
        )
        if self.recovered:
            said.append(
                f"a run after kills took {median(self.recovered):.1f} s at the median, "
                f"{max(self.recovered):.1f} s at most; an undisturbed one "
                f"{median(self.undisturbed):.1f} s"
            )
        return said


class Faults:
    """Kills on one stage, drawn from a seed."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.tally = Tally()
        self._stage = stage
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._expected: dict[int, State] = {}
        """What a store holds after each of the works, by its place in turn."""
        self._to_kill_at: dict[str, list[int]] = defaultdict(list)
        """The numbers of those that have not been killed at."""
        self._next = 1

    def prepare(self) -> None:
        """Run everything undisturbed, and keep what is left."""
        works = self._stage.works
        for place in (*range(len(works)), 0):
            work = works[place]
            ended = self._stage.start(work).wait()
            if ended is None or ended.code != 0:
                raise RuntimeError(f"{work} failed undisturbed: {ended}")
            self.tally.undisturbed.append(ended.seconds)
            # The first runs of all do not count: they lack a batch.
            self._expected[place] = state(self._stage, work.store)
            self.tally.boundaries[work.store.name] = ended.boundaries
        self._expected[1] = self._expected[5]
        self._require_nothing_left("undisturbed")

    def with_airflow(self) -> None:
        """Run a batch by Airflow: beside others, and while its scheduler or processor is killed.

        It comes before the rounds, when the batch has been run with its first seed last.
        """
        airflow, works = StageAirflow(self._stage), self._stage.works
        work, before = works[4], seen_in(self._expected[0], works[4].store)
        history, wrong = airflow.beside(work, [works[2], works[5]])
        if found := wrong_in(history, before, seen_in(self._expected[4], work.store)):
            wrong.append(f"{work} by Airflow: {found}")
        wrong += airflow.killed(work, [self._random.uniform(0, 4) for _ in range(2)])
        self.tally.kills["scheduler"] += 1
        self.tally.kills["DAG processor"] += 1
        for each in wrong:
            self._problem(each)
        for place in (4, 5):
            self._compare(place, work)
        self._require_nothing_left(str(work))
        self._next = 0

    def round(self) -> None:
        """Kill a batch some times, run it, and compare."""
        place, self._next = self._next, (self._next + 1) % len(self._stage.works)
        work = self._stage.works[place]
        before = self._expected[(place - 2) % len(self._stage.works)]
        self.tally.rounds += 1
        with ExitStack() as watched:
            reader = None
            if self._random.random() < _WATCHED:
                reader = watched.enter_context(Reader(self._stage, work.store))
            for _ in range(self._random.randint(1, _KILLS)):
                self._disturb(work)
            ended = self._run(work, f"{work}, run again")
            if ended is not None and ended.code != 0:
                self._problem(f"{work}, run again, failed: {ended.said}")
            elif ended is not None:
                self.tally.recovered.append(ended.seconds)
        if reader is not None:
            self.tally.looks += reader.looks
            after = seen_in(self._expected[place], work.store)
            if found := wrong_in(reader.history, seen_in(before, work.store), after):
                self._problem(f"{work}: {found}")
        # Once for both.
        with embedded_postgres(self._stage.home / "postgres"):
            for each in (place, (place - 1) % len(self._stage.works)):
                self._compare(each, work)
        self._require_nothing_left(str(work))
        if self.tally.rounds % _ROUNDS_TOLD == 0:
            print(self.tally.lines()[0], flush=True)

    def _disturb(self, work: Work) -> None:
        """Start a run, and kill something, at a random moment or at a commit."""
        target = self._random.choice(list(Target))
        with ExitStack() as opened:
            spark = None
            if target is Target.SPARK:
                spark = opened.enter_context(spark_server(self._stage.folder))
            if self._random.random() < _AT_COMMITS:
                at = self._boundary(work.store.name)
                ended = self._run(work, f"{work}, {target} killed", at, target, spark)
                if ended is not None and ended.killed:
                    self.tally.kills[f"{target} at a commit"] += 1
                    self.tally.killed_at.add((work.store.name, len(ended.boundaries)))
                return
            started = self._stage.start(work, spark=spark)
            typical = median(self.tally.undisturbed)
            # PostgreSQL may not have started yet.
            pause = self._random.uniform(0, typical)
            while started.runs_after(pause):
                if kill(target, self._stage.home, started.pid, spark and spark.pid):
                    self.tally.kills[f"{target} at a random moment"] += 1
                    break
                pause = 0.02
            self._ended(started, f"{work}, {target} killed")

    def _boundary(self, store: str) -> int:
        """The number of a boundary in the store's run: each in turn, in an order by chance."""
        left = self._to_kill_at[store]
        if not left:
            left += range(1, len(self.tally.boundaries[store]) + 1)
            self._random.shuffle(left)
        return left.pop()

    def _run(
        self,
        work: Work,
        what: str,
        at: int = 0,
        target: Target = Target.PROCESS,
        spark: SparkServer | None = None,
    ) -> Ended | None:
        return self._ended(self._stage.start(work, at=at, target=target, spark=spark), what)

    def _ended(self, started: Started, what: str) -> Ended | None:
        """How a run ended; None if it hung."""
        ended = started.wait()
        if ended is None:
            self._problem(f"{what}: it hung for {HANG_SECONDS:g} s")
        elif ended.problem is not None:
            self._problem(f"{what}: {ended.problem}")
        return ended

    def _compare(self, place: int, after: Work) -> None:
        """Compare a store with what an undisturbed run left."""
        store = self._stage.works[place].store
        found, expected = state(self._stage, store), self._expected[place]
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                self._problem(
                    f"after {after}, {store.name}: {name} is {found.get(name)}, "
                    f"and was {expected.get(name)} undisturbed"
                )

    def _require_nothing_left(self, after: str) -> None:
        for found in left_over(self._stage):
            self._problem(f"after {after}: left over: {found}")

    def _problem(self, text: str) -> None:
        self.tally.problems.append(text)
        print(f"PROBLEM in round {self.tally.rounds}: {text}", flush=True)
