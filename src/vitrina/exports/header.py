"""The names of a file's columns: where the mapped ones stand, and what to say if they do not."""

import difflib
import unicodedata
from collections.abc import Sequence

from vitrina.errors import ExportError
from vitrina.visible import revealed

_SHOWN = 60
"""How many of a file's names a message lists."""

_INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cn"})
"""Unicode's categories of characters that nobody sees."""

_TWINS = str.maketrans(
    "авекмнорстухіјѕԁԛԝһӏ" + "αεικνορτυχ" + "ёй",
    "abekmhopctyxijsdqwhl" + "aeikvoptux" + "eи",
)
"""Letters of other alphabets, each to the Latin one that looks like it, in lower case."""


def positions(file: str, found: Sequence[str], wanted: Sequence[str]) -> dict[str, int]:
    """Where each wanted name stands among the names found, from 0.

    >>> positions("a.csv", ["region", "sale_id", "note"], ["sale_id", "region"])
    {'sale_id': 1, 'region': 0}

    Raises:
        ExportError: a wanted name is missing, though one may look like it, or stands there more
            than once; the message has both lists, and the position of each name from 1.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ExportError(
            f"{file}: mapped columns not in the file: {listed(missing)}; "
            f"the file has {listed(found)}{_near(missing, found) or _elsewhere(wanted, found)}"
        )
    for name in wanted:
        places = [str(place) for place, each in enumerate(found, 1) if each == name]
        if len(places) > 1:
            raise ExportError(
                f"{file}: {revealed(name)} is the name of {len(places)} columns, "
                f"{', '.join(places[:-1])} and {places[-1]}; rename all but one of them in the file"
            )
    return {name: found.index(name) for name in wanted}


def unmapped(found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names found that nobody wants, each once, in the file's order; blank ones left out."""
    return [name for name in dict.fromkeys(found) if name.strip() and name not in wanted]


def alike(name: str) -> str:
    r"""What is left of a name without case, kinds of space, invisible characters and twin letters.

    >>> alike("Sale\u00a0ID") == alike("sale_id ")
    True
    """
    visible = "".join(
        letter
        for letter in unicodedata.normalize("NFKC", name).casefold()
        if letter.isspace() or unicodedata.category(letter) not in _INVISIBLE
    )
    return "_".join(visible.translate(_TWINS).replace("_", " ").replace("-", " ").split())


def listed(names: Sequence[str]) -> str:
    """Names for a message: the first of them, if they are many."""
    told = ", ".join(revealed(name) for name in names[:_SHOWN])
    return f"{told} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else told


def _near(missing: Sequence[str], found: Sequence[str]) -> str:
    """What to say of the names that look like the missing ones."""
    told = []
    for name in missing:
        key = alike(name)
        by_key = {alike(each): each for each in found}
        for near in difflib.get_close_matches(key, by_key, n=2, cutoff=0.75):
            place = found.index(by_key[near]) + 1
            difference = f" ({_difference(name, by_key[near])})" if near == key else ""
            told.append(
                f"{revealed(name)} is like column {place}, «{revealed(by_key[near])}»{difference}"
            )
    return f"; {'; '.join(told)}; write the names as the file has them" if told else ""


def _elsewhere(wanted: Sequence[str], found: Sequence[str]) -> str:
    """What to do if a file has some of the names, and nothing like the others."""
    if not {*wanted} & {*found}:
        return ""
    return (
        "; if they are in another file, join the two first, for instance in PostgreSQL, and give "
        "the query as source.postgres: Vitrina joins no files"
    )


def _difference(wanted: str, found: str) -> str:
    """In what two names that look alike differ."""
    if wanted.split() == found.split():
        return "spaces"
    if wanted.casefold().split() == found.casefold().split():
        return "case"
    if any(unicodedata.category(letter) in _INVISIBLE for letter in wanted + found):
        return "invisible characters"
    strange = [letter for letter in found if letter not in wanted and not letter.isascii()]
    if strange:
        return ", ".join(f"{each} is U+{ord(each):04X}" for each in dict.fromkeys(strange))
    return "case, spaces or other letters"
