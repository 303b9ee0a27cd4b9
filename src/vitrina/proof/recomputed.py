"""A second opinion: `docs/rules.md`, applied again by DuckDB to the text of a feed.

Written from that page alone, and from the fields that a contract declares. It shares no code, no
engine and no arithmetic with the steps: numbers of any length are DuckDB's BIGNUM, money is
HUGEINT in units of its last decimal, and a quotient is rounded in whole numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vitrina.columns import Column, Date, FreeText, Integer, Label, Numeric, arrow_schema
from vitrina.contract import Contract, Field
from vitrina.errors import NotInstalled
from vitrina.marts import Mart

if TYPE_CHECKING:
    import duckdb

# DuckDB is imported inside the functions: it is an extra of the package. Besides, a module of
# tests can outlive the interpreter, and DuckDB would then be reported as a leak.

# Reading a field, and the reasons against it, in the words of the page.
_FIELD = r"""
CREATE MACRO trimmed(raw) AS
    nullif(trim(raw, ' ' || chr(9) || chr(10) || chr(13) || chr(160)), '');

CREATE MACRO has_form_of_integer(field) AS regexp_full_match(field, '-?[0-9]+');
CREATE MACRO has_form_of_decimal(field) AS regexp_full_match(field, '-?[0-9]+(\.[0-9]+)?');
CREATE MACRO has_form_of_date(field) AS regexp_full_match(field, '[0-9]{4}-[0-9]{2}-[0-9]{2}');

-- A decimal as a whole number of its last decimal; digits beyond that are cut off.
CREATE MACRO decimals(field) AS split_part(field, '.', 2);
CREATE MACRO digits(field, scale) AS
    split_part(field, '.', 1) || rpad(left(decimals(field), scale), scale, '0');

CREATE MACRO day_of(field) AS CASE
    WHEN has_form_of_date(field) AND left(field, 4) <> '0000' THEN try_cast(field AS DATE) END;

-- What 37 digits hold need not be a number of any length.
CREATE MACRO is_below(digits, least) AS CASE
    WHEN length(digits) <= 37 THEN digits::HUGEINT < least::HUGEINT
    ELSE digits::BIGNUM < least::BIGNUM END;
CREATE MACRO is_above(digits, most) AS CASE
    WHEN length(digits) <= 37 THEN digits::HUGEINT > most::HUGEINT
    ELSE digits::BIGNUM > most::BIGNUM END;

CREATE MACRO reasons_against_range(name, digits, least, most) AS CASE
    WHEN is_below(digits, least) THEN [name || '_below_minimum']
    WHEN is_above(digits, most) THEN [name || '_above_maximum']
    ELSE [] END;

CREATE MACRO reasons_against_integer(name, field, least, most) AS CASE
    WHEN NOT has_form_of_integer(field) THEN [name || '_not_an_integer']
    ELSE reasons_against_range(name, field, least, most) END;

CREATE MACRO reasons_against_decimal(name, field, scale, least, most) AS CASE
    WHEN NOT has_form_of_decimal(field) THEN [name || '_not_a_number']
    ELSE CASE WHEN length(decimals(field)) > scale THEN [name || '_too_many_decimals'] ELSE [] END
        || reasons_against_range(name, digits(field, scale), least, most) END;

CREATE MACRO reasons_against_date(name, field, as_of, days) AS CASE
    WHEN NOT has_form_of_date(field) THEN [name || '_malformed']
    WHEN day_of(field) IS NULL THEN [name || '_impossible']
    WHEN day_of(field) >= as_of THEN [name || '_in_the_future']
    WHEN day_of(field) < as_of - days THEN [name || '_before_the_window']
    ELSE [] END;

CREATE MACRO reasons_against_value(name, value, reason) AS CASE
    WHEN value IS NULL THEN [name || reason] ELSE [] END;

CREATE MACRO repair_of_spaces(name, raw, field) AS
    CASE WHEN raw <> field THEN [name || '_spaces'] ELSE [] END;
CREATE MACRO repair_of_case(name, field, value) AS
    CASE WHEN field <> value AND lower(field) = lower(value) THEN [name || '_case'] ELSE [] END;
