"""How long ClickHouse takes for each query of the dashboards and the alerts.

    VITRINA_HOME=… python benchmarks/panels.py [repetitions]
    python benchmarks/panels.py --write

Runs every query that Grafana sends, with everything chosen, in the embedded ClickHouse of that
home: once to warm up, then so many times in a row. Prints the median and the slowest in
milliseconds, and fails when a median is above the 200 that a panel may take. `--write` makes three
imports of a million sales each in a new home, and writes `benchmarks/panels.md`.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from pipeline import AS_OF, HERE, machine, measure, new_home

from vitrina.dashboard.alerts import ALERT_RULES
from vitrina.dashboard.panels import CHOICES, NEWEST, panels
from vitrina.dashboard.placeholders import Selection, literal
from vitrina.settings import Settings, load_settings
from vitrina.store import GENERATED
from vitrina.stores.opening import open_clickhouse

LIMIT = 200


IMPORTS = ("2026-11-10", "2026-11-17", AS_OF)


def measured(settings: Settings, repetitions: int) -> Iterator[tuple[str, float]]:
    """The lines of a table, and the median that each is about."""
    queries = {panel.id: panel.sql for panel in panels(GENERATED.contract)}
    queries |= {
        f"variable {name}": sql.replace("{{newest}}", NEWEST) for name, sql in CHOICES.items()
    }
    queries |= {f"alert {alert.id}": alert.sql for alert in ALERT_RULES}
    with open_clickhouse(settings, GENERATED) as store:
        imports = [day for day, _ in store.imports()]
        (sales,) = store.query("SELECT sum(total_sales) FROM sales_by_region")[1]
        yield f"{len(imports)} imports, {sales[0]:,} sales; the newest is shown\n", 0
        yield "| query | rows | median, ms | slowest, ms |\n|---|---|---|---|", 0
        for name, sql in queries.items():
            statement = literal(sql, Selection(max(imports)))
            _, rows = store.query(statement)
            taken = []
            for _ in range(repetitions):
                start = time.perf_counter()
                store.query(statement)
                taken.append(1000 * (time.perf_counter() - start))
            line = f"| {name} | {len(rows):,} | {median(taken):.0f} | {max(taken):.0f} |"
            yield line, median(taken)


def with_imports(home: Path) -> Settings:
    """A home with three imports."""
    program = Path(sys.executable).with_name("vitrina")
    for day in IMPORTS:
        measure([program, "run", "--as-of", day, "--json"], home)
    return Settings(home=home)


def main() -> int:
    """Measure, print, and return how many queries take too long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("repetitions", nargs="?", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="make imports, write panels.md")
    chosen = parser.parse_args()
    with new_home() as home:
        settings = with_imports(home) if chosen.write else load_settings()
        found = list(measured(settings, chosen.repetitions))
    lines = [line for line, _ in found]
    print("\n".join(lines))
    if chosen.write:
        title = "# Panels: how long a dashboard's queries take\n"
        what = (
            f"{machine()} Every query that Grafana sends, {chosen.repetitions} times in a row, "
            f"with no filter but the newest import. A panel may take {LIMIT} ms over a batch of "
            "a million sales.\n"
        )
        (HERE / "panels.md").write_text("\n".join([title, what, *lines, ""]), encoding="utf-8")
    return sum(taken > LIMIT for _, taken in found)


if __name__ == "__main__":
    sys.exit(main())
