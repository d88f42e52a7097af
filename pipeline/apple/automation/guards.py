"""Finds schemes that a script chooses by the path of the project, so that both can be brought together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LENGTH = 1_000
_BEGINNING = re.compile(r"^[ \t]*(?:el)?if[ \t]+(\[\[?[ \t][^\n]*\.xcodeproj[^\n]*)$", re.MULTILINE)
_TEST = re.compile(
    r"""\[\[?[ \t]+"?\$\{?(\w+)\}?"?[ \t]+==?[ \t]+\*?(["']?)\*?([^"'*\s\[\]]+\.xcodeproj)\2[ \t]+\]\]?"""
)
_BETWEEN = re.compile(r"[ \t]*(?:\|\|[ \t]*|;?[ \t]*then[ \t]*|;[ \t]*)?")
_BODY = re.compile(r"(?:[ \t]*then[ \t]*\n)?((?:[ \t]*\w+=[^\n;]*\n){1,8})[ \t]*(?:fi|else|elif)\b")
_SCHEME = re.compile(r"""[ \t]*(?:\w+_)?SCHEME(?:_\w+)?=(["']?)([\w][\w .+-]*)\1[ \t]*$""", re.IGNORECASE)


class Chosen(NamedTuple):
    """A scheme that is chosen where the project's path ends in one of some ways."""

    scheme: str
    line: int
    endings: tuple[str, ...]


def chosen(text: str) -> Iterator[Chosen]:
    """All such choices of a script; a condition that says anything else is left out."""
    for match in _BEGINNING.finditer(text):
        endings = _endings(match[1])
        body = _BODY.match(text, match.end() + 1) if endings else None
        if body is None:
            continue
        first = text.count("\n", 0, body.start(1)) + 1
        for number, line in enumerate(body[1].split("\n")):
            if scheme := _SCHEME.match(line):
                yield Chosen(scheme[2], first + number, endings)


def _endings(condition: str) -> tuple[str, ...]:
    """The endings of which one has to be there; nothing when the condition is of another form."""
    found, position = [], 0
    if len(condition) > _LENGTH:
        return ()
    while test := _TEST.match(condition, position):
        found.append(test[3])
        between = _BETWEEN.match(condition, test.end())
        position = between.end() if between else test.end()
    return tuple(found) if position >= len(condition.rstrip()) else ()
