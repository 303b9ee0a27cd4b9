"""How a currency is written beside an amount."""

# Those that stand for one currency wherever they are read; "$" and "¥" for the first of theirs.
_SIGNS = {
    "AMD": "֏",
    "AZN": "₼",
    "BRL": "R$",
    "CNY": "CN¥",
    "CZK": "Kč",
    "EUR": "€",
    "GBP": "£",
    "GEL": "₾",
    "ILS": "₪",
    "INR": "₹",
    "JPY": "¥",
    "KRW": "₩",
    "KZT": "₸",
    "MNT": "₮",
    "NGN": "₦",
    "PHP": "₱",
    "PLN": "zł",
    "RUB": "₽",
    "THB": "฿",
    "TRY": "₺",
    "UAH": "₴",
    "USD": "$",
    "VND": "₫",
}

# Those whose smallest coin is one of them.
_WITHOUT_CENTS = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV"),
    *("XAF", "XOF", "XPF"),
)


def written_decimals(currency: str | None, decimals: int) -> int:
    """How many of an amount's decimals are written: none where the currency has no cents.

    >>> written_decimals("EUR", 2), written_decimals("JPY", 2)
    (2, 0)
    """
    return 0 if currency in _WITHOUT_CENTS else decimals


def sign(currency: str | None) -> str | None:
    """The sign of a currency, by its ISO 4217 code; the code itself where it has none of its own.

    >>> sign("EUR"), sign("CHF"), sign(None)
    ('€', 'CHF', None)
    """
    return None if currency is None else _SIGNS.get(currency, currency)
