"""Queries as values: a few steps, from which both the SQL and the page's plan are made.

`sql` writes a query for ClickHouse; `Plans` writes it for `page/query.js`, which runs it in the
page on the rows of the tables that it reads. So no figure is computed by two formulas.

    best = (
        Table("sales_by_product", ("product_id", "total_sales", "total_sales_amount"))
        .derive(average_sale_amount=average("total_sales_amount", "total_sales"))
        .order("-total_sales_amount", "product_id")
        .limit(20)
    )

A step names the columns of the step before it. Rows are in no order until `order`, after which
only `select` and `limit` may come. `expressions.py` has what a step can compute.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from textwrap import indent
from typing import Any

from vitrina.dashboard.expressions import (
    AGGREGATES,
    WINDOWS,
    Expression,
    Over,
    column,
    expression_plan,
    expression_sql,
    over_plan,
    over_sql,
)
from vitrina.dashboard.placeholders import Variable


class Imports(StrEnum):
    """Which imports a table is read for."""

    shown = "shown"
    previous = "previous"
    """The last one before the import that is shown."""
    every = "every"


_PREVIOUS = (
    "t.import_date = (SELECT maxOrNull(import_date) FROM batch WHERE import_date < {{import_date}})"
)
_WHERE = {
    Imports.shown: ["t.import_date = {{import_date}}"],
    Imports.previous: [_PREVIOUS],
    Imports.every: [],
}


@dataclass
class Statement:
    """One SELECT. Its source is called `t`, so that no alias is ever taken for a column."""

    source: str
    columns: dict[str, str]
    """What is selected, by name."""
    where: list[str] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    limit: int | None = None
    plain: bool = True
    """Whether it only picks rows and columns, so that the next step can be part of it."""

    def __str__(self) -> str:
        listed = [
            each if each == column(name) else f"{each} AS {name}"
            for name, each in self.columns.items()
        ]
        line = f"SELECT {', '.join(listed)}"
        if len(line) > _LINE:
            line = "SELECT\n" + indent(",\n".join(listed), "    ")
        clauses = [line, f"FROM {self.source}"]
        for name, parts, between in (
            ("WHERE", self.where, " AND "),
            ("GROUP BY", self.group, ", "),
            ("ORDER BY", self.order, ", "),
        ):
            if parts:
                clauses.append(f"{name} {between.join(parts)}")
        if self.limit is not None:
            clauses.append(f"LIMIT {self.limit}")
        return "\n".join(clauses)


_LINE = 90


class Query:
    """Rows with named columns; each method adds a step."""

    @property
    def columns(self) -> tuple[str, ...]:
        raise NotImplementedError

    def statement(self) -> Statement:
        """The query in SQL."""
        raise NotImplementedError

    def chosen(self, *variables: Variable) -> "Query":
        """Keep the rows that the reader has chosen."""
        return _Chosen(self, variables)

    def where(self, condition: Expression) -> "Query":
        """Keep the rows for which the condition holds; for NULL it does not."""
        return _Where(self, condition)

    def group(self, *by: str, **figures: Over) -> "Query":
        """One row for each combination of `by`; without `by`, one row in all."""
        return _Group(self, by, tuple(figures.items()))

    def window(
        self, *, per: tuple[str, ...] = (), by: tuple[str, ...] = (), **figures: Over
    ) -> "Query":
        """Add figures over the rows that are alike in `per`, in the order `by`, which is total."""
        return _Window(self, per, by, tuple(figures.items()))

    def derive(self, **figures: Expression) -> "Query":
        """Add functions of each row."""
        return _Derive(self, tuple(figures.items()))

    def select(self, *columns: str) -> "Query":
        return _Select(self, columns)

    def beside(self, other: "Query") -> "Query":
        """Every row of this query with every row of the other."""
        return _Beside(self, other)

    def above(self, other: "Query") -> "Query":
        """The rows of this query and those of the other, whose columns are the same."""
        return _Above(self, other)

    def order(self, *by: str) -> "Query":
        """Sort by columns; `-` before the name puts the largest first."""
        return _Order(self, by)

    def limit(self, rows: int) -> "Query":
        return _Limit(self, rows)


def sql(query: Query) -> str:
    """The query for ClickHouse, its variables still blank.

    >>> print(sql(Table("sales_by_day", ("sale_date",)).chosen(Variable.region)))
    SELECT t.sale_date
    FROM sales_by_day AS t
    WHERE t.import_date = {{import_date}} AND {{region}}
    """
    return query.text if isinstance(query, Answer) else str(query.statement())


# Sources


@dataclass(frozen=True)
class Table(Query):
    """Columns of a table of ClickHouse, for some imports."""

    name: str
    names: tuple[str, ...]
    imports: Imports = Imports.shown

    @property
    def key(self) -> str:
        """What the page calls its rows."""
        return f"{self.name}, {self.imports}"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def statement(self) -> Statement:
        where = list(_WHERE[self.imports])
        return Statement(f"{self.name} AS t", _themselves(self.names), where)


@dataclass(frozen=True)
class Answer(Query):
    """What ClickHouse answers to a statement that the page's filters do not change."""

    name: str
    text: str
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def statement(self) -> Statement:
        return Statement(f"{_bracketed(self.text)} AS t", _themselves(self.names))


