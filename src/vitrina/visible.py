"""Text for reports, in which nothing is invisible and no letter passes for another."""

import re
import unicodedata

# Controls, formats such as a zero-width space, private and unassigned characters, odd spaces.
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
_LATIN = re.compile(r"[A-Za-z]")
# Greek and Cyrillic, which share shapes with Latin.
_LIKE_LATIN = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_WORD = re.compile(r"\w+")


def visible(text: str) -> str:
    """The text, with each character that cannot be seen, or told from another, as its number.

    Of a word that mixes alphabets, the letters of the rarer one are shown so.

    >>> visible("Nort\u0020h\u200b")
    'Nort h⟨U+200B⟩'
    >>> visible("N\u043erth")
    'N⟨U+043E⟩rth'
    """
    return revealed(_WORD.sub(_told_apart, text))


def revealed(text: str) -> str:
    """The text, with each character that cannot be seen as its number.

    >>> revealed("North\u200b")
    'North⟨U+200B⟩'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _number(letter) if unicodedata.category(letter) in _UNSEEN and letter != " " else letter
        for letter in text
    )


def _told_apart(word: re.Match[str]) -> str:
    latin, other = _LATIN.findall(word[0]), _LIKE_LATIN.findall(word[0])
    if not latin or not other:
        return word[0]
    rarer = _LATIN if len(latin) < len(other) else _LIKE_LATIN
    return rarer.sub(lambda letter: _number(letter[0]), word[0])


def _number(letter: str) -> str:
    return f"⟨U+{ord(letter):04X}⟩"
