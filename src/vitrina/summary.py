"""What became of a batch: rows through each step, rejects, reconciliation, seconds."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vitrina.counts import (
    Counts,
    Fates,
    Result,
    Validated,
    fates_of,
    rejects_by_reason,
)
from vitrina.ledger import ControlTotals, LedgerEntry, StepRun
from vitrina.marts import TOTALS
from vitrina.pipeline import results, steps
from vitrina.store import Store
from vitrina.stores.lake import Lake


@dataclass(frozen=True)
class Summary:
    """A batch whose steps have all ended: what each left, by its name, and the control totals."""

    store: Store
    as_of: date
    results: dict[str, Result[Counts]]
    totals: Sequence[ControlTotals]
    lake: str

    @property
    def rejects(self) -> dict[str, int]:
        """Rejected rows by reason."""
        return rejects_by_reason(*self._counts)

    @property
    def fates(self) -> Fates:
        """What became of every row that came in."""
        return fates_of(self._counts)

    @property
    def why_set_aside(self) -> dict[str, int]:
        """Rows set aside by why they are no sales."""
        validated = next(each for each in self._counts if isinstance(each, Validated))
        return dict(validated.why_set_aside)

    @property
    def _counts(self) -> list[Counts]:
        return [result.counts for result in self.results.values()]

    def document(self) -> dict[str, Any]:
        """The summary as JSON has it."""
        return {
            "store": self.store.name,
            "as_of": self.as_of,
            "steps": {
                name: {"seconds": result.seconds, "counts": result.counts.document()}
                for name, result in self.results.items()
            },
            "fates": asdict(self.fates),
            "rejects": self.rejects,
            "reconciliation": [asdict(each) for each in self.totals],
            "lake": self.lake,
        }


def summarize(lake: Lake, store: Store, totals: Sequence[ControlTotals]) -> Summary:
    """The batch's summary.

    Raises:
        BatchError: a step has not ended for this batch.
    """
    return Summary(store, lake.as_of, results(lake, steps(store)), totals, lake.root)


def render(summary: Summary, program: str, option: str = "") -> RenderableType:
    """The summary for people, who call `program` to see more, with the `option` of their store."""
    return Group(
        _steps(summary),
        # Generated rows have the fates that were planted.
        *([] if summary.store.is_generated else [_fates(summary)]),
        _rejects(summary),
        reconciliation(str(summary.as_of), summary.totals),
        Text(f"\nThe lake: {summary.lake}\nLook for yourself:"),
        *[
            Text(f"  {program} {command}{option}", "bold")
            for command in (
                'sql postgres "SELECT * FROM sales_by_region"',
                'sql clickhouse "SELECT * FROM batch ORDER BY import_date"',
                "status",
            )
        ],
    )


def reconciliation(as_of: str, totals: Sequence[ControlTotals]) -> Table:
    """Control totals, table by table, and whether all engines that hold a table agree.

    Those of returns are shown where there are any.
    """
    shown = [place for place in range(len(TOTALS)) if place < _OF_SALES or _any(place, totals)]
    table = _table(f"Reconciliation of {as_of}", "table", "engine")
    for place in shown:
        table.add_column(_HEADINGS[TOTALS[place]], justify="right", overflow="fold")
    table.add_column("ok")
    for each in sorted(totals, key=lambda total: total.table):
        figures = _figures(each)
        table.add_row(
            each.table,
            each.engine,
            *["" if figures[place] is None else f"{figures[place]:,}" for place in shown],
            _mark(agrees(each, totals)),
        )
    return table


_HEADINGS = {
    "total_sales": "sales",
    "total_quantity": "units",
    "total_sales_amount": "amount",
    "total_returns": "returns",
    "total_returns_amount": "returned",
}
_OF_SALES = TOTALS.index("total_returns")
"""How many of the totals are of sales; the others are of returns."""


def _any(place: int, totals: Sequence[ControlTotals]) -> bool:
    return any(_figures(each)[place] for each in totals)


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
    of = "" if summary.store.is_generated else f" of {summary.store.title}"
    table = _table(escape(f"Batch {summary.as_of}{of}"), "step")
    table.add_column("rows", justify="right", overflow="fold")
    table.add_column("what became of them", overflow="fold")
    table.add_column("seconds", justify="right")
    for name, result in summary.results.items():
        counts = result.counts
        table.add_row(name, f"{counts.rows_left:,}", counts.note, f"{result.seconds:.1f}")
    table.add_section()
    seconds = sum(result.seconds for result in summary.results.values())
    table.add_row("", "", "", f"{seconds:.1f}")
    return table


def _fates(summary: Summary) -> Table:
    """Every row that came in, once, by what became of it."""
    table = _table("Rows in, by fate", "fate")
    table.add_column("rows", justify="right")
    found = summary.fates
    for name in ("clean", "rejected", "set_aside", "collapsed", "superseded"):
        table.add_row(name.replace("_", " "), f"{getattr(found, name):,}")
        if name == "set_aside":
            for why, rows in summary.why_set_aside.items():
                table.add_row(Text(f"  {why}"), Text(f"{rows:,}", "dim"))
    table.add_section()
    table.add_row("rows in", f"{found.rows_in:,}")
    return table


def _rejects(summary: Summary) -> Table:
    table = _table("Rejects by reason", "reason")
    table.add_column("rows", justify="right")
    for reason, rows in sorted(summary.rejects.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(reason, f"{rows:,}")
    return table


def _table(title: str, *columns: str) -> Table:
    """A table that folds what is too wide for the terminal, so that no figure is cut off."""
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
    """The batches with their control totals, newest first, as JSON has them."""
    return [
        {**asdict(entry), "reconciliation": [asdict(each) for each in totals]}
        for entry, totals in ledger
    ]


def render_ledger(ledger: Ledger) -> RenderableType:
    """The batches, what PostgreSQL has of each, and whether all engines agree about its import.

    The figures follow for the newest batch, and for each one that does not reconcile.
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
            f"{entry.published_at:%Y-%m-%d %H:%M}" if entry.is_published else "",
            _mark(reconciles),
        )
        if number == 0 or not reconciles:
            source = entry.source if entry.seed is None else f"{entry.source}, seed {entry.seed}"
            details.append(reconciliation(f"{entry.as_of} ({source})", totals))
    return Group(table, Text(f"\n{_in_postgres([entry for entry, _ in ledger])}"), *details)


