"""Lines of a store's file as TOML, and figures in words."""

import json
from collections import Counter
from collections.abc import Iterable

_TOLD = 10
"""Words that a sentence names, of those that occur."""


def toml(text: str) -> str:
    """A TOML string, which JSON's is too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(toml, texts))}]"


def told(counts: Counter[str]) -> str:
    """Words, each with how often it occurs: the most frequent of them."""
    return ", ".join(f"{word} ({count:,})" for word, count in counts.most_common(_TOLD))


def counted(number: int, what: str) -> str:
    """So many of a thing, as in `1 row` and `2 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def lacking(number: int, what: str) -> str:
    """That there is none in so many of a thing, as a further sentence; nothing if it is in all."""
    return f" In {counted(number, what)} there is none." if number else ""
