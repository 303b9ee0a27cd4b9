"""The auditor's script: what it reads, what it refuses, and that it needs nothing of ours."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.auditor import audit
from vitrina.stores.clickhouse.session import open_session
from vitrina.stores.postgres.session import open_session as open_postgres_session

SCRIPT = Path(__file__).parents[1] / "scripts" / "verify_manifest.py"
COLUMNS = [
    {"name": "region", "type": "text"},
    {"name": "day", "type": "date"},
    {"name": "units", "type": "integer"},
    {"name": "amount", "type": "decimal", "scale": 2},
]
CANONICAL = b"""\
"region","day","units","amount"
"",2026-11-23,1,
"Nord ""A"", \xd0\x81",2026-11-22,-1,0.10
"Nord ""A"", \xd0\x81",2026-11-23,20,-5.00
"""
TABLE = {
    "key": ["region", "day"],
    "columns": COLUMNS,
    "rows": 3,
    "sha256": sha256(CANONICAL).hexdigest(),
}
OF_POSTGRESQL = """\
region,day,units,amount
"","2026-11-23","1",
"Nord ""A"", Ё","2026-11-22","-1","0.10"
"Nord ""A"", Ё","2026-11-23","20","-5.00"
"""
OF_CLICKHOUSE = """\
"region","day","units","amount"
"","2026-11-23",1,\\N
"Nord ""A"", Ё","2026-11-22",-1,0.1
"Nord ""A"", Ё","2026-11-23",20,-5
"""


def link(as_of: str, sequence: int, previous: str | None, **more: Any) -> bytes:
    return json.dumps({"as_of": as_of, "sequence": sequence, "previous": previous, **more}).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A chain of two manifests, the second of the batch, and a place for exports."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "exports").mkdir()
    first = link("2026-11-17", 1, None, kind="publication", tables={})
    second = link(
        "2026-11-24",
        2,
        sha256(first).hexdigest(),
        kind="publication",
        tables={"sales": TABLE},
    )
    (tmp_path / "manifests" / "000001.json").write_bytes(first)
    (tmp_path / "manifests" / "000002.json").write_bytes(second)
    return tmp_path


def verify(folder: Path, text: str | None = None) -> tuple[int, str]:
    """The exit code and all that is said, by a Python that finds no other package."""
    if text is not None:
        (folder / "exports" / "sales.csv").write_text(text, "utf-8", newline="")
    told = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, "manifests", "2026-11-24", "exports"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode, told.stdout + told.stderr


def test_the_script_is_short_enough_to_be_read() -> None:
    assert len(SCRIPT.read_text("utf-8").splitlines()) <= 100


@pytest.mark.parametrize("text", [OF_POSTGRESQL, OF_CLICKHOUSE], ids=["PostgreSQL", "ClickHouse"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_either_database_exports_is_as_published(folder: Path, text: str, end: str) -> None:
    code, told = verify(folder, text.replace("\n", end))
    assert (code, told.splitlines()[1:]) == (0, ["sales: as published"])


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ('"20"', '"21"', "its 3 rows are not the 3 published ones"),
        ('"0.10"', '"0.11"', "its 3 rows are not the 3 published ones"),
        ('"0.10"', '"0.101"', "0.101 has more decimals than amount can have"),
        ('"0.10"', "", "its 3 rows are not the 3 published ones"),
        ('"","2026-11-23"', ',"2026-11-23"', "row 1 is not in the order of region, day"),
        ('"2026-11-22"', '"2026-11-24"', "row 3 is not in the order of region, day"),
        ('"2026-11-22"', '"2026-11-23"', "row 3 is not in the order of region, day"),
        ("region,day", "region,date", "has the columns region, date, units, amount"),
        ('"","2026-11-23","1",\n', "", "its 2 rows are not the 3 published ones"),
        ('"20"', '"20', "cannot be read"),
        ('"20"', "twenty", "cannot be read"),
        ('"-5.00"\n', '"-5.00","1"\n', "cannot be read"),
    ],
)
def test_one_alteration_is_found(folder: Path, old: str, new: str, wrong: str) -> None:
    assert OF_POSTGRESQL.count(old) == 1
    code, told = verify(folder, OF_POSTGRESQL.replace(old, new))
    assert code == 1
    assert f"sales: {wrong}" in told or f"sales: cannot be read: {wrong}" in told


def test_a_table_that_was_not_exported_is_not_verified(folder: Path) -> None:
    code, told = verify(folder)
    assert code == 1
    assert "sales: cannot be read: " in told


@pytest.mark.parametrize("damage", ["changed", "dropped", "first dropped"])
def test_a_chain_that_was_tampered_with_is_noticed(folder: Path, damage: str) -> None:
    first, second = (folder / "manifests" / f"00000{n}.json" for n in (1, 2))
    if damage == "changed":
        first.write_bytes(first.read_bytes().replace(b"2026-11-17", b"2026-11-10"))
    elif damage == "dropped":
        third = link("2026-11-24", 3, sha256(second.read_bytes()).hexdigest(), kind="sales", of="")
        (folder / "manifests" / "000003.json").write_bytes(third)
        second.unlink()
    else:
        first.unlink()
    code, told = verify(folder, OF_POSTGRESQL)
    assert code == 1
    assert "does not follow the one before: one was changed or dropped" in told


def test_many_tables_of_any_content_are_as_published_and_each_alteration_is_found(
    database: str, clickhouse_dsn: str, tmp_path: Path
) -> None:
    with (
        open_postgres_session(database, "public") as source,
        open_session(clickhouse_dsn) as target,
    ):
        found = audit(40, source, target, tmp_path)
    assert found.mismatches == []
    assert found.missed == []
