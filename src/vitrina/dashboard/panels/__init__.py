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

# What Grafana offers for a variable, the first of them chosen unless all are.
CHOICES: dict[Variable, str] = {
    Variable.import_date: "SELECT toString(import_date) FROM batch ORDER BY import_date DESC",
    Variable.region: """\
SELECT DISTINCT region FROM sales_by_region WHERE import_date = {{import_date}} ORDER BY region""",
    Variable.product: """\
SELECT product_id FROM sales_by_product WHERE import_date = {{import_date}} ORDER BY sales_rank""",
}
