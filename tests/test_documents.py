"""Documents of the lake that were damaged: one line, the file, and what makes it anew."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lakes import clean_lake, clean_sales
from tests.rows import BATCH
from vitrina.counts import Cleaned, Generated, Validated, read_result
from vitrina.errors import CorruptFile
from vitrina.stores.lake import Lake

COUNTS = {"generate": Generated, "validate": Validated, "clean": Cleaned}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return clean_lake(tmp_path_factory.mktemp("lake"), BATCH, clean_sales(BATCH, 3))


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    if isinstance(document, dict):
        inside = list(document.items())
    else:
        inside = list(enumerate(document)) if isinstance(document, list) else []
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at the path; without that key if it is `...`."""
    if not path:
        return value
    copy = document.copy()
    if len(path) == 1 and value is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


VALUES = st.one_of(
    st.just(...),
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 2**63, 10**400, float("nan"), float("inf"), 1e308, 0.5]),
    st.text(max_size=8),
    st.sampled_from(["\ud800", "../../x", "NaN", "0001-01-01", "9999-12-31T23:59:60+99:00"]),
    st.recursive(st.none(), lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside)),
)


def read_all(lake: Lake, step: str) -> None:
    read_result(lake.result(step), COUNTS[step])
    if step == "clean":
        lake.dataset(step, "clean")


def told(lake: Lake, step: str, text: bytes) -> None:
    """Read a `step.json` of this text: it is well, or the error names the file and what to do."""
    file = Path(lake.root, step, "step.json")
    before = file.read_bytes()
    file.write_bytes(text)
    try:
        read_all(lake, step)
    except CorruptFile as error:
        (line,) = str(error).splitlines()
        # A file of the dataset may be what is not as it was described.
        assert f"{lake.root}/" in line
        assert line.endswith(f"; run: vitrina {step} --as-of {lake.as_of}")
    finally:
        file.write_bytes(before)


@given(data=st.data(), step=st.sampled_from(sorted(COUNTS)))
def test_a_value_of_another_kind_is_told(lake: Lake, data: st.DataObject, step: str) -> None:
    document = json.loads(Path(lake.root, step, "step.json").read_bytes())
    path = data.draw(st.sampled_from(places(document)))
    damaged = changed(document, path, data.draw(VALUES)) if path else data.draw(st.none())
    told(lake, step, json.dumps(damaged).encode())


@given(data=st.data(), step=st.sampled_from(sorted(COUNTS)), junk=st.binary(max_size=4))
def test_bytes_that_are_missing_or_others_are_told(
    lake: Lake, data: st.DataObject, step: str, junk: bytes
) -> None:
    text = Path(lake.root, step, "step.json").read_bytes()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.sampled_from([start, start + len(junk), len(text)]))
    told(lake, step, text[:start] + junk + text[end:])


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"3", b"\xff", b"{}", b"[" * 100_000, b"9" * 5_000, b"{" + b" " * 100],
)
def test_what_is_no_object_is_told(lake: Lake, text: bytes) -> None:
    file = Path(lake.root, "clean", "step.json")
    before = file.read_bytes()
    file.write_bytes(text)
    with pytest.raises(
        CorruptFile, match=r"clean/step\.json cannot be read: .*; run: vitrina clean"
    ):
        lake.dataset("clean", "clean")
    file.write_bytes(before)


def test_a_dataset_that_is_not_described_is_told(lake: Lake) -> None:
    with pytest.raises(CorruptFile, match=r"cannot be read: datasets: there is no conflicts; run"):
        lake.dataset("clean", "conflicts")


def test_the_document_of_another_step_is_told(lake: Lake) -> None:
    file = Path(lake.root, "clean", "step.json")
    before = file.read_bytes()
    file.write_bytes(Path(lake.root, "validate", "step.json").read_bytes())
    with pytest.raises(CorruptFile, match=r"cannot be read: step: it is of another; run"):
        lake.result("clean")
    file.write_bytes(before)
