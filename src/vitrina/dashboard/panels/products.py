"""Regions and products."""

from vitrina.contract import Contract
from vitrina.dashboard.expressions import (
    average,
    count,
    least,
    minus,
    positive,
    rank,
    share,
    total,
    whole,
)
from vitrina.dashboard.panel import Kind, Panel, Size
from vitrina.dashboard.panels.tables import (
    PRODUCT_MOVES,
    RANKED_PRODUCTS,
    SALES_BY_REGION_PRODUCT,
    average_sale,
    has_few_regions,
    has_returns,
    with_rest,
)
from vitrina.dashboard.placeholders import Variable
from vitrina.dashboard.query import Query, Table
from vitrina.dashboard.texts import Words

# The products of the page's field, the best of them first.
BEST_PRODUCTS = RANKED_PRODUCTS.select("product_id", "sales_rank").order("sales_rank")


def regions_and_products(contract: Contract) -> tuple[Panel, ...]:
    """What sells where, what moved, and what came back."""
    return (
        _sales_by_region(contract),
        _PARETO,
        _top_products(contract),
        _RISING,
        _FALLING,
        *((_RETURNED_PRODUCTS, _RETURNS_BY_REGION) if has_returns(contract) else ()),
    )


def _sales_by_region(contract: Contract) -> Panel:
    regions: Query = (
        SALES_BY_REGION_PRODUCT.chosen(Variable.region, Variable.product)
        .group(
            "region",
            total_sales=total("total_sales"),
            total_sales_amount=total("total_sales_amount"),
        )
        .window(whole=whole("total_sales_amount"))
        .window(by=("-total_sales_amount", "region"), place=rank())
    )
    if not has_few_regions(contract):
        regions = with_rest(
            regions,
            whole=least("whole"),
            total_sales=total("total_sales"),
            total_sales_amount=total("total_sales_amount"),
        )
    return Panel(
        id="sales_by_region",
        section="products",
        kind=Kind.bars,
        title=Words("Sales by region", "Продажи по регионам"),
        question=Words("Which regions bring in the money?", "Какие регионы приносят деньги?"),
        picture=Words(
            "A bar for each region, the largest first", "Полоса на регион, сначала самые крупные"
        ),
        query=regions.derive(
            **{average_sale(contract): average("total_sales_amount", "total_sales")},
            share=share("total_sales_amount", "whole"),
        )
        .order("place")
        .select("region", "total_sales", "total_sales_amount", average_sale(contract), "share"),
        value="total_sales_amount",
        x="region",
        size=Size(10, 11, on_page=4),
    )


_PARETO = Panel(
    id="pareto",
    section="products",
    kind=Kind.pareto,
    title=Words("Pareto curve of the products", "Кривая Парето по товарам"),
    question=Words(
        "How few products make most of the money?",
        "Сколько товаров дают большую часть денег?",
    ),
    picture=Words(
        "The share of the amount that the best products bring in together, by how many they are",
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
)


def _top_products(contract: Contract) -> Panel:
    return Panel(
        id="top_products",
        section="products",
        kind=Kind.table,
        title=Words("Top products", "Лучшие товары"),
        question=Words(
            "Which products sell best, and how much does each bring in?",
            "Какие товары продаются лучше всех и сколько приносит каждый?",
        ),
        query=RANKED_PRODUCTS.chosen(Variable.product)
        .derive(**{average_sale(contract): average("total_sales_amount", "total_sales")})
        .select(
            "sales_rank",
            "product_id",
            "total_sales_amount",
            "share",
            "running_share",
            "abc_class",
            "total_sales",
            "total_quantity",
            average_sale(contract),
        )
        .order("sales_rank")
        .limit(20),
        value="total_sales_amount",
        size=Size(24, 22, on_page=12),
    )


_MOVES = ("product_id", "total_sales_amount", "previous_amount", "difference")
_NO_MOVES = Words(
    "No such product, or no previous import to compare with.",
    "Таких товаров нет, или прошлого импорта для сравнения нет.",
)

_RISING = Panel(
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
)

_FALLING = Panel(
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
)

_RETURNED = ("total_sales_amount", "total_returns", "total_returns_amount")
_RETURNS = Table("sales_by_region_product", ("region", "product_id", *_RETURNED)).chosen(
    Variable.region, Variable.product
)
_NO_RETURNS = Words("Nothing was returned.", "Возвратов нет.")

_RETURNED_PRODUCTS = Panel(
    id="returned_products",
    section="products",
    kind=Kind.table,
    title=Words("Products that came back most", "Товары с наибольшими возвратами"),
    question=Words(
        "For which ten products was the most money given back, and what part of their sales is it?",
        "За какие десять товаров возвращено больше всего денег и какая это часть их продаж?",
    ),
    empty=_NO_RETURNS,
    query=_RETURNS.group("product_id", **{name: total(name) for name in _RETURNED})
    .where(positive("total_returns"))
    .derive(returned_share=share("total_returns_amount", "total_sales_amount"))
    .select("product_id", *_RETURNED, "returned_share")
    .order("-total_returns_amount", "product_id")
    .limit(10),
    value="total_returns_amount",
    size=Size(10, 13, on_page=5),
)

_RETURNS_BY_REGION = Panel(
    id="returns_by_region",
    section="products",
    kind=Kind.table,
    title=Words("Net of the regions", "Регионы за вычетом возвратов"),
    question=Words(
        "What is left of the sales of the ten largest regions after their returns?",
        "Что остаётся от продаж десяти крупнейших регионов после возвратов?",
    ),
    query=_RETURNS.group("region", **{name: total(name) for name in _RETURNED})
    .derive(
        net_amount=minus("total_sales_amount", "total_returns_amount"),
        returned_share=share("total_returns_amount", "total_sales_amount"),
    )
    .order("-total_sales_amount", "region")
    .select("region", *_RETURNED, "net_amount", "returned_share")
    .limit(10),
    value="net_amount",
    size=Size(14, 13, on_page=7),
)
