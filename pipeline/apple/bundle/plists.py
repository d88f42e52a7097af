"""Property lists from products: read within bounds of size, depth and number of values."""

from __future__ import annotations

import plistlib
from collections.abc import Mapping
from typing import Any
from xml.parsers.expat import ExpatError

from pipeline.apple.bundle.faults import Excessive, Malformed

MOST_BYTES = 64 * 1024 * 1024
MOST_VALUES = 2_000_000
DEEPEST = 64

_CONTAINERS = {0xA: 1, 0xC: 1, 0xD: 2}
_STRETCHES = {0x4: 1, 0x5: 1, 0x6: 2}


def read_dictionary(data: bytes, what: str = "the property list") -> Mapping[str, Any]:
    """The dictionary at the top of an XML or binary property list; dates are naive UTC, as plistlib gives them.

    Raises:
        Malformed: it is no property list, is too large or too deep, or its top is no dictionary.
    """
    if len(data) > MOST_BYTES:
        raise Excessive(f"{what} is larger than {MOST_BYTES:,} bytes")
    if data.startswith(b"bplist00"):
        _weigh(data, what)
    try:
        value = plistlib.loads(data)
    except (
        plistlib.InvalidFileException,
        ExpatError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as fault:
        raise Malformed(f"{what} cannot be read as a property list") from fault
    if not isinstance(value, dict):
        raise Malformed(f"{what} holds no dictionary at its top")
    _measure(value, what)
    return value


def _weigh(data: bytes, what: str) -> None:
    """Refuse a binary property list whose objects overlap: each may claim the whole file, and the sum explodes."""
    trailer = data[-32:]
    if len(data) < 40:
        raise Malformed(f"{what} is cut short")
    width, count = trailer[6], int.from_bytes(trailer[8:16], "big")
    table = int.from_bytes(trailer[24:32], "big")
    reference = trailer[7]
    if not 1 <= width <= 8 or not 1 <= reference <= 8 or table + count * width > len(data) - 32:
        raise Malformed(f"{what} has a broken object table")
    claimed = 0
    for at in range(table, table + count * width, width):
        offset = int.from_bytes(data[at : at + width], "big")
        claimed += _claim(data, offset, reference)
        if claimed > 2 * len(data):
            raise Malformed(f"{what} has objects that overlap")


def _claim(data: bytes, offset: int, reference: int) -> int:
    if offset >= len(data):
        return 1
    kind, length = data[offset] >> 4, data[offset] & 0x0F
    if kind not in _CONTAINERS and kind not in _STRETCHES:
        return 1
    if length == 0x0F and offset + 1 < len(data):
        size = 1 << (data[offset + 1] & 0x03)
        length = int.from_bytes(data[offset + 2 : offset + 2 + size], "big")
    return 1 + length * (_CONTAINERS[kind] * reference if kind in _CONTAINERS else _STRETCHES[kind])


def _measure(value: object, what: str) -> None:
    """Bound depth and number of values, so that whoever walks the value later ends: binary lists may hold loops."""
    level: list[object] = [value]
    seen = 0
    for _ in range(DEEPEST):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict) and not all(isinstance(key, str) for key in item):
                raise Malformed(f"{what} has a key that is no text")
            inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            seen += len(inner)
            if seen > MOST_VALUES:
                raise Excessive(f"{what} holds more than {MOST_VALUES:,} values")
            below.extend(inner)
        if not below:
            return
        level = below
    raise Malformed(f"{what} is nested deeper than {DEEPEST} levels, or holds itself")