# Steps


@dataclass(frozen=True)
class Step(Query):
    """What is done to the rows of another query. `plan` is what `query.js` must know of it."""

    of: Query

    @property
    def columns(self) -> tuple[str, ...]:
        return self.of.columns

    def plan(self) -> dict[str, Any]:
        raise NotImplementedError

    def source(self) -> Statement:
        """The SELECT before this step, or one around it where this step cannot be part of it."""
        before = self.of.statement()
        if before.plain:
            return before
        return Statement(f"{_bracketed(str(before))} AS t", _themselves(self.of.columns))


@dataclass(frozen=True)
class _Chosen(Step):
    variables: tuple[Variable, ...]

    def statement(self) -> Statement:
        statement = self.source()
        statement.where += [f"{{{{{variable}}}}}" for variable in self.variables]
        return statement

    def plan(self) -> dict[str, Any]:
        return {"step": "chosen", "variables": self.variables}


@dataclass(frozen=True)
class _Where(Step):
    condition: Expression

    def statement(self) -> Statement:
        statement = self.source()
        statement.where.append(expression_sql(self.condition))
        return statement

    def plan(self) -> dict[str, Any]:
        return {"step": "where", "condition": expression_plan(self.condition)}


@dataclass(frozen=True)
class _Group(Step):
    by: tuple[str, ...]
    figures: tuple[tuple[str, Over], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.by, *(name for name, _ in self.figures))

    def statement(self) -> Statement:
        statement = self.source()
        statement.columns = _themselves(self.by) | {
            name: over_sql(AGGREGATES, figure) for name, figure in self.figures
        }
        statement.group = [column(name) for name in self.by]
        statement.plain = False
        return statement

    def plan(self) -> dict[str, Any]:
        return {"step": "group", "by": self.by, "figures": over_plan(self.figures)}


@dataclass(frozen=True)
class _Window(Step):
    per: tuple[str, ...]
    by: tuple[str, ...]
    figures: tuple[tuple[str, Over], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.of.columns, *(name for name, _ in self.figures))

    def statement(self) -> Statement:
        statement = self.source()
        parts = []
        if self.per:
            parts.append(f"PARTITION BY {', '.join(column(name) for name in self.per)}")
        if self.by:
            parts.append(f"ORDER BY {', '.join(_ordered(self.by, 't.'))}")
        for name, figure in self.figures:
            statement.columns[name] = over_sql(WINDOWS, figure, " ".join(parts))
        statement.plain = False
        return statement

    def plan(self) -> dict[str, Any]:
        figures = over_plan(self.figures)
        return {"step": "window", "per": self.per, "by": self.by, "figures": figures}


