"""A second opinion: `docs/rules.md`, applied again by DuckDB to the raw text of a feed.

Written from that page alone, and from the table of `docs/contract.md`. It shares no code, no
engine and no arithmetic with the pipeline: numbers of any length are DuckDB's BIGNUM, money
is HUGEINT cents, and a quotient is rounded in whole numbers.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

# DuckDB is imported inside the functions. A module of tests can outlive the interpreter, kept by
# some library, and its import of DuckDB would then be reported as a leak, page by page.

FIELDS = (
    "sale_id",
    "customer_id",
    "product_id",
    "quantity",
    "sale_date",
    "sale_amount",
    "region",
)

# Reading a field, and the reasons against it, in the words of the page.
_FIELD = r"""
CREATE MACRO trimmed(raw) AS
    nullif(trim(raw, ' ' || chr(9) || chr(10) || chr(13) || chr(160)), '');

CREATE MACRO has_form_of_integer(field) AS regexp_full_match(field, '-?[0-9]+');
CREATE MACRO has_form_of_decimal(field) AS regexp_full_match(field, '-?[0-9]+(\.[0-9]+)?');
CREATE MACRO has_form_of_date(field) AS regexp_full_match(field, '[0-9]{4}-[0-9]{2}-[0-9]{2}');

-- Cents as a whole number; digits beyond the second are cut off.
CREATE MACRO decimals(field) AS split_part(field, '.', 2);
CREATE MACRO cents(field) AS
    (split_part(field, '.', 1) || rpad(left(decimals(field), 2), 2, '0'))::BIGNUM;

CREATE MACRO day_of(field) AS CASE WHEN left(field, 4) <> '0000' THEN try_cast(field AS DATE) END;

CREATE MACRO region_of(field) AS list_filter(
    ['North', 'South', 'East', 'West'], lambda allowed: lower(allowed) = lower(field))[1];

CREATE MACRO reasons_against_range(name, number, least, most) AS CASE
    WHEN number < least::BIGNUM THEN [name || '_below_minimum']
    WHEN number > most::BIGNUM THEN [name || '_above_maximum']
    ELSE [] END;

CREATE MACRO reasons_against_integer(name, field, least, most) AS CASE
    WHEN field IS NULL THEN [name || '_missing']
    WHEN NOT has_form_of_integer(field) THEN [name || '_not_an_integer']
    ELSE reasons_against_range(name, field::BIGNUM, least, most) END;

CREATE MACRO reasons_against_decimal(name, field, least, most) AS CASE
    WHEN field IS NULL THEN [name || '_missing']
    WHEN NOT has_form_of_decimal(field) THEN [name || '_not_a_number']
    ELSE CASE WHEN length(decimals(field)) > 2 THEN [name || '_too_many_decimals'] ELSE [] END
        || reasons_against_range(name, cents(field), least, most) END;

CREATE MACRO reasons_against_date(name, field, as_of) AS CASE
    WHEN field IS NULL THEN [name || '_missing']
    WHEN NOT has_form_of_date(field) THEN [name || '_malformed']
    WHEN day_of(field) IS NULL THEN [name || '_impossible']
    WHEN day_of(field) >= as_of THEN [name || '_in_the_future']
    WHEN day_of(field) < as_of - 365 THEN [name || '_before_the_window']
    ELSE [] END;

CREATE MACRO reasons_against_region(name, field) AS CASE
    WHEN field IS NULL THEN [name || '_missing']
    WHEN region_of(field) IS NULL THEN [name || '_unknown']
    ELSE [] END;

CREATE MACRO repair_of_spaces(name, raw, field) AS
    CASE WHEN raw <> field THEN [name || '_spaces'] ELSE [] END;
CREATE MACRO repair_of_case(name, field, value) AS
    CASE WHEN field <> value THEN [name || '_case'] ELSE [] END;
