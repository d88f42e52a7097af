"""ASN.1 as it lies in certificates, profiles and signatures, byte for byte: elements, times, and a certificate's shape.

Signatures are made over exact bytes, and chains are joined by exact names (RFC 5280, 4.1.2.6), so neither may pass
through a parser that builds them anew.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from pipeline.apple.signing.faults import SigningFault
from pipeline.values import dataclass

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
NUMERIC_STRING = 0x12
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0
CONSTRUCTED_OCTET_STRING = 0x24
_TEXTS = {
    UTF8_STRING: "utf-8",
    NUMERIC_STRING: "ascii",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_MOST_KEPT = 8 * 1024
"""Bytes of a certificate that may be remembered; Apple's have less than 2 KB."""
_LONG_FORM = 0x80
_TWO_OCTETS = 2 | _LONG_FORM
"""How a length of 128 to 65,535 octets begins."""
_LONG_TAG = 0x1F
_new = tuple.__new__
"""Makes a named tuple without its slower constructor: a profile has hundreds of elements."""
_MOST_LENGTH_OCTETS = 4
_LONGEST_SERIAL = 64
"""Octets; RFC 5280 allows 20, and Python writes no number of thousands of digits."""
_DEEPEST = 16
_ZULU = ord("Z")
_PIVOT = b"50"
"""Two-digit years from here on are of the 20th century (RFC 5280, 4.1.2.5.1)."""


class Element(NamedTuple):
    """One element inside `data`: it starts at `start`, its content at `content`, and the content ends before `end`.

    `after` is where the next element starts: the same as `end`, but for BER's indefinite lengths.
    """

    data: bytes
    tag: int
    start: int
    content: int
    end: int
    after: int

    @property
    def whole(self) -> bytes:
        """Tag, length and content."""
        return self.data[self.start : self.after]

    @property
    def value(self) -> bytes:
        """The content."""
        return self.data[self.content : self.end]


def element(data: bytes, start: int = 0, end: int | None = None, *, ber: bool = False) -> Element:
    """The element at `start`; with `ber` its length may be indefinite (X.690, 8.1.3.6), as `codesign` writes it.

    Raises:
        SigningFault: it does not fit before `end`, or is of a form that neither certificates nor signatures have.
    """
    return _element(data, start, len(data) if end is None else end, _DEEPEST if ber else 0)


def _element(data: bytes, start: int, limit: int, depth: int) -> Element:
    """As `element`; `depth` is how many indefinite lengths may lie in each other."""
    content = start + 2
    if content > limit:
        raise SigningFault("The data ends in the middle of an ASN.1 element", why=f"at byte {start}")
    tag, length = data[start], data[start + 1]
    if tag & _LONG_TAG == _LONG_TAG:
        raise SigningFault("An ASN.1 element has a tag that is not used here", why=f"at byte {start}")
    if length >= _LONG_FORM:
        if length == _LONG_FORM and depth:
            end = _end_of_contents(data, content, limit, depth - 1)
            return Element(data, tag, start, content, end, end + 2)
        octets = length & ~_LONG_FORM
        if not 1 <= octets <= _MOST_LENGTH_OCTETS or content + octets > limit:
            raise SigningFault("An ASN.1 element has no definite length", why=f"at byte {start}")
        length = int.from_bytes(data[content : content + octets], "big")
        content += octets
    end = content + length
    if end > limit:
        raise SigningFault("An ASN.1 element is longer than the data", why=f"at byte {start}")
    return _new(Element, (data, tag, start, content, end, end))


def bounds(data: bytes, start: int, limit: int) -> tuple[int, int, int]:
    """The tag of the element at `start`, where its content begins and where it ends; lengths are definite.

    Raises:
        SigningFault: as `element`.
    """
    if start + 2 <= limit and (length := data[start + 1]) < _LONG_FORM and data[start] & _LONG_TAG != _LONG_TAG:
        end = start + 2 + length
        if end <= limit:
            return data[start], start + 2, end
    _, tag, _, content, end, _ = _element(data, start, limit, 0)
    return tag, content, end


def _end_of_contents(data: bytes, position: int, limit: int, depth: int) -> int:
    while data[position : position + 2] != b"\0\0":
        position = _element(data, position, limit, depth).after
    if position + 2 > limit:
        raise SigningFault("An ASN.1 element has no end", why=f"at byte {position}")
    return position


