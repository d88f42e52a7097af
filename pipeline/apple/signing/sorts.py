"""What bytes are, told by how they begin: names and extensions lie, and a truncated file still begins as it should.

The rule: DER is recognised by the tags (and algorithm identifiers) of its first few elements, archives by their magic
numbers, everything else is text or nothing of ours. Whether the rest holds what the beginning promises is found out by
whoever reads it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple


class Sort(Enum):
    """The sorts of signing material, as bytes."""

    NOTHING = auto()
    CERTIFICATE = auto()
    REQUEST = auto()
    KEY = auto()
    LOCKED_KEY = auto()
    BAGS = auto()
    SIGNED = auto()
    """CMS signed data: a provisioning profile, perhaps."""
    BARE_PROFILE = auto()
    """The property list of a profile, without a signature."""
    ZIP = auto()
    GZIP = auto()
    TAR = auto()

    @property
    def archive(self) -> bool:
        """Whether it holds files."""
        return self in {Sort.ZIP, Sort.GZIP, Sort.TAR}


_EXTENSIONS = (
    ".p12",
    ".pfx",
    ".pem",
    ".cer",
    ".crt",
    ".der",
    ".key",
    ".p8",
    ".csr",
    ".certsigningrequest",
    ".mobileprovision",
    ".provisionprofile",
)

_SEQUENCE, _SET, _INTEGER, _OCTETS, _OID = 0x30, 0x31, 0x02, 0x04, 0x06
_VERSION = 0xA0
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_PKCS7 = bytes.fromhex("2a864886f70d0107")
_PASSWORD_SCHEMES = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
_PEEKED = 16 * 1024
_BARE = (b"DeveloperCertificates", b"ApplicationIdentifierPrefix", b"ProvisionedDevices")


def pretends(name: str) -> bool:
    """Whether a file of this name claims to be signing material, so that it is a fault when its bytes are not."""
    return name.lower().endswith(_EXTENSIONS)


def sort_of(data: bytes) -> Sort:
    """The sort of bytes that begin like this; NOTHING for text, and for all that is not signing material."""
    if data[:4] in {b"PK\x03\x04", b"PK\x05\x06"}:
        return Sort.ZIP
    if data[:3] == b"\x1f\x8b\x08":
        return Sort.GZIP
    if data[257:262] == b"ustar":
        return Sort.TAR  # asked before DER: the name of the first file may begin with the digit 0, as DER does
    if data[:1] == b"\x30":
        return _sort_of_der(data[:_PEEKED])
    if _is_bare_profile(data[:_PEEKED]):
        return Sort.BARE_PROFILE
    return Sort.NOTHING


class _Head(NamedTuple):
    """Tag of an element, where its content starts, and where it ends: perhaps behind the end of the data."""

    tag: int
    content: int
    end: int


def _heads(data: bytes, start: int, most: int) -> list[_Head]:
    """The heads of up to `most` elements from `start` on, as far as the data goes."""
    found: list[_Head] = []
    while len(found) < most and start + 2 <= len(data):
        length, content = data[start + 1], start + 2
        if length > 0x80:
            octets = length & 0x7F
            length = int.from_bytes(data[content : content + octets], "big")
            content += octets
        elif length == 0x80:
            length = len(data)  # indefinite, as BER may be: what follows cannot be seen from here
        found.append(_Head(data[start], content, content + length))
        start = content + length
    return found


def _tags(data: bytes, start: int, most: int) -> list[int]:
    return [head.tag for head in _heads(data, start, most)]


def _sort_of_der(data: bytes) -> Sort:
    outer = _heads(data, 0, 1)
    parts = _heads(data, outer[0].content, 3) if outer else []
    if not parts:
        return Sort.NOTHING
    first = parts[0]
    if first.tag == _OID:
        return Sort.SIGNED if data[first.content : first.end] == _SIGNED_DATA else Sort.NOTHING
    if first.tag == _INTEGER and len(parts) > 1:
        return _sort_by_version(data, parts)
    if first.tag == _SEQUENCE:
        return _sort_by_body(data, first, parts[1:])
    return Sort.NOTHING


def _sort_by_version(data: bytes, parts: list[_Head]) -> Sort:
    version, second = parts[:2]
    number = data[version.content : version.end]
    inner = _heads(data, second.content, 1)
    named = data[inner[0].content : inner[0].end] if inner and inner[0].tag == _OID else b""
    if number == b"\x03" and second.tag == _SEQUENCE and named.startswith(_PKCS7):
        return Sort.BAGS
    if number in {b"\0", b"\x01"} and second.tag == _SEQUENCE and named:
        return Sort.KEY if len(parts) < 3 or parts[2].tag == _OCTETS else Sort.NOTHING  # a curve begins like a key
    if (number == b"\0" and second.tag == _INTEGER) or (number == b"\x01" and second.tag == _OCTETS):
        return Sort.KEY
    return Sort.NOTHING


def _sort_by_body(data: bytes, body: _Head, others: list[_Head]) -> Sort:
    inner = _heads(data, body.content, 5)
    tags = [head.tag for head in inner]
    if tags[:1] == [_OID]:
        named = data[inner[0].content : inner[0].end]
        follows = others[0].tag if others else _OCTETS
        return Sort.LOCKED_KEY if named.startswith(_PASSWORD_SCHEMES) and follows == _OCTETS else Sort.NOTHING
    if tags[:2] == [_VERSION, _INTEGER]:
        return Sort.CERTIFICATE
    if tags[:2] == [_INTEGER, _SEQUENCE]:
        second = _tags(data, inner[1].content, 1)
        if second in ([_SET], []) and data[inner[0].content : inner[0].end] == b"\0":
            return Sort.REQUEST
        # A list of revoked certificates begins like a certificate of version 1, but dates follow the issuer's name.
        if second == [_OID] and tags[2:4] == [_SEQUENCE, _SEQUENCE]:
            return Sort.CERTIFICATE
    return Sort.NOTHING


def _is_bare_profile(data: bytes) -> bool:
    begins = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:8]
    return begins.startswith((b"<?xml", b"<plist", b"bplist00")) and any(key in data for key in _BARE)
