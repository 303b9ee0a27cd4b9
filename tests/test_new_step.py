"""A further step costs one entry in `pipeline.py` and one file in `steps/`; the rest follows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dag_cases import case, find_facts
from tests.homes import home_folder
from tests.postgres_data import PostgresData
from tests.servers.receivers import http_receiver, udp_receiver
from vitrina.pipeline import STEPS

ROOT = Path(__file__).parents[1]
AS_OF = "2026-11-24"
ENTRY = """
@dataclass(frozen=True)
class Counted(Counts):
    customers: int

    @property
    def rows_left(self) -> int:
        return self.customers

    @property
    def note(self) -> str:
        return "customers who bought"


def _count(run: "Run") -> Counted:
    from vitrina.steps import count

    return Counted(count.run(run.spark, run.lake))


_OTHERS = (
    *_OTHERS,
    Step(
        name="count",
        task="count_customers",
        summary="Count the customers",
        help="Count the customers who bought something.",
        reads=(_CLEAN,),
        leaves=(Place("lake", "count/customers"), Place("clickhouse", "customer")),
        work=_count,
        counts=Counted,
    ),
)


def steps(store:"""
FILE = """
def run(spark, lake):
    with lake.step("count") as left:
        sales = lake.read(spark, lake.dataset("clean", "clean"))
        customers = sales.select("customer_id").distinct()
        lake.write(left, "customers", customers, "parquet")
        left.counts = {"customers": customers.count()}
    return left.counts["customers"]
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as it is, and one more step."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "src" / "vitrina", folder / "vitrina")
    pipeline = folder / "vitrina" / "pipeline.py"
    declared = pipeline.read_text()
    before = "\ndef steps(store:"
    assert declared.count(before) == 1
    pipeline.write_text(declared.replace(before, ENTRY))
    (folder / "vitrina" / "steps" / "count.py").write_text(FILE)
    (folder / "main.py").write_text("from vitrina.cli import main\n\nmain()\n")
    return folder


def run(*command: str | Path, source: Path, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"PYTHONPATH": str(source)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_it_runs_and_is_told_of_like_the_others(
    source: Path, tmp_path: Path, postgres_data: PostgresData
) -> None:
    with (
        home_folder(tmp_path) as home,
        http_receiver() as collector,
        udp_receiver() as statsd,
    ):
        postgres_data.copy_to(home / "postgres")
        shown = run(
            *(source / "main.py", "run", "--rows", "500", "--as-of", AS_OF),
            source=source,
            VITRINA_HOME=str(home),
            VITRINA_STATSD=f"localhost:{statsd.getsockname()[1]}",
            VITRINA_OPENLINEAGE_URL=collector.url,
        )
        gauges = [statsd.recv(4096).decode() for _ in range(len(STEPS) + 1)]
    (row,) = [line for line in shown.splitlines() if line.startswith("count ")]
    _, customers, *note, _ = row.split()
    assert " ".join(note) == "customers who bought"
    assert f"vitrina.count.rows:{customers}|g" in gauges[-1].splitlines()
    event: dict[str, Any] = collector.bodies[-1]
    assert (event["job"]["name"], event["eventType"]) == ("sales.count", "COMPLETE")
    lake = tmp_path / "lake"
    assert [each["name"] for each in event["inputs"]] == [f"{lake}/clean/clean"]
    assert [each["name"] for each in event["outputs"]] == [
        f"{lake}/count/customers",
        "vitrina.customer",
    ]


def test_it_is_a_command_with_help_and_an_example(source: Path) -> None:
    shown = run(source / "main.py", "count", "--help", source=source)
    assert "Count the customers who bought something." in shown
    assert f"Example: vitrina count --as-of {AS_OF}" in shown
    assert "--rows" not in shown


def test_it_is_a_task_after_the_others_with_its_assets(source: Path, tmp_path: Path) -> None:
    with home_folder(tmp_path) as home:
        facts = find_facts(home, {"more": case()}, PYTHONPATH=str(source))["more"]
    assert facts["after"][STEPS[-1].task] == ["count_customers"]
    assert facts["after"]["count_customers"] == []
    assert facts["docs"]["count_customers"] == "Count the customers who bought something."
    assert facts["outlets"]["count_customers"] == ["clickhouse.customer"]
    assert facts["heavy imports"] == []
