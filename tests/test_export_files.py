"""Which files a source names, what is passed over, and how what is packed comes out."""

import gzip
import io
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.errors import ExportError
from vitrina.exports import files
from vitrina.exports.files import find
from vitrina.exports.source import Source
from vitrina.exports.unpacking import members

LONG_AGO = 1_700_000_000
FIELDS = {
    "sale_id": {"column": "id"},
    "product_id": {"column": "product"},
    "quantity": {"column": "pieces"},
    "sale_date": {"column": "day"},
    "sale_amount": {"column": "amount"},
    "region": {"column": "region"},
}


def source(folder: Path, *entries: str, **other: Any) -> Source:
    return Source.model_validate({"files": entries, "fields": FIELDS, "folder": folder, **other})


def put(folder: Path, **content: bytes) -> None:
    """Files that nobody is writing. `__` in a name stands for a folder, `_` for a dot."""
    for name, text in content.items():
        place(folder / name.replace("__", "/").replace("_", "."), text)


def place(path: Path, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))


def names(found: files.Listing) -> list[str]:
    return [each.name for each in found.files]


def why(found: files.Listing) -> dict[str, str]:
    return {each.name: each.why for each in found.passed_over}


def test_a_folder_gives_all_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "2026/c.jsonl", "2026/11/d.csv.gz"):
        place(tmp_path / "exports" / name)
    assert names(find(source(tmp_path, "exports"))) == [
        "exports/2026/11/d.csv.gz",
        "exports/2026/c.jsonl",
        "exports/a.csv",
        "exports/b.csv",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("[ab].csv", ["a.csv", "b.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("*/*.csv", ["x/c.csv"]),
        ("**/*.csv", ["a.csv", "b.csv", "x/c.csv", "x/y/d.csv"]),
        ("x/**", ["x/c.csv", "x/y/d.csv"]),
        ("a.csv", ["a.csv"]),
        ("../{folder}/a.csv", ["a.csv"]),
    ],
)
def test_a_pattern_stays_in_one_folder_unless_it_says_otherwise(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    for name in ("a.csv", "b.csv", "x/c.csv", "x/y/d.csv"):
        place(tmp_path / name)
    assert names(find(source(tmp_path, pattern.format(folder=tmp_path.name)))) == expected


def test_a_file_that_is_there_by_its_name_is_no_pattern(tmp_path: Path) -> None:
    place(tmp_path / "sales [2026].csv")
    assert names(find(source(tmp_path, "sales [2026].csv"))) == ["sales [2026].csv"]


def test_a_file_that_two_entries_name_is_read_once(tmp_path: Path) -> None:
    place(tmp_path / "a.csv")
    assert names(find(source(tmp_path, "*.csv", "a.csv", str(tmp_path)))) == ["a.csv"]


def test_what_is_no_export_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    for name in (
        "a.csv",
        ".hidden.csv",
        ".git/b.csv",
        "~$book.xlsx",
        ".~lock.book.xlsx#",
        "c.csv.crdownload",
        "d.csv.part",
        "e.tmp",
        "notes.md",
        "store.toml",
    ):
        place(tmp_path / name)
    place(tmp_path / "f.csv", b"")
    found = find(source(tmp_path, "."))
    assert names(found) == ["a.csv"]
    assert why(found) == {
        ".git/b.csv": files.HIDDEN,
        ".hidden.csv": files.HIDDEN,
        ".~lock.book.xlsx#": files.LOCK,
        "c.csv.crdownload": files.PARTIAL,
        "d.csv.part": files.PARTIAL,
        "e.tmp": files.PARTIAL,
        "f.csv": files.EMPTY,
        "notes.md": files.UNKNOWN,
        "store.toml": files.UNKNOWN,
        "~$book.xlsx": files.LOCK,
    }


def test_a_hidden_file_that_is_named_in_full_is_read(tmp_path: Path) -> None:
    place(tmp_path / ".exports" / ".a.csv")
    assert names(find(source(tmp_path, ".exports/.a.csv"))) == [".exports/.a.csv"]


def test_a_file_is_read_once_nobody_has_written_to_it_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_bytes(b"x")
    assert names(find(source(tmp_path, "*.csv"))) == ["new.csv"]


def test_a_file_that_grows_is_passed_over(tmp_path: Path) -> None:
    place(tmp_path / "whole.csv")
    path, done = tmp_path / "growing.csv", threading.Event()
    path.write_bytes(b"x")

    def write() -> None:
        while not done.wait(0.02):
            with path.open("ab") as stream:
                stream.write(b"x")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = find(source(tmp_path, "*.csv"))
    finally:
        done.set()
        writer.join()
    assert names(found) == ["whole.csv"]
    assert why(found) == {"growing.csv": files.BEING_WRITTEN}


def test_a_file_dated_in_the_future_delays_a_run_no_longer_than_another(tmp_path: Path) -> None:
    place(tmp_path / "a.csv")
    os.utime(tmp_path / "a.csv", (time.time() + 9_999, time.time() + 9_999))
    started = time.monotonic()
    assert names(find(source(tmp_path, "*.csv"))) == ["a.csv"]
    assert time.monotonic() - started < 2 * files.QUIET_SECONDS


def test_an_entry_that_leads_to_nothing_says_where_it_looked_and_what_is_there(
    tmp_path: Path,
) -> None:
    place(tmp_path / "exports" / "sales.xlsx")
    found = find(source(tmp_path, "exports/*.csv", "other/*.csv"))
    assert names(found) == []
    assert found.nothing == (
        f"exports/*.csv leads to no file: {tmp_path}/exports has sales.xlsx",
        f"other/*.csv leads to no file: {tmp_path}/other has none",
    )


def test_a_name_that_tells_no_format_is_refused_where_it_is_chosen(tmp_path: Path) -> None:
    place(tmp_path / "sales.dat")
    with pytest.raises(ExportError, match=r"sales\.dat: the name does not tell its format"):
        find(source(tmp_path, "*.dat"))
    assert names(find(source(tmp_path, "*.dat", format="csv"))) == ["sales.dat"]


def test_letters_in_two_pieces_are_the_same_letters(tmp_path: Path) -> None:
    place(tmp_path / "и\u0306.csv")
    assert names(find(source(tmp_path, "й*.csv"))) == ["й.csv"]


def test_a_name_that_is_not_text_is_read_and_shown(tmp_path: Path) -> None:
    place(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")))
    (found,) = find(source(tmp_path, "*.csv")).files
    assert found.name == "caf\N{REPLACEMENT CHARACTER}.csv"
    with found.open() as stream:
        assert stream.read() == b"x"


# What is packed

TEXT = b"id,day\n1,2026-11-01\n2,2026-11-02\n"


def opener(content: bytes) -> Any:
    @contextmanager
    def opened() -> Iterator[BinaryIO]:
        yield io.BytesIO(content)

    return opened


def read(opened: AbstractContextManager[BinaryIO]) -> bytes:
    with opened as stream:
        return stream.read()


def unpacked(name: str, content: bytes) -> dict[str, bytes]:
    return {file.name: read(file.open()) for file in members(name, opener(content)).files}


def zipped(**content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in content.items():
            packed.writestr(name.replace("_", "."), text)
    return made.getvalue()


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content).to_pybytes()
    return packed


def without_bytes(value: object) -> str | None:
    """Part of a test's id. Packed bytes hold the time, which every worker finds another."""
    return "packed" if isinstance(value, bytes) else None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", TEXT),
        ("a.csv.gz", gzip.compress(TEXT)),
        ("a.csv.gz", gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:])),
        ("a.csv.zst", zstd(TEXT)),
        ("a.csv.zst", zstd(TEXT[:9]) + zstd(TEXT[9:])),
        ("a.csv.gz.zst", zstd(gzip.compress(TEXT))),
    ],
    ids=without_bytes,
)
def test_what_is_packed_comes_out_as_it_was(name: str, content: bytes) -> None:
    assert unpacked(name, content) == {name: TEXT}


