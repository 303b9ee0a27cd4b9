"""Data quality: what was rejected, how imports compare, and whether the stores agree."""

from dataclasses import replace

from vitrina.contract import Contract
from vitrina.dashboard.expressions import share
from vitrina.dashboard.panel import Kind, Panel, Size, Threshold
from vitrina.dashboard.panels.tables import has_returns
from vitrina.dashboard.query import Answer, Imports, Table
from vitrina.dashboard.texts import Words


def data_quality(contract: Contract) -> tuple[Panel, ...]:
    """What became of the rows, and whether the engines agree on what is left."""
    imports, totals = _IMPORTS, _control_totals(contract)
    if has_returns(contract):
        # The totals of these have two columns more.
        imports = replace(imports, size=imports.size._replace(on_page=4))
        totals = replace(totals, size=totals.size._replace(on_page=8))
    return (_REJECTS, imports, totals, _FATES)


_REJECTS = Panel(
    id="rejects_by_reason",
    section="quality",
    kind=Kind.heat_map,
    title=Words("Rejected rows by reason", "Отклонённые строки по причинам"),
    question=Words(
        "Why were rows rejected in each import? A row can have several reasons.",
        "Почему в каждом импорте отклоняли строки? У строки может быть несколько причин.",
    ),
    picture=Words(
        "A grid of imports and reasons: the stronger the colour, the more rows",
        "Сетка импортов и причин: чем насыщеннее цвет, тем больше строк",
    ),
    empty=Words("No row was rejected.", "Ни одна строка не отклонена."),
    query=Table(
        "rejects_by_reason", ("import_date", "reason", "rejected_rows"), Imports.every
    ).order("import_date", "reason"),
    value="rejected_rows",
    x="import_date",
    series="reason",
    size=Size(14, 11, on_page=12),
)

_OF_IMPORTS = ("import_date", "total_sales_amount", "rows_in", "clean", "rejected", "collapsed")

_IMPORTS = Panel(
    id="imports",
    section="quality",
    kind=Kind.import_bars,
    title=Words("Total amount of each import", "Сумма каждого импорта"),
    question=Words(
        "How do the imports compare with each other?", "Как соотносятся импорты между собой?"
    ),
    picture=Words("A bar for each import", "Столбец на каждый импорт"),
    query=Table("batch", _OF_IMPORTS, Imports.every)
    .derive(rejected_share=share("rejected", "rows_in"))
    .order("import_date")
    .select(*_OF_IMPORTS, "rejected_share"),
    value="total_sales_amount",
    x="import_date",
    size=Size(10, 11, on_page=5),
)

_FATES_OF_ROWS = (
    "import_date",
    "rows_in",
    "clean",
    "rejected",
    "set_aside",
    "collapsed",
    "superseded",
    "repaired",
)

_FATES = Panel(
    id="fates",
    section="quality",
    kind=Kind.table,
    title=Words("Where every row went", "Что стало с каждой строкой"),
    question=Words(
        "What became of the rows of the last ten imports? "
        "Rows in = clean + rejected + set aside + copies + superseded.",
        "Что стало со строками последних десяти импортов? "
        "Строк на входе = чистых + отклонённых + отложенных + копий + заменённых.",
    ),
    query=Table("batch", _FATES_OF_ROWS, Imports.every)
    .order("-import_date")
    .select(*_FATES_OF_ROWS)
    .limit(10),
    value="rows_in",
    size=Size(24, 12, on_page=12),
)


def _control_totals(contract: Contract) -> Panel:
    totals = ["total_sales", "total_quantity", "total_sales_amount"]
    if has_returns(contract):
        totals += ["total_returns", "total_returns_amount"]
    # A table of days has no quantity.
    agree = "\n        AND ".join(
        f"ifNull({name} = (SELECT {name} FROM first), true)"  # noqa: S608 - as below
        for name in totals
    )
    return Panel(
        id="control_totals",
        section="quality",
        kind=Kind.table,
        title=Words("Control totals", "Контрольные суммы"),
        question=Words(
            "Do Spark, PostgreSQL and ClickHouse agree to the cent?",
            "Сходятся ли Spark, PostgreSQL и ClickHouse до копейки?",
        ),
        # No choice of the page changes them.
        query=Answer(
            "control_totals",
            f"""\
WITH first AS (
    SELECT {", ".join(totals)}
    FROM control_totals
    WHERE import_date = {{{{import_date}}}} AND engine = 'spark' AND table_name = 'sale'
)
SELECT
    table_name,
    engine,
    {", ".join(totals)},
    {agree} AS agrees
FROM control_totals
WHERE import_date = {{{{import_date}}}}
ORDER BY table_name, engine""",  # noqa: S608 - the names are ours
            ("table_name", "engine", *totals, "agrees"),
        ),
        value="agrees",
        thresholds=(Threshold(0, "bad"), Threshold(1, "good")),
        size=Size(24, 12, on_page=7),
    )