"""

_MONEY_OF_CENTS = """
CREATE MACRO money(cents) AS cents::DECIMAL(36, 0) * 0.01::DECIMAL(2, 2);
"""

_ROWS = """
CREATE TABLE judged AS
WITH fields AS (
    SELECT
        feed AS raw,
        trimmed(sale_id) AS sale_id,
        trimmed(customer_id) AS customer_id,
        trimmed(product_id) AS product_id,
        trimmed(quantity) AS quantity,
        trimmed(sale_date) AS sale_date,
        trimmed(sale_amount) AS sale_amount,
        trimmed(region) AS region
    FROM feed
)
SELECT
    *,
    list_sort(
        reasons_against_integer('sale_id', sale_id, 1, 9223372036854775807)
        || reasons_against_integer('customer_id', customer_id, 1, 2147483647)
        || reasons_against_integer('product_id', product_id, 1, 2147483647)
        || reasons_against_integer('quantity', quantity, 1, 10)
        || reasons_against_date('sale_date', sale_date, getvariable('as_of'))
        || reasons_against_decimal('sale_amount', sale_amount, 1, 999999999999)
        || reasons_against_region('region', region)
    ) AS reasons,
    list_sort(
        repair_of_spaces('sale_id', raw.sale_id, sale_id)
        || repair_of_spaces('customer_id', raw.customer_id, customer_id)
        || repair_of_spaces('product_id', raw.product_id, product_id)
        || repair_of_spaces('quantity', raw.quantity, quantity)
        || repair_of_spaces('sale_date', raw.sale_date, sale_date)
        || repair_of_spaces('sale_amount', raw.sale_amount, sale_amount)
        || repair_of_spaces('region', raw.region, region)
        || repair_of_case('region', region, region_of(region))
    ) AS repairs
FROM fields;

CREATE VIEW rejects AS SELECT raw.*, reasons FROM judged WHERE len(reasons) > 0;

CREATE VIEW examples AS
SELECT * FROM (
    SELECT
        reason,
        row_number() OVER (
            PARTITION BY reason
            ORDER BY sale_id NULLS FIRST, customer_id NULLS FIRST, product_id NULLS FIRST,
                quantity NULLS FIRST, sale_date NULLS FIRST, sale_amount NULLS FIRST,
                region NULLS FIRST
        ) AS example,
        * EXCLUDE reason
    FROM (SELECT unnest(reasons) AS reason, * EXCLUDE reasons FROM rejects)
) WHERE example <= 5;

CREATE TABLE read_rows AS
SELECT
    sale_id::BIGNUM::BIGINT AS sale_id,
    customer_id::BIGNUM::INTEGER AS customer_id,
    product_id::BIGNUM::INTEGER AS product_id,
    quantity::BIGNUM::INTEGER AS quantity,
    day_of(sale_date) AS sale_date,
    cents(sale_amount)::BIGINT::HUGEINT AS cents,
    region_of(region) AS region,
    repairs
FROM judged WHERE len(reasons) = 0;

-- Rows equal in every field are one content; the first content of a sale survives.
CREATE TABLE contents AS
SELECT *, row_number() OVER (
    PARTITION BY sale_id
    ORDER BY customer_id, product_id, quantity, sale_date, cents, region
) AS place
FROM (SELECT * EXCLUDE repairs, count(*) AS copies FROM read_rows GROUP BY ALL);

CREATE VIEW clean AS SELECT * EXCLUDE (copies, place) FROM contents WHERE place = 1;

CREATE VIEW valid AS
SELECT * EXCLUDE cents, money(cents) AS sale_amount FROM read_rows;

CREATE VIEW sale AS
SELECT sale_id, customer_id, product_id, quantity, sale_date, money(cents) AS sale_amount, region
FROM clean;

-- The losers are kept as they were read, in plain text.
CREATE VIEW conflicts AS
SELECT
    sale_id::VARCHAR AS sale_id,
    customer_id::VARCHAR AS customer_id,
    product_id::VARCHAR AS product_id,
    quantity::VARCHAR AS quantity,
    sale_date::VARCHAR AS sale_date,
    money(cents)::VARCHAR AS sale_amount,
    region,
    ['conflicting_duplicate'] AS reasons
