"""What a store holds, as fingerprints to compare, and what a killed run may have left behind.

Moments, and names drawn by chance, differ between any two runs, so they are left out.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from psycopg import sql

from tests.faults.kills import postmaster, processes_of
from tests.faults.stage import NEW, OLD, Stage
from vitrina import ledger
from vitrina.marts import marts
from vitrina.proof.chain import Chain
from vitrina.settings import Settings
from vitrina.store import Store
from vitrina.stores.addresses import lake_root, schema
from vitrina.stores.opening import open_clickhouse
from vitrina.stores.postgres.embedded import data_home, embedded_postgres
from vitrina.stores.postgres.store import postgres

State = dict[str, str]
"""A fingerprint for each thing that is compared, by its name."""

_MOMENTS = ("started_at", "loaded_at", "analyzed_at", "published_at", "imported_at")
_VOLATILE = {*_MOMENTS, "attempt", "load_id"}
_OF_RUN = {"started", "finished", "seconds", "attempt", "path", "size", "sha256"}
_BY_CHANCE = re.compile(r"[0-9a-f]{8,}(-[0-9a-f-]+)?|[A-Za-z0-9]{16}(?=_)")


def shown_tables(store: Store) -> tuple[str, ...]:
    """What readers of a store are shown in PostgreSQL: sales, marts, ledger."""
    return ("sale", *(mart.name for mart in marts(store.contract)), *ledger.NAMES)


def fingerprint(connection: "psycopg.Connection[Any]", store: Store, table: str) -> str:
    """The number of rows of a table of PostgreSQL, and a hash of them."""
    place = sql.Identifier(schema(store), table)
    described = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(place)).description
    names = [column.name for column in described or ()]
    columns = [
        # Whether there is a moment is no chance.
        sql.SQL("{} IS NULL").format(sql.Identifier(name))
        if name in _MOMENTS
        else sql.Identifier(name)
        for name in names
        if name in _MOMENTS or name not in _VOLATILE
    ]
    query = sql.SQL(
        "SELECT count(*) || ' rows ' || coalesce(md5(string_agg(each::text, chr(10) "
        "ORDER BY each::text)), '') FROM (SELECT {} FROM {}) AS each"
    ).format(sql.SQL(", ").join(columns), place)
    [(found,)] = connection.execute(query)
    return str(found)


def state(stage: Stage, store: Store) -> State:
    """All that a store has: in both databases, and in the lake."""
    found = dict(_in_lake(stage, store))
    chain = Chain(lake_root(Settings(home=stage.home), store))
    with (
        embedded_postgres(stage.home / "postgres") as dsn,
        psycopg.connect(dsn) as connection,
        postgres(dsn, schema(store)) as opened,
    ):
        links = chain.links()
        agree = links == opened.manifests() and not chain.broken(links)
        found["manifests"] = "the same in lake and PostgreSQL" if agree else "not the same"
        for table in shown_tables(store):
            found[f"PostgreSQL {table}"] = fingerprint(connection, store, table)
        for name, number in connection.execute(
            # Numbers of loads differ, those of tables do not.
            "SELECT regexp_replace(relname, '[0-9a-f]*[0-9][0-9a-f]*', 'N', 'g'), count(*) "
            "FROM pg_class WHERE relnamespace = %s::regnamespace GROUP BY 1",
            (schema(store),),
        ):
            found[f"PostgreSQL has {name}"] = str(number)
    found |= _in_clickhouse(stage, store)
    return found


def _in_clickhouse(stage: Stage, store: Store) -> Iterator[tuple[str, str]]:
    with open_clickhouse(Settings(home=stage.home), store) as clickhouse:
        _, columns = clickhouse.query(
            "SELECT table, groupArray(name) FROM system.columns "
            "WHERE database = currentDatabase() GROUP BY table"
        )
        for table, names in columns:
            kept = ", ".join(f"`{name}`" for name in names if name not in _VOLATILE)
            _, [(rows, total)] = clickhouse.query(
                f"SELECT count(), sum(cityHash64(toString(tuple({kept})))) FROM `{table}`"
            )
            yield f"ClickHouse {table}", f"{rows} rows {total}"


def _in_lake(stage: Stage, store: Store) -> Iterator[tuple[str, str]]:
    root = Path(lake_root(Settings(home=stage.home), store))
    for batch in (root / str(NEW), root / str(OLD)):
        names = Counter(
            _BY_CHANCE.sub("X", str(path.relative_to(root))) for path in batch.rglob("*")
        )
        for name, number in names.items():
            yield f"lake has {name}", str(number)
        for result in sorted(batch.glob("*/step.json")):
            step = json.loads(result.read_text())
            for document in result.parent.glob("*.json"):
                content = _without_chance(json.loads(document.read_text()))
                yield f"lake {document.relative_to(root)}", json.dumps(content, sort_keys=True)
            for name, dataset in step["datasets"].items():
                yield (
                    f"lake {result.parent.relative_to(root)}/{name}",
                    _of_files(batch, dataset),
                )


def _of_files(batch: Path, dataset: dict[str, Any]) -> str:
    files = [str(batch / file["path"]) for file in dataset["files"]]
    if not files:
        return "no files"
    read = "read_csv" if dataset["format"] == "csv" else "read_parquet"
    query = f"SELECT count(*) || ' rows ' || sum(hash(each::VARCHAR)) FROM {read}(?) AS each"
    [(found,)] = duckdb.execute(query, [files]).fetchall()
    return str(found)


def _without_chance(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_chance(each) for name, each in value.items() if name not in _OF_RUN}
    if isinstance(value, list):
        return [_without_chance(each) for each in value]
    return value


def left_over(stage: Stage) -> list[str]:
    """What should be gone once nothing is running: processes, sockets, temporary files."""
    found = [f"process {each}" for each in processes_of(stage.folder, stage.home)]
    found += [f"temporary {path.name}" for path in stage.temporary.iterdir()]
    server = data_home(stage.home / "postgres")
    if postmaster(stage.home) is None and (server / "socket").exists():
        found.append(f"socket {(server / 'socket').read_text()}")
    found += [f"spilled {path.name}" for path in (stage.home / "tmp").glob("*")]
    found += [f"half-written {path}" for path in stage.home.rglob(".vitrina-*.part")]
    return found
