"""Withdrawal: which file is meant, what is shown of it, and what stays as it was."""

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from tests.test_archive import SEEN, kept
from vitrina.errors import SettingsError
from vitrina.exports.archive import Archive
from vitrina.proof.withdrawal import Archived, archived, carry_out, chosen, told

FIRST, SECOND = datetime.date(2026, 11, 17), datetime.date(2026, 11, 24)
A = Archived(replace(kept("a.csv"), names=("a.csv", "october.csv")), (FIRST,))
B = Archived(kept("b.csv", minutes=1), (FIRST, SECOND))
OTHER_A = Archived(replace(B.kept, sha256="f" * 64, names=("a.csv",)), ())
GONE = Archived(replace(kept("gone.csv"), withdrawn=SEEN), ())
FILES = [A, B, OTHER_A, GONE]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("october.csv", A),
        ("b.csv", B),
        (A.kept.sha256, A),
        (B.short, B),
        (B.kept.sha256[:6].upper(), B),
    ],
)
def test_a_file_is_named_as_the_store_did_or_by_its_sha256(name: str, file: Archived) -> None:
    assert chosen(FILES, [name, name], is_withdrawn=False) == [file]


@pytest.mark.parametrize(
    ("name", "is_withdrawn", "told"),
    [
        ("c.csv", False, "no file of the archive is called c.csv; .* listed by: vitrina archive"),
        (B.kept.sha256[:5], False, "no file of the archive is called"),
        ("gone.csv", False, "gone.csv is withdrawn already"),
        ("b.csv", True, "b.csv is not withdrawn"),
        (
            "a.csv",
            False,
            rf"2 files .* called a.csv; name one .*: {A.short} \(2026-11-25 12:00 UTC",
        ),
    ],
)
def test_what_names_no_one_file_is_refused(name: str, is_withdrawn: bool, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        chosen(FILES, [name], is_withdrawn=is_withdrawn)


def test_what_would_be_done_is_shown_with_the_batches_that_count_the_file() -> None:
    assert list(told([B], withdraws=True)) == [
        f"withdraws b.csv ({B.short}, 1 bytes, first seen 2026-11-25 12:01 UTC)",
        "counted in 2026-11-17, 2026-11-24, until these are run again",
        "nothing is deleted; further batches are not read from it, wherever it lies",
    ]
    assert list(told([GONE], withdraws=False)) == [
        f"restores gone.csv ({GONE.short}, 1 bytes, first seen 2026-11-25 12:00 UTC)",
        "further batches are read from it again",
    ]


def test_the_files_themselves_stay(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    archive.remember([A.kept])
    data = tmp_path / "archive" / A.kept.sha256
    data.write_bytes(b"one")
    for withdraws in (True, False):
        carry_out(archived(str(tmp_path)), str(tmp_path), withdraws=withdraws)
        (file,) = archived(str(tmp_path))
        assert bool(file.kept.withdrawn) == withdraws
        assert data.read_bytes() == b"one"
