"""Files that are there whole or not at all, and what killed processes leave of them."""

import datetime
import errno
import fcntl
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tests.test_export_files import place, source
from vitrina.exports.archive import Archive
from vitrina.exports.files import find
from vitrina.output import output
from vitrina.proof.chain import Chain
from vitrina.stores.lake import Lake
from vitrina.whole import part_in, remove_abandoned

AS_OF = datetime.date(2026, 12, 1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_for_ever(folder: Path, begun: Connection) -> None:
    with part_in(folder) as part:
        part.stream.write(b"half")
        part.stream.flush()
        begun.send("begun")
        begun.recv()


def test_a_part_is_removed_once_its_writer_was_killed(tmp_path: Path) -> None:
    spawned = multiprocessing.get_context("spawn")
    here, there = spawned.Pipe()
    writer = spawned.Process(target=write_for_ever, args=(tmp_path, there))
    writer.start()
    assert here.recv() == "begun"
    (part,) = names(tmp_path)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == [part]
    writer.kill()
    writer.join()
    assert (tmp_path / part).read_bytes() == b"half"
    remove_abandoned(tmp_path)
    assert names(tmp_path) == []


def write_a_step(folder: Path) -> None:
    with Lake(str(folder), AS_OF).step("generate") as left:
        left.counts = {"rows": 1}


def write_a_chain(folder: Path) -> None:
    Chain(str(folder)).write([], [])


def archive_a_file(folder: Path) -> None:
    place(folder / "a.csv", b"one")
    Archive(str(folder)).take(find(source(folder, "*.csv")).files, [])


def test_half_a_document_that_an_earlier_vitrina_left_hidden_is_not_read(tmp_path: Path) -> None:
    archive_a_file(tmp_path)
    place(tmp_path / "archive" / f".0123abcd.{'0' * 64}.json", b'{"sha256"')
    assert Archive(str(tmp_path)).all() == {}


def write_an_output(folder: Path) -> None:
    with output(folder / "page.html", "--out") as stream:
        stream.write("page")


@pytest.mark.parametrize(
    ("where", "write"),
    [
        (f"{AS_OF}/generate", write_a_step),
        ("manifests", write_a_chain),
        ("archive", archive_a_file),
        ("", write_an_output),
    ],
)
def test_what_a_killed_run_left_of_a_file_is_removed_by_the_next(
    tmp_path: Path, where: str, write: Callable[[Path], None]
) -> None:
    folder = tmp_path / where
    left = folder / f".vitrina-{'0' * 32}.part"
    place(left, b"half")
    place(folder / ".vitrina-note", b"somebody's")
    write(tmp_path)
    assert not left.exists()
    assert (folder / ".vitrina-note").read_bytes() == b"somebody's"


def test_a_part_that_is_removed_before_it_is_locked_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def removed_first(stream: Any, kind: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        remove_abandoned(tmp_path)
        lock(stream, kind)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    with part_in(tmp_path) as part:
        part.stream.write(b"whole")
        part.become(tmp_path / "file")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_where_files_cannot_be_locked_they_are_written_and_no_part_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    with part_in(tmp_path) as part:
        remove_abandoned(tmp_path)
        part.stream.write(b"whole")
        part.become(tmp_path / "file")
    assert names(tmp_path) == ["file"]
