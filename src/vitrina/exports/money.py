"""Currencies beside an amount: `€ 12.50`, `12,50 руб.`, `USD 7`."""

SIGNS: dict[str, tuple[str, ...]] = {
    sign: tuple(codes.split())
    for sign, codes in {
        "€": "EUR",
        "$": "USD AUD CAD NZD SGD HKD TWD MXN ARS CLP COP",
        "US$": "USD",
        "A$": "AUD",
        "AU$": "AUD",
        "C$": "CAD",
        "CA$": "CAD",
        "NZ$": "NZD",
        "S$": "SGD",
        "HK$": "HKD",
        "NT$": "TWD",
        "MX$": "MXN",
        "R$": "BRL",
        "£": "GBP",
        "¥": "JPY CNY",
        "￥": "JPY CNY",
        "円": "JPY",
        "元": "CNY",
        "₽": "RUB",
        "руб.": "RUB BYN",
        "руб": "RUB BYN",
        "р.": "RUB BYN",
        "р": "RUB BYN",
        "₴": "UAH",
        "грн.": "UAH",
        "грн": "UAH",
        "₸": "KZT",
        "тг": "KZT",
        "₺": "TRY",
        "TL": "TRY",
        "₹": "INR",
        "Rs": "INR",
        "Rs.": "INR",
        "₩": "KRW",
        "₪": "ILS",
        "₫": "VND",
        "฿": "THB",
        "₱": "PHP",
        "₦": "NGN",
        "₾": "GEL",
        "֏": "AMD",
        "₼": "AZN",
        "zł": "PLN",
        "Kč": "CZK",
        "Ft": "HUF",
        "lei": "RON",
        "лв.": "BGN",
        "лв": "BGN",
        "kr.": "DKK SEK NOK ISK",
        "kr": "DKK SEK NOK ISK",
        "Fr.": "CHF",
        "Fr": "CHF",
    }.items()
}
"""What stands for a currency, and which it may be, the most usual first."""

_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
    BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
    GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW
    KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
    NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RUR RWF SAR SBD SCR SDG SEK
    SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS
    VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
    """
CODES = frozenset(_CODES.split())
"""The alphabetic codes of ISO 4217, and RUR, which old exports still write."""


def currencies(mark: str) -> frozenset[str]:
    """The currencies that a sign or a code may mean, whatever its case; none if it is neither.

    >>> sorted(currencies("eur")), sorted(currencies("руб.")), sorted(currencies("kg"))
    (['EUR'], ['BYN', 'RUB'], [])
    """
    code = mark.upper()
    if code == "RUR":
        return frozenset(["RUB"])
    if code in CODES:
        return frozenset([code])
    return frozenset(_FOLDED.get(mark.casefold(), ()))


def usual_currency(mark: str) -> str:
    """The currency that a sign means most often; what is no sign is taken for a code.

    >>> usual_currency("$"), usual_currency("CHF")
    ('USD', 'CHF')
    """
    return SIGNS.get(mark, (mark,))[0]


_FOLDED = {sign.casefold(): codes for sign, codes in SIGNS.items()}
