"""Reads property lists of every kind and remembers where each key stands, so that a finding can point at the line.

Parsers disagree on what is odd, so what is odd is told: keys that are given twice, entities, dates that are none.
Apple's formats: CFPropertyList.c, CFBinaryPList.c and CFOldStylePList.c of CoreFoundation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any
from xml.parsers import expat

from pipeline.values import dataclass

KeyPath = tuple[str | int, ...]

DEPTH_LIMIT = 64
SIZE_LIMIT = 64 * 1024 * 1024
OPENSTEP_LIMIT = 16 * 1024 * 1024
MOST_VALUES = 2_000_000
MOST_LINES = 100_000
"""Lines are kept for so many values; who reads a list by eye has fewer."""
MOST_DUPLICATES = 100

XML, BINARY, OPENSTEP = "XML", "binary", "OpenStep"


class BrokenPlist(ValueError):  # reads as what happened
    """A property list that cannot be read. `line` counts from 1; None where the format has no lines."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True)
class Plist:
    """A property list.

    Attributes:
        value: dict, list, str, bytes, bool, int, float, or datetime (aware, UTC).
        lines: key paths such as ("UIBackgroundModes", 0) to the line of a plain value, or of the key of a dictionary
            or array; empty where nobody asked for lines, and in binary lists.
        duplicates: keys that a dictionary has twice, of which the last one counts, and their lines.
        form: XML, BINARY or OPENSTEP.
    """

    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    duplicates: tuple[tuple[KeyPath, int | None], ...] = ()
    form: str = XML


def parse(data: bytes, *, lined: bool = True) -> Plist:
    """An XML, binary or OpenStep property list; text in UTF-8, UTF-16, or what an XML declaration says.

    Raises:
        BrokenPlist: truncated, malformed, entity definitions, too large or nested too deeply, or not a property list
            at all.

    """
    if len(data) > SIZE_LIMIT:
        raise BrokenPlist(f"larger than {SIZE_LIMIT:,} bytes")
    if data.startswith(b"bplist0"):
        from pipeline.apple.xcode.bplists import read_binary

        value, duplicates = read_binary(data)
        return Plist(value, {}, tuple((path, None) for path in duplicates), BINARY)
    if _is_xml(data):
        return _XmlReader(data, lined=lined).plist
    return _parse_openstep(data, lined=lined)


def _is_xml(data: bytes) -> bool:
    head = data[:512]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        raise BrokenPlist("the file is empty")
    # UTF-16 without a byte order mark is told by the zeros around its first character.
    return head.startswith(b"\0<") or (head.startswith(b"<") and not _opens_data(head))


def _opens_data(head: bytes) -> bool:
    return not head[1 : head.find(b">")].strip(b"0123456789abcdefABCDEF \t\r\n")


