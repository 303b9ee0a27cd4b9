"""Prove: what is stored of a batch now, against its manifest.

Each check names what differs: a file, a row, a cell. What a store no longer keeps is said, and is
no failure: an older batch in PostgreSQL, a folder of the lake that was pruned.
"""

import hashlib
import io
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from vitrina.columns import read_rows
from vitrina.documents import Document
from vitrina.errors import BatchError, CorruptFile
from vitrina.exports.archive import Archive
from vitrina.ledger import Manifest
from vitrina.marts import TOTALS, Mart, marts
from vitrina.proof.chain import Chain, disagreements, gaps
from vitrina.proof.checks import (
    PRUNED,
    PUBLICATION,
    SALES,
    Check,
    Proof,
    few,
    many,
    readable,
    said_by,
)
from vitrina.proof.differences import differences
from vitrina.proof.lake_rows import clean_sales, ranges
from vitrina.proof.manifest import FORMAT, add, contract_fingerprint
from vitrina.proof.rows import SALE_ORDER, canonical, described, in_order, sha256
from vitrina.settings import Settings
from vitrina.store import Batch, Store
from vitrina.stores.addresses import lake_root
from vitrina.stores.clickhouse.store import ClickHouse
from vitrina.stores.lake import File, Lake
from vitrina.stores.opening import open_clickhouse, open_postgres
from vitrina.stores.postgres.store import Postgres


def prove(
    settings: Settings,
    store: Store,
    as_of: date | None = None,
    *,
    from_feed: bool = False,
    seal_sales: bool = False,
) -> Proof:
    """Compare all that is stored of a batch, the last that was published, with its manifest.

    Raises:
        BatchError: the batch has no manifest.
        NotInstalled: DuckDB is needed, `from_feed`, and is not there.
        StoreError: a store refuses; `StoreUnavailable`: it cannot be reached.
    """
    if from_feed:
        from vitrina.proof.recomputed import require_duckdb

        require_duckdb()
    with open_postgres(settings, store) as postgres:
        prover = Prover(lake_root(settings, store), store, as_of, postgres)
        checks = [prover.chain(), prover.files(), prover.archive()]
        checks.append(prover.postgres(seal_sales=seal_sales))
    with open_clickhouse(settings, store) as clickhouse:
        checks.append(prover.clickhouse(clickhouse))
    if from_feed:
        checks.append(prover.feed(settings.folder / "tmp", settings.spark_memory))
    return Proof(prover.manifest, tuple(check for check in checks if check is not None))


def newest_manifest(links: list[Manifest], as_of: date | None, kind: str) -> Manifest | None:
    """The newest link of a kind, of this batch or of any."""
    return next(
        (
            link
            for link in reversed(links)
            if as_of in (None, link.as_of) and said_by(link)["kind"] == kind
        ),
        None,
    )