def children(parent: Element, most: int = 16, *, ber: bool = False) -> list[Element]:
    """The elements inside a constructed one, at most `most` of them."""
    found: list[Element] = []
    data, _, _, position, limit, _ = parent
    depth = _DEEPEST if ber else 0
    for _ in range(most):
        if position >= limit:
            break
        content = position + 2
        length = data[position + 1] if content <= limit else limit
        if length == _TWO_OCTETS and position + 4 <= limit:
            content = position + 4
            length = data[position + 2] << 8 | data[position + 3]
        elif length >= _LONG_FORM:
            content = limit + 1
        end = content + length
        # Most elements are of these two forms; the others, and those that do not fit, are looked at with care.
        if end <= limit and data[position] & _LONG_TAG != _LONG_TAG:
            child = _new(Element, (data, data[position], position, content, end, end))
        else:
            child = _element(data, position, limit, depth)
            end = child[5]
        found.append(child)
        position = end
    return found


@lru_cache(maxsize=1024)
def dotted(content: bytes) -> str:
    """An OBJECT IDENTIFIER's content as text: 1.2.840.…; empty when it breaks off or holds nothing."""
    if not content or content[-1] & _LONG_FORM:
        return ""
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if not octet & _LONG_FORM:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def string(tag: int, content: bytes) -> str | None:
    """The text of a string of any kind; what its encoding does not allow is replaced. None for other elements."""
    encoding = _TEXTS.get(tag)
    return str(content, encoding, "replace") if encoding else None


def integer(told: Element) -> int:
    """The value of an INTEGER."""
    return int.from_bytes(told.data[told.content : told.end], "big", signed=True)


def moment(told: Element) -> datetime:
    """A UTCTime or GeneralizedTime to the second, with Z (RFC 5280, 4.1.2.5): aware, in UTC.

    Raises:
        SigningFault: another form, or no date of the calendar from year 1 to 9999.
    """
    if told.tag == UTC_TIME:
        return utc_time(told.value)
    if told.tag == GENERALIZED_TIME:
        return generalized_time(told.value)
    raise SigningFault("A date is missing where one belongs", why=f"at byte {told.start}")


def utc_time(value: bytes) -> datetime:
    """The moment that a UTCTime's content tells; as `moment`."""
    return generalized_time((b"19" if value[:2] >= _PIVOT else b"20") + value)


def generalized_time(value: bytes) -> datetime:
    """The moment that a GeneralizedTime's content tells; as `moment`."""
    if len(value) != 15 or value[14] != _ZULU or not value[:14].isdigit():
        raise SigningFault("A date is not of the form that is used here", why=value.decode("latin-1")[:24])
    digits = str(value, "ascii")
    try:
        return datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}")
    except ValueError as fault:
        raise SigningFault("A date is none of the calendar's", why=f"{digits}: {fault}") from fault


@dataclass(frozen=True, slots=True)
class Envelope:
    """A certificate's outermost shape. Names and key are whole DER elements; `algorithm` is an OID's content in hex."""

    der: bytes
    signed: bytes
    algorithm: str
    signature: bytes
    serial: int
    issuer: bytes
    subject: bytes
    public_key: bytes
    fields: tuple[Element, ...] = field(compare=False, repr=False)
    """The body's fields from the serial number on: serial, algorithm, issuer, validity, subject, key, extensions."""


def envelope(data: bytes) -> Envelope:
    """Take a certificate apart (RFC 5280, 4.1); bytes after it are passed over.

    Raises:
        SigningFault: the data does not start with something of a certificate's shape.
    """
    return _kept(data) if len(data) <= _MOST_KEPT else _taken_apart(data)


def _taken_apart(data: bytes) -> Envelope:
    outer = element(data)
    parts = children(outer)
    if outer.tag != SEQUENCE or [part.tag for part in parts] != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise SigningFault("The data is not a certificate", why="it is not a body, an algorithm and a signature")
    body, algorithm, signature = parts
    fields = children(body)
    if fields and fields[0].tag == CONTEXT_0:  # the version
        fields = fields[1:]
    name = children(algorithm)
    if (
        [each.tag for each in fields[:6]] != [INTEGER, *[SEQUENCE] * 5]
        or not name
        or name[0].tag != OBJECT_IDENTIFIER
        or signature.value[:1] != b"\0"
        or len(fields[0].value) > _LONGEST_SERIAL
    ):
        raise SigningFault("The data is not a certificate", why="its fields are not those of X.509")
    serial, inner, issuer, _, subject, key = fields[:6]
    if inner.whole != algorithm.whole:  # RFC 5280, 4.1.1.2; the outer one is not signed
        raise SigningFault("The data is not a certificate", why="it names two signature algorithms")
    return Envelope(
        der=outer.whole,
        signed=body.whole,
        algorithm=name[0].value.hex(),
        signature=signature.value[1:],
        serial=integer(serial),
        issuer=issuer.whole,
        subject=subject.whole,
        public_key=key.whole,
        fields=tuple(fields),
    )


_kept = lru_cache(maxsize=512)(_taken_apart)
"""Profiles of one team bring the same few certificates again and again."""
