"""Reads property lists and remembers where each key stands, so that a finding can point at the line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any
from xml.parsers import expat

from pipeline.apple.xcode.pbxproj import BrokenList, Table, parse_value
from pipeline.values import dataclass

KeyPath = tuple[str | int, ...]

DEPTH_LIMIT = 128
SIZE_LIMIT = 64 * 1024 * 1024


class BrokenPlist(ValueError):  # reads as what happened
    """A property list that cannot be read. `line` counts from 1; None where the format has no lines."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class Plist:
    """A property list. `lines` maps key paths such as ("UIBackgroundModes", 0) to the line of a plain value, or of
    the key of a dictionary or array.
    """

    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    duplicates: tuple[tuple[KeyPath, int], ...] = ()


def parse(data: bytes) -> Plist:
    """An XML, binary or OpenStep property list.

    Raises:
        BrokenPlist: truncated, malformed, entity definitions, nested too deeply, or not a property list at all.

    """
    if len(data) > SIZE_LIMIT:
        raise BrokenPlist(f"larger than {SIZE_LIMIT:,} bytes")
    if data.startswith(b"bplist0"):
        return _parse_binary(data)
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        raise BrokenPlist("the file is empty")
    if head.startswith(b"<") and not _opens_data(head):
        return _XmlReader(data).plist
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _XmlReader(data).plist
    return _parse_openstep(data)


def _opens_data(head: bytes) -> bool:
    return not head[1 : head.find(b">")].strip(b"0123456789abcdefABCDEF \t\r\n")


def _parse_binary(data: bytes) -> Plist:
    import plistlib

    try:
        return Plist(plistlib.loads(data, fmt=plistlib.FMT_BINARY))
    except (plistlib.InvalidFileException, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as fault:
        raise BrokenPlist("a binary property list that is damaged") from fault


def _parse_openstep(data: bytes) -> Plist:
    try:
        value = parse_value(data.decode("utf-8-sig"))
    except UnicodeDecodeError as fault:
        raise BrokenPlist("not a property list: neither XML, binary nor text") from fault
    except BrokenList as fault:
        raise BrokenPlist(fault.reason, fault.line) from fault
    lines: dict[KeyPath, int] = {}
    _note_lines(value, (), lines)
    return Plist(value, lines)


def _note_lines(value: Any, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    if isinstance(value, Table):
        for key, inner in value.items():
            line = value.line(key)
            if line is not None:
                lines[*path, key] = line
            _note_lines(inner, (*path, key), lines)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _note_lines(inner, (*path, position), lines)


_CONTAINERS = frozenset({"dict", "array"})
_LEAVES = frozenset({"string", "integer", "real", "true", "false", "date", "data", "key"})


class _XmlReader:
    """Expat events to values. Expat itself never fetches anything; entity definitions are refused outright."""

    def __init__(self, data: bytes) -> None:
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        self._stack: list[tuple[Any, KeyPath]] = []
        self._key: str | None = None
        self._leaf = ""
        self._text: list[str] = []
        self._root: list[Any] = []
        self._lines: dict[KeyPath, int] = {}
        self._duplicates: list[tuple[KeyPath, int]] = []
        try:
            parser.Parse(data, True)  # noqa: FBT003  # expat takes it by position only
        except expat.ExpatError as fault:
            raise BrokenPlist(f"not well-formed XML: {expat.ErrorString(fault.code)}", fault.lineno) from fault
        except (LookupError, UnicodeError) as fault:
            raise BrokenPlist("an encoding that XML readers do not know", 1) from fault
        finally:
            # The handlers hold this reader and the parser holds the handlers: without this, nothing is freed.
            parser.StartElementHandler = parser.EndElementHandler = None
            parser.CharacterDataHandler = parser.EntityDeclHandler = None
        if not self._root:
            raise BrokenPlist("no value inside <plist>", 1)

    @property
    def plist(self) -> Plist:
        return Plist(self._root[0], self._lines, tuple(self._duplicates))

    def _fail(self, reason: str) -> BrokenPlist:
        return BrokenPlist(reason, self._parser.CurrentLineNumber)

    def _entity(self, *_: object) -> None:
        raise self._fail("defines XML entities, which property lists never need")

    def _path(self) -> KeyPath:
        if not self._stack:
            return ()
        holder, path = self._stack[-1]
        return (*path, self._key or "") if isinstance(holder, dict) else (*path, len(holder))

    def _start(self, tag: str, _: object) -> None:
        if self._leaf:
            raise self._fail(f"<{tag}> inside <{self._leaf}>")
        if tag == "plist":
            return
        if tag == "key":
            if not self._stack or not isinstance(self._stack[-1][0], dict):
                raise self._fail("<key> outside a <dict>")
            if self._key is not None:
                raise self._fail(f"the key {self._key!r} has no value")
            self._leaf, self._text = tag, []
            return
        if tag not in _CONTAINERS and tag not in _LEAVES:
            raise self._fail(f"<{tag}> is not an element of a property list")
        if self._stack and self._key is None and isinstance(self._stack[-1][0], dict):
            raise self._fail(f"<{tag}> without a <key> before it")
        if tag in _LEAVES:
            self._leaf, self._text = tag, []
            # A plain value is pointed at itself, a dictionary or array by its key: that is the line a person changes.
            self._lines[self._path()] = self._parser.CurrentLineNumber
            return
        if len(self._stack) >= DEPTH_LIMIT:
            raise self._fail(f"nested more than {DEPTH_LIMIT} deep")
        path = self._path()
        self._lines.setdefault(path, self._parser.CurrentLineNumber)
        value: Any = {} if tag == "dict" else []
        self._put(value)
        self._stack.append((value, path))

    def _end(self, tag: str) -> None:
        if tag == "key":
            self._leaf, key = "", "".join(self._text)
            holder, path = self._stack[-1]
            if key in holder:
                self._duplicates.append(((*path, key), self._parser.CurrentLineNumber))
            self._lines[*path, key] = self._parser.CurrentLineNumber
            self._key = key
        elif tag in _LEAVES:
            self._leaf = ""
            self._put(self._value(tag, "".join(self._text)))
        elif tag in _CONTAINERS:
            if self._key is not None:
                raise self._fail(f"the key {self._key!r} has no value")
            self._stack.pop()

    def _characters(self, text: str) -> None:
        if self._leaf:
            self._text.append(text)
        elif not text.isspace():
            raise self._fail(f"stray text {text.strip()[:24]!r}")

    def _put(self, value: Any) -> None:
        if not self._stack:
            if self._root:
                raise self._fail("more than one value inside <plist>")
            self._root.append(value)
            return
        holder = self._stack[-1][0]
        if isinstance(holder, dict):
            holder[self._key] = value
            self._key = None
        else:
            holder.append(value)

    def _value(self, tag: str, text: str) -> Any:
        if tag in ("true", "false"):
            return tag == "true"
        if tag == "string":
            return text
        try:
            return _CONVERTERS[tag](text.strip())
        except ValueError as fault:
            raise self._fail(f"<{tag}> with {text.strip()[:24]!r}") from fault


def _integer(text: str) -> int:
    if len(text) > 64:
        raise ValueError(text[:64])
    return int(text, 16) if text.lower().lstrip("+-").startswith("0x") else int(text)


def _data(text: str) -> bytes:
    from binascii import a2b_base64

    return a2b_base64(text)


def _date(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


_CONVERTERS: dict[str, Callable[[str], Any]] = {"integer": _integer, "real": float, "data": _data, "date": _date}
