"""A feed of every odd case that `docs/rules.md` speaks of, as changes to an ordinary sale.

The ordinary one (`GOOD` of `rows.py`) is of product 3 in the North on 2026-11-23. Other
regions, products and days therefore hold nothing but what is put there here.
"""

from collections.abc import Iterable, Mapping

from vitrina.contract import SALES

Change = dict[str, str | None]

_NBSP, _EM_SPACE, _BOM = "\u00a0", "\u2003", "\ufeff"

NOTHING = (None, "", " ", "\t", "\n", "\r", _NBSP, f" {_NBSP}\t\r\n")

# Not quite a number, a date, a region; or one after all.
NUMBERS = (
    *("+5", "1e3", "1E3", "1_000", "1,000", "12,50", "1 000", f"1{_NBSP}000", "0x1F", "1/2"),
    *(".5", "5.", "5..0", "5.0.0", "-", "--5", "5-", "- 5", "5$", "NaN", "Infinity", "null"),
    *("n/a", "TRUE", "½", "³", "٣", "５", f"{_EM_SPACE}5", f"{_BOM}5", "\v5", "5\f", "5\\n"),
    # What some engines take for the end of a line, before which the text may end.
    *("5\u2028", "5\u2029", "5\x85", "5\n\u2028", "5\n5"),
    *('"5"', '""', "'5'", f"{_NBSP} 5\t", "\r\n5\r\n", "5.0", "-0", "007"),
)
DATES = (
    *("2026-02-29", "2026-02-30", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00"),
    *("0000-01-01", "0000-02-29", "0001-01-01", "9999-12-31", "1582-10-10", "1900-02-29"),
    *("2026-1-1", "2026-01-1", "26-01-01", "12026-01-01", "-2026-01-01", "+2026-01-01"),
    *("2026/01/01", "01.02.2026", "20260101", "2026-01-01T00:00:00", "2026-01-01 00:00"),
    *("2026‐01‐01", "２０２６-01-01", "2026- 1- 1", "today", "2026-W01-1", "2026-001", "46023"),
    *("2026-11-24", "2026-11-23", "2025-11-24", "2025-11-23", f" 2026-01-01{_NBSP}"),
    *("2026-01-01\u2028", "2026-01-01\x85"),
)
REGIONS = (
    *("north", "NORTH", "nORTH", f"{_NBSP}north\t", "  North  "),
    *("Nоrth", "Ｎorth", "Sou th", "N", "North.", "North, South", '"North"', f"{_EM_SPACE}West"),
    *(f"North{_BOM}", "North\\", "North\u2028", "ſouth", "Atlantis", "none", "0"),
)
WHOLE_NUMBERS = (
    *("0", "-0", "-1", "00", "01", "10", "11", "0" * 30 + "10", "0" * 400, "0" * 400 + "3"),
    *("2147483647", "2147483648", "-2147483649", "4294967297", "18446744073709551617"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("9" * 40, "9" * 400, "-" + "9" * 400),
)
AMOUNTS = (
    *("0", "0.00", "-0.00", "0.01", "0.010", "0.009", "0.019", "-0.001", "-0.01", "00.01"),
    *("12", "012.3", "12.34", "12.345", "12.340", "12.3450000", "-12.34", "-12.345"),
    *("9999999999.99", "9999999999.990", "9999999999.999", "10000000000", "10000000000.001"),
    *("0.0" + "1" * 60, "9" * 60, "1" * 60 + ".125", "-" + "9" * 60 + ".999", "0" * 60 + "1.50"),
    *("1,000.000", "1e3.5555", ".125", "12.34.567"),
)

ODD_TEXTS = {
    "sale_id": (*NOTHING, *NUMBERS, *WHOLE_NUMBERS),
    "customer_id": (*NOTHING, *NUMBERS, *WHOLE_NUMBERS),
    "product_id": (*NOTHING, *NUMBERS, *WHOLE_NUMBERS),
    "quantity": (*NOTHING, *NUMBERS, *WHOLE_NUMBERS),
    "sale_date": (*NOTHING, *DATES),
    "sale_amount": (*NOTHING, *NUMBERS, *AMOUNTS),
    "region": (*NOTHING, *REGIONS),
}

# More than one field at a time.
_ALL_WRONG: list[Change] = [
    dict.fromkeys(SALES.names),
    dict.fromkeys(SALES.names, " x "),
    dict.fromkeys(SALES.names, "-1"),
    dict.fromkeys(SALES.names, "9" * 40),
    {"sale_amount": "-0.001", "quantity": "eleven", "region": 'No"rth, "East"', "sale_date": " "},
]


def _in(region: str, *changes: Mapping[str, str]) -> Iterable[Change]:
    return ({"region": region, **change} for change in changes)


_ROUND_FIGURES: list[Change] = [
    # Shares that end in half a millionth, one of which a float would round down.
    *_in(
        "East",
        {"product_id": "2147483647", "sale_amount": "19997.50", "sale_date": "2026-03-02"},
        {"product_id": "10", "sale_amount": "0.01", "sale_date": "2026-03-02"},
        {"product_id": "11", "sale_amount": "2.49", "sale_date": "2026-03-02"},
    ),
    # Above the second are exactly 80 % of the region's amount, above the last 95 %; two tie.
    *_in(
        "South",
        {"product_id": "1", "sale_amount": "80.00", "sale_date": "2026-05-05"},
        {"product_id": "2", "sale_amount": "10.00", "sale_date": "2026-05-05"},
        {"product_id": "10", "sale_amount": "5.0", "sale_date": "2026-05-05"},
        {"product_id": "9", "sale_amount": "5", "sale_date": "2026-05-05"},
    ),
    # A change of minus half a millionth; half a cent on average, which a float would round
    # down; the ends of the first week.
    *_in(
        "North",
        {"product_id": "77", "sale_amount": "20000.00", "sale_date": "2026-07-01"},
        {"product_id": "77", "sale_amount": "19999.99", "sale_date": "2026-07-08"},
        {"product_id": "78", "sale_amount": "0.14", "sale_date": "2026-07-15"},
        {"product_id": "78", "sale_amount": "0.15", "sale_date": "2026-07-15"},
        {"product_id": "79", "sale_amount": "0.04", "sale_date": "2025-11-24"},
        {"product_id": "79", "sale_amount": "0.05", "sale_date": "2025-11-30"},
        {"product_id": "79", "sale_amount": "0.06", "sale_date": "2025-12-01"},
    ),
    # Sums that a float does not hold.
    *_in(
        "West",
        *(
            {"product_id": product, "sale_amount": "9999999999.99", "sale_date": "2026-09-09"}
            for product in ("4", "4", "4", "3", "33")
        ),
    ),
]

_COPIES: list[Change] = [
    # The same in every field, as typed.
    {"sale_id": "900001"},
    {"sale_id": " 900001"},
    {"sale_id": "0900001", "region": "NORTH", "sale_amount": "019.98"},
    # Three contents for one id, one of them twice: two are in conflict, one row collapses.
    {"sale_id": "900002", "customer_id": "10"},
    {"sale_id": "900002", "customer_id": "9"},
    {"sale_id": "900002", "customer_id": "10", "region": f"{_NBSP}north"},
    {"sale_id": "900002", "customer_id": "9", "sale_amount": "19.97"},
    # Numbers are ordered, not their texts; regions by bytes.
    {"sale_id": "900003", "quantity": "10"},
    {"sale_id": "900003", "quantity": "9"},
    {"sale_id": "900004", "region": "west"},
    {"sale_id": "900004", "region": "NORTH"},
    {"sale_id": "900004", "region": "South"},
    # A rejected row is in conflict with none.
    {"sale_id": "900005", "quantity": "11"},
    {"sale_id": "900005", "quantity": "10"},
    # Each field outweighs the next.
    {"sale_id": "900006", "customer_id": "1", "product_id": "9"},
    {"sale_id": "900006", "customer_id": "2", "product_id": "1"},
    {"sale_id": "900007", "product_id": "1", "quantity": "9"},
    {"sale_id": "900007", "product_id": "2", "quantity": "1"},
    {"sale_id": "900008", "quantity": "1", "sale_date": "2026-11-22"},
    {"sale_id": "900008", "quantity": "2", "sale_date": "2026-11-21"},
    {"sale_id": "900009", "sale_date": "2026-11-20", "sale_amount": "5.00"},
    {"sale_id": "900009", "sale_date": "2026-11-21", "sale_amount": "4.00"},
    {"sale_id": "900010", "sale_amount": "4.00", "region": "West"},
    {"sale_id": "900010", "sale_amount": "5.00", "region": "East"},
]

# So many that they do not fall into the right order by chance.
_COPIES_BUT_FOR_REGION: list[Change] = [
    {"sale_id": str(sale_id), "region": region}
    for sale_id in range(900_011, 900_021)
    for region in ("South", "West", "North")
]


def odd_feed() -> list[Change]:
    """All of the above; each row that is not about its id has one of its own."""
    odd = [{name: text} for name, texts in ODD_TEXTS.items() for text in texts]
    numbered = enumerate([*odd, *_ALL_WRONG, *_ROUND_FIGURES], start=10_000)
    own = [{"sale_id": str(number), **change} for number, change in numbered]
    return own + _COPIES + _COPIES_BUT_FOR_REGION
