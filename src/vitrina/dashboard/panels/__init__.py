"""The panels: a module for each section, an entry for each panel, in the order of the page."""

from vitrina.dashboard.panel import Panel
from vitrina.dashboard.panels.days import DAY_BY_DAY
from vitrina.dashboard.panels.overview import OVERVIEW
from vitrina.dashboard.panels.patterns import PATTERNS
from vitrina.dashboard.panels.products import REGIONS_AND_PRODUCTS
from vitrina.dashboard.panels.quality import DATA_QUALITY
from vitrina.dashboard.placeholders import Variable

PANELS: tuple[Panel, ...] = (
    *OVERVIEW,
    *DAY_BY_DAY,
    *PATTERNS,
    *REGIONS_AND_PRODUCTS,
    *DATA_QUALITY,
)

SECTIONS = tuple(dict.fromkeys(panel.section for panel in PANELS))

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