"""

_CONTROLS = r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}"
_INVISIBLE = r"\x{AD}\x{200B}\x{2060}\x{FEFF}"
_IDS = ("sale_id", "customer_id", "product_id", "order_id")

_JUDGED = """
CREATE TABLE judged AS
WITH fields AS (SELECT feed AS raw, {trimmed}, {of_row} FROM feed)
SELECT *, list_sort({reasons}) AS reasons, list_sort({repairs}) AS repairs FROM fields;

CREATE VIEW rejects AS SELECT raw.*, reasons FROM judged WHERE NOT is_aside AND len(reasons) > 0;

CREATE VIEW examples AS
SELECT * FROM (
    SELECT
        reason,
        row_number() OVER (PARTITION BY reason ORDER BY {first}) AS example,
        * EXCLUDE reason
    FROM (SELECT unnest(reasons) AS reason, * EXCLUDE reasons FROM rejects)
) WHERE example <= 5;

CREATE TABLE read_rows AS
SELECT {typed}, {place}, is_aside, repairs FROM judged WHERE is_aside OR len(reasons) = 0;
"""

# Rows equal in every field are one content; the first content of a sale survives.
_CONTENTS = """
CREATE TABLE contents AS
SELECT *, row_number() OVER (PARTITION BY sale_id ORDER BY {others}) AS place
FROM (SELECT {names}, count(*) AS copies FROM read_rows GROUP BY ALL);

CREATE TABLE clean AS SELECT {names} FROM contents WHERE place = 1;

-- The losers are kept as they were read, in plain text.
CREATE VIEW conflicts AS
SELECT {texts}, ['conflicting_duplicate'] AS reasons FROM contents WHERE place > 1;

CREATE VIEW repeated AS
SELECT
    coalesce(sum(copies - 1), 0)::BIGINT AS collapsed,
    count(*) FILTER (place > 1) AS conflicting,
    0::BIGINT AS superseded,
    0::BIGINT AS superseded_set_aside
FROM contents;
"""

# Rows of a sale are its versions, of which the newest stays.
_VERSIONS = r"""
CREATE TABLE versions AS
WITH numbered AS (
    SELECT *, CASE WHEN regexp_full_match(version, '-?[0-9]+(\.[0-9]+)?')
        THEN try_cast(version AS DECIMAL(38, 9)) END AS number
    FROM read_rows WHERE sale_id IS NOT NULL AND {takes_part}
)
SELECT
    *,
    row_number() OVER newest_first AS place,
    first_value(is_aside) OVER newest_first AS is_gone,
    first_value(version) OVER newest_first IS NOT DISTINCT FROM version {equal} AS is_copy
FROM numbered
WINDOW newest_first AS (
    PARTITION BY sale_id
    ORDER BY
        number DESC NULLS LAST, version DESC NULLS LAST, file_number DESC, line DESC, {in_order}
);

CREATE TABLE clean AS SELECT {names} FROM versions WHERE place = 1 AND NOT is_aside;

CREATE VIEW conflicts AS SELECT [''] AS reasons WHERE false;

CREATE VIEW repeated AS
SELECT
    count(*) FILTER (is_collapsed) AS collapsed,
    0::BIGINT AS conflicting,
    count(*) FILTER (NOT is_collapsed) AS superseded,
    count(*) FILTER (NOT is_collapsed AND is_aside) AS superseded_set_aside
FROM (
    SELECT *, NOT is_aside AND NOT is_gone AND is_copy AS is_collapsed FROM versions WHERE place > 1
);
"""

_COUNTS = """
CREATE VIEW valid AS SELECT {sale}, repairs FROM read_rows WHERE NOT is_aside;

CREATE VIEW sale AS SELECT {sale} FROM clean;

CREATE VIEW counts AS
SELECT
    (SELECT count(*) FROM judged) AS rows_in,
    (SELECT count(*) FROM read_rows WHERE NOT is_aside) AS valid,
    (SELECT count(*) FROM rejects) AS rejected,
    (SELECT count(*) FROM read_rows WHERE NOT is_aside AND len(repairs) > 0) AS repaired,
    (SELECT count(*) FROM read_rows WHERE is_aside) AS set_aside,
    (SELECT count(*) FROM clean) AS clean,
    repeated.*,
    (SELECT coalesce(sum(quantity), 0) FROM sale) AS total_quantity,
    (SELECT coalesce(sum(sale_amount), 0) FROM sale) AS total_sales_amount
