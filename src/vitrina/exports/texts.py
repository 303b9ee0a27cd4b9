"""Texts: what nobody sees in them, and what a spreadsheet did to them."""

import functools
import re
import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vitrina.exports.cells import Bytes, Cells, Read, Reader, Rows, bytes_of, read_each
from vitrina.rules import Repair, Rule

SPACES = (
    " \t\n\v\f\r\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""White space of any script."""

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d"
    "\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u206a\u206b\u206c\u206d\u206e"
    "\u206f\u3164\ufeff\uffa0\ufff9\ufffa\ufffb"
)
"""Characters that take no room: soft hyphens, marks of byte order and direction, joiners."""

_JOINERS = "\u200c\u200d"
"""They are part of words in Persian, of the scripts of India, and of some emoji."""


def cleaned(text: str) -> tuple[str, tuple[str, ...]]:
    """A text without what is around it and what was done to it, and the repairs that took.

    White space and invisible characters at the ends are cut off; then a guard, by which people
    keep a spreadsheet from reading a text as a number; letters are composed (NFC).
    """
    if text.isascii() and text.isprintable() and text[:1] not in _FIRST and text[-1:] != " ":
        return text, ()
    core = text.strip(SPACES + INVISIBLE)
    repairs: list[str] = []
    if core != text:
        cut = set(text) if not core else set("".join(text.split(core, 1)))
        repairs += [Repair.spaces] if cut & set(SPACES) else []
        repairs += [Repair.invisible] if cut & set(INVISIBLE) else []
    bare = _unguarded(core)
    if bare != core:
        repairs.append(Repair.guard)
    composed = unicodedata.normalize("NFC", bare)
    if composed != bare:
        repairs.append(Repair.composed)
    # An empty text is missing, whatever was around nothing.
    return composed, tuple(repairs) if composed else ()


def has_control(text: str, allowed: str = "") -> bool:
    """Whether a character is none that is written, such as NUL."""
    return any(unicodedata.category(each) == "Cc" and each not in allowed for each in text)


def id_reader(*, typed: bool) -> Reader:
    """Reads an id that is text. `typed`: it was a number, a day or a time."""

    def read(text: str) -> Read:
        if typed:
            whole = _DECIMAL_ZERO.fullmatch(text)
            if whole:
                return Read(whole[1], None, (Repair.decimal_zero,))
        found, repairs = cleaned(text)
        if _MANGLED.fullmatch(found):
            return Read(text, Rule.mangled)
        if has_control(found) or any(each in _HIDDEN for each in found):
            return Read(text, Rule.malformed)
        return Read(found, None, repairs)

    return read


def read_text(text: str) -> Read:
    """Reads a text of the store's own, such as a description; lines may break within it."""
    found, repairs = cleaned(text)
    if has_control(found, allowed="\t\n\r"):
        return Read(text, Rule.malformed)
    return Read(found, None, repairs)


@functools.lru_cache(maxsize=256)
def region_reader(
    allowed: tuple[str, ...], synonyms: tuple[tuple[str, str], ...], other: str | None
) -> Reader:
    """Reads a region: one of the allowed or what else means it, whatever the case."""
    # With a name for the rest, what is not named is of the rest.
    named = allowed or (tuple(region for _, region in synonyms) if other is not None else ())
    listed = {_folded(each): each for each in named}
    meant = {_folded(each): region for each, region in synonyms}

    def read(text: str) -> Read:
        found, repairs = cleaned(text)
        if has_control(found) or _ERROR_VALUE.fullmatch(found):
            return Read(text, Rule.unknown)
        if not (found and named):
            return Read(meant.get(_folded(found), found), None, repairs)
        visible = found.translate(_WITHOUT_HIDDEN)
        if visible != found and Repair.invisible not in repairs:
            repairs = (*repairs, Repair.invisible)
        folded = _folded(visible)
        if folded in listed and listed[folded] != visible:
            repairs = (*repairs, Repair.case)
        region = listed.get(folded, meant.get(folded, other))
        return Read(text, Rule.unknown) if region is None else Read(region, None, repairs)

    return functools.lru_cache(1 << 16)(read)


