"""What every panel must show, worked out by DuckDB over the same marts and in plain Python.

DuckDB adds up and orders; what is divided is divided here, as exact decimals rounded half
away from zero. Nothing is taken from the panels' queries.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import duckdb

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Choice:
    """What a reader has chosen; an empty tuple stands for all."""

    import_date: date
    regions: tuple[str, ...] = ()
    products: tuple[int | str, ...] = ()
    first_day: date = date(1970, 1, 1)
    last_day: date = date(2100, 1, 1)


def divided(amount: Decimal | int | None, by: Decimal | int | None, places: int) -> Decimal | None:
    if amount is None or not by:
        return None
    with localcontext(prec=80):
        exact = Decimal(amount) / Decimal(by)
        return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def change(now: Decimal | int | None, before: Decimal | int | None) -> Decimal | None:
    return None if now is None or before is None else divided(now - before, before, 6)


class Figures:
    """The panels' rows, over tables named like the marts in a DuckDB database."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        today: date,
        *,
        is_large: bool = False,
        has_orders: bool = False,
        has_returns: bool = False,
    ) -> None:
        self._database = database
        self._today = today
        self._is_large = is_large
        """Whether regions are too many for each to be shown."""
        self._has_orders = has_orders
        self._has_returns = has_returns

    def of(self, panel: str, choice: Choice) -> list[Row]:
        work: Callable[[Choice], list[Row]] = getattr(self, panel)
        return work(choice)

    def rows(self, sql: str, choice: Choice, /, **more: object) -> list[Row]:
        """`$import_date`, `region_chosen(region)` and the like stand for the choice."""
        for name, column, values in (
            ("region_chosen", "region", choice.regions),
            ("product_chosen", "product_id", choice.products),
        ):
            listed = ", ".join("'" + str(each).replace("'", "''") + "'" for each in values)
            sql = sql.replace(name, f"{column} IN ({listed})" if values else "true")
        sql = sql.replace("day_chosen", "sale_date BETWEEN $first_day AND $last_day")
        known = {
            "import_date": choice.import_date,
            "first_day": choice.first_day,
            "last_day": choice.last_day,
        } | more
        used = {name: each for name, each in known.items() if f"${name}" in sql}
        return self._database.execute(sql, used).fetchall()

    def before(self, choice: Choice) -> date | None:
        ((day,),) = self.rows(
            "SELECT max(import_date) FROM batch WHERE import_date < $import_date", choice
        )
        found: date | None = day
        return found

    def totals(self, choice: Choice, day: date | None) -> tuple[int | None, Decimal | None]:
        ((count, sales, amount),) = self.rows(
            "SELECT count(*), sum(total_sales), sum(total_sales_amount)"
            " FROM sales_by_region_product"
            " WHERE import_date = $day AND region_chosen AND product_chosen",
            choice,
            day=day,
        )
        return (sales, amount) if count else (None, None)

    # One method a panel

    def total_sales_amount(self, choice: Choice) -> list[Row]:
        now = self.totals(choice, choice.import_date)[1] or Decimal(0)
        before = self.totals(choice, self.before(choice))[1]
        return [(now, before, change(now, before))]

    def total_sales(self, choice: Choice) -> list[Row]:
        now = self.totals(choice, choice.import_date)[0] or 0
        before = self.totals(choice, self.before(choice))[0]
        return [(now, before, change(now, before))]

    def money(self, choice: Choice, day: date | None) -> tuple[Decimal | None, Decimal | None]:
        """What was returned, and what is left."""
        ((count, returned, net),) = self.rows(
            "SELECT count(*), sum(total_returns_amount), sum(net_amount)"
            " FROM sales_by_region_product"
            " WHERE import_date = $day AND region_chosen AND product_chosen",
            choice,
            day=day,
        )
        return (returned, net) if count else (None, None)

    def total_returns_amount(self, choice: Choice) -> list[Row]:
        now = self.money(choice, choice.import_date)[0] or Decimal(0)
        before = self.money(choice, self.before(choice))[0]
        return [(now, before, change(now, before))]

    def net_amount(self, choice: Choice) -> list[Row]:
        now = self.money(choice, choice.import_date)[1] or Decimal(0)
        before = self.money(choice, self.before(choice))[1]
        return [(now, before, change(now, before))]

    def receipts(self, choice: Choice, day: date | None) -> tuple[int | None, Decimal | None]:
        """How many there are, and their amount; of orders, those of each region."""
        if not self._has_orders:
            return self.totals(choice, day)
        ((orders, amount),) = self.rows(
            "SELECT sum(total_orders), sum(total_sales_amount) FROM sales_by_region"
            " WHERE import_date = $day AND region_chosen",
            choice,
            day=day,
        )
        return orders, amount

    def average_sale_amount(self, choice: Choice) -> list[Row]:
        (sales, amount), (sales_before, amount_before) = (
            self.receipts(choice, day) for day in (choice.import_date, self.before(choice))
        )
        now, before = divided(amount, sales, 2), divided(amount_before, sales_before, 2)
        return [(now, before, change(now, before))]

    def rejected_share(self, choice: Choice) -> list[Row]:
        counts = {
            day: (rejected, rows_in)
            for day, rejected, rows_in in self.rows(
                "SELECT import_date, rejected, rows_in FROM batch", choice
            )
        }
        rejected, rows_in = counts[choice.import_date]
        before = self.before(choice)
        if before is None:
            return [(divided(rejected, rows_in, 6), None, None)]
        rejected_before, rows_before = counts[before]
        return [
            (
                divided(rejected, rows_in, 6),
                divided(rejected_before, rows_before, 6),
                # Of the exact shares, not of the rounded ones.
                change(rejected * rows_before, rejected_before * rows_in),
            )
        ]

    def import_age(self, choice: Choice) -> list[Row]:
        ((newest,),) = self.rows("SELECT max(import_date) FROM batch", choice)
        return [((self._today - newest).days, newest)]

    def days(self, choice: Choice) -> list[Row]:
        """Day, sales, amount, returned, net, receipts."""
        receipts = "total_orders" if self._has_orders else "total_sales"
        return self.rows(
            "SELECT sale_date, sum(total_sales), sum(total_sales_amount),"
            f" sum(total_returns_amount), sum(net_amount), sum({receipts}) FROM sales_by_day"
            " WHERE import_date = $import_date AND region_chosen AND day_chosen"
            " GROUP BY ALL ORDER BY sale_date",
            choice,
        )

    def average_gauge(self, choice: Choice) -> list[Row]:
        days = self.days(choice)
        averages = [each for row in days if (each := divided(row[2], row[5], 2)) is not None]
        sales, amount = sum(row[5] for row in days), sum(row[2] for row in days)
        ends = (min(averages), max(averages)) if averages else (None, None)
        return [(divided(amount, sales, 2), *ends)]

    def largest_regions(self, choice: Choice, count: int) -> set[str]:
        """Those with the largest amounts on the chosen days; every one in a store of few."""
        amounts: dict[str, Decimal] = {}
        for _, region, amount, _ in self.days_and_regions(choice):
            amounts[region] = amounts.get(region, Decimal(0)) + amount
        ranked = sorted(amounts, key=lambda region: (-amounts[region], region.encode()))
        return set(ranked[:count] if self._is_large else ranked)

    def amount_by_day_region(self, choice: Choice) -> list[Row]:
        largest = self.largest_regions(choice, 8)
        return [row for row in self.days_and_regions(choice) if row[1] in largest]

    def days_and_regions(self, choice: Choice) -> list[Row]:
        return self.rows(
            "SELECT sale_date, region, total_sales_amount, moving_average_7_days"
            " FROM sales_by_day"
            " WHERE import_date = $import_date AND region_chosen AND day_chosen"
            " ORDER BY sale_date, region",
            choice,
        )

    def amount_by_day(self, choice: Choice) -> list[Row]:
        # Day, amount, sales; returned and net, where there are returns.
        return [
            (row[0], row[2], row[1], *(row[3:5] if self._has_returns else ()))
            for row in self.days(choice)
        ]

    def average_by_day(self, choice: Choice) -> list[Row]:
        return [(row[0], divided(row[2], row[5], 2), row[5]) for row in self.days(choice)]

    def region_lead(self, choice: Choice) -> list[Row]:
        by_day: dict[date, list[tuple[Decimal, str]]] = {}
        for day, region, _, average in self.days_and_regions(choice):
            if average is not None and average > 0:
                by_day.setdefault(day, []).append((average, region))
        leads = []
        for day, places in by_day.items():
            first, *others = sorted(places, key=lambda place: (-place[0], place[1]))
            lead = first[0] - others[0][0] if others else None
            leads.append((day, first[1], first[0], lead))
        return leads

    def weekday_month(self, choice: Choice) -> list[Row]:
        cells: dict[tuple[date, int], list[Decimal]] = {}
        for day, _, amount, *_ in self.days(choice):
            cells.setdefault((day.replace(day=1), day.isoweekday()), []).append(amount)
        return [
            (month, weekday, len(days), sum(days), divided(sum(days), len(days), 2))
            for (month, weekday), days in sorted(cells.items())
        ]

    def day_region(self, choice: Choice) -> list[Row]:
        largest = self.largest_regions(choice, 12)
        cells = [row[:3] for row in self.days_and_regions(choice) if row[1] in largest]
        best = {
            region: max(amount for _, name, amount in cells if name == region) for region in largest
        }
        return [(*cell, divided(cell[2], best[cell[1]], 6)) for cell in cells]

    def last_days_of(self, choice: Choice, length: int) -> dict[str, list[Decimal | None]]:
        """By region, the amounts of the last days, of those before and of those a year before."""
        windows = {
            day: (first, last)
            for day, first, last in self.rows(
                "SELECT import_date, min(sale_date), max(sale_date) FROM sales_by_day"
                " WHERE import_date <= $import_date GROUP BY ALL",
                choice,
            )
        }
        first_day, last_day = windows[choice.import_date]
        shown: date | None = choice.import_date
        year_before = max(
            (
                day
                for day, (first, last) in windows.items()
                if first <= last_day - timedelta(days=364 + length - 1)
                and last >= last_day - timedelta(days=364)
            ),
            default=None,
        )
        before = shown if first_day <= last_day - timedelta(days=2 * length - 1) else None
        sums = [
            self.sums(choice, day, last_day - timedelta(days=ago), length)
            for day, ago in ((shown, 0), (before, length), (year_before, 364))
        ]
        regions = {name for found in sums if found for name in found}
        return {
            region: [None if found is None else found.get(region, Decimal(0)) for found in sums]
            for region in regions
        }

    def sums(
        self, choice: Choice, day: date | None, until: date, length: int
    ) -> dict[str, Decimal] | None:
        """Each region's amount of so many days of an import; none without an import."""
        if day is None:
            return None
        return dict(
            self.rows(
                "SELECT region, sum(total_sales_amount) FROM sales_by_day"
                " WHERE import_date = $day AND region_chosen"
                " AND sale_date BETWEEN $since AND $until GROUP BY region",
                choice,
                day=day,
                since=until - timedelta(days=length - 1),
                until=until,
            )
        )

    def last_days(self, choice: Choice) -> list[Row]:
        rows = []
        for length in (7, 28):
            regions = list(self.last_days_of(choice, length).values())
            if not regions:
                continue
            # What is not known of one region is not known of any.
            now, before, year = (
                None if regions[0][at] is None else sum(amounts[at] or 0 for amounts in regions)
                for at in range(3)
            )
            rows.append((length, now, before, change(now, before), year, change(now, year)))
        return rows

    def region_change(self, choice: Choice) -> list[Row]:
        known = [
            (region, now, before, now - before)
            for region, (now, before, _) in self.last_days_of(choice, 7).items()
            if now is not None and before is not None
        ]
        whole = sum(row[2] for row in known)
        ranked = sorted(known, key=lambda row: (-abs(row[3]), row[0].encode()))
        return [(*row, divided(row[3], whole, 6)) for row in self.with_rest(ranked)]

    def with_rest(self, ranked: Sequence[Row]) -> list[Row]:
        """Eight rows of regions and the sums of all the others, in a store of many."""
        if not self._is_large or len(ranked) <= 8:
            return [*ranked]
        rest = [sum(column) for column in zip(*(row[1:] for row in ranked[8:]), strict=True)]
        return [*ranked[:8], ("…", *rest)]

    def moves(self, choice: Choice) -> list[Row]:
        """Products in both imports: the amount now, the one before, the difference."""
        if (before := self.before(choice)) is None:
            return []
        return self.rows(
            "WITH sold AS (SELECT product_id,"
            " coalesce(sum(total_sales_amount) FILTER (import_date = $import_date), 0) AS now,"
            " coalesce(sum(total_sales_amount) FILTER (import_date = $before), 0) AS before"
            " FROM sales_by_region_product WHERE region_chosen AND product_chosen"
            " GROUP BY product_id) SELECT *, now - before FROM sold ORDER BY product_id",
            choice,
            before=before,
        )

    def rising_products(self, choice: Choice) -> list[Row]:
        rising = [row for row in self.moves(choice) if row[3] > 0]
        return sorted(rising, key=lambda row: -row[3])[:10]

    def falling_products(self, choice: Choice) -> list[Row]:
        falling = [row for row in self.moves(choice) if row[3] < 0]
        return sorted(falling, key=lambda row: row[3])[:10]

    def sales_by_region(self, choice: Choice) -> list[Row]:
        rows = self.rows(
            "SELECT region, sum(total_sales), sum(total_sales_amount)"
            " FROM sales_by_region_product"
            " WHERE import_date = $import_date AND region_chosen AND product_chosen"
            " GROUP BY region ORDER BY 3 DESC, region",
            choice,
        )
        whole = sum(row[2] for row in rows)
        return [
            (region, sales, amount, divided(amount, sales, 2), divided(amount, whole, 6))
            for region, sales, amount in self.with_rest(rows)
        ]

    def returned_products(self, choice: Choice) -> list[Row]:
        rows = self.rows(
            "SELECT product_id, sum(total_sales_amount), sum(total_returns),"
            " sum(total_returns_amount) FROM sales_by_region_product"
            " WHERE import_date = $import_date AND region_chosen AND product_chosen"
            " GROUP BY product_id HAVING sum(total_returns) > 0 ORDER BY 4 DESC, 1 LIMIT 10",
            choice,
        )
        return [(*row, divided(row[3], row[1], 6)) for row in rows]

    def returns_by_region(self, choice: Choice) -> list[Row]:
        rows = self.rows(
            "SELECT region, sum(total_sales_amount), sum(total_returns),"
            " sum(total_returns_amount), sum(net_amount) FROM sales_by_region_product"
            " WHERE import_date = $import_date AND region_chosen AND product_chosen"
            " GROUP BY region ORDER BY 2 DESC, 1 LIMIT 10",
            choice,
        )
        return [(*row, divided(row[3], row[1], 6)) for row in rows]

    def ranked(self, choice: Choice) -> list[Row]:
        """Rank, product, amount, share, running share, class, sales, units, average."""
        rows = self.rows(
            "SELECT product_id, sum(total_sales_amount), sum(total_sales), sum(total_quantity)"
            " FROM sales_by_region_product"
            " WHERE import_date = $import_date AND region_chosen"
            " GROUP BY product_id ORDER BY 2 DESC, product_id",
            choice,
        )
        whole, above, ranked = sum(row[1] for row in rows), Decimal(0), []
        for rank, (product, amount, sales, units) in enumerate(rows, 1):
            class_ = "A" if above < whole * 80 / 100 else "B" if above < whole * 95 / 100 else "C"
            above += amount
            shares = divided(amount, whole, 6), divided(above, whole, 6)
            average = divided(amount, sales, 2)
            ranked.append((rank, product, amount, *shares, class_, sales, units, average))
        return ranked

    def pareto(self, choice: Choice) -> list[Row]:
        return [(row[0], row[1], row[2], row[4], row[5]) for row in self.ranked(choice)]

    def top_products(self, choice: Choice) -> list[Row]:
        chosen: Sequence[int | str] = choice.products
        return [row for row in self.ranked(choice) if not chosen or row[1] in chosen][:20]

    def rejects_by_reason(self, choice: Choice) -> list[Row]:
        return self.rows(
            "SELECT import_date, reason, rejected_rows FROM rejects_by_reason ORDER BY ALL", choice
        )

    def imports(self, choice: Choice) -> list[Row]:
        rows = self.rows(
            "SELECT import_date, total_sales_amount, rows_in, clean, rejected, collapsed"
            " FROM batch ORDER BY import_date",
            choice,
        )
        return [(*row, divided(row[4], row[2], 6)) for row in rows]

    def fates(self, choice: Choice) -> list[Row]:
        return self.rows(
            "SELECT import_date, rows_in, clean, rejected, set_aside, collapsed, superseded,"
            " repaired FROM batch ORDER BY import_date DESC LIMIT 10",
            choice,
        )

    def control_totals(self, choice: Choice) -> list[Row]:
        returns = ", total_returns, total_returns_amount" if self._has_returns else ""
        rows = self.rows(
            f"SELECT table_name, engine, total_sales, total_quantity, total_sales_amount{returns}"
            " FROM control_totals WHERE import_date = $import_date ORDER BY 1, 2",
            choice,
        )
        (right,) = (row[2:] for row in rows if row[:2] == ("sale", "spark"))
        return [
            (
                *row,
                int(all(a is None or a == b for a, b in zip(row[2:], right, strict=True))),
            )
            for row in rows
        ]
