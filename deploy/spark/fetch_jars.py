#!/usr/bin/env python3
"""fetch_jars.py LIST FOLDER: fetch jars from Maven Central, each only with its checksum.

A line of LIST is a SHA-1 and a path, as `sha1sum` prints them. MAVEN names another repository.
"""

import hashlib
import os
import sys
import urllib.request
from pathlib import Path

MAVEN = os.environ.get("MAVEN", "https://repo1.maven.org/maven2")
CHUNK = 2**20


def fetch(wanted: str, path: str, folder: Path) -> None:
    """Put one jar into the folder, whole or not at all."""
    jar = folder / Path(path).name
    part = jar.with_suffix(".part")
    # Nobody has made a file of their own for a given SHA-1, though pairs that share one exist.
    found = hashlib.sha1(usedforsecurity=False)
    url = f"{MAVEN}/{path}"
    with urllib.request.urlopen(url, timeout=60) as source, part.open("wb") as target:  # noqa: S310
        while chunk := source.read(CHUNK):
            found.update(chunk)
            target.write(chunk)
    if found.hexdigest() != wanted:
        part.unlink()
        sys.exit(f"{path} has the SHA-1 {found.hexdigest()} and should have {wanted}")
    part.rename(jar)


def main() -> None:
    jars, folder = sys.argv[1:]
    for line in Path(jars).read_text("utf-8").splitlines():
        if not line.startswith("#"):
            wanted, path = line.split()
            fetch(wanted, path, Path(folder))


if __name__ == "__main__":
    main()