FROM contents WHERE place > 1;

CREATE VIEW counts AS
SELECT
    (SELECT count(*) FROM judged) AS rows_in,
    (SELECT count(*) FROM read_rows) AS valid,
    (SELECT count(*) FROM rejects) AS rejected,
    (SELECT count(*) FROM read_rows WHERE len(repairs) > 0) AS repaired,
    (SELECT count(*) FROM clean) AS clean,
    (SELECT coalesce(sum(copies - 1), 0) FROM contents) AS collapsed,
    (SELECT count(*) FROM conflicts) AS conflicting,
    (SELECT coalesce(sum(quantity), 0) FROM sale) AS total_quantity,
    (SELECT coalesce(sum(sale_amount), 0) FROM sale) AS total_sales_amount;

CREATE VIEW ledger AS
SELECT rows_in, clean, rejected + conflicting AS rejected, repaired, collapsed, total_sales_amount
FROM counts;

CREATE VIEW reasons AS
SELECT reason, count(*) AS rejected_rows
FROM (SELECT unnest(reasons) AS reason FROM (FROM rejects UNION ALL FROM conflicts))
GROUP BY reason;

CREATE VIEW repairs AS
SELECT repair, count(*) AS repaired_rows
FROM (SELECT unnest(repairs) AS repair FROM read_rows) GROUP BY repair;
"""

_DIVISION = """
-- Half away from zero, which is half up where nothing is negative.
CREATE MACRO rounded_quotient(numerator, denominator) AS
    sign(numerator)::HUGEINT
    * ((2 * abs(numerator) + denominator) // (2 * denominator));
CREATE MACRO average(cents, count) AS
    CASE WHEN count > 0 THEN money(rounded_quotient(cents, count)) END;
CREATE MACRO fraction(part, whole) AS CASE
    WHEN whole = 0 THEN 0
    ELSE rounded_quotient(1000000 * part, whole)::DECIMAL(32, 0) * 0.000001::DECIMAL(6, 6) END;
"""

# Money is in cents. A row with a negative amount is a return, and no other figure counts it.
_TOTALS = """
    count(*) FILTER (cents >= 0) AS total_sales,
    coalesce(sum(quantity) FILTER (cents >= 0), 0) AS total_quantity,
    coalesce(sum(cents) FILTER (cents >= 0), 0)::HUGEINT AS amount,
    count(*) FILTER (cents < 0) AS total_returns,
    coalesce(sum(abs(cents)) FILTER (cents < 0), 0)::HUGEINT AS returned
"""
_ORDERS = "count(DISTINCT order_id) FILTER (cents >= 0) AS total_orders"

_MONEY = """
    money(amount) AS total_sales_amount,
    total_returns,
    money(returned) AS total_returns_amount,
    money(amount - returned) AS net_amount,
    average(amount, total_sales) AS average_sale_amount
"""
_MONEY_OF_ORDERS = "total_orders, average(amount, total_orders) AS average_order_amount"

_MARTS = """
CREATE VIEW sales_by_region_product AS
WITH products AS (
    SELECT region, product_id, {totals} FROM clean GROUP BY region, product_id
), ranked AS (
    SELECT
        *,
        row_number() OVER by_amount AS sales_rank,
        sum(amount) OVER (PARTITION BY region) AS of_region,
        sum(amount) OVER (by_amount ROWS UNBOUNDED PRECEDING) AS with_those_above
    FROM products
    WINDOW by_amount AS (PARTITION BY region ORDER BY amount DESC, total_sales = 0, product_id)
)
SELECT
    region,
    product_id,
    total_sales,
    total_quantity,
    {money},
    sales_rank,
    fraction(amount, of_region) AS share,
    fraction(with_those_above, of_region) AS running_share,
    CASE
        WHEN 100 * (with_those_above - amount) < 80 * of_region THEN 'A'
        WHEN 100 * (with_those_above - amount) < 95 * of_region THEN 'B'
        ELSE 'C'
    END AS abc_class
FROM ranked;

CREATE VIEW sales_by_region AS
SELECT
    region,
    total_sales,
    total_quantity,
    {money},
    fraction(amount, sum(amount) OVER ()) AS share,
    row_number() OVER (ORDER BY amount DESC, total_sales = 0, region) AS sales_rank
FROM (SELECT region, {totals} FROM clean GROUP BY region);

CREATE VIEW sales_by_product AS
SELECT
    product_id,
    total_sales,
    total_quantity,
    {money},
    fraction(amount, sum(amount) OVER ()) AS share,
    row_number() OVER (ORDER BY amount DESC, total_sales = 0, product_id) AS sales_rank
FROM (SELECT product_id, {totals} FROM clean GROUP BY product_id);

CREATE VIEW sales_by_day AS
WITH days AS (
    SELECT getvariable('as_of') - days_before::INTEGER AS sale_date, region
    FROM range(1, getvariable('days') + 1) AS window_of_days(days_before), regions_shown
), dense AS (
    SELECT sale_date, region, {totals}
    FROM days LEFT JOIN clean USING (sale_date, region) GROUP BY sale_date, region
), with_earlier AS (
    SELECT
        *,
        row_number() OVER of_region AS day_of_window,
        sum(amount) OVER (of_region ROWS 6 PRECEDING) AS of_seven_days,
        lag(amount, 7) OVER of_region AS week_before
    FROM dense WINDOW of_region AS (PARTITION BY region ORDER BY sale_date)
)
SELECT
    sale_date,
    region,
    total_sales,
    {money},
    CASE WHEN day_of_window >= 7 THEN average(of_seven_days, 7) END AS moving_average_7_days,
    CASE WHEN week_before > 0 THEN fraction(amount - week_before, week_before) END
        AS change_from_week_before
FROM with_earlier;
"""

KEYS = {
    "valid": ("sale_id",),
    "rejects": FIELDS,
    "conflicts": FIELDS,
    "sale": ("sale_id",),
    "counts": (),
    "ledger": (),
    "reasons": ("reason",),
    "repairs": ("repair",),
    "examples": ("reason", "example"),
    "sales_by_region_product": ("region", "product_id"),
    "sales_by_region": ("region",),
    "sales_by_product": ("product_id",),
    "sales_by_day": ("sale_date", "region"),
}
"""What is recomputed, and what tells its rows apart, as far as anything does."""

MARTS = tuple(name for name in KEYS if name.startswith("sales_by_"))

_SHOWN = 5

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """Rows in no order. A list in a cell is a sorted tuple."""

    columns: tuple[str, ...]
    rows: list[Row]

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> "Table":
        return cls(tuple(columns), [tuple(map(_plain, row)) for row in rows])

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def raw_feed(lake: str, as_of: date) -> pa.Table:
    """The feed that the lake holds for the batch, each field as the text that stands there."""
    folder = Path(lake, as_of.isoformat())
    step = json.loads((folder / "generate" / "step.json").read_text(encoding="utf-8"))
    feed = step["datasets"]["feed"]
    paths = [str(folder / file["path"]) for file in feed["files"]]
    texts = ", ".join(f"'{name}': 'VARCHAR'" for name in FIELDS)
    # Nothing is guessed: neither the form of the file nor the type of a value.
    read = {
        "csv": f"read_csv(?, auto_detect = false, header = true, columns = {{{texts}}})",
        "parquet": "read_parquet(?)",
    }[feed["format"]]
    import duckdb

    with duckdb.connect() as database:
        return database.sql(f"FROM {read}", params=[paths]).to_arrow_table()


def recompute(feed: pa.Table, as_of: date) -> dict[str, Table]:
    """The tables that `KEYS` names, from the text of a feed."""
    import duckdb

    with duckdb.connect() as database:
        database.register("given", feed)
        database.execute(f"CREATE TABLE feed AS SELECT {', '.join(FIELDS)} FROM given")
        database.execute("SET VARIABLE as_of = ?::DATE", [as_of])
        database.execute(_FIELD + _MONEY_OF_CENTS + _ROWS)
        _create_marts(database, 365, ("North", "South", "East", "West"), has_orders=False)
        return {name: _fetch(database, name) for name in KEYS}


def recompute_marts(
    sales: pa.Table, as_of: date, days: int, regions: Sequence[str], *, has_orders: bool
) -> dict[str, Table]:
    """The marts, from clean sales whose amounts have two decimals; no `regions`: those there."""
    import duckdb

    with duckdb.connect() as database:
        database.register("sale", sales)
        database.execute("SET VARIABLE as_of = ?::DATE", [as_of])
        database.execute(
            "CREATE TABLE clean AS SELECT * EXCLUDE sale_amount, "
            "(sale_amount * 100)::HUGEINT AS cents FROM sale;" + _MONEY_OF_CENTS
        )
        _create_marts(database, days, regions, has_orders=has_orders)
        return {name: _fetch(database, name) for name in MARTS}


def _create_marts(
    database: "duckdb.DuckDBPyConnection", days: int, regions: Sequence[str], *, has_orders: bool
) -> None:
    database.execute("SET VARIABLE days = ?::BIGINT", [days])
    if regions:
        database.execute("CREATE TABLE regions_shown AS SELECT unnest(?) AS region", [[*regions]])
    else:
        database.execute("CREATE TABLE regions_shown AS SELECT DISTINCT region FROM clean")
    totals = f"{_TOTALS}, {_ORDERS}" if has_orders else _TOTALS
    shown = f"{_MONEY}, {_MONEY_OF_ORDERS}" if has_orders else _MONEY
    database.execute(_DIVISION + _MARTS.format(totals=totals, money=shown))


def differences(name: str, expected: Table, actual: Table, where: str) -> list[str]:
    """The first rows and cells of a table in which `where` departs from the rules, in words."""
    if not actual.rows:
        # chDB does not name the columns of a result without rows.
        actual = Table(expected.columns, [])
    if set(actual.columns) != set(expected.columns):
        return [f"{name} has columns {actual.columns} in {where}, {expected.columns} by the rules"]
    found = list(_differences(name, expected, actual, where))
    more = [f"… and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return found[:_SHOWN] + more


def _differences(name: str, expected: Table, actual: Table, where: str) -> Iterator[str]:
    columns = expected.columns
    by_rules, there = _by_key(name, expected, columns), _by_key(name, actual, columns)
    for key in by_rules | there:
        right, found = by_rules[key], there[key]
        row = ", ".join([name, *(f"{k} {v!r}" for k, v in zip(KEYS[name], key, strict=True))])
        if len(right) != len(found):
            yield f"{row}: {len(found)} rows in {where}, {len(right)} by the rules"
            continue
        for one, other in zip(right, found, strict=True):
            for column, rule, cell in zip(columns, one, other, strict=True):
                if rule != cell:
                    yield f"{row}: {column} is {cell!r} in {where}, {rule!r} by the rules"


def _by_key(name: str, table: Table, columns: tuple[str, ...]) -> defaultdict[Row, list[Row]]:
    """The rows of each key, their cells in the order of `columns`, sorted by them."""
    places = [table.columns.index(column) for column in columns]
    keys = [columns.index(column) for column in KEYS[name]]
    rows = defaultdict(list)
    for row in sorted((tuple(row[place] for place in places) for row in table.rows), key=repr):
        rows[tuple(row[key] for key in keys)].append(row)
    return rows


def _fetch(database: "duckdb.DuckDBPyConnection", name: str) -> Table:
    result = database.execute(f"FROM {name}")
    return Table.of([column[0] for column in result.description or ()], result.fetchall())


def _plain(cell: Any) -> Any:
    return tuple(sorted(cell)) if isinstance(cell, list) else cell
