"""What `make faults` takes for right and for wrong."""

import re
from pathlib import Path

import pytest

from tests.faults.readers import Seen, wrong_in

ROOT = Path(__file__).parents[1]
OLD, NEW, MIXED = ("sales 1", "marts 1"), ("sales 2", "marts 2"), ("sales 2", "marts 1")


@pytest.mark.parametrize("history", [[], [OLD], [OLD, NEW], [NEW]])
def test_a_reader_may_see_the_old_state_and_then_the_new_one(history: list[Seen]) -> None:
    assert wrong_in(history, OLD, NEW) is None


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        ([OLD, MIXED, NEW], "in place 1 of 3, a mixture"),
        ([OLD, NEW, OLD], "in place 2 of 3, what was there before"),
    ],
)
def test_a_mixture_and_a_step_back_are_found(history: list[Seen], complaint: str) -> None:
    assert complaint in str(wrong_in(history, OLD, NEW))


def test_where_nothing_changes_anything_else_is_wrong() -> None:
    assert wrong_in([OLD], OLD, OLD) is None
    assert wrong_in([OLD, NEW], OLD, OLD) is not None


def test_every_guarantee_names_a_test_that_is_there() -> None:
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", (ROOT / "docs/guarantees.md").read_text())
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), test
