"""Reads .xcconfig files with everything they include, keeping file and line of each assignment.

Grammar: swift-build, Sources/SWBMacro/MacroConfigFileParser.swift 74-113. `//` always begins a comment, also inside a
value; a line that ends in a backslash goes on.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from pipeline.regular import Outside
from pipeline.values import dataclass

INCLUDE_DEPTH = 32
FILE_LIMIT = 500
"""Files read for one configuration; files that include each other twice would otherwise double without end."""
ASSIGNMENT_LIMIT = 100_000
FLAW_LIMIT = 100
"""What is wrong with a file is told so many times; more of it helps nobody."""

Conditions = tuple[tuple[str, str], ...]
Read = Callable[[str], bytes | None]
"""The bytes of a path relative to the app's root; None when there is no such file."""

_TOO_MANY = f"includes nested more than {INCLUDE_DEPTH} deep, or more than {FILE_LIMIT} of them"
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*+)\s*+((?:\[[^\]\n]*+\]\s*+)*+)(=?)")
_CONDITION = re.compile(r"\[([^=\]]++)=([^\]]*+)\]")
_INCLUDE = re.compile(r'#\s*+include(\??)\s++"([^"]*+)"\s*+;?\s*+$')
_LINE = re.compile("\r\n|\n|\r|\u2028|\u2029")


@dataclass(frozen=True)
class Assignment:
    """One `KEY[sdk=…] = value`. `line` is None for values that come from no file."""

    key: str
    conditions: Conditions
    value: str
    path: str
    line: int | None


@dataclass(frozen=True)
class Flaw:
    """Something in a configuration file that Xcode would stumble over. `missing` names a file that is not there.

    `missing` also names one that is there and was not read, itself or for the most part.
    `optional` names one that need not be there (`#include?`), and is not: no fault, but it might have set something.
    `after` is how many assignments stand before what was not read, and would lose against it.
    """

    text: str
    path: str
    line: int | None
    missing: str = ""
    optional: str = ""
    after: int = 0
    outside: bool = False
    """Whether it lies outside of the checkout, where nobody looks: what is wrong, if anything, is not known."""

    @property
    def kind(self) -> str:
        """The kind of Problem that it is."""
        if self.outside:
            return "outside"
        if self.missing and self.missing != self.path:
            return "missing-base"
        return "optional-base" if self.optional else "syntax"


def split_key(key: str) -> tuple[str, Conditions] | None:
    """`KEY[sdk=iphoneos*][arch=arm64]` as its name and conditions; None when it is no such key."""
    if "[" not in key:
        return key, ()
    match = _NAME.match(key)
    if match is None or match.end() != len(key):
        return None
    return match[1], tuple((param.strip(), pattern.strip()) for param, pattern in _CONDITION.findall(match[2]))


def load(path: str, read: Read) -> tuple[tuple[Assignment, ...], tuple[Flaw, ...]]:
    """All assignments of a file and its includes, in the order in which they take effect, and what is wrong."""
    loader = _Loader(read)
    if not loader.load(path, ()):
        loader.miss(path)
    return tuple(loader.assignments), tuple(loader.flaws)


_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16 (little-endian)",
    b"\xfe\xff": "UTF-16 (big-endian)",
}


def _encoding(data: bytes) -> str:
    """What a file is that holds no UTF-8 text as a whole, of which every line would be told; "" for text."""
    told = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    if told or b"\0" not in data:
        return told
    halves = data[1::2].count(0), data[::2].count(0)
    if max(halves) * 3 > len(data):
        return "UTF-16 (little-endian)" if halves[0] > halves[1] else "UTF-16 (big-endian)"
    return "no text"


class _Loader:
    def __init__(self, read: Read) -> None:
        self._read = read
        self._files = 0
        self.assignments: list[Assignment] = []
        self.flaws: list[Flaw] = []

    def load(self, path: str, within: tuple[str, ...], at: int | None = None, *, optional: bool = False) -> bool:
        """Whether there was such a file. `at` is the line that includes it, and `optional` says that it need not be."""
        self._files += 1
        try:
            data = self._read(path)
        except Outside:
            text = f"{path} lies outside of the checkout, and is not read"
            named = ("", path) if optional else (path, "")
            self._flaw(text, within[-1] if within else path, at, *named, outside=True)
            return True
        except (OSError, ValueError) as fault:
            self._flaw(f"cannot be read: {fault}", path, None, missing=path)
            return True
        if data is None:
            return False
        if encoding := _encoding(data):
            self._flaw(f"it is {encoding}, and Xcode reads UTF-8", path, 1, missing=path)
            return True
        text = data.decode("utf-8-sig", "replace")
        if "\ufffd" in text:
            self._flaw("not UTF-8 text", path, text.count("\n", 0, text.index("\ufffd")) + 1)
        kept: list[str] = []
        first = 0
        for count, raw in enumerate(_LINE.split(text), 1):
            line = (raw if "//" not in raw else raw[: raw.index("//")]).strip()
            first = first if kept else count
            if line.endswith("\\"):
                kept.append(line[:-1].rstrip())
                continue
            self._line(" ".join((*kept, line)).strip() if kept else line, path, first, within)
            kept = []
            if len(self.assignments) > ASSIGNMENT_LIMIT:
                self._flaw(f"more than {ASSIGNMENT_LIMIT:,} settings", path, count)
                return True
        if kept:
            self._line(" ".join(kept).strip(), path, first, within)
        return True

    def miss(self, path: str) -> None:
        """Say that there is no such file, though something refers to it: a link that leads nowhere."""
        self._flaw(f"{path} is not there", path, None, missing=path)

    def _flaw(
        self,
        text: str,
        path: str,
        line: int | None,
        missing: str = "",
        optional: str = "",
        *,
        outside: bool = False,
    ) -> None:
        if len(self.flaws) < FLAW_LIMIT or missing or optional:
            self.flaws.append(Flaw(text, path, line, missing, optional, len(self.assignments), outside))

    def _line(self, line: str, path: str, number: int, within: tuple[str, ...]) -> None:
        if not line or len(self.assignments) > ASSIGNMENT_LIMIT:
            return
        if line[0] == "#":
            self._include(line, path, number, within)
            return
        match = _NAME.match(line)
        if match is None or not match[3]:
            text = "unresolved merge conflict" if line[:7] in ("<<<<<<<", "=======", ">>>>>>>") else "not an assignment"
            self._flaw(f"{text}: {line[:40]!r}", path, number)
            return
        conditions = tuple((param.strip(), pattern.strip()) for param, pattern in _CONDITION.findall(match[2]))
        value = line[match.end() :].strip()
        if value.endswith(";"):
            value = value[:-1].rstrip()
        self.assignments.append(Assignment(match[1], conditions, value, path, number))

    def _include(self, line: str, path: str, number: int, within: tuple[str, ...]) -> None:
        match = _INCLUDE.match(line)
        if match is None:
            self._flaw(f"not an #include of a quoted file: {line[:40]!r}", path, number)
            return
        optional, name = match.groups()
        if name.startswith("<"):
            # <DEVELOPER_DIR>/… lies inside Xcode, which is not on this machine.
            return
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if target == path or target in within:
            self._flaw(f"includes itself by way of {name}", path, number)
        elif len(within) >= INCLUDE_DEPTH or self._files >= FILE_LIMIT:
            if not self.flaws or self.flaws[-1].text != _TOO_MANY:
                self._flaw(_TOO_MANY, path, number)
        elif not self.load(target, (*within, path), number, optional=bool(optional)):
            text = f"includes {name}, which is not there"
            self._flaw(text, path, number, "" if optional else target, target if optional else "")
