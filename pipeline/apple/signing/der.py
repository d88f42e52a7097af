"""The outermost shape of a certificate, byte for byte: what was signed, by which algorithm, and between which names.

Signatures are made over exact bytes, and chains are joined by exact names (RFC 5280, 4.1.2.6), so neither may pass
through a parser that builds them anew.
"""

from __future__ import annotations

from pipeline.apple.signing.faults import SigningFault
from pipeline.values import dataclass

SEQUENCE = 0x30
INTEGER = 0x02
BIT_STRING = 0x03
OBJECT_IDENTIFIER = 0x06
EXPLICIT_VERSION = 0xA0
_LONG_FORM = 0x80
_MOST_LENGTH_OCTETS = 4


@dataclass(frozen=True, slots=True)
class Element:
    """One DER element inside `data`: it starts at `start`, its content at `content`, and it ends before `end`."""

    data: bytes
    tag: int
    start: int
    content: int
    end: int

    @property
    def whole(self) -> bytes:
        """Tag, length and content."""
        return self.data[self.start : self.end]

    @property
    def value(self) -> bytes:
        """The content."""
        return self.data[self.content : self.end]


def element(data: bytes, start: int = 0, end: int | None = None) -> Element:
    """The element at `start`. Raises SigningFault when it does not fit before `end`."""
    limit = len(data) if end is None else end
    if start + 2 > limit:
        raise SigningFault("The data ends in the middle of an ASN.1 element", why=f"at byte {start}")
    length = data[start + 1]
    content = start + 2
    if length & _LONG_FORM:
        octets = length & ~_LONG_FORM
        if not 1 <= octets <= _MOST_LENGTH_OCTETS or content + octets > limit:
            raise SigningFault("An ASN.1 element has no definite length", why=f"at byte {start}")
        length = int.from_bytes(data[content : content + octets], "big")
        content += octets
    if content + length > limit:
        raise SigningFault("An ASN.1 element is longer than the data", why=f"at byte {start}")
    return Element(data, data[start], start, content, content + length)


def children(parent: Element, most: int = 16) -> list[Element]:
    """The elements inside a constructed one, at most `most` of them."""
    found: list[Element] = []
    position = parent.content
    while position < parent.end and len(found) < most:
        child = element(parent.data, position, parent.end)
        found.append(child)
        position = child.end
    return found


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


def envelope(data: bytes) -> Envelope:
    """Take a certificate apart (RFC 5280, 4.1); bytes after it are passed over.

    Raises:
        SigningFault: the data does not start with something of a certificate's shape.
    """
    outer = element(data)
    parts = children(outer)
    if outer.tag != SEQUENCE or [part.tag for part in parts] != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise SigningFault("The data is not a certificate", why="it is not a body, an algorithm and a signature")
    body, algorithm, signature = parts
    fields = children(body)
    if fields and fields[0].tag == EXPLICIT_VERSION:
        fields = fields[1:]
    name = children(algorithm)
    if (
        [field.tag for field in fields[:6]] != [INTEGER, *[SEQUENCE] * 5]
        or not name
        or name[0].tag != OBJECT_IDENTIFIER
        or signature.value[:1] != b"\0"
    ):
        raise SigningFault("The data is not a certificate", why="its fields are not those of X.509")
    serial, _, issuer, _, subject, key = fields[:6]
    return Envelope(
        der=outer.whole,
        signed=body.whole,
        algorithm=name[0].value.hex(),
        signature=signature.value[1:],
        serial=int.from_bytes(serial.value, "big", signed=True),
        issuer=issuer.whole,
        subject=subject.whole,
        public_key=key.whole,
    )