def _in_postgres(entries: Sequence[LedgerEntry]) -> str:
    """Which batch readers of PostgreSQL see, and which others they may be shown."""
    shown = "no batch"
    others = []
    for entry in entries:
        if entry.is_current:
            shown = f"batch {entry.as_of}"
        elif entry.is_kept:
            state = "" if entry.is_published else " (not published)"
            others.append(f"{entry.as_of}{state}")
    kept = f"; it also has {', '.join(others)}" if others else ""
    return f"PostgreSQL shows {shown}{kept}."


def runs_json(runs: Sequence[StepRun]) -> list[dict[str, Any]]:
    """Runs of steps, newest first, as JSON has them."""
    return [
        {
            **asdict(run.start),
            "ended_at": run.end and run.end.ended_at,
            "outcome": _outcome(run),
            "error": run.end and run.end.error,
            "attempt": run.end and run.end.attempt,
        }
        for run in runs
    ]


def render_runs(runs: Sequence[StepRun]) -> RenderableType:
    """Runs of steps, newest first; what went wrong follows each one that has failed."""
    table = _table("Runs", "started (UTC)", "batch", "step", "outcome")
    table.add_column("seconds", justify="right")
    table.add_column("where", overflow="fold")
    table.add_column("started by", overflow="fold")
    for run in runs:
        start, end = run.start, run.end
        seconds = "" if end is None else f"{(end.ended_at - start.started_at).total_seconds():.1f}"
        table.add_row(
            f"{start.started_at:%Y-%m-%d %H:%M:%S}",
            str(start.as_of),
            start.step,
            _outcome(run),
            seconds,
            Text(f"{start.host}, process {start.pid}"),
            Text(start.started_by),
        )
    errors = [
        Text(f"\n{run.start.step} {run.start.as_of}, {run.start.started_at:%H:%M:%S}: {error}")
        for run in runs
        if run.end is not None and (error := run.end.error)
    ]
    return Group(table, *errors)


def _outcome(run: StepRun) -> str:
    if run.end is not None:
        return run.end.outcome
    return "running" if run.is_running else "killed"


def _mark(agree: bool) -> str:
    return "[green]✓[/]" if agree else "[red]NO[/]"
