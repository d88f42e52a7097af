"""Signed entitlements: the same dictionary twice in one signature, as XML and as DER, which must agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.apple.bundle.faults import Malformed

_APPLICATION, _DICTIONARY = 0x70, 0xB0
_BOOLEAN, _INTEGER, _OCTETS, _UTF8, _SEQUENCE, _SET = 0x01, 0x02, 0x04, 0x0C, 0x30, 0x31
DEEPEST = 16


def read_der(data: bytes) -> Mapping[str, Any]:
    """The dictionary of a DER entitlements blob (without its magic and length).

    Shape, as in real signatures: [APPLICATION 16] { INTEGER 1, [16] { SEQUENCE { UTF8String key, value }… } }. Older
    Xcodes (13 was seen) wrote the dictionary alone, as SET { SEQUENCE { UTF8String key, value }… }.

    Raises:
        Malformed: another shape, or lengths that lie.
    """
    tag, start, end = _head(data, 0, len(data))
    if tag == _SET and end == len(data):
        return _dictionary(data, start, end, 0)
    if tag != _APPLICATION or end != len(data):
        raise Malformed("the DER entitlements do not begin as such")
    tag, _, after = _head(data, start, end)
    if tag != _INTEGER:
        raise Malformed("the DER entitlements have no version")
    value, after = _value(data, after, end, 0)
    if after != end or not isinstance(value, dict):
        raise Malformed("the DER entitlements hold no dictionary")
    return value


def _head(data: bytes, at: int, limit: int) -> tuple[int, int, int]:
    """(tag, first byte of the content, byte after the content)."""
    if at + 2 > limit:
        raise Malformed("the DER entitlements are cut short")
    tag, length, start = data[at], data[at + 1], at + 2
    if length >= 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4 or start + width > limit:
            raise Malformed("the DER entitlements have an impossible length")
        length = int.from_bytes(data[start : start + width], "big")
        start += width
    if start + length > limit:
        raise Malformed("the DER entitlements are cut short")
    return tag, start, start + length


def _value(data: bytes, at: int, limit: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise Malformed(f"the DER entitlements are nested deeper than {DEEPEST} levels")
    tag, start, end = _head(data, at, limit)
    content = data[start:end]
    if tag == _BOOLEAN:
        return content != b"\0", end
    if tag == _INTEGER:
        return int.from_bytes(content[:32], "big", signed=True), end
    if tag == _UTF8:
        return content.decode("utf-8", "replace"), end
    if tag == _OCTETS:
        return content, end
    if tag == _SEQUENCE:
        return _list(data, start, end, depth), end
    if tag in (_DICTIONARY, _SET):
        return _dictionary(data, start, end, depth), end
    raise Malformed(f"the DER entitlements hold a value of unknown kind 0x{tag:02x}")


def _list(data: bytes, at: int, end: int, depth: int) -> list[Any]:
    items = []
    while at < end:
        item, at = _value(data, at, end, depth + 1)
        items.append(item)
    return items


def _dictionary(data: bytes, at: int, end: int, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while at < end:
        tag, start, stop = _head(data, at, end)
        if tag != _SEQUENCE:
            raise Malformed("the DER entitlements hold an entry without a key")
        key, after = _value(data, start, stop, depth + 1)
        value, after = _value(data, after, stop, depth + 1)
        if not isinstance(key, str) or after != stop:
            raise Malformed("the DER entitlements hold a malformed entry")
        found[key] = value
        at = stop
    return found
