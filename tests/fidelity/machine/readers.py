"""Small readers of Apple's formats, written from their descriptions and sharing nothing with the simulator's writers."""

from __future__ import annotations

import gzip
import hashlib
import plistlib
import struct
import xml.etree.ElementTree as ET
import zlib
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms


def thin_images(data: bytes) -> list[bytes]:
    """The slices of a fat file, or the file itself."""
    if data[:4] != b"\xca\xfe\xba\xbe":
        return [data]
    count = struct.unpack(">I", data[4:8])[0]
    images = []
    for number in range(count):
        _, _, offset, size, align = struct.unpack_from(">5I", data, 8 + 20 * number)
        assert offset % (1 << align) == 0
        images.append(data[offset : offset + size])
    return images


def load_commands(image: bytes) -> dict[int, bytes]:
    """The last load command of each kind."""
    magic, _, _, _, count, total, _, _ = struct.unpack_from("<8I", image)
    assert magic == 0xFEEDFACF
    at, found = 32, {}
    for _ in range(count):
        kind, size = struct.unpack_from("<II", image, at)
        assert size % 8 == 0
        found[kind] = image[at : at + size]
        at += size
    assert at == 32 + total
    return found


def segments(image: bytes) -> dict[str, tuple[int, int, int, int]]:
    """Name -> (address, memory size, offset, file size)."""
    count = struct.unpack_from("<I", image, 16)[0]
    at, found = 32, {}
    for _ in range(count):
        kind, size = struct.unpack_from("<II", image, at)
        if kind == 0x19:
            name = image[at + 8 : at + 24].rstrip(b"\0").decode()
            found[name] = struct.unpack_from("<4Q", image, at + 24)
        at += size
    return found


@dataclass
class Signature:
    """An embedded signature, with the hashes that its CodeDirectory holds."""

    directory: bytes
    blobs: dict[int, bytes]
    identifier: str
    team: str
    version: int
    flags: int
    exec_flags: int
    limit: int
    page: int
    special: dict[int, bytes]
    pages: list[bytes]

    @property
    def message(self) -> Any:
        """The CMS message."""
        return cms.ContentInfo.load(self.blobs[0x10000][8:])["content"]

    @property
    def entitlements(self) -> dict[str, Any]:
        """Slot 5."""
        return dict(plistlib.loads(self.blobs[5][8:]))


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def signature(image: bytes) -> Signature:
    """The signature of a thin image."""
    offset, size = struct.unpack_from("<II", load_commands(image)[0x1D], 8)
    assert offset % 16 == 0
    assert offset + size == len(image)
    blob = image[offset : offset + size]
    magic, length, count = struct.unpack_from(">3I", blob)
    assert magic == 0xFADE0CC0
    assert length <= size
    blobs = {}
    for number in range(count):
        slot, at = struct.unpack_from(">II", blob, 12 + 8 * number)
        blobs[slot] = blob[at : at + struct.unpack_from(">I", blob, at + 4)[0]]
    cd = blobs[0]
    magic, _, version, flags, hashes, ident, specials, slots, limit = struct.unpack_from(">9I", cd)
    assert magic == 0xFADE0C02
    hash_size, hash_type, _, page_bits = struct.unpack_from(">4B", cd, 36)
    assert (hash_size, hash_type) == (32, 2)
    team = struct.unpack_from(">I", cd, 48)[0]
    exec_flags = struct.unpack_from(">Q", cd, 80)[0]
    special = {n: cd[hashes - 32 * n : hashes - 32 * (n - 1)] for n in range(1, specials + 1)}
    pages = [cd[hashes + 32 * n : hashes + 32 * (n + 1)] for n in range(slots)]
    return Signature(
        cd, blobs, _text(cd, ident), _text(cd, team), version, flags, exec_flags, limit, 1 << page_bits, special, pages
    )


def page_hashes(image: bytes, limit: int, page: int) -> list[bytes]:
    """What the CodeDirectory must hold for this code."""
    return [hashlib.sha256(image[at : min(at + page, limit)]).digest() for at in range(0, limit, page)]


def der_value(data: bytes) -> Any:
    """A value of the DER entitlements, as plain Python."""
    value, rest = _der(data)
    assert not rest
    return value


def _der(data: bytes) -> tuple[Any, bytes]:
    tag, first = data[0], data[1]
    if first < 0x80:
        size, at = first, 2
    else:
        count = first & 0x7F
        size, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    body, rest = data[at : at + size], data[at + size :]
    if tag == 0x01:
        return body != b"\0", rest
    if tag == 0x02:
        return int.from_bytes(body, "big", signed=True), rest
    if tag == 0x0C:
        return body.decode(), rest
    items = []
    while body:
        item, body = _der(body)
        items.append(item)
    if tag == 0x70:
        assert items[0] == 1
        return items[1], rest
    if tag == 0xB0:
        return {item[0]: item[1] for item in items}, rest
    assert tag == 0x30
    return items, rest


@dataclass
class Package:
    """A xar archive."""

    toc: ET.Element
    checksum: bytes
    heap: bytes
    files: dict[str, bytes]


def package(data: bytes) -> Package:
    """A xar archive, every checksum in it verified."""
    magic, header, version, packed, plain, algorithm = struct.unpack_from(">IHHQQI", data)
    assert (magic, version, algorithm) == (0x78617221, 1, 1)
    compressed = data[header : header + packed]
    toc_bytes = zlib.decompress(compressed)
    assert len(toc_bytes) == plain
    toc = ET.fromstring(toc_bytes).find("toc")
    assert toc is not None
    heap = data[header + packed :]
    assert heap[:20] == hashlib.sha1(compressed).digest()
    files: dict[str, bytes] = {}

    def walk(node: ET.Element, prefix: str) -> None:
        for file in node.findall("file"):
            path = prefix + str(file.findtext("name"))
            if file.findtext("type") == "directory":
                walk(file, path + "/")
                continue
            place = file.find("data")
            assert place is not None
            offset, length = int(str(place.findtext("offset"))), int(str(place.findtext("length")))
            raw = heap[offset : offset + length]
            assert place.findtext("archived-checksum") == hashlib.sha1(raw).hexdigest()
            style = place.find("encoding")
            assert style is not None
            content = zlib.decompress(raw) if style.get("style") == "application/x-gzip" else raw
            assert place.findtext("extracted-checksum") == hashlib.sha1(content).hexdigest()
            assert len(content) == int(str(place.findtext("size")))
            files[path] = content

    walk(toc, "")
    return Package(toc, heap[:20], heap, files)


def payload(data: bytes) -> dict[str, tuple[int, bytes]]:
    """Path -> (mode, data) of a gzip'd cpio archive in the odc format."""
    raw, at = gzip.decompress(data), 0
    found: dict[str, tuple[int, bytes]] = {}
    while True:
        assert raw[at : at + 6] == b"070707"
        field = [int(raw[at + 6 + 6 * n : at + 12 + 6 * n], 8) for n in range(7)]
        name_size, size = int(raw[at + 59 : at + 65], 8), int(raw[at + 65 : at + 76], 8)
        name = raw[at + 76 : at + 76 + name_size - 1].decode()
        body = raw[at + 76 + name_size : at + 76 + name_size + size]
        if name == "TRAILER!!!":
            return found
        found[name] = (field[2], body)
        at += 76 + name_size + size
