"""Text by strangers made harmless: names and file contents may carry escapes, direction marks or half characters."""

from __future__ import annotations

import unicodedata

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
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character) or character in _JOINERS or unicodedata.category(character) == "Me":
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
