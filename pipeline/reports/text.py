"""Text by strangers made harmless: names and file contents may carry escapes, direction marks or half characters."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_JOINERS = "\u200c\u200d"
"""Invisible, but part of how emoji and some scripts are written."""

_UNSHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that act on the display, or are no characters at all."""


def shown(value: object, *, lines: bool = False) -> str:
    """The text with everything that acts instead of showing spelled out: ESC becomes "<U+001B>".

    Covers control characters, direction marks (CVE-2021-42574), tags and lone surrogates. Tabs become four spaces;
    line ends become one space, or stay when `lines` are kept.
    """
    text = str(value)
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    if not lines:
        text = text.replace("\n", " ")
    return "".join(_spelled(character) for character in text)


def _spelled(character: str) -> str:
    if character.isprintable() or character == "\n" or character in _JOINERS:
        return character
    return f"<U+{ord(character):04X}>" if unicodedata.category(character) in _UNSHOWN else character


def encodable(text: str) -> str:
    """The text with lone surrogates replaced, so that UTF-8 can hold it."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def clipped(text: str, limit: int) -> str:
    """At most `limit` characters, the last one an ellipsis when something was cut off."""
    return text if len(text) <= limit else text[: max(0, limit - 1)] + "…"


def markup(text: str) -> str:
    """The text escaped for HTML and XML, in content and in quoted attributes."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(character, entity)
    return text


def cells(text: str) -> int:
    """How many columns of a terminal the text takes (Unicode TR11: wide characters take two, marks none)."""
    if text.isascii():
        return len(text)
    return sum(width for _, width in clusters(text))


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """What is shown as one character, and how many columns of a terminal it takes.

    Marks belong to what they stand on. Emoji that are joined, toned, or asked for by VARIATION SELECTOR-16 take two
    columns together (Unicode TR51), and so do the two letters of a flag.
    """
    held, base, width = "", "", 0
    for character in text:
        own = _width(character)
        if held and (own == 0 or _belongs(character, held, base)):
            held += character
            if own or (character == _AS_EMOJI and (base in _KEYS or not base.isascii())):
                width = 2
        else:
            if held:
                yield held, width
            held, base, width = character, character, own
    if held:
        yield held, width


def _belongs(character: str, held: str, base: str) -> bool:
    if held[-1] == "\u200d":
        return unicodedata.category(base) == unicodedata.category(character) == "So"
    if character in _FLAGS:
        return held in _FLAGS
    return character in _TONES and unicodedata.category(base) == "So"


_AS_EMOJI = "\ufe0f"
_KEYS = "#*0123456789"
_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_FLAGS = frozenset(map(chr, range(0x1F1E6, 0x1F200)))


def _width(character: str) -> int:
    if character in _JOINERS or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    if "\u1160" <= character <= "\u11ff":
        # The vowels and final consonants of Korean syllables join the consonant before them.
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def padded(text: str, width: int) -> str:
    """The text with spaces behind it up to `width` columns of a terminal."""
    return text + " " * max(0, width - cells(text))


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, broken at spaces; a longer word keeps a line of its own."""
    lines: list[str] = []
    line, used = "", 0
    for word in text.split():
        size = cells(word)
        if line and used + 1 + size > width:
            lines.append(line)
            line, used = word, size
        else:
            line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    return [*lines, line]


def folded(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, broken at spaces, and inside a word that is wider than a line."""
    lines: list[str] = []
    for line in wrapped(text, width):
        lines += [line] if cells(line) <= width else _chopped(line, width)
    return lines


_BREAKS = frozenset("/-_.:,;|@=")
"""After these a long word is broken, rather than anywhere, where that leaves a third of a line or more."""


def _chopped(word: str, width: int) -> list[str]:
    lines: list[str] = []
    line: list[tuple[str, int]] = []
    for one in clusters(word):
        while line and sum(size for _, size in line) + one[1] > width:
            cut = next((at for at in range(len(line), len(line) // 3, -1) if line[at - 1][0] in _BREAKS), len(line))
            lines.append("".join(told for told, _ in line[:cut]))
            line = line[cut:]
        line.append(one)
    return [*lines, "".join(told for told, _ in line)]
