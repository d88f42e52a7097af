"""Reads old-style (OpenStep) property lists such as project.pbxproj, and remembers the line of every key."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any

MOST_DOUBLED = 100
DEPTH_LIMIT = 128
"""Real projects nest less than ten deep."""

_GAP = r"(?:[ \t\r\n\f\v\u2028\u2029]++|/\*.*?\*/|//[^\n\r]*+)*+"
_WORD = r"(?!/[/*])[^\x00-\x20\"'(),;<=>{}\[\]\\\u2028\u2029]++"
_QUOTED = r'"(?:[^"\\]++|\\.)*+"' + r"|'(?:[^'\\]++|\\.)*+'"
_SCALAR = rf"{_QUOTED}|{_WORD}|<[0-9a-fA-F \t\r\n]*+>"
# One match per dictionary entry or array item, not per token, is what makes this faster than a character loop.
_ENTRY = re.compile(
    rf"{_GAP}(?:({_QUOTED}|{_WORD}){_GAP}(?:={_GAP}(?:({_SCALAR}){_GAP}(;|(?=\}}))|([{{(]))|(;))|(\}}))", re.DOTALL
)
_ITEM = re.compile(rf"{_GAP}(?:({_SCALAR}){_GAP}(?:,|(?=\)))|([{{(])|(\)))", re.DOTALL)
_SPACE = re.compile(_GAP, re.DOTALL)
_AFTER_VALUE = {
    dict: re.compile(rf"{_GAP}(?:;|(?=\}}))", re.DOTALL),
    list: re.compile(rf"{_GAP}(?:,|(?=\)))", re.DOTALL),
}
_SCALAR_ALONE = re.compile(_SCALAR, re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[Uu]([0-9a-fA-F]{4})|(.))", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE)


class BrokenList(ValueError):  # reads as what happened
    """A property list that cannot be read. `line` counts from 1; `reason` is a phrase for a person."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


class UnreadList(BrokenList):
    """A property list that was not read, so that nothing says that it is broken."""


class Lines:
    """Turns offsets into line numbers, without counting before somebody asks."""

    __slots__ = ("_breaks", "_text", "doubled")

    def __init__(self, text: str) -> None:
        self._text = text
        self._breaks: list[int] | None = None
        self.doubled: list[tuple[str, int]] = []

    def at(self, offset: int) -> int:
        """The line, from 1, that holds the character at `offset`."""
        if self._breaks is None:
            self._breaks = [match.start() for match in re.finditer("\n", self._text)]
        return bisect_right(self._breaks, offset - 1) + 1


