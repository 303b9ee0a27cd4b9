"""What the whole topology is compared with."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.topology.batch import BATCH
from vitrina.settings import Settings
from vitrina.stores.postgres.embedded import data_home


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The batch by the embedded engine and stores."""
    home = tmp_path_factory.mktemp("embedded")
    options = [f"--{name.replace('_', '-')}={value}" for name, value in BATCH.items()]
    try:
        subprocess.run(
            [Path(sys.executable).with_name("vitrina"), "run", *options],
            env={"VITRINA_HOME": str(home)},
            check=True,
        )
        yield Settings(home=home)
    finally:
        # Root's data is not in the folder.
        shutil.rmtree(data_home(home / "postgres"), ignore_errors=True)
