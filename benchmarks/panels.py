"""How long ClickHouse takes for each query of the dashboards and the alerts.

    VITRINA_HOME=… python benchmarks/panels.py [repetitions]

Runs every query that Grafana sends, with everything chosen, in the embedded ClickHouse of that
home: once to warm up, then so many times in a row. Prints the median and the slowest in
milliseconds, and fails when a median is above the 200 that a panel may take.
"""

import sys
import time
from statistics import median

from vitrina.dashboard.alerts import ALERT_RULES
from vitrina.dashboard.panels import CHOICES, NEWEST, PANELS
from vitrina.dashboard.placeholders import Selection, literal
from vitrina.settings import load_settings
from vitrina.store import GENERATED
from vitrina.stores.opening import open_clickhouse

LIMIT = 200


def main(repetitions: int) -> int:
    """Measure, print, and return how many queries take too long."""
    queries = {panel.id: panel.sql for panel in PANELS}
    queries |= {
        f"variable {name}": sql.replace("{{newest}}", NEWEST) for name, sql in CHOICES.items()
    }
    queries |= {f"alert {alert.id}": alert.sql for alert in ALERT_RULES}
    slow = 0
    with open_clickhouse(load_settings(), GENERATED) as store:
        imports = [day for day, _ in store.imports()]
        (sales,) = store.query("SELECT sum(total_sales) FROM sales_by_region")[1]
        print(f"{len(imports)} imports, {sales[0]:,} sales; the newest is shown\n")
        print("| query | rows | median, ms | slowest, ms |\n|---|---|---|---|")
        for name, sql in queries.items():
            statement = literal(sql, Selection(max(imports)))
            _, rows = store.query(statement)
            taken = []
            for _ in range(repetitions):
                start = time.perf_counter()
                store.query(statement)
                taken.append(1000 * (time.perf_counter() - start))
            slow += median(taken) > LIMIT
            print(f"| {name} | {len(rows):,} | {median(taken):.0f} | {max(taken):.0f} |")
    return slow


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
