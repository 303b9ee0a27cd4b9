"""The commands of `vitrina`, called without the second or two in which a process imports it."""

import atexit
import gc
import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vitrina.cli import main

VITRINA = Path(sys.executable).with_name("vitrina")


@dataclass(frozen=True)
class Ended:
    """How a command ended, as a process would have."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(folder: Path, *arguments: str, environment: Mapping[str, str]) -> Ended:
    """Call `vitrina` in this folder, with these variables beside those of the tests."""
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        patch.chdir(folder)
        patch.setattr(sys, "argv", [str(VITRINA), *arguments])
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
    # It is this process that would end without a last search for garbage.
    atexit.unregister(gc.freeze)
    assert isinstance(ended.value.code, int)
    return Ended(ended.value.code, out.getvalue(), err.getvalue())
