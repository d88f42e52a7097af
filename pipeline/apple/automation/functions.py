"""Understands what functions of a script choose, ask for or leave undone, where their text alone tells it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from pipeline.apple.automation import mentions, shell

_FIRST_THERE = re.compile(
    r"""^[ \t]*(?:function[ \t]+)?(?P<name>\w+)[ \t]*\(\)[ \t]*\{[ \t]*\n
    (?:[ \t]*local[ \t]+(?:-a[ \t]+)?(?P<list>\w+)=\("\$@"\)[ \t]*\n)?
    (?:[ \t]*local[ \t]+\w+[ \t]*\n)?
    [ \t]*for[ \t]+(?P<each>\w+)[ \t]+in[ \t]+"(?:\$@|\$\{(?P=list)\[@\]\})"[ \t]*(?:;[ \t]*do|\n[ \t]*do)[ \t]*\n
    [ \t]*if[ \t]+\[\[?[ \t]+-[def][ \t]+"\$\{?(?P=each)\}?"[ \t]+\]\]?[ \t]*(?:;[ \t]*then|\n[ \t]*then)[ \t]*\n
    [ \t]*echo[ \t]+"\$\{?(?P=each)\}?"[ \t]*\n
    [ \t]*return(?:[ \t]+0)?[ \t]*\n""",
    re.MULTILINE | re.VERBOSE,
)
_CALLED = re.compile(r"\$\(\s*(\w+)\s")


def chosen(
    text: str, commands: tuple[shell.Command, ...], names: Mapping[str, str], lacks: Callable[[str], bool | None]
) -> Iterator[tuple[str, str]]:
    """Variables that are set once, to the first of some paths that is there, with that path.

    Args:
        text: the script.
        commands: its commands.
        names: what variables are known to hold.
        lacks: whether a path is not here; None where that cannot be told.
    """
    functions = {match["name"] for match in _FIRST_THERE.finditer(text)} if "$@" in text else set()
    if not functions:
        return
    sets: dict[str, list[shell.Word | None]] = {}
    for name, word in shell.assignments(commands):
        sets.setdefault(name, []).append(word)
    for name, words in sets.items():
        word = words[0]
        if len(words) != 1 or word is None:
            continue
        source = mentions.written(word)
        called = _CALLED.match(source)
        if called and called[1] in functions and source.endswith(")"):
            found = _first(source[2:-1], names, lacks)
            if found:
                yield name, found


def _first(call: str, names: Mapping[str, str], lacks: Callable[[str], bool | None]) -> str:
    for command in shell.read(call)[:1]:
        for word in command.words[1:]:
            path = word.resolved(names)
            lacking = lacks(path) if path else None
            if path is None or lacking is None:
                return ""
            if not lacking:
                return path
    return ""


_THEN, _DO = r"(?:[ \t]*;[ \t]*|[ \t]*\n[ \t]*)then[ \t]*\n", r"(?:[ \t]*;[ \t]*|[ \t]*\n[ \t]*)do[ \t]*\n"
_ARRAY = re.compile(r"^[ \t]*(?:local[ \t]+)?(\w+)\+?=\(([^()\n]*)\)", re.MULTILINE)
_ASKED = re.compile(
    r"""\bfor[ \t]+(?P<each>\w+)[ \t]+in[ \t]+(?:"\$\{(?P<list>\w+)\[@\]\}"|(?P<words>[\w"'-]+(?:[ \t]+[\w"'-]+)*))"""
    rf"{_DO}[ \t]*if[ \t]+![ \t]+(?:command[ \t]+-v|which|type|hash)[ \t]+"
    rf"""\"?\$\{{?(?P=each)\}}?\"?[^\n;]*{_THEN}(?P<body>(?:(?![ \t]*(?:fi|else|elif)\b)[^\n]*\n){{1,20}})"""
)
_STOPS = re.compile(r"^[ \t]*(?:exit|return)[ \t]+[1-9]", re.MULTILINE)
_MOST = 100
"""Loops, and functions, of one script that are looked at."""

_HIDDEN = re.compile(r"(?<![\w./-])(?:altool|notarytool)(?![\w./-])")
"""Tools that lie in Xcode's Contents/Developer/usr/bin and nowhere on PATH."""


def required(text: str) -> Iterator[tuple[str, int]]:
    """Tools that a script looks for on PATH, and stops without, though only xcrun finds them; each with its line."""
    if "altool" not in text and "notarytool" not in text:
        return
    arrays: dict[str, list[tuple[int, int]]] = {}
    for match in _ARRAY.finditer(text):
        arrays.setdefault(match[1], []).append(match.span(2))
    told: set[str] = set()
    for match in islice(_ASKED.finditer(text), _MOST):
        spans = arrays.get(match["list"], []) if match["list"] else [match.span("words")]
        found = (tool for start, end in spans for tool in _HIDDEN.finditer(text, start, end))
        for tool in found if _STOPS.search(match["body"]) else ():
            if tool[0] not in told:
                told.add(tool[0])
                yield tool[0], text.count("\n", 0, tool.start()) + 1


_PROMISING = re.compile(
    r"^(?:function[ \t]+)?((?:upload|submit|notarize)(?:_\w+)?|\w+_(?:upload|submit))[ \t]*\(\)[ \t]*\{[ \t]*\n"
    r"((?:(?!\})[^\n]*\n){1,60})\}",
    re.MULTILINE,
)
_PLAIN = frozenset({"return", ":", "true", "[", "[[", "test", "sleep"})
_DONE = re.compile(r"\b(?:success|complete|initiated|uploaded|submitted|finished|done)\w*\b", re.IGNORECASE)


def idle(text: str, commands: tuple[shell.Command, ...]) -> Iterator[tuple[str, int]]:
    """Functions that are to upload, only print, and say at their end that it is done; each with the line of a call."""
    for match in islice(_PROMISING.finditer(text), _MOST):
        body = shell.read(match[2])
        spoken = [each for each in body if _speaks(each)]
        if not spoken or not all(each in spoken or _is_plain(each) for each in body):
            continue
        last = " ".join(word.resolved({}) or "" for word in spoken[-1].words[1:])
        if _DONE.search(last):
            calls = (each for each in commands if each.words and each.words[0].literal == match[1])
            yield from ((match[1], call.line) for call in list(calls)[:1])


def _speaks(command: shell.Command) -> bool:
    first = (command.words[0].literal or "") if command.words else ""
    return mentions.speaks(first) and _is_harmless(command)


def _is_plain(command: shell.Command) -> bool:
    return bool(command.words) and command.words[0].literal in _PLAIN and _is_harmless(command)


def _is_harmless(command: shell.Command) -> bool:
    """Whether it neither writes a file nor runs another command on the way."""
    return (
        not command.outputs
        and command.text is None
        and not any(kind == "?" and text[:1] in ("$", "`", "") for word in command.words for kind, text in word.parts)
    )
