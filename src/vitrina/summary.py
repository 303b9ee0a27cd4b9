"""What became of a batch: rows through each step, rejects, reconciliation, seconds."""

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vitrina.ledger import ControlTotals, LedgerEntry
from vitrina.marts import TOTALS
from vitrina.pipeline import STEPS
from vitrina.stores.lake import Lake

Summary = dict[str, Any]


def summarize(lake: Lake, totals: Sequence[ControlTotals]) -> Summary:
    """The batch's summary, as JSON would have it.

    Raises:
        BatchError: a step has not ended for this batch.
    """
    results = {step.name: lake.result(step.name) for step in STEPS}
    rejects = dict(results["validate"]["counts"]["reasons"])
    if conflicting := results["clean"]["counts"]["conflicting"]:
        rejects["conflicting_duplicate"] = conflicting
    return {
        "as_of": str(lake.as_of),
        "steps": {
            name: {"seconds": result["seconds"], "counts": result["counts"]}
            for name, result in results.items()
        },
        "rejects": rejects,
        "reconciliation": [asdict(each) for each in totals],
        "lake": lake.root,
    }


def render(summary: Summary, program: str) -> RenderableType:
    """The summary for people, who call `program` to see more."""
    return Group(
        _steps(summary),
        _rejects(summary),
        reconciliation(summary["as_of"], [ControlTotals(**t) for t in summary["reconciliation"]]),
        Text(f"\nThe lake: {summary['lake']}\nLook for yourself:"),
        *[
            Text(f"  {program} {command}", "bold")
            for command in (
                'sql postgres "SELECT * FROM sales_by_region"',
                'sql clickhouse "SELECT * FROM batch ORDER BY import_date"',
                "status",
            )
        ],
    )


def reconciliation(as_of: str, totals: Sequence[ControlTotals]) -> Table:
    """Control totals, table by table, and whether all engines that hold a table agree."""
    table = _table(f"Reconciliation of {as_of}", "table", "engine")
    for name in ("sales", "units", "amount"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("ok")
    for each in sorted(totals, key=lambda total: total.table):
        table.add_row(
            each.table,
            each.engine,
            *["" if figure is None else f"{figure:,}" for figure in _figures(each)],
            _mark(agrees(each, totals)),
        )
    return table


def agrees(one: ControlTotals, totals: Sequence[ControlTotals]) -> bool:
    """Whether a table sums to what the others sum to, in every measure that it has.

    Each table holds all the sales of the batch, however it groups them.
    """
    return all(
        mine == theirs
        for other in totals
        for mine, theirs in zip(_figures(one), _figures(other), strict=True)
        if mine is not None and theirs is not None
    )


def _figures(totals: ControlTotals) -> list[Any]:
    return [getattr(totals, name) for name in TOTALS]


def _steps(summary: Summary) -> Table:
    table = _table(f"Batch {summary['as_of']}", "step")
    table.add_column("rows", justify="right", overflow="fold")
    table.add_column("what became of them", overflow="fold")
    table.add_column("seconds", justify="right")
    steps = summary["steps"]
    for name, rows, note in _flow({name: step["counts"] for name, step in steps.items()}):
        table.add_row(name, f"{rows:,}", note, f"{steps[name]['seconds']:.1f}")
    table.add_section()
    table.add_row("", "", "", f"{sum(step['seconds'] for step in steps.values()):.1f}")
    return table


def _flow(counts: dict[str, dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Each step's name, the rows it left, and how they came about."""
    made, validated, clean = counts["generate"], counts["validate"], counts["clean"]
    return [
        ("generate", made["feed_rows"], f"seed {made['seed']}"),
        (
            "validate",
            validated["valid"],
            f"{validated['rejected']:,} rejected, {validated['repaired']:,} repaired",
        ),
        (
            "clean",
            clean["clean"],
            f"{clean['collapsed']:,} copies collapsed, {clean['conflicting']:,} in conflict",
        ),
        (
            "load",
            counts["load"]["total_sales"],
            f"sales in PostgreSQL, {Decimal(counts['load']['total_sales_amount']):,} in all",
        ),
        ("analyze", sum(counts["analyze"].values()), "rows of marts in PostgreSQL"),
        ("publish", sum(counts["publish"].values()), "rows of marts in ClickHouse"),
    ]


def _rejects(summary: Summary) -> Table:
    table = _table("Rejects by reason", "reason")
    table.add_column("rows", justify="right")
    for reason, rows in sorted(summary["rejects"].items(), key=lambda item: (-item[1], item[0])):
        table.add_row(reason, f"{rows:,}")
    return table


def _table(title: str, *columns: str) -> Table:
    """A table that folds what is too wide for the terminal: a figure cut off is no figure."""
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        # Tight, so that ten million sales fit into 80 columns.
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


Ledger = Sequence[tuple[LedgerEntry, Sequence[ControlTotals]]]


def ledger_json(ledger: Ledger) -> list[dict[str, Any]]:
    """The batches with their control totals, newest first, as JSON would have them."""
    return [
        {**asdict(entry), "reconciliation": [asdict(each) for each in totals]}
        for entry, totals in ledger
    ]


def render_ledger(ledger: Ledger) -> RenderableType:
    """The batches, and for each import whether all engines agree.

    The figures themselves follow for the newest batch, and for those that do not reconcile.
    """
    table = _table("Batches", "as of")
    for name in ("sales", "amount", "rejected"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("published (UTC)")
    table.add_column("reconciles")
    details = []
    for number, (entry, totals) in enumerate(ledger):
        reconciles = all(agrees(each, totals) for each in totals)
        table.add_row(
            str(entry.as_of),
            f"{entry.clean:,}",
            f"{entry.total_sales_amount:,}",
            f"{entry.rejected:,}",
            "" if entry.published_at is None else f"{entry.published_at:%Y-%m-%d %H:%M}",
            _mark(reconciles),
        )
        if number == 0 or not reconciles:
            source = entry.source if entry.seed is None else f"{entry.source}, seed {entry.seed}"
            details.append(reconciliation(f"{entry.as_of} ({source})", totals))
    return Group(table, *details)


def _mark(agree: bool) -> str:
    return "[green]✓[/]" if agree else "[red]NO[/]"
