"""Reads binary property lists, whose objects may point anywhere: at each other, at themselves, at the same bytes.

Layout: CFBinaryPList.c of CoreFoundation: a header, objects, a table of their offsets, a trailer of 32 bytes.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.apple.xcode.plists import DEPTH_LIMIT, MOST_DUPLICATES, MOST_VALUES, BrokenPlist, KeyPath

_TRAILER = 32
_HEADER = 8
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_FALSE, _TRUE, _DATE = 0x08, 0x09, 0x33
_INTEGER, _REAL, _OCTETS, _ASCII, _UTF16, _UID, _ARRAY, _DICTIONARY = 0x1, 0x2, 0x4, 0x5, 0x6, 0x8, 0xA, 0xD
_REALS = {2: ">f", 3: ">d"}
_WIDEST_INTEGER = 4
"""As a power of two: 16 octets."""
_SIGNED_FROM = 8
"""Octets: shorter integers have no sign."""


def read_binary(data: bytes) -> tuple[Any, list[KeyPath]]:
    """The value of a binary property list, and the paths of keys that a dictionary has twice.

    Dates are aware, in UTC; the references of keyed archives are dictionaries, as in XML: {"CF$UID": 5}.

    Raises:
        BrokenPlist: lengths and offsets that lie, objects that overlap or hold themselves, too many or too deep ones.
    """
    if len(data) < _HEADER + _TRAILER:
        raise BrokenPlist("a binary property list that is damaged: it is cut short")
    reader = _Reader(data)
    try:
        value = reader.value(reader.top, 0, ())[0]
    except (ValueError, OverflowError, struct.error) as fault:
        if isinstance(fault, BrokenPlist):
            raise
        raise BrokenPlist("a binary property list that is damaged: a value is none of its kind") from fault
    return value, reader.duplicates


class _Reader:
    """One list while it is being read. Each object is read once; what it weighs counts wherever it is used."""

    def __init__(self, data: bytes) -> None:
        trailer = data[-_TRAILER:]
        self._data = data
        self._offset_width, self._width = trailer[6], trailer[7]
        self._count, self.top, self._table = struct.unpack_from(">QQQ", trailer, 8)
        self._end = len(data) - _TRAILER
        if not (1 <= self._offset_width <= 8 and 1 <= self._width <= 8) or (
            self._table < _HEADER or self._table + self._count * self._offset_width > self._end
        ):
            raise BrokenPlist("a binary property list that is damaged: its table of objects is broken")
        self._left = 2 * len(data)
        self._read: dict[int, tuple[Any, int, int] | None] = {}
        self.duplicates: list[KeyPath] = []

    def value(self, number: int, depth: int, path: KeyPath) -> tuple[Any, int, int]:
        """An object, how many values it holds, itself included, and how deep it is."""
        if number in self._read:
            known = self._read[number]
            if known is None:
                raise BrokenPlist("a binary property list that holds itself")
            if depth + known[2] > DEPTH_LIMIT:
                raise BrokenPlist(f"nested more than {DEPTH_LIMIT} deep")
            return known
        if depth > DEPTH_LIMIT:
            raise BrokenPlist(f"nested more than {DEPTH_LIMIT} deep")
        self._read[number] = None
        at = self._offset(number)
        marker = self._data[at]
        kind, low = marker >> 4, marker & 0x0F
        if kind in (_ARRAY, _DICTIONARY):
            told = self._container(kind, *self._length(at, low), depth, path)
        else:
            told = (self._plain(marker, kind, low, at), 1, 0)
        self._read[number] = told
        return told

    def _offset(self, number: int) -> int:
        if number >= self._count:
            raise BrokenPlist("a binary property list that is damaged: it refers to an object that it does not have")
        start = self._table + number * self._offset_width
        offset = int.from_bytes(self._data[start : start + self._offset_width], "big")
        if not _HEADER <= offset < self._table:
            raise BrokenPlist("a binary property list that is damaged: an object lies outside it")
        return offset

    def _take(self, start: int, length: int) -> bytes:
        self._left -= length
        if start + length > self._table:
            raise BrokenPlist("a binary property list that is damaged: an object lies outside it")
        if self._left < 0:
            raise BrokenPlist("a binary property list that is damaged: its objects overlap")
        return self._data[start : start + length]

    def _length(self, at: int, low: int) -> tuple[int, int]:
        """Where the content begins, and how long it is."""
        if low != 0x0F:
            return at + 1, low
        marker = self._take(at + 1, 1)[0]
        if marker >> 4 != _INTEGER or marker & 0x0F > 3:
            raise BrokenPlist("a binary property list that is damaged: a length is no number")
        width = 1 << (marker & 0x0F)
        return at + 2 + width, int.from_bytes(self._take(at + 2, width), "big")

    def _plain(self, marker: int, kind: int, low: int, at: int) -> Any:
        if marker in (_FALSE, _TRUE):
            return marker == _TRUE
        if marker == _DATE:
            return _EPOCH + timedelta(seconds=struct.unpack(">d", self._take(at + 1, 8))[0])
        if kind == _INTEGER and low <= _WIDEST_INTEGER:
            width = 1 << low
            return int.from_bytes(self._take(at + 1, width), "big", signed=width >= _SIGNED_FROM)
        if kind == _REAL and low in _REALS:
            return struct.unpack(_REALS[low], self._take(at + 1, 1 << low))[0]
        if kind == _UID:
            return {"CF$UID": int.from_bytes(self._take(at + 1, low + 1), "big")}
        if kind in (_OCTETS, _ASCII, _UTF16):
            start, length = self._length(at, low)
            if kind == _UTF16:
                return self._take(start, 2 * length).decode("utf-16-be")
            content = self._take(start, length)
            return content.decode("ascii") if kind == _ASCII else content
        raise BrokenPlist(f"a binary property list that is damaged: an object is of unknown kind 0x{marker:02x}")

    def _container(self, kind: int, start: int, length: int, depth: int, path: KeyPath) -> tuple[Any, int, int]:
        width = self._width
        packed = self._take(start, (2 if kind == _DICTIONARY else 1) * length * width)
        numbers = [int.from_bytes(packed[at : at + width], "big") for at in range(0, len(packed), width)]
        names = [self._name(number) for number in numbers[:length]] if kind == _DICTIONARY else []
        values: list[Any] = []
        weight, deepest = 1, 0
        for place, number in enumerate(numbers[len(names) :]):
            key = names[place] if kind == _DICTIONARY else place
            inner, inside, below = self.value(number, depth + 1, (*path, key))
            values.append(inner)
            weight += inside
            deepest = max(deepest, below + 1)
            if weight > MOST_VALUES:
                raise BrokenPlist(f"more than {MOST_VALUES:,} values")
        if kind == _ARRAY:
            return values, weight, deepest
        found: dict[str, Any] = {}
        for name, inner in zip(names, values, strict=True):
            if name in found and len(self.duplicates) < MOST_DUPLICATES:
                self.duplicates.append((*path, name))
            found[name] = inner
        return found, weight, deepest

    def _name(self, number: int) -> str:
        name = self.value(number, 0, ())[0]
        if not isinstance(name, str):
            raise BrokenPlist("a binary property list that has a key that is no text")
        return name
