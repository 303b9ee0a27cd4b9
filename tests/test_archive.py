"""The archive: bytes by SHA-256, the order of first sight, and which files bear on a batch."""

import datetime
import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.s3 import BUCKET
from tests.test_export_files import FIELDS, place, source
from vitrina.errors import CorruptFile
from vitrina.exports.archive import Archive, Kept, bearing, fingerprint
from vitrina.exports.files import find
from vitrina.exports.store_file import StoreFile
from vitrina.store import Batch, Store
from vitrina.stores.s3 import open_bucket

AS_OF = datetime.date(2026, 12, 1)
SEEN = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)


def store(folder: Path = Path(), **other: Any) -> Store:
    said = {
        "name": "shop",
        "title": "Shop",
        "source": {"files": ["*.csv"], "fields": FIELDS, "folder": folder},
    }
    return StoreFile.model_validate(said | other).store()


BATCH = Batch(AS_OF, store())
KEY = fingerprint(BATCH.store)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def kept(name: str, *days: str | None, minutes: int = 0) -> Kept:
    """A file of the archive whose days are known if they are given."""
    seen = SEEN + datetime.timedelta(minutes=minutes)
    known = {}
    if days:
        first, last = days
        known[KEY] = (
            (datetime.date.fromisoformat(first), datetime.date.fromisoformat(last))
            if first and last
            else None
        )
    return Kept(sha256(name.encode()), 1, seen, (name,), known)


def take(archive: Archive, folder: Path, sizes: Sequence[int] = ()) -> dict[str, list[str]]:
    taken = archive.take(find(source(folder, "*.csv")).files, sizes)
    return {hashed: [found.name for found in files] for hashed, files in taken.items()}


@pytest.fixture(params=["disk", "s3"])
def archive(
    request: pytest.FixtureRequest, tmp_path: Path, s3_variables: dict[str, str]
) -> Archive:
    if request.param == "disk":
        return Archive(str(tmp_path / "lake"))
    return Archive(f"s3://{BUCKET}/{request.node.originalname}")


def test_bytes_are_kept_by_their_hash_and_equal_files_once(
    archive: Archive, tmp_path: Path
) -> None:
    place(tmp_path / "a.csv", b"one")
    place(tmp_path / "b.csv", b"two")
    place(tmp_path / "copy.csv", b"one")
    assert take(archive, tmp_path) == {
        sha256(b"one"): ["a.csv", "copy.csv"],
        sha256(b"two"): ["b.csv"],
    }
    # Again, with their sizes known, and after the store has deleted them.
    assert take(archive, tmp_path, [3]) == take(archive, tmp_path)
    for name in ("a.csv", "b.csv", "copy.csv"):
        (tmp_path / name).unlink()
    with archive.open(sha256(b"one")) as stream:
        assert stream.read() == b"one"
        assert stream.seek(1) == 1
        assert stream.readline() == b"ne"


def test_a_file_is_in_the_archive_once_it_is_remembered(archive: Archive) -> None:
    first, second = kept("a.csv", "2026-11-01", "2026-11-30"), kept("b.csv", None, None)
    assert archive.all() == {}
    archive.remember([first, second])
    assert archive.all() == {first.sha256: first, second.sha256: second}
    again = replace(first, names=("a.csv", "c.csv"), days={})
    archive.remember([again])
    assert archive.all() == {first.sha256: again, second.sha256: second}


def test_a_file_is_withdrawn_until_it_is_restored_whatever_a_run_remembers(
    archive: Archive,
) -> None:
    first, second = kept("a.csv"), kept("b.csv")
    archive.remember([first, second])
    archive.withdraw(first.sha256, SEEN)
    # As a run does that began before.
    archive.remember([replace(first, days={KEY: None})])
    assert {each.names[0]: each.withdrawn for each in archive.all().values()} == {
        "a.csv": SEEN,
        "b.csv": None,
    }
    assert (archive.withdrawn(first.sha256), archive.withdrawn(second.sha256)) == (SEEN, None)
    archive.restore(first.sha256)
    assert archive.all()[first.sha256].withdrawn is None