def _parse_openstep(data: bytes, *, lined: bool) -> Plist:
    from pipeline.apple.xcode.pbxproj import BrokenList, parse_value

    if len(data) > OPENSTEP_LIMIT:
        raise BrokenPlist(f"larger than {OPENSTEP_LIMIT:,} bytes")
    try:
        value = parse_value(data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"))
    except UnicodeDecodeError as fault:
        raise BrokenPlist("not a property list: neither XML, binary nor text") from fault
    except BrokenList as fault:
        raise BrokenPlist(fault.reason, fault.line) from fault
    lines: dict[KeyPath, int] = {}
    if lined:
        _note_lines(value, (), lines)
    return Plist(value, lines, (), OPENSTEP)


def _note_lines(value: Any, path: KeyPath, lines: dict[KeyPath, int]) -> None:
    if len(lines) >= MOST_LINES:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            line = value.line(key)  # type: ignore[attr-defined]  # a Table, which knows its lines
            if line is not None:
                lines[*path, key] = line
            _note_lines(inner, (*path, key), lines)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _note_lines(inner, (*path, position), lines)


_CONTAINERS = frozenset({"dict", "array"})
_LEAVES = frozenset({"string", "integer", "real", "true", "false", "date", "data"})


class _XmlReader:
    """Expat events to values. Expat itself never fetches anything; entity definitions are refused outright."""

    def __init__(self, data: bytes, *, lined: bool) -> None:
        self._parser = parser = expat.ParserCreate()
        self._lined = lined
        self._text: list[str] = []
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.EntityDeclHandler = self._entity
        # An entity that only a DTD elsewhere could define is passed over in silence otherwise.
        parser.SkippedEntityHandler = self._entity
        self._stack: list[tuple[Any, KeyPath]] = []
        self._holder: Any = None
        self._in_dict = False
        self._path: KeyPath = ()
        self._key: str | None = None
        self._leaf = ""
        self._count = 0
        self._root: list[Any] = []
        self._lines: dict[KeyPath, int] = {}
        self._duplicates: list[tuple[KeyPath, int | None]] = []
        try:
            parser.Parse(data, True)  # noqa: FBT003  # expat takes it by position only
        except expat.ExpatError as fault:
            raise BrokenPlist(f"not well-formed XML: {expat.ErrorString(fault.code)}", fault.lineno) from fault
        except BrokenPlist:
            raise
        except (LookupError, ValueError, TypeError) as fault:
            raise BrokenPlist("an encoding that XML readers do not know", 1) from fault
        finally:
            # The handlers hold this reader and the parser holds the handlers: without this, nothing is freed.
            parser.StartElementHandler = parser.EndElementHandler = None
            parser.CharacterDataHandler = parser.EntityDeclHandler = parser.SkippedEntityHandler = None
        if not self._root:
            raise BrokenPlist("no value inside <plist>", 1)

    @property
    def plist(self) -> Plist:
        return Plist(self._root[0], self._lines, tuple(self._duplicates), XML)

    def _fail(self, reason: str) -> BrokenPlist:
        return BrokenPlist(reason, self._parser.CurrentLineNumber)

    def _entity(self, *_: object) -> None:
        raise self._fail("defines or uses XML entities, which property lists never need")

    def _place(self) -> KeyPath:
        """The path of the value that comes next."""
        if self._holder is None:
            return ()
        return (*self._path, self._key or "" if self._in_dict else len(self._holder))

    def _between(self) -> None:
        """Between elements there may be space alone."""
        text = "".join(self._text).strip()
        self._text.clear()
        if text:
            raise self._fail(f"stray text {text[:24]!r}")

    def _start(self, tag: str, _: object) -> None:
        if self._leaf:
            raise self._fail(f"<{tag[:24]}> inside <{self._leaf}>")
        if self._text:
            self._between()
        if tag == "key":
            self._begin_key()
            return
        if tag not in _LEAVES and tag not in _CONTAINERS:
            if tag != "plist":
                raise self._fail(f"<{tag[:24]}> is not an element of a property list")
            return
        if self._in_dict and self._key is None:
            raise self._fail(f"<{tag}> without a <key> before it")
        self._count += 1
        if self._count > MOST_VALUES:
            raise self._fail(f"more than {MOST_VALUES:,} values")
        if tag in _CONTAINERS:
            self._open({} if tag == "dict" else [])
            return
        self._leaf = tag
        # A plain value is pointed at itself, a dictionary or array by its key: that is the line a person changes.
        if self._lined and self._count < MOST_LINES:
            self._lines[self._place()] = self._parser.CurrentLineNumber

    def _begin_key(self) -> None:
        if not self._in_dict:
            raise self._fail("<key> outside a <dict>")
        if self._key is not None:
            raise self._fail(f"the key {self._key[:64]!r} has no value")
        self._leaf = "key"

    def _open(self, value: Any) -> None:
        if len(self._stack) >= DEPTH_LIMIT:
            raise self._fail(f"nested more than {DEPTH_LIMIT} deep")
        path = self._place()
        if self._lined and self._count < MOST_LINES:
            self._lines.setdefault(path, self._parser.CurrentLineNumber)
        self._put(value)
        self._stack.append((self._holder, self._path))
        self._holder, self._path, self._in_dict = value, path, value.__class__ is dict

    def _end(self, tag: str) -> None:
        if self._leaf:
            self._leaf = ""
            text = "".join(self._text)
            self._text.clear()
            if tag == "key":
                self._end_key(text)
            else:
                self._put(text if tag == "string" else self._value(tag, text))
            return
        if self._text:
            self._between()
        if tag in _CONTAINERS:
            if self._key is not None:
                raise self._fail(f"the key {self._key[:64]!r} has no value")
            self._holder, self._path = self._stack.pop()
            self._in_dict = self._holder.__class__ is dict

    def _end_key(self, key: str) -> None:
        self._key = key
        if key in self._holder and len(self._duplicates) < MOST_DUPLICATES:
            self._duplicates.append(((*self._path, key), self._parser.CurrentLineNumber))
        if self._lined and self._count < MOST_LINES:
            self._lines[*self._path, key] = self._parser.CurrentLineNumber

    def _put(self, value: Any) -> None:
        if self._in_dict:
            self._holder[self._key] = value
            self._key = None
        elif self._holder is not None:
            self._holder.append(value)
        elif self._root:
            raise self._fail("more than one value inside <plist>")
        else:
            self._root.append(value)

    def _value(self, tag: str, text: str) -> Any:
        try:
            return _CONVERTERS[tag](text.strip())
        except ValueError as fault:
            raise self._fail(f"<{tag}> with {text.strip()[:24]!r}") from fault


_SHAPE = "YYYY-MM-DDTHH:MM:SSZ"
_LONGEST_NUMBER = 64


def _integer(text: str) -> int:
    if not _plain(text):
        raise ValueError(text[:24])
    return int(text, 16) if text.lower().lstrip("+-").startswith("0x") else int(text)


def _real(text: str) -> float:
    if not _plain(text):
        raise ValueError(text[:24])
    return float(text)


def _plain(number: str) -> bool:
    """Whether it is written as Apple writes numbers: Python takes underscores and the digits of every script."""
    return len(number) <= _LONGEST_NUMBER and number.isascii() and "_" not in number


def _data(text: str) -> bytes:
    from binascii import a2b_base64

    return a2b_base64(text)


def _date(text: str) -> Any:
    from datetime import datetime

    if len(text) != len(_SHAPE) or text[4] + text[7] + text[10] + text[19] != "--TZ" or not text.isascii():
        raise ValueError(text[:24])
    return datetime.fromisoformat(text)


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "true": lambda _: True,
    "false": lambda _: False,
    "integer": _integer,
    "real": _real,
    "data": _data,
    "date": _date,
}
