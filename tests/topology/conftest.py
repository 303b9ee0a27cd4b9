"""The batch that the whole topology is compared with."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.homes import home_folder
from tests.topology.batch import BATCH
from vitrina.settings import Settings


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The batch, run with the embedded engine and stores."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in BATCH.items()]
    with home_folder(tmp_path_factory.mktemp("embedded")) as home:
        subprocess.run(
            [Path(sys.executable).with_name("vitrina"), "run", *options],
            env={"VITRINA_HOME": str(home)},
            check=True,
        )
        yield Settings(home=home)