def test_a_withdrawal_that_cannot_be_read_stops_what_would_count_the_file(tmp_path: Path) -> None:
    archive, file = Archive(str(tmp_path)), kept("a.csv")
    archive.remember([file])
    (tmp_path / "archive" / f"{file.sha256}.withdrawn").write_bytes(b"\xff")
    with pytest.raises(CorruptFile, match=r"\.withdrawn has no moment in it; delete it"):
        archive.all()


def test_a_file_that_is_not_remembered_can_be_forgotten(archive: Archive, tmp_path: Path) -> None:
    place(tmp_path / "a.csv", b"one")
    take(archive, tmp_path)
    archive.forget(sha256(b"one"))
    archive.forget(sha256(b"another"))
    with (
        pytest.raises(CorruptFile, match="is missing; put the export back"),
        archive.open(sha256(b"two")),
    ):
        pass


def test_a_file_that_was_changed_in_the_archive_is_not_read(tmp_path: Path) -> None:
    place(tmp_path / "a.csv", b"one")
    take(Archive(str(tmp_path)), tmp_path)
    path = tmp_path / "archive" / sha256(b"one")
    path.write_bytes(b"ono")
    with (
        pytest.raises(CorruptFile, match="is not the file that was kept"),
        Archive(str(tmp_path)).open(sha256(b"one")),
    ):
        pass
    # The store still has it, so its bytes are kept anew.
    take(Archive(str(tmp_path)), tmp_path, [3])
    assert path.read_bytes() == b"one"


