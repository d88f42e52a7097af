"""Writes DER (ITU-T X.690) by hand, because a rehearsal signs a lot and a general ASN.1 library is slow at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

NULL = b"\x05\x00"


def tlv(tag: int, *contents: bytes) -> bytes:
    """One element: identifier octet, definite length, contents."""
    body = b"".join(contents)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def sequence(*contents: bytes) -> bytes:
    """SEQUENCE."""
    return tlv(0x30, *contents)


def set_of(elements: Iterable[bytes], tag: int = 0x31) -> bytes:
    """SET OF, sorted as DER demands."""
    return tlv(tag, *sorted(elements))


def integer(value: int) -> bytes:
    """INTEGER."""
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return tlv(0x04, value)


def utf8(value: str) -> bytes:
    """UTF8String."""
    return tlv(0x0C, value.encode())


def oid_contents(dotted: str) -> bytes:
    """The contents octets of an OBJECT IDENTIFIER, as code requirements hold them too."""
    arcs = [int(arc) for arc in dotted.split(".")]
    out = bytearray()
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        groups = [arc & 0x7F]
        rest = arc >> 7
        while rest:
            groups.append(0x80 | rest & 0x7F)
            rest >>= 7
        out += bytes(reversed(groups))
    return bytes(out)


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    return tlv(0x06, oid_contents(dotted))


def utc_time(moment: datetime) -> bytes:
    """UTCTime, to the second; `moment` is aware and in UTC, before 2050."""
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def plist_value(value: object) -> bytes:
    """A property-list value as code signing writes it in DER: see `dictionary`.

    Raises:
        TypeError: for data, dates and reals, which no entitlement holds.
    """
    if isinstance(value, bool):
        return tlv(0x01, b"\xff" if value else b"\x00")
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, (list, tuple)):
        return sequence(*(plist_value(item) for item in value))
    if isinstance(value, dict):
        return dictionary(value)
    raise TypeError(f"{type(value).__name__} cannot be an entitlement's value")


def dictionary(values: Mapping[str, object]) -> bytes:
    """[16] { SEQUENCE { UTF8String, value } … }, sorted by key: Apple's DER dictionaries (libCoreEntitlements)."""
    return tlv(0xB0, *(sequence(utf8(key), plist_value(values[key])) for key in sorted(values)))


def entitlements(values: Mapping[str, object]) -> bytes:
    """[APPLICATION 16] { INTEGER 1, dictionary }: the contents of the signature's slot 7."""
    return tlv(0x70, integer(1), dictionary(values))
