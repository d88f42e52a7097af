"""Signing material as text: PEM blocks between other lines, and base64 as it lies in an environment variable."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from pipeline.values import dataclass

LABELS = frozenset(
    {
        "CERTIFICATE",
        "X509 CERTIFICATE",
        "TRUSTED CERTIFICATE",
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "CERTIFICATE REQUEST",
        "NEW CERTIFICATE REQUEST",
        "PKCS12",
    }
)
"""What signing material is called (RFC 7468, and older names)."""

MOST_MARKERS = 100_000
"""First and last lines of blocks that are looked at."""
_SHORTEST_BASE64 = 40
_LONGEST_BASE64 = 24 * 1024 * 1024
_DASHES = 5
_PREFACES = (b"Bag Attributes", b"subject=", b"Certificate:", b"Key Attributes")
"""What `openssl` writes before a block."""


@dataclass(frozen=True)
class Block:
    """One PEM block.

    Attributes:
        label: "CERTIFICATE", "PRIVATE KEY".
        data: the decoded bytes; empty when `damage` is told.
        cipher: the DEK-Info header of a key that is encrypted the old way (RFC 1421); empty for none.
        damage: what is wrong with its armour; empty for nothing.
        cut: whether its very first line breaks off, so that its label may be any.
    """

    label: str
    data: bytes = b""
    cipher: str = ""
    damage: str = ""
    cut: bool = False

    def __repr__(self) -> str:
        return f"Block({self.label!r})"  # the data may be a private key


def is_armoured(data: bytes) -> bool:
    """Whether a line begins like that of a PEM block."""
    return re.search(rb"(?m)^[ \t]*-{2,10}(?:BEGIN|END) ", data) is not None


def blocks(data: bytes) -> Iterator[Block]:
    """The PEM blocks of a text, in order, with the damaged ones that pretend to be signing material.

    A block pretends when it stands first in its text, or when its body begins as base64 of DER does: so an example in
    a page of documentation is passed over. Whole blocks of any name are given out: what they are, their bytes say.
    """
    text = data if b"\n" in data or b"\r" in data else data.replace(b"\\n", b"\n")
    first = text.lstrip().startswith((b"--", *_PREFACES))
    markers = re.compile(rb"(?m)(?:^[ \t]*(-{1,10})BEGIN |(-{1,10})END )([A-Z0-9 ]{1,40}?)(-{1,10}|[ \t\r]*$)")
    opened: re.Match[bytes] | None = None
    last = 0
    for number, marker in enumerate(markers.finditer(text)):
        if number >= MOST_MARKERS:
            yield Block("", damage="there are too many of its kind")
            return
        begins = marker[1] is not None
        if opened is not None:
            body = text[opened.end() : marker.start()]
            yield from _told(_block(opened, body, None if begins else marker), body, first=first)
        elif not begins and _known(marker) and (first or _begins_as_der(text[last : marker.start()])):
            yield Block(_label(marker), damage="its first line is missing or damaged")
        last = marker.end()
        opened = marker if begins else None
    if opened is not None:
        body = text[opened.end() :]
        yield from _told(_block(opened, body, None), body, first=first)
    elif first and is_armoured(text) and not markers.search(text):
        yield Block("", damage="its first line is damaged")


def _told(block: Block, body: bytes, *, first: bool) -> Iterator[Block]:
    if not block.damage or (first and (block.label in LABELS or block.cut)) or _begins_as_der(body):
        yield block


def _begins_as_der(body: bytes) -> bool:
    """Whether the first line is base64 of a long SEQUENCE, or the header of an encrypted key."""
    return re.match(rb"\s*(?:M[A-Za-z0-9+/]{59}|Proc-Type:)", body) is not None


def _label(marker: re.Match[bytes]) -> str:
    return marker[3].decode("ascii").strip()


def _known(marker: re.Match[bytes]) -> bool:
    return _label(marker) in LABELS


def _block(opened: re.Match[bytes], body: bytes, closed: re.Match[bytes] | None) -> Block:
    label = _label(opened)
    if closed is None:
        return Block(label, damage="its last line is missing: it was cut short", cut=not opened[4].startswith(b"-"))
    if label != _label(closed):
        return Block(label, damage="its first and its last line do not belong together")
    if any(len(dashes) != _DASHES for dashes in (opened[1], opened[4], closed[2], closed[4])):
        return Block(label, damage="its first and its last line need five dashes on each side")
    cipher, body = _without_headers(body)
    try:
        data = binascii.a2b_base64(body.translate(None, b" \t\r\n"), strict_mode=True)
    except binascii.Error:
        return Block(label, damage="what stands between its lines is not base64")
    return Block(label, data, cipher) if data else Block(label, damage="nothing stands between its lines")


def _without_headers(body: bytes) -> tuple[str, bytes]:
    """The DEK-Info header and what comes after the headers (RFC 1421, 4.6)."""
    if b":" not in body:
        return "", body
    cipher = ""
    lines = body.strip().splitlines()
    for number, line in enumerate(lines):
        name, colon, value = line.partition(b":")
        if not colon:
            return cipher, b"".join(lines[number:])
        if name.strip().lower() == b"dek-info":
            cipher = value.decode("ascii", "replace").strip()
    return cipher, b""


def from_base64(data: bytes) -> bytes:
    """What a text of base64 holds, as far as it is base64; empty when it does not begin as such.

    Line breaks, a data URL's beginning, the alphabet for URLs and missing padding are all seen in secrets.
    """
    if len(data) > _LONGEST_BASE64:
        return b""
    text = re.sub(rb"\Adata:[^,\n]{0,100};base64,", b"", data.strip().strip(b"\"'"))
    found = re.match(rb"(?:[A-Za-z0-9+/_\-\s]+|\\n)+", text)
    shown = found[0].replace(b"\\n", b"") if found else b""
    clean = shown.translate(bytes.maketrans(b"-_", b"+/"), b" \t\r\n\v\f")
    if len(clean) < _SHORTEST_BASE64:
        return b""
    whole = clean[: len(clean) - 1] if len(clean) % 4 == 1 else clean
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def as_bytes(data: bytes) -> bytes:
    """The text without its byte order mark, and with one byte a character, as Windows does not always write it."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", "replace").encode("ascii", "replace")
    return data.removeprefix(b"\xef\xbb\xbf")
