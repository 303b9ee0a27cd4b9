"""A shop with a file of its own: text ids, weights, orders, any regions, missing customers."""

import datetime
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.rows import AS_OF
from vitrina.exports.store_file import StoreFile
from vitrina.store import Batch

KIOSK = StoreFile.model_validate(
    {
        "name": "kiosk",
        "title": "Kiosk",
        "time_zone": "Europe/Moscow",
        "currency": "EUR",
        "days": 70,
        "source": {
            "files": ["*.csv"],
            "fields": {
                "sale_id": {"column": "line"},
                "customer_id": {"column": "customer", "optional": True},
                "product_id": {"column": "article"},
                "quantity": {"column": "weight", "decimals": 3},
                "sale_date": {"column": "day"},
                "sale_amount": {"column": "money"},
                "region": {"column": "place"},
                "order_id": {"column": "receipt"},
                "extra": {"cashier": {"column": "cashier"}},
            },
        },
    }
).store()
WEEK = Batch(AS_OF, KIOSK)

# Their order by bytes is not that of a dictionary.
PRODUCTS = ("10", "9", "A-1", "a-1", "B", "\u0401", "\u00e9", 'z,"')
REGIONS = ("Zug", "aarau", "\u0401\u043b\u043a\u0438", "Basel")

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from([None, "", "C-1", "c-1"]),
            "product_id": st.sampled_from(PRODUCTS),
            "quantity": st.decimals("-3", "3", places=3),
            "sale_date": st.dates(AS_OF - datetime.timedelta(20), AS_OF - datetime.timedelta(1)),
            # Few different ones, so that some are equal.
            "sale_amount": st.sampled_from(
                ["0.00", "-0.01", "5.00", "-5.00", "0.05", "99999.99"]
            ).map(Decimal),
            "region": st.sampled_from(REGIONS),
            "order_id": st.sampled_from(["R1", "r1", "R2", "R3"]),
            "cashier": st.sampled_from([None, "Ann"]),
        }
    ),
    min_size=20,
    max_size=80,
)


def sold(product: str, amount: str, region: str = "Basel", **other: Any) -> dict[str, Any]:
    """A row of the kiosk, as `ROWS` has them."""
    return {
        "customer_id": None,
        "product_id": product,
        "quantity": Decimal("0.500"),
        "sale_date": AS_OF - datetime.timedelta(1),
        "sale_amount": Decimal(amount),
        "region": region,
        "order_id": "R1",
        "cashier": None,
        **other,
    }


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each with an id."""
    return [{"sale_id": f"L-{place}", **row} for place, row in enumerate(rows, start=1)]