def test_each_file_in_a_zip_is_read_as_its_own() -> None:
    packed = zipped(b_csv=TEXT, a_csv_gz=gzip.compress(TEXT), image_png=b"x", _c_csv=TEXT)
    found = members("s.zip", opener(packed))
    assert [(file.name, file.format, read(file.open())) for file in found.files] == [
        ("s.zip/a.csv.gz", "csv", TEXT),
        ("s.zip/b.csv", "csv", TEXT),
    ]
    assert found.passed_over == (
        files.PassedOver("s.zip/.c.csv", len(TEXT), files.HIDDEN),
        files.PassedOver("s.zip/image.png", 1, files.UNKNOWN),
    )


@pytest.mark.parametrize(
    "pack",
    [lambda b: ("a.parquet.gz", gzip.compress(b)), lambda b: ("a.zip", zipped(a_parquet=b))],
)
def test_a_packed_file_of_columns_can_be_read_in_any_order(pack: Any) -> None:
    made = io.BytesIO()
    pq.write_table(pa.table({"id": ["1", "2"]}), made)
    name, packed = pack(made.getvalue())
    (file,) = members(name, opener(packed)).files
    with file.open() as stream:
        assert pq.read_table(stream).to_pydict() == {"id": ["1", "2"]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", gzip.compress(TEXT), r"a\.csv is packed; name it a\.csv\.gz"),
        ("a.csv.gz", TEXT, r"a\.csv\.gz is not what \.gz stands for: it begins with b'id,d'"),
        ("a.csv.zst", gzip.compress(TEXT), r"is not what \.zst stands for"),
        ("a.zip", TEXT, r"a\.zip: cannot be unpacked \(File is not a zip file\); send"),
        ("a.zip", zipped(image_png=b"x"), r"a\.zip holds no file that is read; it holds image"),
        ("a.zip", zipped(), "it holds nothing"),
        ("a.zip", zipped(b_csv=TEXT)[:-30], r"a\.zip: cannot be unpacked"),
        ("a.zip.gz", gzip.compress(zipped(b_csv=TEXT)), "unpack it once"),
    ],
    ids=without_bytes,
)
def test_what_cannot_be_unpacked_is_refused(name: str, content: bytes, said: str) -> None:
    with pytest.raises(ExportError, match=said):
        unpacked(name, content)


@given(cut=st.integers(min_value=4, max_value=4_000), kind=st.sampled_from(["gz", "zst", "zip"]))
def test_what_was_cut_off_is_never_read_as_a_whole(cut: int, kind: str) -> None:
    text = bytes(range(256)) * 16
    packed = {"gz": gzip.compress(text), "zst": zstd(text), "zip": zipped(b_csv=text)}[kind]
    with pytest.raises(ExportError, match=r"cannot be unpacked|not what"):
        unpacked(f"a.csv.{kind}", packed[: min(cut, len(packed) - 1)])


@given(at=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_flipped_bit_in_gzip_changes_no_byte_unseen(at: int, bit: int) -> None:
    text = os.urandom(64) * 8
    packed = bytearray(gzip.compress(text))
    packed[at % len(packed)] ^= 1 << bit
    try:
        (found,) = unpacked("a.csv.gz", bytes(packed)).values()
    except ExportError:
        return
    assert found == text