class Table(dict[str, Any]):
    """A dictionary that knows the line of each of its keys. Values are str, bytes, list or Table.

    A key that is given twice has its last value, as CoreFoundation has it; `Lines.doubled` remembers the places.
    """

    __slots__ = ("index", "places")

    def __init__(self, index: Lines | None = None) -> None:
        super().__init__()
        self.index = index
        self.places: dict[str, int] = {}

    def line(self, key: str) -> int | None:
        """The line of the key, from 1; None when the format keeps no lines (JSON, binary)."""
        offset = self.places.get(key)
        return None if offset is None or self.index is None else self.index.at(offset)

    def table(self, key: str) -> Table:
        """The value when it is a dictionary; an empty one otherwise."""
        value = self.get(key)
        return value if isinstance(value, Table) else Table()

    def text(self, key: str) -> str:
        """The value when it is a string; "" otherwise."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a list value; a lone string counts as a list of one."""
        value = self.get(key)
        if isinstance(value, str):
            return (value,)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def parse(data: bytes) -> Table:
    """The root dictionary of a project file: OpenStep, or converted to XML, binary or JSON.

    Raises:
        BrokenList: it is truncated, holds merge-conflict markers, is not UTF-8, or is no dictionary.

    """
    if data.startswith((b"bplist0", b"<?xml", b"\xef\xbb\xbf<?xml")):
        return _parse_converted(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BrokenList("not UTF-8 text", data.count(b"\n", 0, fault.start) + 1) from fault
    if not text.strip():
        raise BrokenList("the file is empty")
    if conflict := _CONFLICT.search(text):
        raise BrokenList("unresolved merge conflict", text.count("\n", 0, conflict.start()) + 1)
    if re.match(r'\s*+\{\s*+"(?:[^"\\]|\\.)*+"\s*+:', text):
        return _parse_json(text)
    root = parse_value(text, doubled=True)
    if not isinstance(root, Table):
        raise BrokenList("a dictionary is expected at the top", 1)
    return root


def parse_value(text: str, *, doubled: bool = False) -> Any:
    """Any OpenStep value: str, bytes, list or Table. `doubled` says that keys may be given twice.

    Raises:
        BrokenList: with the line where reading stopped.

    """
    index = Lines(text)
    position = _SPACE.match(text).end()  # type: ignore[union-attr]  # matches the empty string at least
    opener = text[position : position + 1]
    root: Any
    if opener in ("{", "("):
        root = Table(index) if opener == "{" else []
        position = _fill(text, position + 1, root, index)
        if index.doubled and not doubled:
            key, offset = index.doubled[0]
            raise BrokenList(f"the key {key!r} occurs twice in one dictionary", index.at(offset))
    else:
        scalar = _SCALAR_ALONE.match(text, position)
        if scalar is None:
            raise _broken(text, position, index)
        root, position = _plain(scalar[0]), scalar.end()
    end = _SPACE.match(text, position).end()  # type: ignore[union-attr]
    if end != len(text):
        raise BrokenList("text after the end of the list", index.at(end))
    return root


def _fill(text: str, position: int, root: Any, index: Lines) -> int:  # noqa: C901, PLR0912  # a call per entry costs
    """Read into `root` until its closing bracket; the position after it. A stack, because input chooses the depth."""
    stack: list[tuple[Any, str]] = []
    holder, name = root, ""
    entry, item = _ENTRY.match, _ITEM.match
    while True:
        if holder.__class__ is Table:
            match = entry(text, position)
            if match is None:
                raise _broken(text, position, index)
            key, scalar, _, opener, bare, closer = match.groups()
            position = match.end()
            if closer is None:
                key = _plain(key)
                if key in holder and len(index.doubled) < MOST_DOUBLED:
                    index.doubled.append((key, match.start(1)))
                holder.places[key] = match.start(1)
                if scalar is not None or bare is not None:
                    holder[key] = _plain(scalar) if scalar is not None else key
                    continue
        else:
            match = item(text, position)
            if match is None:
                raise _broken(text, position, index)
            scalar, opener, closer = match.groups()
            position = match.end()
            if scalar is not None:
                holder.append(_plain(scalar))
                continue
            key = ""
        if closer is None:
            if len(stack) >= DEPTH_LIMIT:
                raise BrokenList(f"nested more than {DEPTH_LIMIT} deep", index.at(position))
            stack.append((holder, key))
            holder = Table(index) if opener == "{" else []
            continue
        if not stack:
            return position
        done, (holder, name) = holder, stack.pop()
        if holder.__class__ is Table:
            holder[name] = done
        else:
            holder.append(done)
        after = _AFTER_VALUE[dict if holder.__class__ is Table else list].match(text, position)
        if after is None:
            raise _broken(text, position, index)
        position = after.end()


def _broken(text: str, position: int, index: Lines) -> BrokenList:
    position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
    if started := re.compile(rf"(?:{_QUOTED}|{_WORD}){_GAP}={_GAP}", re.DOTALL).match(text, position):
        position = started.end()
        if value := _SCALAR_ALONE.match(text, position):
            position = _SPACE.match(text, value.end()).end()  # type: ignore[union-attr]
    if position >= len(text):
        return BrokenList("the file ends in the middle of a list: it is truncated", index.at(max(0, len(text) - 1)))
    if text.startswith("/*", position):
        return BrokenList("a comment that is never closed", index.at(position))
    if text[position] in "\"'":
        closing = _SCALAR_ALONE.match(text, position)
        if closing is None:
            return BrokenList("a quoted string that is never closed", index.at(position))
    shown = text[position : position + 24].splitlines()[0]
    return BrokenList(f"unexpected {shown!r}", index.at(position))


def _plain(token: str) -> Any:
    first = token[0]
    if first in "\"'":
        inner = token[1:-1]
        return _ESCAPE.sub(_unescape, inner) if "\\" in inner else inner
    if first == "<" and token[-1] == ">":
        digits = "".join(token[1:-1].split())
        return bytes.fromhex(digits if len(digits) % 2 == 0 else digits + "0")
    return token


def _unescape(match: re.Match[str]) -> str:
    octal, point, other = match.groups()
    if octal:
        return chr(int(octal, 8))
    if point:
        return chr(int(point, 16))
    return _NAMED.get(other, other)


def _parse_json(text: str) -> Table:
    import json

    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise BrokenList("not valid JSON", getattr(fault, "lineno", None)) from fault
    return _table_from(value)


def _parse_converted(data: bytes) -> Table:
    from pipeline.apple.xcode.plists import BrokenPlist
    from pipeline.apple.xcode.plists import parse as parse_plist

    try:
        plist = parse_plist(data)
    except BrokenPlist as fault:
        raise BrokenList(fault.reason, fault.line) from fault
    return _table_from(plist.value)


def _table_from(value: Any) -> Table:
    root = _converted(value)
    if not isinstance(root, Table):
        raise BrokenList("a dictionary is expected at the top", 1)
    return root


def _converted(value: Any) -> Any:
    if isinstance(value, dict):
        table = Table()
        for key, inner in value.items():
            table[str(key)] = _converted(inner)
        return table
    if isinstance(value, list):
        return [_converted(inner) for inner in value]
    if isinstance(value, bool):
        return "YES" if value else "NO"
    return value if isinstance(value, (str, bytes)) else str(value)
