"""Takes the place of the C preprocessor for an Info.plist whose target sets INFOPLIST_PREPROCESS = YES.

Conditions and object-like macros are understood, which is what property lists use. Lines keep their numbers.
Source: swift-build, SWBTaskConstruction/TaskProducers/OtherTaskProducers/InfoPlistTaskProducer.swift 76-92.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MACRO_LIMIT = 1_000
_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*([a-z]+)\b[ \t]*(.*)")
_TERM = re.compile(
    r"\s*(?:(!*)\s*(?:defined\s*\(\s*([A-Za-z_]\w*)\s*\)|defined\s+([A-Za-z_]\w*)|([A-Za-z_]\w*)|(\d+))|(&&|\|\|))"
)
_HARMLESS = ("pragma", "warning", "line", "import")


class NotPreprocessed(ValueError):  # reads as what happened
    """A directive that is not understood here. `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def definitions_of(text: str) -> dict[str, str]:
    """The macros of INFOPLIST_PREPROCESSOR_DEFINITIONS; one without a value is 1."""
    found = {}
    for word in text.replace('"', "").split()[:MACRO_LIMIT]:
        name, equals, value = word.partition("=")
        found[name] = value if equals else "1"
    return found


def preprocessed(text: str, definitions: Mapping[str, str]) -> str:
    """The text after conditions and macros.

    Raises:
        NotPreprocessed: a condition that cannot be told, an include, or conditions that do not close.

    """
    macros = dict(definitions)
    kept: list[str] = []
    # Of each open condition: whether its lines are taken, whether a branch was taken, whether it lies in a taken one.
    open_: list[tuple[bool, bool, bool]] = []
    for number, line in enumerate(text.split("\n"), 1):
        taken = not open_ or open_[-1][0]
        match = _DIRECTIVE.match(line)
        if match is None:
            kept.append(_replaced(line, macros) if taken else "")
            continue
        kept.append("")
        _direct(match[1], match[2].strip(), macros, open_, number)
    if open_:
        raise NotPreprocessed("a condition is not closed by #endif", text.count("\n") + 1)
    return "\n".join(kept)


def _direct(word: str, rest: str, macros: dict[str, str], open_: list[tuple[bool, bool, bool]], number: int) -> None:
    taken = not open_ or open_[-1][0]
    if word in ("if", "ifdef", "ifndef"):
        holds = taken and _holds(word, rest, macros, number)
        open_.append((holds, holds, taken))
    elif word in ("elif", "else", "endif"):
        if not open_:
            raise NotPreprocessed(f"#{word} without #if", number)
        _, done, within = open_.pop()
        if word != "endif":
            holds = within and not done and (word == "else" or _holds("if", rest, macros, number))
            open_.append((holds, done or holds, within))
    elif taken:
        _define(word, rest, macros, number)


def _define(word: str, rest: str, macros: dict[str, str], number: int) -> None:
    name, _, value = rest.partition(" ")
    if word == "define" and name.isidentifier() and len(macros) < MACRO_LIMIT:
        macros[name] = value.strip()
    elif word == "undef":
        macros.pop(name, None)
    elif word not in _HARMLESS:
        raise NotPreprocessed(f"#{word} is not understood here", number)


def _holds(word: str, rest: str, macros: Mapping[str, str], number: int) -> bool:
    if word != "if":
        return (rest.partition(" ")[0] in macros) == (word == "ifdef")
    position, alternatives = 0, [True]
    while position < len(rest):
        match = _TERM.match(rest, position)
        if match is None:
            raise NotPreprocessed(f"the condition {rest[:40]!r} is not understood here", number)
        position = match.end()
        nots, called, asked, name, digits, operator = match.groups()
        if operator == "||":
            alternatives.append(True)
        elif not operator:
            value = (
                (called or asked) in macros if called or asked else _number(macros.get(name, "0") if name else digits)
            )
            alternatives[-1] = alternatives[-1] and value != bool(len(nots) % 2)
    return any(alternatives)


def _number(text: str) -> bool:
    return text.isdecimal() and int(text[:18]) != 0


def _replaced(line: str, macros: Mapping[str, str]) -> str:
    for name, value in macros.items():
        if name in line:
            line = re.sub(rf"\b{re.escape(name)}\b", value.replace("\\", r"\\"), line)
    return line
