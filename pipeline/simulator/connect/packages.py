"""The Info.plist of the app inside a flat installer package, found without unpacking the package."""

from __future__ import annotations

import io
import zlib
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

CONTENTS_LIMIT = 8 * 1024 * 1024
SCANNED_LIMIT = 512 * 1024 * 1024
CHUNK = 256 * 1024
NAME_LIMIT = 4096

_HEADER = 28
_ODC_HEADER = 76
_NEWC_HEADER = 110


class NotAPackage(ValueError):
    """The file is no xar archive; the message says why, in words."""


class _Place(NamedTuple):
    offset: int
    length: int


def app_plist(stream: io.RawIOBase, limit: int) -> bytes | None:
    """The Info.plist of the first *.app in the package's Payload.

    xar: a header, a zlib-compressed XML table of contents, a heap; Payload: a cpio archive (odc or newc) in gzip.

    Args:
        stream: the package, seekable.
        limit: the largest plist that is returned, in bytes.

    Returns:
        None when the payload is packed in a way that is not read here, or holds no app.

    Raises:
        NotAPackage: the outer archive is damaged or something else.

    """
    reader: io.BufferedReader = io.BufferedReader(stream, CHUNK)
    try:
        place = _payload(reader)
        if place is None:
            return None
        reader.seek(place.offset)
        return _find(_Unpacked(reader, place.length), limit)
    finally:
        reader.detach()


def _payload(reader: IO[bytes]) -> _Place | None:
    reader.seek(0)
    head = reader.read(_HEADER)
    if len(head) < _HEADER or head[:4] != b"xar!":
        raise NotAPackage("it does not begin like a package")
    size, packed = int.from_bytes(head[4:6], "big"), int.from_bytes(head[8:16], "big")
    if not _HEADER <= size <= 4096 or packed > CONTENTS_LIMIT:
        raise NotAPackage("its table of contents is too large")
    reader.seek(size)
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(reader.read(packed), CONTENTS_LIMIT)
    except zlib.error as fault:
        raise NotAPackage("its table of contents is damaged") from fault
    for file in _files(text):
        if file.findtext("name") == "Payload":
            offset, length = (file.findtext(f"data/{name}", "") for name in ("offset", "length"))
            if offset.isascii() and offset.isdigit() and length.isascii() and length.isdigit():
                return _Place(size + packed + int(offset[:18]), int(length[:18]))
    return None


def _files(text: bytes) -> Iterator[Element]:
    from xml.etree import ElementTree as ET

    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise NotAPackage("its table of contents declares entities")
    try:
        return ET.fromstring(text).iter("file")  # noqa: S314 (bounded, and without entities)
    except ET.ParseError as fault:
        raise NotAPackage("its table of contents is not XML") from fault


class _Unpacked:
    """The bytes of a gzip stream, a few at a time, up to a limit."""

    def __init__(self, reader: IO[bytes], length: int) -> None:
        self._reader = reader
        self._left = length
        self._unpacker = zlib.decompressobj(31)
        self._held = b""
        self._seen = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, or fewer at the end."""
        pieces = []
        while size > 0:
            if not self._held and not self._more():
                break
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> bool:
        """Pass over bytes; False at the end."""
        while size > 0:
            if not self._held and not self._more():
                return False
            passed = min(size, len(self._held))
            self._held = self._held[passed:]
            size -= passed
        return True

    def _more(self) -> bool:
        while not self._held and self._seen < SCANNED_LIMIT:
            data = self._unpacker.unconsumed_tail
            if not data:
                data = self._reader.read(min(CHUNK, self._left))
                self._left -= len(data)
            if not data or self._unpacker.eof:
                return False
            try:
                self._held = self._unpacker.decompress(data, CHUNK)
            except zlib.error:
                return False
            self._seen += len(self._held)
        return bool(self._held)


def _find(unpacked: _Unpacked, limit: int) -> bytes | None:
    while True:
        magic = unpacked.read(6)
        if magic == b"070707":
            entry = _odc(unpacked.read(_ODC_HEADER - 6))
        elif magic in (b"070701", b"070702"):
            entry = _newc(unpacked.read(_NEWC_HEADER - 6))
        else:
            return None
        if entry is None or entry[0] > NAME_LIMIT:
            return None
        name_size, size, align = entry
        name = unpacked.read(name_size).rstrip(b"\0").decode("utf-8", "replace")
        unpacked.skip(-(name_size + _NEWC_HEADER) % 4 if align else 0)
        if name == "TRAILER!!!":
            return None
        if _is_app_plist(name):
            return unpacked.read(min(size, limit + 1))
        if not unpacked.skip(size + (-size % 4 if align else 0)):
            return None


def _odc(head: bytes) -> tuple[int, int, bool] | None:
    try:
        return int(head[53:59], 8), int(head[59:70], 8), False
    except ValueError:
        return None


def _newc(head: bytes) -> tuple[int, int, bool] | None:
    try:
        return int(head[88:96], 16), int(head[48:56], 16), True
    except ValueError:
        return None


def _is_app_plist(name: str) -> bool:
    parts = [part for part in name.split("/") if part not in (".", "")]
    apps = [index for index, part in enumerate(parts) if part.endswith(".app")]
    return bool(apps) and parts[apps[0] + 1 :] == ["Contents", "Info.plist"]
