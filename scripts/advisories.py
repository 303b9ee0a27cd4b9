"""Check the pins against known vulnerabilities, offline, from `requirements/advisories.json`.

advisories.py                  check; fail when a pinned version is affected
advisories.py --refresh        make the list anew from OSV's export for PyPI
advisories.py --refresh FROM   the same from a folder or a zip of documents in OSV's format,
                               such as a clone of github.com/pypa/advisory-database
"""

import argparse
import json
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml
from lock import FILES, FOLDER, ROOT, pins
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

LIST = ROOT / FOLDER / "advisories.json"
EXPORT = "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"
OLD_AFTER_DAYS = 30

Document = dict[str, Any]


def pinned() -> dict[str, dict[str, str]]:
    """The file that pins each version of each package; one of them where several do."""
    found: dict[str, dict[str, str]] = {}
    for file in FILES:
        for pin in map(Requirement, pins((ROOT / FOLDER / f"{file}.txt").read_text("utf-8"))):
            [version] = pin.specifier
            found.setdefault(canonicalize_name(pin.name), {}).setdefault(version.version, file)
    return found


# The check


def is_affected(version: Version, affected: Document) -> bool:
    """Whether a part of an advisory names the version, by OSV's rules for PyPI.

    >>> two = {"ranges": [[{"introduced": "0"}, {"fixed": "2.0"}, {"introduced": "3.0"}]]}
    >>> [each for each in ("1.9", "2.0", "3.0rc1", "3.0") if is_affected(Version(each), two)]
    ['1.9', '3.0']
    >>> is_affected(Version("1.0"), {"ranges": [[{"introduced": "0"}, {"last_affected": "1.0"}]]})
    True
    >>> is_affected(Version("1.0"), {"versions": ["1.0.0"]})
    True
    """
    if version in set(_versions(affected.get("versions", []))):
        return True
    return any(_in_range(version, events) for events in affected.get("ranges", []))


def _versions(texts: Iterable[str]) -> Iterator[Version]:
    """Those that follow today's rules for versions, as every pin does."""
    for text in texts:
        with suppress(InvalidVersion):
            yield Version(text)


def _in_range(version: Version, events: list[dict[str, str]]) -> bool:
    inside = False
    for event in sorted(events, key=lambda each: Version(next(iter(each.values())))):
        [(kind, text)] = event.items()
        at = Version(text)
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def problems(known: Document, packages: dict[str, dict[str, str]]) -> Iterator[str]:
    for advisory in known["advisories"]:
        for affected in advisory["affected"]:
            for version, file in packages.get(affected["package"], {}).items():
                if is_affected(Version(version), affected):
                    names = " ".join([advisory["id"], *advisory["aliases"]])
                    yield (
                        f"requirements/{file}.txt: {affected['package']} {version} is affected by "
                        f"{names}: {advisory['summary']} (run `make upgrade`)"
                    )


# The list


def documents(source: Path) -> Iterator[Document]:
    """The advisories of a folder or of a zip."""
    if source.is_dir():
        for path in sorted(source.rglob("*.yaml")):
            yield yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        for path in sorted(source.rglob("*.json")):
            yield json.loads(path.read_text("utf-8"))
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            yield json.loads(archive.read(name))


def kept(document: Document, names: Iterable[str]) -> Document | None:
    """What the check needs of an advisory; None if it is withdrawn or not about our packages."""
    found = []
    for affected in document.get("affected", []):
        package = affected.get("package", {})
        name = canonicalize_name(package.get("name", ""))
        if package.get("ecosystem") != "PyPI" or name not in names:
            continue
        ranges = [
            [
                {kind: text}
                for event in each["events"]
                for kind, text in event.items()
                if kind in {"introduced", "fixed", "last_affected"}
            ]
            for each in affected.get("ranges", [])
            if each["type"] == "ECOSYSTEM"
        ]
        ranges = [events for events in ranges if all(map(_is_ordered, events))]
        # Where there are ranges, the versions list what lies in them.
        found.append(
            {"package": name, "ranges": ranges}
            if ranges
            else {"package": name, "versions": affected.get("versions", [])}
        )
    if not found or "withdrawn" in document:
        return None
    text = document.get("summary") or document.get("details") or "no summary"
    return {
        "id": document["id"],
        "aliases": sorted(document.get("aliases", [])),
        "summary": " ".join(text.split())[:200],
        "affected": found,
    }


def _is_ordered(event: dict[str, str]) -> bool:
    """Whether the version of an event can be compared with a pin."""
    return bool(list(_versions(event.values())))


def listed(found: Iterable[Document], names: Iterable[str]) -> Document:
    """The list, with the day of the newest advisory in the source, about our packages or not."""
    newest, advisories = "", []
    for document in found:
        newest = max(newest, str(document.get("modified", "")))
        if (advisory := kept(document, names)) is not None:
            advisories.append(advisory)
    if not newest:
        sys.exit("no advisory is there; the list stays as it was")
    advisories.sort(key=lambda each: str(each["id"]))
    return {"newest": newest[:10], "advisories": advisories}


def refresh(source: Path | None) -> None:
    names = pinned()
    with tempfile.TemporaryDirectory() as folder:
        if source is None:
            source = Path(folder) / "all.zip"
            try:
                urllib.request.urlretrieve(EXPORT, source)
            except urllib.error.URLError as error:
                sys.exit(
                    f"{EXPORT} cannot be read: {error.reason}; the list stays as it was. "
                    "make advisories FROM=… takes a folder or a zip of advisories"
                )
        elif not source.exists():
            sys.exit(f"{source} does not exist; the list stays as it was")
        found = listed(documents(source), names)
    # One advisory a line, so that a change of the list reads as one.
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in found["advisories"])
    text = f'{{"newest": "{found["newest"]}", "advisories": [\n{lines}\n]}}\n'
    LIST.write_text(text, encoding="utf-8")
    print(f"{len(found['advisories'])} advisories, the newest of {found['newest']}.")


def check() -> None:
    known = json.loads(LIST.read_text("utf-8"))
    packages = pinned()
    if found := sorted(problems(known, packages)):
        sys.exit("\n".join(found))
    days = (datetime.now(UTC).date() - date.fromisoformat(known["newest"])).days
    if days > OLD_AFTER_DAYS:
        print(f"warning: the list of advisories is {days} days old; run `make advisories`")
    print(
        f"None of {len(packages)} pinned packages is affected by an advisory known on "
        f"{known['newest']}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--refresh", action="store_true", help="make the list anew")
    parser.add_argument("source", nargs="?", type=Path, help="a folder or a zip of advisories")
    options = parser.parse_args()
    if options.refresh:
        refresh(options.source)
    else:
        check()


if __name__ == "__main__":
    main()
