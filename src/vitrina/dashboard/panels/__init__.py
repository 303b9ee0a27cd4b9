"""The panels: a module for each section, an entry for each panel, in the order of the page."""

from functools import cache

from vitrina.contract import Contract
from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panels.days import day_by_day
from vitrina.dashboard.panels.overview import overview
from vitrina.dashboard.panels.patterns import patterns
from vitrina.dashboard.panels.products import regions_and_products
from vitrina.dashboard.panels.quality import data_quality
from vitrina.dashboard.placeholders import Variable

_SECTIONS = (overview, day_by_day, patterns, regions_and_products, data_quality)


@cache
def panels(contract: Contract) -> tuple[Panel, ...]:
    """The panels of a store with this contract, in their order."""
    return tuple(panel for section in _SECTIONS for panel in section(contract))


def sections(shown: tuple[Panel, ...]) -> tuple[str, ...]:
    """The sections of the panels, in their order."""
    return tuple(dict.fromkeys(panel.section for panel in shown))


# What Grafana offers for a variable: values, and what is shown of them where that differs. The
# newest import is a choice of its own, so that a bookmark of it follows the newest.
NEWEST = "newest"
CHOICES: dict[Variable, str] = {
    Variable.import_date: f"""\
SELECT value, shown
FROM (
    SELECT '{NEWEST}' AS value, '{{{{newest}}}}' AS shown
    UNION ALL SELECT toString(import_date) AS value, value AS shown FROM batch
)
ORDER BY value DESC""",  # noqa: S608 - the value is a constant of ours
    Variable.region: """\
SELECT DISTINCT region FROM sales_by_region WHERE import_date = {{import_date}} ORDER BY region""",
    Variable.product: """\
SELECT product_id FROM sales_by_product WHERE import_date = {{import_date}} ORDER BY sales_rank""",
}

# A status history draws nothing that has one column alone: before the only import, an empty one.
WEEK_BEFORE_THE_ONLY_IMPORT = """\
SELECT addDays(min(t.import_date), -7) AS import_date FROM batch AS t HAVING count() = 1"""
