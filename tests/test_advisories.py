"""Pins with known vulnerabilities are found, without network."""

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import advisories
import pytest
from packaging.version import Version

KNOWN = json.loads(advisories.LIST.read_text("utf-8"))


def advisory(*events: dict[str, str], name: str = "Py_Arrow", **more: Any) -> dict[str, Any]:
    """A document as OSV has it."""
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}, {"type": "GIT", "events": [{}]}]
    package = {"ecosystem": "PyPI", "name": name}
    affected = [{"package": package, "ranges": ranges, "versions": ["0.1"]}]
    return {
        "id": "PYSEC-1",
        "modified": "2026-11-01T00:00:00Z",
        "details": "Bad\nthings.",
        "affected": affected,
        **more,
    }


def found(document: dict[str, Any], version: str) -> list[str]:
    packages = {"py-arrow": {version: "run"}}
    return list(advisories.problems(advisories.listed([document], packages), packages))


@pytest.mark.parametrize(
    ("events", "affected", "safe"),
    [
        ([{"introduced": "0"}, {"fixed": "2.10"}], ["0.1", "2.9", "2.10rc1"], ["2.10", "3"]),
        ([{"introduced": "2"}, {"last_affected": "2.1"}], ["2", "2.1"], ["1.9", "2.1.1"]),
        ([{"fixed": "1"}, {"introduced": "0"}, {"introduced": "3"}], ["0.9", "3"], ["1", "2.9"]),
    ],
)
def test_a_version_within_a_range_is_affected(
    events: list[dict[str, str]], affected: list[str], safe: list[str]
) -> None:
    assert all(found(advisory(*events), version) for version in affected)
    assert not any(found(advisory(*events), version) for version in safe)


def test_versions_count_where_no_range_can_be_compared() -> None:
    document = advisory({"introduced": "0"}, {"fixed": "of old"})
    assert found(document, "0.1")
    assert not found(document, "0.2")


def test_a_problem_names_file_version_and_advisory_in_one_line() -> None:
    [problem] = found(advisory({"introduced": "0"}, aliases=["CVE-1"]), "1.0")
    assert problem == (
        "requirements/run.txt: py-arrow 1.0 is affected by PYSEC-1 CVE-1: Bad things. "
        "(run `make upgrade`)"
    )


def test_what_is_withdrawn_or_about_other_packages_is_left_out() -> None:
    event = {"introduced": "0"}
    assert not found(advisory(event, withdrawn="2026-11-02T00:00:00Z"), "1.0")
    assert not found(advisory(event, name="another"), "1.0")


def test_a_folder_and_a_zip_of_the_same_advisories_give_the_same_list(tmp_path: Path) -> None:
    text = json.dumps(advisory({"introduced": "0"}))
    folder, archive = tmp_path / "folder", tmp_path / "all.zip"
    folder.mkdir()
    (folder / "a.yaml").write_text(text)  # JSON is YAML, too
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.json", text)
    lists = [
        advisories.listed(advisories.documents(each), ["py-arrow"]) for each in (folder, archive)
    ]
    assert lists[0] == lists[1]
    assert lists[0]["newest"] == "2026-11-01"
    assert len(lists[0]["advisories"]) == 1


def test_the_list_in_the_repository_knows_our_packages_and_finds_an_old_pin() -> None:
    names = {each["package"] for one in KNOWN["advisories"] for each in one["affected"]}
    assert {"jinja2", "pyarrow", "requests"} <= names
    # CVE-2023-47248 in pyarrow, fixed in 14.0.1.
    assert any(
        "CVE-2023-47248" in each
        for each in advisories.problems(KNOWN, {"pyarrow": {"14.0.0": "run"}})
    )
    assert list(advisories.problems(KNOWN, advisories.pinned())) == []


def test_every_pin_is_looked_at() -> None:
    pinned = advisories.pinned()
    assert {"apache-airflow", "pyspark", "uv"} <= set(pinned)
    assert all(Version(version) for versions in pinned.values() for version in versions)


@pytest.mark.parametrize(("days", "is_old"), [(30, False), (31, True)])
def test_the_check_says_when_the_list_is_old(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    days: int,
    is_old: bool,
) -> None:
    newest = datetime.now(UTC).date() - timedelta(days=days)
    known = tmp_path / "advisories.json"
    known.write_text(json.dumps({"newest": str(newest), "advisories": []}))
    monkeypatch.setattr(advisories, "LIST", known)
    advisories.check()
    said = capsys.readouterr().out
    assert (f"warning: the list of advisories is {days} days old; run `make adv" in said) == is_old
    assert f"known on {newest}" in said
