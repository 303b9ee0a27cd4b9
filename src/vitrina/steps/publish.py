"""Publish: the marts from PostgreSQL in, the same marts in ClickHouse under the batch's date out.

Every mart is staged and compared before the first is swapped in, so a figure that does not
reconcile leaves the import that readers see untouched. ClickHouse's `batch` lists an import
only while all of its tables are whole.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from vitrina.columns import Date, FreeText, Label, Numeric, arrow_schema
from vitrina.counts import Analyzed, Published, read_result
from vitrina.documents import Document
from vitrina.errors import BatchError, ReconciliationError
from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.marts import TOTALS, Mart, marts
from vitrina.proof.rows import canonical, described
from vitrina.store import Batch
from vitrina.stores.clickhouse.store import ROWS, ClickHouse, control_totals
from vitrina.stores.lake import Lake, Outcome
from vitrina.stores.postgres.store import Postgres


def sums(mart: Mart, rows: pa.Table) -> dict[str, Decimal]:
    """How many `rows` there are, and the exact sum of each column: as ClickHouse must have it.

    Dates count as days since 1970, missing values as 0; texts have no sum.
    """
    found = {ROWS: Decimal(rows.num_rows)}
    for column in mart.columns:
        if isinstance(column.type, (Label, FreeText)):
            continue
        values = rows[column.name]
        if isinstance(column.type, Date):
            values = values.cast(pa.int32())
        scale = column.type.scale if isinstance(column.type, Numeric) else 0
        total = pc.sum(values.cast(pa.decimal256(76, scale))).as_py()
        found[column.name] = total or Decimal(0)
    return found


def of_analyze(rows: int | None, totals: ControlTotals) -> dict[str, Decimal | int | None]:
    """What analyze left of a mart: what it summed up to in PostgreSQL then, and its rows."""
    found = {name: getattr(totals, name) for name in TOTALS}
    if totals.total_quantity is None:
        del found["total_quantity"]
    return {**found, ROWS: rows}


def reconcile(
    mart: Mart,
    expected: tuple[str, Mapping[str, Decimal | int | None]],
    actual: tuple[str, Mapping[str, Decimal]],
    left: str,
) -> None:
    """Compare a mart's sums in two places, each with its name; all that are `expected`.

    Raises:
        ReconciliationError: one differs; `left` says what readers see now.
    """
    for measure, figure in expected[1].items():
        if actual[1][measure] != figure:
            raise ReconciliationError(
                mart.name,
                measure,
                expected=(expected[0], figure),
                actual=(actual[0], actual[1][measure]),
                left=left,
            )


def run(lake: Lake, postgres: Postgres, clickhouse: ClickHouse, batch: Batch) -> Published:
    """Publish the marts of the batch's newest load, their control totals and its rejects.

    Then readers of PostgreSQL see that load, unless they see a newer batch.

    A reader who takes the newest `import_date` of ClickHouse's `batch` sees a whole import. A
    rerun replaces its own import and no other, table by table; `batch` does not list the
    import meanwhile.

    Raises:
        BatchError: analyze has not ended for this batch, or PostgreSQL has no sales of it, or those
            of another attempt, or no marts of its newest load.
        ReconciliationError: a figure in PostgreSQL is not what analyze left, or one in ClickHouse
            is not PostgreSQL's.
    """
    as_of = batch.as_of
    analysis = lake.result("analyze")
    analyzed = read_result(analysis, Analyzed).counts.marts
    with lake.step("publish", analysis) as left:
        entry = _analyzed_batch(postgres, batch, left.attempt)
        published = marts(batch.contract)
        imported_at = datetime.now(UTC)
        imported_at = imported_at.replace(microsecond=imported_at.microsecond // 1000 * 1000)
        # Totals of ClickHouse would be left from an earlier publication.
        recorded = postgres.control_totals(as_of, entry.load_id)
        totals = [each for each in recorded if each.engine != "clickhouse"]
        computed = {each.table: each for each in totals if each.engine == "postgresql"}

        clickhouse.create_tables(batch.contract)
        expected = {}
        kept = {}
        for mart in published:
            rows = postgres.read_mart(mart, entry.load_id)
            expected[mart] = sums(mart, rows)
            reconcile(
                mart,
                ("analyze", of_analyze(analyzed.get(mart.name), computed[mart.name])),
                ("PostgreSQL", expected[mart]),
                f"{_UNTOUCHED}; run: vitrina analyze --as-of {as_of}",
            )
            kept[mart.name] = _keep(lake, left, mart, rows, expected[mart])
            clickhouse.stage(mart, as_of, imported_at, rows)
            reconcile(
                mart,
                ("PostgreSQL", expected[mart]),
                ("ClickHouse", clickhouse.staged_sums(mart, as_of)),
                _UNTOUCHED,
            )
        clickhouse.withdraw(as_of)
        shown = []
        for mart in published:
            clickhouse.replace_import(mart, as_of)
            found = clickhouse.sums(mart, as_of)
            reconcile(
                mart,
                ("PostgreSQL", expected[mart]),
                ("ClickHouse", found),
                f"ClickHouse no longer lists this import; run: vitrina publish --as-of {as_of}",
            )
            shown.append(control_totals(mart, found))

        rejects = postgres.rejects(as_of, entry.load_id)
        clickhouse.record_batch(entry, imported_at, [*totals, *shown], rejects)
        postgres.show_published(batch, entry.load_id, shown)
        lake.document("publish", MARTS, kept)
        counts = Published({mart.name: int(expected[mart][ROWS]) for mart in published})
        left.counts = counts.document()
    return counts


MARTS = "marts.json"
"""The document with each mart's rows, sums and SHA-256, for the manifest."""

_UNTOUCHED = "ClickHouse still shows what it showed before"


def _analyzed_batch(postgres: Postgres, batch: Batch, attempt: str | None) -> LedgerEntry:
    """The newest load of the batch, if PostgreSQL has its sales and the marts made from them.

    Both of this attempt of the feed.
    """
    entry = postgres.newest_load(batch.as_of)
    if entry is None:
        raise BatchError(
            f"PostgreSQL has no sales of batch {batch.as_of}; {_UNTOUCHED}; "
            f"run: vitrina load --as-of {batch.as_of}"
        )
    if entry.attempt != attempt:
        raise BatchError(
            f"batch {batch.as_of}: PostgreSQL holds attempt {entry.attempt} of the feed, and "
            f"analyze was made from {attempt}; {_UNTOUCHED}; "
            f"run: vitrina load --as-of {batch.as_of}"
        )
    if entry.analyzed_at is None:
        raise BatchError(
            f"batch {batch.as_of} has not been analyzed since it was loaded; {_UNTOUCHED}; "
            f"run: vitrina analyze --as-of {batch.as_of}"
        )
    return entry


def _keep(
    lake: Lake, left: Outcome, mart: Mart, rows: pa.Table, sums: Mapping[str, Decimal]
) -> Document:
    """Keep the rows in the lake, in their canonical text; what the manifest says of them."""
    with lake.create(left, mart.name, "rows.csv") as file:
        file.write(canonical(rows, mart.columns))
    lake.collect(left, mart.name, arrow_schema(mart.columns), {"rows.csv": file}, "csv")
    return {
        **described(mart.columns, mart.key, rows.num_rows, file.sha256),
        "sums": {name: str(value) for name, value in sums.items() if name != ROWS},
    }
