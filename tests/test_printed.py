"""What the commands print: rows however many, on whatever stdout is."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.commands import VITRINA
from vitrina import printed
from vitrina.printed import print_json_rows, print_table

CELLS = st.one_of(
    st.none(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.dates(),
    st.text(max_size=6),
)


def blocks(rows: list[tuple[Any, ...]], size: int = 2) -> Iterator[list[tuple[Any, ...]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=5))
@example(rows=[("one\x85line", None)])
def test_rows_as_json_are_what_json_makes_of_them_at_once(rows: list[tuple[Any, ...]]) -> None:
    with redirect_stdout(StringIO()) as stream:
        print_json_rows(("a", "б"), blocks(rows))
    said = stream.getvalue()
    values = [
        {
            name: cell if cell is None or isinstance(cell, int) else str(cell)
            for name, cell in zip(("a", "б"), row, strict=True)
        }
        for row in rows
    ]
    assert json.loads(said) == values
    assert said == json.dumps(values, ensure_ascii=False, indent=2) + "\n"


def test_a_table_is_aligned_by_its_first_rows(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ("North", 12, None, date(2026, 11, 24)),
        ("Юг 店", Decimal("7.50"), "[red]x", None),
        ("a name that is longer", 1, "x", None),
    ]
    assert print_table(("region", "sales", "note", "day"), blocks(rows)) == 3
    assert capsys.readouterr().out.splitlines() == [
        "region   sales   note     day",
        "─" * 36,
        "North       12            2026-11-24",
        "Юг 店     7.50   [red]x",
        "a name that is longer       1   x",
    ]


def test_a_table_without_rows_or_columns_has_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_table(("a", "b"), iter(())) == 0
    assert capsys.readouterr().out.splitlines() == ["a   b", "─────"]
    assert print_table((), iter(())) == 0


def test_a_cell_keeps_its_lines_and_controls_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), iter([[("one\ntwo", "\x1b[2J\udcff"), ("x", "y")]]))
    assert capsys.readouterr().out.splitlines()[2:] == ["one   \\x1b[2J\\udcff", "two", "x     y"]


@given(texts=st.lists(st.text("abc Юг店\n", max_size=30), min_size=1, max_size=4))
def test_on_a_terminal_no_line_is_too_long_and_nothing_is_lost(texts: list[str]) -> None:
    widths = printed._fitting([printed._width(text) for text in texts], 40)  # noqa: SLF001
    assert sum(widths) + 3 * (len(widths) - 1) <= max(40, 4 * len(widths))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(printed, "_IS_TERMINAL", True)
        for text, width in zip(texts, widths, strict=True):
            folded = printed._folded(text, max(2, width))  # noqa: SLF001
            assert "".join(folded) == text.replace("\n", "")
            assert all(printed._width(line) <= max(2, width) for line in folded)  # noqa: SLF001


# Streams


EXPORT = "номер;сумма;дата\n1;10,50;24.10.2026\n2;5,25;25.10.2026\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("printed")
    (folder / "продажи.csv").write_text(EXPORT, "utf-8")
    return folder


def ended(folder: Path, redirection: str, *arguments: str, **variables: str) -> Any:
    """How the command ends when a shell redirects its streams so."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"$0" "$@" {redirection}', VITRINA, *arguments],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        check=False,
    )


def test_a_full_stdout_is_one_line(folder: Path) -> None:
    for arguments in (("inspect", "продажи.csv", "--json"), ("--version",), ("--help",)):
        told = ended(folder, ">/dev/full", *arguments)
        assert told.returncode == 1
        assert told.stderr == b"error: the output cannot be written: No space left on device\n"


def test_a_full_stderr_changes_nothing(folder: Path) -> None:
    told = ended(folder, "2>/dev/full", "inspect", "продажи.csv")
    assert (told.returncode, told.stdout[:9]) == (0, b"#:schema ")
    told = ended(folder, "2>/dev/full", "inspect", "nothing")
    assert (told.returncode, told.stdout) == (1, b"")


def test_a_closed_stdout_or_stderr_is_as_if_nobody_read_it(folder: Path) -> None:
    (folder / "mine").write_text("mine")
    told = ended(folder, ">&-", "inspect", "продажи.csv", "--json")
    assert (told.returncode, told.stdout, told.stderr) == (0, b"", b"")
    told = ended(folder, "<&- >&- 2>&-", "inspect", "продажи.csv", "--out", "closed.toml")
    assert told.returncode == 0
    # What is printed is in no file that was opened meanwhile.
    assert (folder / "closed.toml").read_text().startswith("#:schema")
    assert (folder / "mine").read_text() == "mine"
    told = ended(folder, "2>&-", "inspect", "nothing")
    assert (told.returncode, told.stdout) == (1, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_the_same_in_every_encoding(folder: Path, encoding: str) -> None:
    told = ended(folder, "", "inspect", "продажи.csv", "--json", PYTHONIOENCODING=encoding)
    assert (told.returncode, told.stderr) == (0, b"")
    assert "продажи.csv" in str(json.loads(told.stdout.decode(encoding)))


def test_text_in_few_characters_has_numbers_for_the_others(folder: Path) -> None:
    told = ended(folder, "", "inspect", "продажи.csv", PYTHONIOENCODING="ascii")
    assert told.returncode == 0
    assert rb"\u043f\u0440\u043e\u0434" in told.stdout
    told = ended(folder, "", "inspect", "нет.csv", PYTHONIOENCODING="ascii")
    assert told.returncode == 1
    assert told.stderr.startswith(b"error: ")
    assert b"Traceback" not in told.stderr


def test_a_query_that_is_no_utf_8_is_one_line(folder: Path) -> None:
    said = subprocess.run(
        [os.fsencode(VITRINA), b"sql", b"postgres", b"SELECT '\xff'"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    expected = b"error: the query is not UTF-8; write it in that encoding\n"
    assert (said.returncode, said.stderr) == (1, expected)