def odd_rows(texts: pa.Array) -> Rows:
    """The rows whose texts may need work; for most columns it costs a look at their bytes."""
    if not _may_be_odd(bytes_of(texts)):
        return np.empty(0, np.int64)
    odd = pc.match_substring_regex(texts, _ODD).fill_null(False)
    return np.flatnonzero(odd.to_numpy(zero_copy_only=False))


def read_odd(cells: Cells, reader: Reader, rows: Rows | None) -> None:
    """Read what may need work, in these rows alone if they are given."""
    odd = odd_rows(cells.texts)
    read_each(cells, reader, odd if rows is None else np.intersect1d(odd, rows))


_FIRST = frozenset(" '=")
_DECIMAL_ZERO = re.compile(r"(-?[0-9]+)\.0+")
_GUARDED = re.compile(r'="((?:[^"]|"")*)"', re.DOTALL)
_APOSTROPHE = re.compile(r"'([-+=@0-9][^']*)", re.DOTALL)

_CAPITALS = "A-ZÀ-ÞА-ЯЁ"
# In the words of a spreadsheet's own language: `#N/A`, `#ЗНАЧ!`, `#DIV/0!`, `####`.
_ERROR = (
    rf"#(?:N/A|N/D|NV|I/T|Н/Д)|#[¡¿]?[{_CAPITALS}][{_CAPITALS}0-9/_]*[!?]|#GETTING_DATA"
    r"|#{2,}|Err:5[0-9]{2}"
)
_ERROR_VALUE = re.compile(_ERROR)
# `4.60123E+12` and `5E+12`, as spreadsheets write them; a code such as `1E3` is a code.
_MANGLED = re.compile(rf"[-+]?[0-9](?:[.,][0-9]+[Ee][-+]|[Ee]\+)[0-9]{{2,3}}|{_ERROR}")

_HIDDEN = frozenset(INVISIBLE) - frozenset(_JOINERS)
_WITHOUT_HIDDEN = dict.fromkeys(map(ord, INVISIBLE))

# What the readers above may change or refuse, in the words of RE2: more than that does no harm.
_ODD = (
    r"^[='#]|^Err:|[0-9][Ee][-+][0-9]|[\p{C}\p{M}\p{Zl}\p{Zp}]"
    r"|^\p{Z}|\p{Z}$"
    r"|[\x{340}-\x{37F}\x{387}\x{1100}-\x{11FF}\x{1F00}-\x{200F}\x{2126}-\x{212B}\x{2329}\x{232A}"
    r"\x{3164}\x{F900}-\x{FAFF}\x{FE00}-\x{FEFF}\x{FFA0}\x{2F800}-\x{2FA1D}]"
)


def _may_be_odd(data: Bytes) -> bool:
    if not len(data):
        return False
    if data.min() < 0x20 or _has_any(data, b"='#+\x7f"):
        return True
    if _has_any(data, b"Ee") and _has_any(data, b"-:") and _has_any(data, b".,:"):
        return True
    return bool(data.max() >= 0x80 and data.tobytes().translate(None, _EVEN))


def _has_any(data: Bytes, marks: bytes) -> bool:
    return any(bool((data == mark).any()) for mark in marks)


# The bytes of ASCII, and of Latin and Cyrillic letters that are whole and seen.
_EVEN = bytes([*range(0x20, 0x7F), *range(0x80, 0xC0), *range(0xC3, 0xCC), 0xCF, 0xD0, 0xD1])


def _unguarded(text: str) -> str:
    guarded = _GUARDED.fullmatch(text)
    if guarded:
        return guarded[1].replace('""', '"').strip(SPACES + INVISIBLE)
    apostrophe = _APOSTROPHE.fullmatch(text)
    return apostrophe[1] if apostrophe else text


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