@dataclass(frozen=True)
class _Derive(Step):
    figures: tuple[tuple[str, Expression], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.of.columns, *(name for name, _ in self.figures))

    def statement(self) -> Statement:
        statement = self.source()
        statement.columns |= {name: expression_sql(each) for name, each in self.figures}
        statement.plain = False
        return statement

    def plan(self) -> dict[str, Any]:
        figures = [[name, expression_plan(each)] for name, each in self.figures]
        return {"step": "derive", "figures": figures}


@dataclass(frozen=True)
class _Select(Step):
    names: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def statement(self) -> Statement:
        statement = self.of.statement()
        statement.columns = {name: statement.columns[name] for name in self.names}
        return statement

    def plan(self) -> dict[str, Any]:
        return {"step": "select", "columns": self.names}


@dataclass(frozen=True)
class _Beside(Step):
    other: Query

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.of.columns, *self.other.columns)

    def statement(self) -> Statement:
        one, other = (_bracketed(str(each.statement())) for each in (self.of, self.other))
        columns = _themselves(self.of.columns) | {name: f"u.{name}" for name in self.other.columns}
        return Statement(f"{one} AS t\nCROSS JOIN {other} AS u", columns, plain=False)

    def plan(self) -> dict[str, Any]:
        return {"step": "beside"}


@dataclass(frozen=True)
class _Above(Step):
    other: Query

    def statement(self) -> Statement:
        both = "\nUNION ALL\n".join(str(each.statement()) for each in (self.of, self.other))
        return Statement(f"{_bracketed(both)} AS t", _themselves(self.of.columns))

    def plan(self) -> dict[str, Any]:
        return {"step": "above"}


@dataclass(frozen=True)
class _Order(Step):
    by: tuple[str, ...]

    def statement(self) -> Statement:
        statement = self.of.statement()
        statement.order, statement.plain = _ordered(self.by, ""), False
        return statement

    def plan(self) -> dict[str, Any]:
        return {"step": "order", "by": self.by}


@dataclass(frozen=True)
class _Limit(Step):
    rows: int

    def statement(self) -> Statement:
        statement = self.of.statement()
        statement.limit, statement.plain = self.rows, False
        return statement

    def plan(self) -> dict[str, Any]:
        return {"step": "limit", "rows": self.rows}


def _themselves(names: tuple[str, ...]) -> dict[str, str]:
    return {name: column(name) for name in names}


def _bracketed(statement: str) -> str:
    return f"(\n{indent(statement, '    ')}\n)"


def _ordered(by: tuple[str, ...], prefix: str) -> list[str]:
    return [f"{prefix}{each[1:]} DESC" if each[0] == "-" else prefix + each for each in by]


# Plans


class Plans:
    """Queries as the page runs them. Two that begin alike share their first steps."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []
        """JSON; each step comes after those that it needs, whose places it names."""
        self.tables: dict[str, Table | Answer] = {}
        """What the page must be given, by the names that `steps` use."""
        self._places: dict[Query, int] = {}

    def add(self, query: Query) -> int:
        """The place of the query's last step in `steps`."""
        if query not in self._places:
            if isinstance(query, Table):
                step = self._table(query.key, query)
            elif isinstance(query, Answer):
                step = self._table(query.name, query)
            else:
                assert isinstance(query, Step)  # noqa: S101 - there is nothing else
                step = query.plan() | {"of": self.add(query.of)}
                if isinstance(query, _Beside | _Above):
                    step["other"] = self.add(query.other)
            self._places[query] = len(self.steps)
            self.steps.append(step)
        return self._places[query]

    def _table(self, name: str, query: Table | Answer) -> dict[str, Any]:
        known = self.tables.get(name, query)
        if isinstance(known, Table) and isinstance(query, Table):
            names = tuple(dict.fromkeys(known.names + query.names))
            query = Table(query.name, names, query.imports)
        self.tables[name] = query
        return {"step": "table", "name": name}