FROM repeated;

CREATE VIEW ledger AS
SELECT rows_in, clean, rejected + conflicting AS rejected, repaired, collapsed, total_sales_amount
FROM counts;

CREATE VIEW reasons AS
SELECT reason, count(*) AS rejected_rows
FROM (
    SELECT unnest(reasons) AS reason
    FROM (SELECT reasons FROM rejects UNION ALL SELECT reasons FROM conflicts)
)
GROUP BY reason;

CREATE VIEW repairs AS
SELECT repair, count(*) AS repaired_rows
FROM (SELECT unnest(repairs) AS repair FROM read_rows WHERE NOT is_aside) GROUP BY repair;
"""

_MONEY_OF_CENTS = """
CREATE MACRO money(cents) AS cents::DECIMAL({digits}, 0) * {unit};
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

# Money is in units of its last decimal, cents as a rule. A row with a negative amount is a return,
# and no other figure counts it.
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


def require_duckdb() -> None:
    """Look whether DuckDB is installed.

    Raises:
        NotInstalled: it is not.
    """
    if find_spec("duckdb") is None:
        raise NotInstalled("DuckDB", "proof", "leave out --from-feed")


@contextmanager
def working_memory(
    folder: Path | None = None, mebibytes: int = 1024
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """A database that is gone at the end. What needs more memory goes to the folder."""
    import duckdb

    config: dict[str, Any] = {"memory_limit": f"{mebibytes}MiB"}
    if folder is not None:
        config["temp_directory"] = str(folder)
    with duckdb.connect(config=config) as database:
        yield database


def recompute_sales(
    database: "duckdb.DuckDBPyConnection",
    feed: pa.Table | pa.RecordBatchReader,
    contract: Contract,
    as_of: date,
    of_files: "OfFiles | None" = None,
) -> None:
    """Create `clean`, `sale`, `counts` and what they come from, from the text of a feed."""
    fields = contract.fields
    _set(database, as_of=as_of, days=contract.days)
    for field in fields:
        if isinstance(field.type, Label):
            _set(database, **{_allowed(field): [*field.allowed], _other(field): field.other})
    database.execute(_FIELD)
    create_money(database, contract)
    database.register("given", feed)
    in_feed = _columns((*contract.names, *(() if of_files is None else _OF_FILES)))
    database.execute(f"CREATE TABLE feed AS SELECT {in_feed} FROM given")  # noqa: S608
    database.unregister("given")

    names = [_name(field) for field in fields]
    reasons, repairs = [*map(_reasons, fields)], [*map(_repairs, fields)]
    of_row, place = "false AS is_aside", "0 AS no_place"
    if of_files is not None:
        reasons.append("coalesce(problems, []::VARCHAR[])")
        repairs.append("coalesce(repaired, []::VARCHAR[])")
        place = "version, file_number, line"
        of_row = f"set_aside IS NOT NULL AS is_aside, problems, repaired, {place}"
    database.execute(
        _JUDGED.format(
            trimmed=_joined("trimmed({0}) AS {0}", contract.names),
            of_row=of_row,
            reasons=" || ".join(reasons),
            repairs=" || ".join(repairs),
            first=_joined("{0} NULLS FIRST", contract.names),
            typed=", ".join(f"{_value(field)} AS {_quoted(_name(field))}" for field in fields),
            place=place,
        )
    )
    if of_files is None:
        texts = ", ".join(f"{_shown(each)}::VARCHAR AS {_quoted(each.name)}" for each in fields)
        others = _columns(name for name in names if name != "sale_id")
        database.execute(_CONTENTS.format(names=_columns(names), others=others, texts=texts))
    else:
        database.execute(
            _VERSIONS.format(
                takes_part="NOT is_aside" if of_files.adds_up else "true",
                equal=_joined(
                    "AND first_value({0}) OVER newest_first IS NOT DISTINCT FROM {0}", names, " "
                ),
                names=_columns(names),
                in_order=_joined("{0} NULLS FIRST", names),
            )
        )
    sale = ", ".join(f"{_shown(field)} AS {_quoted(field.name)}" for field in fields)
    database.execute(_COUNTS.format(sale=sale))


@dataclass(frozen=True)
class OfFiles:
    """A feed of a store's files: it also says what reading them found."""

    adds_up: bool
    """Whether the store adds rows up; those set aside are then no versions of a sale."""


def create_marts(
    database: "duckdb.DuckDBPyConnection",
    as_of: date,
    days: int,
    regions: Sequence[str],
    *,
    has_orders: bool,
) -> None:
    """Create the marts from `clean`; no `regions`: those that are there."""
    _set(database, as_of=as_of, days=days)
    if regions:
        database.execute("CREATE TABLE regions_shown AS SELECT unnest(?) AS region", [[*regions]])
    else:
        database.execute("CREATE TABLE regions_shown AS SELECT DISTINCT region FROM clean")
    totals = f"{_TOTALS}, {_ORDERS}" if has_orders else _TOTALS
    shown = f"{_MONEY}, {_MONEY_OF_ORDERS}" if has_orders else _MONEY
    database.execute(_DIVISION + _MARTS.format(totals=totals, money=shown))


def create_money(database: "duckdb.DuckDBPyConnection", contract: Contract) -> None:
    """Create what turns units of the amount's last decimal into the amount."""
    scale = _amount(contract).scale
    unit = f"{Decimal(1).scaleb(-scale):f}::DECIMAL({max(scale, 1)}, {scale})"
    database.execute(_MONEY_OF_CENTS.format(digits=38 - scale, unit=unit))


def sales_of(
    database: "duckdb.DuckDBPyConnection",
    contract: Contract,
    first: date | None,
    end: date | None,
) -> pa.Table:
    """The sales of `first <= sale_date < end`, each type exactly as declared."""
    _set(database, first=first, end=end)
    return _rows(database, "sale", contract.fields, _BETWEEN)


def rows_of_mart(database: "duckdb.DuckDBPyConnection", mart: Mart) -> pa.Table:
    """The rows of a mart, each type exactly as declared."""
    return _rows(database, mart.name, mart.columns)


def counts(database: "duckdb.DuckDBPyConnection") -> dict[str, int]:
    """How many rows have which fate."""
    found = database.execute("FROM counts")
    names = [column[0] for column in found.description or ()]
    (row,) = found.fetchall()
    return dict(zip(names, row, strict=True))


def _rows(
    database: "duckdb.DuckDBPyConnection", table: str, columns: Sequence[Column], where: str = ""
) -> pa.Table:
    shown = ", ".join(
        f"{_quoted(each.name)}::{_duckdb_type(each)} AS {_quoted(each.name)}" for each in columns
    )
    found = database.sql(f"SELECT {shown} FROM {_quoted(table)} {where}")  # noqa: S608
    return found.to_arrow_table().cast(arrow_schema(columns))


_BETWEEN = """
WHERE sale_date >= coalesce(getvariable('first')::DATE, '-infinity'::DATE)
    AND sale_date < coalesce(getvariable('end')::DATE, 'infinity'::DATE)
"""
_OF_FILES = ("file_number", "line", "problems", "repaired", "set_aside", "version")


def _reasons(field: Field) -> str:
    """The reasons against a field, as a list."""
    missing = "[]" if field.nullable else f"[{_text(field.name)} || '_missing']"
    return f"CASE WHEN {_quoted(field.name)} IS NULL THEN {missing} ELSE {_against(field)} END"


def _against(field: Field) -> str:
    """The reasons against a field that is not missing."""
    named = f"{_text(field.name)}, {_quoted(field.name)}"
    match field.type:
        case Integer(bits):
            return f"reasons_against_integer({named}, {_limits(field, 2 ** (bits - 1), 0)})"
        case Numeric(precision, scale):
            limits = _limits(field, 10**precision, scale)
            return f"reasons_against_decimal({named}, {scale}, {limits})"
        case Date():
            return f"reasons_against_date({named}, getvariable('as_of'), getvariable('days'))"
        case Label():
            return f"reasons_against_value({_text(field.name)}, {_value(field)}, '_unknown')"
        case FreeText():
            return f"reasons_against_value({_text(field.name)}, {_value(field)}, '_malformed')"


def _repairs(field: Field) -> str:
    field_, name = _quoted(field.name), _text(field.name)
    found = f"repair_of_spaces({name}, raw.{field_}, {field_})"
    if isinstance(field.type, Label) and field.allowed:
        found += f" || repair_of_case({name}, {field_}, {_value(field)})"
    return found


def _value(field: Field) -> str:
    """The value of a field's text; NULL where there is none."""
    text = _quoted(field.name)
    match field.type:
        case Integer():
            type_ = _duckdb_type(field)
            return f"CASE WHEN has_form_of_integer({text}) THEN try_cast({text} AS {type_}) END"
        case Numeric(_, scale):
            type_ = "HUGEINT" if field.name == "sale_amount" else _duckdb_type(field)
            digits = f"digits({text}, {scale})" if field.name == "sale_amount" else text
            return (
                f"CASE WHEN has_form_of_decimal({text}) AND length(decimals({text})) <= {scale} "
                f"THEN try_cast({digits} AS {type_}) END"
            )
        case Date():
            return f"day_of({text})"
        case Label() if field.allowed:
            return (
                f"CASE WHEN {text} IS NOT NULL THEN coalesce(list_filter(getvariable("
                f"{_text(_allowed(field))}), lambda allowed: lower(allowed) = lower({text}))[1], "
                f"getvariable({_text(_other(field))})) END"
            )
        case Label() | FreeText():
            unwanted = _CONTROLS + (_INVISIBLE if field.name in _IDS else "")
            return f"CASE WHEN NOT regexp_matches({text}, '[{unwanted}]') THEN {text} END"


def _shown(field: Field) -> str:
    """The value of a field as the sale has it."""
    return "money(cents)" if field.name == "sale_amount" else _quoted(field.name)


def _name(field: Field) -> str:
    """The column of a field's value."""
    return "cents" if field.name == "sale_amount" else field.name


def _limits(field: Field, beyond: int, scale: int) -> str:
    """The least and the most that a number may be, in units of its last decimal."""
    least, most = 1 - beyond, beyond - 1
    if isinstance(field.type, Integer):
        least -= 1
    if field.minimum is not None:
        least = max(least, int(Decimal(field.minimum).scaleb(scale, _EXACT)))
    if field.maximum is not None:
        most = min(most, int(Decimal(field.maximum).scaleb(scale, _EXACT)))
    return f"'{least}', '{most}'"


def _amount(contract: Contract) -> Numeric:
    amount = contract["sale_amount"].type
    assert isinstance(amount, Numeric)  # noqa: S101 - Contract has checked it
    return amount


def _duckdb_type(column: Column) -> str:
    match column.type:
        case Integer(bits):
            return "INTEGER" if bits == 32 else "BIGINT"
        case Numeric(precision, scale):
            return f"DECIMAL({precision}, {scale})"
        case Date():
            return "DATE"
        case _:
            return "VARCHAR"


def _set(database: "duckdb.DuckDBPyConnection", **variables: Any) -> None:
    for name, value in variables.items():
        type_ = {date: "DATE", int: "INTEGER", list: "VARCHAR[]"}.get(type(value), "VARCHAR")
        database.execute(f"SET VARIABLE {_quoted(name)} = ?::{type_}", [value])


def _allowed(field: Field) -> str:
    return f"allowed_{field.name}"


def _other(field: Field) -> str:
    return f"other_{field.name}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _columns(names: Iterable[str]) -> str:
    return ", ".join(map(_quoted, names))


def _joined(pattern: str, names: Iterable[str], separator: str = ", ") -> str:
    """The pattern once for each name, which stands in it as `{0}`."""
    return separator.join(pattern.format(_quoted(name)) for name in names)


_EXACT = Context(prec=100)
