"""What Airflow finds in `dags/sales.py`, whatever the settings are."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Case = dict[str, Any]


def case(*, of_stores: bool = False, **environment: str) -> Case:
    """With these variables; the DAGs are of many stores, or the one of the generated shop."""
    return {"of stores": of_stores, "environment": environment}


def find_facts(home: Path, cases: Mapping[str, Case], **environment: str) -> dict[str, Any]:
    """What `dag_facts.py` finds, by the name of the case; Airflow has this home."""
    found = home / "facts.json"
    subprocess.run(
        [sys.executable, Path(__file__).with_name("dag_facts.py"), found, json.dumps(cases)],
        env=os.environ
        | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        | environment,
        check=True,
        capture_output=True,
    )
    facts: dict[str, Any] = json.loads(found.read_text())
    return facts
