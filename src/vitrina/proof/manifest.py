"""A manifest: what a batch consisted of when it was published.

    sequence, previous     its place in the chain, and the SHA-256 of the manifest before
    store, as_of           which batch
    sources                the store's files that it was read from, by SHA-256
    files                  every file that the steps left in the lake, by SHA-256
    steps, fates, rejects  rows at each step, what became of each row, why rows were rejected
    tables                 each mart's columns, key, rows, sums, and the SHA-256 of its rows
    code, contract, engines, settings, started_by     how it came about

The document is JSON and is kept to the byte, so that its SHA-256 can be told without this code.
"""

import hashlib
import json
import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import vitrina
from vitrina.counts import Counts, Result, fates_of, rejects_by_reason
from vitrina.documents import Document
from vitrina.errors import BatchError
from vitrina.ledger import Manifest
from vitrina.proof.chain import Chain
from vitrina.proof.checks import PUBLICATION
from vitrina.settings import Settings, of_figures
from vitrina.store import Batch, Store
from vitrina.stores.clickhouse.store import ClickHouse
from vitrina.stores.lake import Lake
from vitrina.stores.postgres.store import Postgres

FORMAT = 1
"""Of the document: readers refuse one that they do not know."""


def seal(
    lake: Lake,
    batch: Batch,
    results: Mapping[str, Result[Counts]],
    settings: Settings,
    postgres: Postgres,
    clickhouse: ClickHouse,
    started_by: str,
) -> Manifest:
    """Add the manifest of a batch that has just been published to the chain.

    In PostgreSQL first, which puts two at once one after the other, then in the lake. If that
    fails in between, the next to be sealed brings it to the lake.

    Raises:
        BatchError: a step has left no result, so there is nothing to seal.
    """
    marts = lake.read_document("publish", "marts.json")
    if marts is None:
        raise BatchError(
            f"batch {batch.as_of} has not been published; "
            f"run: vitrina publish --as-of {batch.as_of}"
        )
    counted = [result.counts for result in results.values()]
    said = {
        "kind": PUBLICATION,
        "store": batch.store.name,
        "as_of": batch.as_of.isoformat(),
        "sealed_at": datetime.now(UTC).isoformat(),
        "sources": sources(lake),
        "files": _files(lake, results),
        "steps": {
            name: {
                "started": result.started.isoformat(),
                "seconds": result.seconds,
                "counts": result.counts.document(),
            }
            for name, result in results.items()
        },
        "fates": asdict(fates_of(counted)),
        "rejects": rejects_by_reason(*counted),
        "tables": marts,
        "code": {"version": vitrina.__version__, "sha256": _code()},
        "contract": contract_fingerprint(batch.store),
        "engines": _engines(settings, postgres, clickhouse),
        "settings": _fingerprinted(of_figures(settings)),
        "started_by": who(started_by),
    }
    return add(said, batch, lake, postgres)


def add(said: Document, batch: Batch, lake: Lake, postgres: Postgres) -> Manifest:
    """Add a link that says this to the chain, in PostgreSQL and in the lake."""
    chain = Chain(lake.batches)
    in_lake = chain.links()
    link = postgres.append_manifest(batch.as_of, partial(_composed, said), in_lake)
    chain.write(postgres.manifests(), in_lake)
    return link


def contract_fingerprint(store: Store) -> str:
    """Tells whether two batches were made by one contract, and one file of the store."""
    said = [repr(store.contract), store.time_zone, store.currency or ""]
    if store.source is not None:
        said.append(store.source.model_dump_json())
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def sources(lake: Lake) -> list[Document]:
    """The archived files that the batch was read from; none of a generated one, or of a table."""
    report = lake.read_document("extract", "report.json")
    if report is None:
        return []
    by_sha256 = {
        each["sha256"]: {"sha256": each["sha256"], "size": each["bytes"], "name": each["name"]}
        for each in report["read"]
        if "sha256" in each
    }
    return list(by_sha256.values())


def who(started_by: str) -> dict[str, str]:
    """The user and the machine, and the command line or the task of Airflow."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return {"user": user, "host": socket.gethostname(), "by": started_by}


def _composed(said: Document, sequence: int, previous: str | None) -> str:
    document = {"manifest": FORMAT, "sequence": sequence, "previous": previous, **said}
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True, default=str) + "\n"


def _files(lake: Lake, steps: Mapping[str, object]) -> list[Document]:
    """Every file of the lake: data by what their step measured, documents as they are now."""
    found = []
    for step in steps:
        for dataset in lake.result(step)["datasets"].values():
            found += dataset["files"]
        found += [vars(file) for file in lake.documents(step)]
    return sorted(found, key=lambda file: str(file["path"]))


def _code() -> str:
    """The SHA-256 of Vitrina's modules: of a change that no version tells of, too."""
    digest = hashlib.sha256()
    root = Path(vitrina.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\n")
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _engines(settings: Settings, postgres: Postgres, clickhouse: ClickHouse) -> dict[str, str]:
    if settings.spark_remote is None:
        spark = f"Sail {_version('pysail')}"
    else:
        spark = f"a server, by pyspark-client {_version('pyspark-client')}"
    return {
        "spark": spark,
        "postgresql": postgres.engine(),
        "clickhouse": clickhouse.engine(),
        "arrow": _version("pyarrow"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _fingerprinted(values: dict[str, str]) -> dict[str, Any]:
    text = json.dumps(values, sort_keys=True)
    return {**values, "fingerprint": hashlib.sha256(text.encode()).hexdigest()}