def test_a_document_that_was_cut_off_says_what_to_do(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    archive.remember([kept("a.csv")])
    (path,) = (tmp_path / "archive").glob("*.json")
    path.write_text(path.read_text()[:-20])
    with pytest.raises(CorruptFile, match=r"\.json cannot be read: .*delete it, and put"):
        archive.all()


def test_two_runs_at_once_leave_what_one_leaves(tmp_path: Path) -> None:
    names = [f"{number:02}.csv" for number in range(12)]
    for name in names:
        place(tmp_path / name, name.encode() * 99_999)

    def run(_: int) -> None:
        archive = Archive(str(tmp_path))
        taken = take(archive, tmp_path)
        archive.remember([replace(kept(files[0]), sha256=each) for each, files in taken.items()])

    with ThreadPoolExecutor(4) as pool:
        [*pool.map(run, range(4))]
    left = sorted(path.name for path in (tmp_path / "archive").iterdir())
    hashes = [sha256((tmp_path / name).read_bytes()) for name in names]
    assert left == sorted([*hashes, *(f"{each}.json" for each in hashes)])
    for each in hashes:
        assert sha256((tmp_path / "archive" / each).read_bytes()) == each


def test_a_file_that_changes_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    place(tmp_path / "a.csv", b"one")
    files = find(source(tmp_path, "*.csv")).files
    place(tmp_path / "a.csv", b"four")
    archive = Archive(str(tmp_path))
    assert archive.take(files, []) == {}
    assert archive.take(files, [3]) == {}
    assert [*(tmp_path / "archive").iterdir()] == []


# Which files bear on a batch. Its window is 2025-12-01 to 2026-11-30.


@pytest.mark.parametrize(
    ("files", "read"),
    [
        # Their days are not known, or reach into the window by one day.
        ([kept("a")], ["a"]),
        ([kept("a", "2025-01-01", "2025-12-01")], ["a"]),
        ([kept("a", "2026-11-30", "2027-01-01")], ["a"]),
        ([kept("a", "2020-01-01", "2030-01-01")], ["a"]),
        # They end before it, begin after it, or have no day.
        ([kept("a", "2025-01-01", "2025-11-30")], []),
        ([kept("a", "2026-12-01", "2026-12-24")], []),
        ([kept("a", None, None)], []),
        # What came after a file of the window may have newer versions of its sales.
        (
            [
                kept("a", "2025-01-01", "2025-11-30"),
                kept("b", "2026-01-01", "2026-01-31", minutes=1),
                kept("c", "2024-01-01", "2024-12-31", minutes=2),
            ],
            ["b", "c"],
        ),
        # The order is that of first sight, and of files seen together that of their names.
        ([kept("a", minutes=2), kept("c", minutes=1), kept("b", minutes=1)], ["b", "c", "a"]),
    ],
)
def test_the_files_that_bear_on_a_batch(files: list[Kept], read: list[str]) -> None:
    found, rest = bearing(files, BATCH)
    assert [each.name for each in found] == read
    assert sorted(each.name for each in [*found, *rest]) == sorted(each.name for each in files)


def test_what_the_store_still_has_is_read_wherever_it_lies() -> None:
    old = kept("a", "2020-01-01", "2020-12-31")
    assert bearing([old], BATCH, [old.sha256]) == ([old], [])


@pytest.mark.parametrize(
    "other",
    [
        {"time_zone": "Asia/Vladivostok"},
        {"source": {"files": ["*.csv"], "fields": FIELDS | {"sale_date": {"column": "paid"}}}},
        {"source": {"files": ["*.csv"], "fields": FIELDS, "missing": ["2020-01-01"]}},
        {"days": 7},
    ],
)
def test_days_are_known_only_of_files_that_were_read_the_same_way(other: dict[str, Any]) -> None:
    old = kept("a", "2020-01-01", "2020-12-31")
    assert bearing([old], BATCH) == ([], [old])
    assert bearing([old], Batch(AS_OF, store(**other))) == ([old], [])


def test_the_folder_of_the_store_file_does_not_matter() -> None:
    assert fingerprint(store(Path("/elsewhere"))) == KEY


@given(st.permutations(range(5)), st.integers(0, 4))
def test_the_order_does_not_depend_on_how_the_files_are_listed(
    order: Sequence[int], seen_last: int
) -> None:
    files = [kept(f"{n}", minutes=int(n == seen_last)) for n in range(5)]
    found, _ = bearing([files[n] for n in order], BATCH)
    assert [each.name for each in found] == [
        *(f"{n}" for n in range(5) if n != seen_last),
        f"{seen_last}",
    ]


def test_a_file_is_called_what_the_store_calls_it_last() -> None:
    file = kept("a.csv")
    assert file.called(["a.csv", "b.csv"]) == file
    assert file.called(["b.csv", "c.csv"]).name == "b.csv"
    # Its place is that of its first name.
    assert file.called(["z.csv"]).place == file.place


def test_files_of_a_bucket_are_found_and_kept(
    s3_variables: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (bucket, _), folder = open_bucket(f"s3://{BUCKET}"), f"{BUCKET}/{request.node.name} ü"
    for name in ("a.csv", "x/b.csv", ".c.csv"):
        with bucket.open_output_stream(f"{folder}/{name}") as stream:
            stream.write(name.encode())
    found = find(source(tmp_path, f"s3://{folder}"))
    assert [each.name for each in found.files] == [
        f"s3://{folder}/{n}" for n in ("a.csv", "x/b.csv")
    ]
    assert [each.why for each in found.passed_over] == ["hidden"]
    for entry, names in {"*.csv": ["a.csv"], "**/b.csv": ["x/b.csv"], "a.csv": ["a.csv"]}.items():
        listed = find(source(tmp_path, f"s3://{folder}/{entry}")).files
        assert [each.name for each in listed] == [f"s3://{folder}/{name}" for name in names]
    archive = Archive(str(tmp_path))
    assert [*archive.take(found.files, [])] == [sha256(b"a.csv"), sha256(b"x/b.csv")]
    (nothing,) = find(source(tmp_path, f"s3://{folder}/*.json")).nothing
    assert nothing.endswith(f"s3://{folder} has .c.csv, a.csv")


def test_a_document_has_what_people_look_for(tmp_path: Path) -> None:
    Archive(str(tmp_path)).remember([kept("a.csv", "2026-11-01", "2026-11-30")])
    (path,) = (tmp_path / "archive").glob("*.json")
    assert json.loads(path.read_text()) == {
        "sha256": sha256(b"a.csv"),
        "size": 1,
        "first_seen": "2026-11-25T12:00:00.000000+00:00",
        "names": ["a.csv"],
        "days": {KEY: ["2026-11-01", "2026-11-30"]},
    }
