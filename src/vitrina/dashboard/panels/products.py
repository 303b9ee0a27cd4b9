"""Regions and products."""

from vitrina.dashboard.expressions import average, count, minus, positive, share, total, whole
from vitrina.dashboard.panel import Kind, Panel, Size
from vitrina.dashboard.panels.tables import PRODUCT_MOVES, RANKED_PRODUCTS, SALES_BY_REGION_PRODUCT
from vitrina.dashboard.placeholders import Variable
from vitrina.dashboard.texts import Words

_MOVES = ("product_id", "total_sales_amount", "previous_amount", "difference")
_NO_MOVES = Words(
    "No such product, or no previous import to compare with.",
    "Таких товаров нет, или прошлого импорта для сравнения нет.",
)

# What the page's field for products offers.
BEST_PRODUCTS = RANKED_PRODUCTS.select("product_id", "sales_rank").order("sales_rank").limit(200)

REGIONS_AND_PRODUCTS = (
    Panel(
        id="sales_by_region",
        section="products",
        kind=Kind.bars,
        title=Words("Sales by region", "Продажи по регионам"),
        question=Words("Which regions bring in the money?", "Какие регионы приносят деньги?"),
        picture=Words(
            "A bar for each region, the largest first", "Полоса на регион, сначала самые крупные"
        ),
        query=SALES_BY_REGION_PRODUCT.chosen(Variable.region, Variable.product)
        .group(
            "region",
            total_sales=total("total_sales"),
            total_sales_amount=total("total_sales_amount"),
        )
        .window(whole=whole("total_sales_amount"))
        .derive(
            average_sale_amount=average("total_sales_amount", "total_sales"),
            share=share("total_sales_amount", "whole"),
        )
        .select("region", "total_sales", "total_sales_amount", "average_sale_amount", "share")
        .order("-total_sales_amount", "region"),
        value="total_sales_amount",
        x="region",
        size=Size(10, 11, on_page=4),
    ),
    Panel(
        id="pareto",
        section="products",
        kind=Kind.pareto,
        title=Words("Pareto curve of the products", "Кривая Парето по товарам"),
        question=Words(
            "How few products make most of the money?",
            "Сколько товаров дают большую часть денег?",
        ),
        picture=Words(
            "The share of the amount that the best products bring in together, "
            "by how many they are",
            "Доля суммы, которую вместе дают лучшие товары, по их числу",
        ),
        query=RANKED_PRODUCTS.select(
            "sales_rank", "product_id", "total_sales_amount", "running_share", "abc_class"
        ).order("sales_rank"),
        key=RANKED_PRODUCTS.group(
            "abc_class", products=count(), total_sales_amount=total("total_sales_amount")
        )
        .window(whole=whole("total_sales_amount"))
        .derive(share=share("total_sales_amount", "whole"))
        .select("abc_class", "products", "share")
        .order("abc_class"),
        value="running_share",
        x="sales_rank",
        series="abc_class",
        size=Size(14, 11, on_page=8),
    ),
    Panel(
        id="top_products",
        section="products",
        kind=Kind.table,
        title=Words("Top products", "Лучшие товары"),
        question=Words(
            "Which products sell best, and how much does each bring in?",
            "Какие товары продаются лучше всех и сколько приносит каждый?",
        ),
        query=RANKED_PRODUCTS.chosen(Variable.product)
        .select(
            "sales_rank",
            "product_id",
            "total_sales_amount",
            "share",
            "running_share",
            "abc_class",
            "total_sales",
            "total_quantity",
            "average_sale_amount",
        )
        .order("sales_rank")
        .limit(20),
        value="total_sales_amount",
        size=Size(24, 22, on_page=12),
    ),
    Panel(
        id="rising_products",
        section="products",
        kind=Kind.table,
        title=Words("Products that rose most", "Товары с наибольшим ростом"),
        question=Words(
            "Which ten products bring in more than in the previous import, and how much more?",
            "Какие десять товаров сильнее всего прибавили к прошлому импорту и сколько?",
        ),
        empty=_NO_MOVES,
        query=PRODUCT_MOVES.where(positive("difference"))
        .select(*_MOVES)
        .order("-difference", "product_id")
        .limit(10),
        value="difference",
        size=Size(12, 12, on_page=6),
    ),
    Panel(
        id="falling_products",
        section="products",
        kind=Kind.table,
        title=Words("Products that fell most", "Товары с наибольшим спадом"),
        question=Words(
            "Which ten products bring in less than in the previous import, and how much less?",
            "Какие десять товаров сильнее всего потеряли к прошлому импорту и сколько?",
        ),
        empty=_NO_MOVES,
        query=PRODUCT_MOVES.where(positive(minus("previous_amount", "total_sales_amount")))
        .select(*_MOVES)
        .order("difference", "product_id")
        .limit(10),
        value="difference",
        size=Size(12, 12, on_page=6),
    ),
)