class Prover:
    """The newest manifest of a batch, compared with what is stored.

    Raises:
        BatchError: no batch, or not this one, has a manifest.
    """

    def __init__(self, batches: str, store: Store, as_of: date | None, postgres: Postgres) -> None:
        self._chain = Chain(batches)
        self._in_lake, self._in_ledger = self._chain.links(), postgres.manifests()
        # One of the two may be behind the other, after a restore, say, or may have been changed.
        known = {link.sequence: link for link in readable((*self._in_lake, *self._in_ledger))}
        links = self._links = [known[sequence] for sequence in sorted(known)]
        found = newest_manifest(links, as_of, PUBLICATION)
        if found is None:
            raise BatchError(
                "no batch has a manifest yet; run: vitrina publish"
                if as_of is None
                else f"batch {as_of} has no manifest; run: vitrina publish --as-of {as_of}"
            )
        self.manifest = found
        self.batch = Batch(found.as_of, store)
        self.lake = Lake(batches, found.as_of)
        self.said = said_by(found)
        self._sales = next(
            (
                said["tables"]["sale"]
                for said in map(said_by, links)
                if said["kind"] == SALES and said["of"] == found.sha256
            ),
            None,
        )
        self._pruned = next(
            (
                said["pruned_at"][:10]
                for said in map(said_by, links)
                if said["kind"] == PRUNED
                and said["sequence"] > found.sequence
                and found.as_of.isoformat() in said["batches"]
            ),
            None,
        )
        self._postgres = postgres
        self._tables: Mapping[str, Document] = self.said["tables"]
        self._expected: dict[str, pa.Table | None] = {}

    def chain(self) -> Check:
        """The links, one after the other, in both places; and that no publication lacks one."""
        wrong = [f"{file} is no manifest" for file in self._chain.broken(self._in_lake)]
        wrong += gaps(self._in_lake, "the lake")
        wrong += gaps(self._in_ledger, "PostgreSQL")
        wrong += disagreements(self._in_lake, self._in_ledger, self._chain)
        wrong += self._unsealed()
        if self.said["manifest"] != FORMAT:
            wrong.append(f"manifest {self.manifest.sequence} is of another version of Vitrina")
        if self.said["contract"] != contract_fingerprint(self.batch.store):
            wrong.append(
                "the store's file or its contract is no longer the one that the batch was made "
                "by: give the one of then with --store"
            )
        return Check("chain", many(len(self._in_ledger), "manifest"), tuple(wrong))

    def files(self) -> Check:
        """Every file of the lake against its hash."""
        if self._pruned is not None:
            return self._gone("lake")
        listed = [File(**each) for each in self.said["files"]]
        found = self.lake.measure([file.path for file in listed])
        wrong = []
        for file, now in zip(listed, found, strict=True):
            if now is None:
                wrong.append(f"{self.lake.root}/{file.path} is missing")
            elif now != file:
                wrong.append(
                    f"{self.lake.root}/{file.path} is not the file that was published "
                    f"({file.size:,} bytes then, {now.size:,} now)"
                )
        return Check("lake", many(len(listed), "file"), few(wrong))

    def archive(self) -> Check | None:
        """The store's own files against their hashes; None of a batch that has none."""
        sources = self.said["sources"]
        if not sources or self._pruned is not None:
            return None
        archive = Archive(self.lake.batches)
        wrong = []
        for source in sources:
            found = archive.measured(source["sha256"])
            if found != source["sha256"]:
                how = "is missing" if found is None else "is not the file that was read"
                wrong.append(f"{archive.root}/{source['sha256']} ({source['name']}) {how}")
        withdrawn = [
            f"{source['name']} was withdrawn on {since:%Y-%m-%d}"
            for source in sources
            if (since := archive.withdrawn(source["sha256"]))
        ]
        return Check("archive", "; ".join([many(len(sources), "file"), *withdrawn]), few(wrong))

    def postgres(self, *, seal_sales: bool = False) -> Check:
        """The marts, the sales and the ledger of PostgreSQL."""
        entry = next(
            (each for each in self._postgres.ledger() if each.as_of == self.batch.as_of), None
        )
        if entry is None or not entry.is_kept:
            return Check("postgresql", "the batch is no longer kept there", is_kept=False)
        fates = {name: getattr(entry, name) for name in self.said["fates"]}
        wrong = self._ledger("PostgreSQL", fates, self._postgres.rejects(entry.as_of))
        wrong += self._totals()
        for mart in marts(self.batch.contract):
            wrong += self._mart(mart, self._postgres.read_mart(mart, entry.load_id))
        sales, told = self._compare_sales(entry.load_id, seal_sales=seal_sales)
        rows = sum(table["rows"] for table in self._tables.values())
        note = f"{rows:,} rows of marts, {sales}"
        return Check("postgresql", note, tuple(wrong + told))

    def clickhouse(self, clickhouse: ClickHouse) -> Check:
        """The marts and the ledger of ClickHouse's import."""
        if self._pruned is not None:
            return self._gone("clickhouse")
        if self.batch.as_of not in {day for day, _ in clickhouse.imports()}:
            return Check(
                "clickhouse",
                "nothing",
                (f"ClickHouse lists no import of {self.batch.as_of}",),
            )
        rejects = clickhouse.rejects(self.batch.as_of)
        fates = clickhouse.fates(self.batch.as_of, [*self.said["fates"]])
        wrong = self._ledger("ClickHouse", fates, rejects)
        for mart in marts(self.batch.contract):
            wrong += self._mart(mart, clickhouse.read_mart(mart, self.batch.as_of))
        rows = sum(table["rows"] for table in self._tables.values())
        return Check("clickhouse", f"{rows:,} rows of marts", tuple(wrong))

    def feed(self, folder: Path, mebibytes: int) -> Check:
        """Every fate, sale and cell of a mart, recomputed by DuckDB from the feed in the lake."""
        from vitrina.proof.feed import check_feed

        if self._pruned is not None:
            return self._gone("feed")
        return check_feed(self.lake, self.batch, self.said, self._published, folder, mebibytes)

    def _gone(self, what: str) -> Check:
        return Check(what, f"the batch was pruned on {self._pruned}", is_kept=False)

    def _unsealed(self) -> list[str]:
        """The batches that were published after the last manifest that they have."""
        sealed: dict[date, datetime] = {}
        for link in self._links:
            said = said_by(link)
            if said["kind"] == PUBLICATION:
                sealed[link.as_of] = datetime.fromisoformat(said["sealed_at"])
        first = min(sealed.values(), default=None)
        return [
            f"batch {entry.as_of} was published at {entry.published_at:%Y-%m-%d %H:%M:%S} UTC and "
            f"has no manifest of that; run: vitrina publish --as-of {entry.as_of}"
            for entry in self._postgres.ledger()
            if entry.published_at is not None
            and first is not None
            # Earlier versions of Vitrina sealed nothing.
            and entry.published_at > sealed.get(entry.as_of, first)
        ]

    def _ledger(
        self, where: str, fates: Mapping[str, int], rejects: Mapping[str, int]
    ) -> list[str]:
        """Every fate, and the reasons, against those that a ledger has."""
        expected = {**self.said["fates"], **_by_reason(self.said["rejects"])}
        found = {**fates, **_by_reason(rejects)}
        return [
            f"the ledger of {where}: {name} is {found.get(name, 0)}, expected "
            f"{expected.get(name, 0)}"
            for name in {**expected, **found}
            if expected.get(name, 0) != found.get(name, 0)
        ]

    def _totals(self) -> list[str]:
        """The control totals of PostgreSQL's ledger against the sums of the manifest."""
        loaded = self.said["steps"]["load"]["counts"]
        sums = {name: table["sums"] for name, table in self._tables.items()} | {"sale": loaded}
        return [
            f"the ledger of PostgreSQL: {name} of {each.table} in {each.engine} is {found}, "
            f"expected {expected}"
            for each in self._postgres.control_totals(self.batch.as_of)
            for name in TOTALS
            for found, expected in [(getattr(each, name), sums[each.table].get(name))]
            if (found is None) != (expected is None)
            or (expected is not None and Decimal(found) != Decimal(expected))
        ]

    def _mart(self, mart: Mart, rows: pa.Table) -> list[str]:
        """What differs in a mart; `rows` are in the order of its key."""
        said = self._tables[mart.name]
        if sha256(rows, mart.columns) == said["sha256"]:
            self._expected.setdefault(mart.name, rows)
            return []
        expected = self._published(mart)
        if expected is None:
            told = (
                f"{mart.name}: its {rows.num_rows:,} rows are not the {said['rows']:,} that were "
                "published, and no copy is left to tell which"
            )
            return [told]
        return [
            f"{mart.name}, {each}" for each in differences(expected, rows, mart.columns, mart.key)
        ]

    def _published(self, mart: Mart) -> pa.Table | None:
        """The rows of a mart as they were published, from whatever still has them."""
        if mart.name not in self._expected:
            path = next(
                file["path"]
                for file in self.said["files"]
                if file["path"].split("/")[2:] == [mart.name, "rows.csv"]
            )
            (found,) = self.lake.measure([path])
            if found is not None and found.sha256 == self._tables[mart.name]["sha256"]:
                with self.lake.open(found) as stream:
                    self._expected[mart.name] = read_rows(io.BytesIO(stream.read()), mart.columns)
        return self._expected.get(mart.name)

    def _compare_sales(self, load_id: int, *, seal_sales: bool) -> tuple[str, list[str]]:
        """The sales of PostgreSQL against the clean files, a few days at a time."""
        try:
            dataset = self.lake.dataset("clean", "clean")
        except (BatchError, CorruptFile):
            return "sales not compared, since the lake lacks clean files", []
        contract = self.batch.contract
        digest, wrong, count = hashlib.sha256(), list[str](), 0
        for number, days in enumerate(ranges(self.lake, dataset)):
            expected = in_order(clean_sales(self.lake, dataset, contract, days), SALE_ORDER)
            actual = in_order(self._postgres.read_sales(contract, load_id, *days), SALE_ORDER)
            wrong += differences(expected, actual, contract.fields, ("sale_id",))
            if seal_sales or self._sales is not None:
                digest.update(canonical(actual, contract.fields, header=number == 0))
            count += actual.num_rows
        wrong = [f"sale, {each}" for each in wrong]
        if self._sales is not None and digest.hexdigest() != self._sales["sha256"] and not wrong:
            wrong.append("sale: the rows are not those whose SHA-256 was sealed")
        if seal_sales and self._sales is None and not wrong:
            self._seal_sales(digest.hexdigest(), count)
        return f"{count:,} sales", wrong

    def _seal_sales(self, digest: str, rows: int) -> None:
        said = {
            "kind": SALES,
            "store": self.batch.store.name,
            "as_of": self.batch.as_of.isoformat(),
            "of": self.manifest.sha256,
            "tables": {
                "sale": described(self.batch.contract.fields, SALE_ORDER, rows, digest),
            },
        }
        add(said, self.batch, self.lake, self._postgres)


def _by_reason(rejects: Mapping[str, int]) -> dict[str, int]:
    return {f"rejected as {reason}": rows for reason, rows in rejects.items()}
