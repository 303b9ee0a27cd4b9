"""Airflow among the kills: its scheduler and DAG processor; and a scheduled run beside others.

Airflow is that of `make up` and `make run`, in the home of the stage. It runs the generated shop's
newest batch with its second seed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_parts import Part
from spark_server import free_port
from up import DAG, Airflow

from tests.airflow_runs import ended, start
from tests.faults.readers import Reader, Seen
from tests.faults.stage import NEW, ROWS, Stage, Work
from tests.waiting import wait_for

_SCRIPTS = Path(__file__).parents[2] / "scripts" / "local_airflow"
# The database is made at the first start.
_START_SECONDS = 300


class StageAirflow:
    """The Airflow of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._airflow = Airflow(stage.home)
        temporary = stage.folder / "airflow"
        temporary.mkdir()
        self._environment = stage.environment() | {"TMPDIR": str(temporary)}

    def beside(self, work: Work, others: list[Work]) -> tuple[list[Seen], list[str]]:
        """Run a batch by `make run`, and others meanwhile, again and again, one after another.

        What a reader of the batch's store saw, 200 times a second, and what went wrong.
        """
        chosen = {"ROWS": str(ROWS), "SEED": str(work.seed), "AS_OF": str(work.as_of)}
        wrong = []
        with (
            Reader(self._stage, work.store, pause=1 / 200) as reader,
            subprocess.Popen(
                [sys.executable, _SCRIPTS / "run_dag.py"],
                env=self._environment | chosen,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as run,
        ):
            while run.poll() is None:
                for each in others:
                    done = self._stage.start(each).wait()
                    if done is None or done.code != 0:
                        wrong.append(f"{each} beside {work} failed: {done}")
            if run.returncode != 0 and run.stderr is not None:
                wrong.append(f"{work} by Airflow failed: {run.stderr.read()[-2000:]}")
        return reader.history, wrong

    def killed(self, work: Work, pauses: Sequence[float]) -> list[str]:
        """Kill the scheduler, then the DAG processor, while Airflow runs a batch; what went wrong.

        `pauses` says how many seconds after its first task has begun. The batch ends by itself
        without a DAG processor, and after `make up` without a scheduler.
        """
        wrong, parts = [], (self._airflow.scheduler, self._airflow.dag_processor)
        try:
            self._up()
            for part, pause in zip(parts, pauses, strict=True):
                run = self._begun(work)
                time.sleep(pause)
                _kill(part)
                if part is parts[0]:
                    self._up()
                state = ended(self._airflow.api(), run)["state"]
                if state != "success":
                    wrong.append(
                        f"{work} by Airflow ended as {state} after its {part.name} was killed"
                    )
            self._up()
        finally:
            self._make("down")
        return wrong

    def _begun(self, work: Work) -> dict[str, Any]:
        """A run of the batch, the only one, whose first task has begun."""
        api = self._airflow.api()
        for unwanted in api.running(DAG):
            api.fail(unwanted)
        run = start(api, {"rows": ROWS, "seed": work.seed, "as_of": str(NEW)})
        wait_for(lambda: self._has_begun(api, run), _START_SECONDS, 0.05)
        return run

    def _has_begun(self, api: Any, run: dict[str, Any]) -> bool:
        # On a busy machine an answer may take longer than the client waits.
        with suppress(TimeoutError):
            found = api.ask("GET", f"dags/{DAG}/dagRuns/{run['dag_run_id']}/taskInstances")
            return any(task["state"] == "running" for task in found["task_instances"])
        return False

    def _up(self) -> None:
        self._make("up")

    def _make(self, target: str) -> None:
        script = {"up": ["up.py"], "down": ["up.py", "down"]}[target]
        done = subprocess.run(
            [sys.executable, _SCRIPTS / script[0], *script[1:]],
            env=self._environment | {"PORT": self._port},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"make {target} failed: {done.stdout}{done.stderr}")

    @property
    def _port(self) -> str:
        """The one it has, or a free one."""
        file = self._airflow.port_file
        return file.read_text("ascii") if file.exists() else str(free_port())


def _kill(part: Part) -> None:
    first = part.session()
    if first is None:
        raise RuntimeError(f"Airflow's {part.name} does not run")
    os.kill(first, signal.SIGKILL)
