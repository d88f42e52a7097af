"""Compiled asset catalogs (Assets.car), read as far as app icons need it.

Layouts as found by others: a BOM store of big-endian blocks (github.com/hogliux/bomutils), in which CoreUI keeps
little-endian names (FACETKEYS), the meaning of keys (KEYFORMAT) and pictures (RENDITIONS, each with a header "CTSI");
blog.timac.org/2018/1018-reverse-engineering-the-car-file-format, github.com/facebookarchive/xcbuild (libcar).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from pipeline.apple.bundle.facts import Catalog, Picture
from pipeline.apple.bundle.faults import Excessive, Malformed

MOST_BLOCKS = 1_000_000
MOST_RENDITIONS = 200_000
MOST_BLOCK_BYTES = 4 * 1024 * 1024
MOST_BYTES = 128 * 1024 * 1024
"""Read in all: however often a catalog names the same bytes, reading it ends."""
_LONGEST_KEY = 1024
MOST_LEVELS = 16
_PICTURE_HEAD = 184
"""Bytes of a rendition's header, up to and with its name."""
_SCALE_OF_ALL = 1024
_ELEMENT, _PART, _IDIOM, _IDENTIFIER = 1, 2, 15, 17
_UNIVERSAL = 0
_NAMED, _ICON, _SIZES = 85, 220, 218
_NO_ICONS = frozenset({181, 217})
"""Parts of names: images and colors. What is neither these nor an icon may be one of a kind that is not known here."""
_PLAIN = frozenset({10, 11, 12, 1003, 1004})
"""Layouts of a picture that is there as it is, on its own or packed with others."""
_THINNED = (b"thinned", b"optimized")


def read_catalog(file: BinaryIO, size: int) -> Catalog:
    """The app icons of a catalog of `size` bytes, in a file that begins as one; or why they could not be read."""
    try:
        return _Icons(_Store(file, size)).told()
    except Malformed as fault:
        return Catalog(problem=str(fault))


class _Store:
    """A BOM store: numbered blocks, some with names."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._left = MOST_BYTES
        index, length, names, names_length = struct.unpack(">4I", self._bytes(16, 16))
        (count,) = struct.unpack(">I", self._bytes(index, 4))
        if count > MOST_BLOCKS or 4 + 8 * count > length:
            raise Excessive(f"the asset catalog claims {count:,} blocks")
        self._blocks = self._bytes(index + 4, 8 * count)
        self.names = dict(_names(self._bytes(names, min(names_length, MOST_BLOCK_BYTES))))

    def _bytes(self, offset: int, length: int) -> bytes:
        if offset + length > self._size:
            raise Malformed("the asset catalog points outside itself")
        self._left -= length
        if self._left < 0:
            raise Excessive(f"more than {MOST_BYTES:,} bytes of the asset catalog's index")
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            raise Malformed("the asset catalog is cut short")
        return data

    def block(self, number: int, limit: int = MOST_BLOCK_BYTES) -> bytes:
        """The first `limit` bytes of a block."""
        if 8 * number + 8 > len(self._blocks):
            raise Malformed("the asset catalog names a block that is not there")
        offset, length = struct.unpack_from(">2I", self._blocks, 8 * number)
        return self._bytes(offset, min(length, limit))

    def named(self, name: str) -> bytes:
        """A block by its name."""
        if name not in self.names:
            raise Malformed(f"the asset catalog has no {name}")
        return self.block(self.names[name])

    def tree(self, name: str, limit: int) -> Iterator[tuple[bytes, bytes]]:
        """Keys and the first `limit` bytes of values, leaf after leaf."""
        tag, child = struct.unpack_from(">4s4xI", _enough(self.named(name), 12))
        if tag != b"tree":
            raise Malformed("the asset catalog has a tree that is none")
        at, seen = self._first_leaf(child), 0
        while at:
            page = _enough(self.block(at), 12)
            count, following = struct.unpack_from(">2xHI", page)
            seen += 1 + count
            if seen > MOST_RENDITIONS:
                raise Excessive("the asset catalog holds too many entries, or a chain without end")
            for value, key in struct.iter_unpack(">2I", _enough(page, 12 + 8 * count)[12 : 12 + 8 * count]):
                yield self.block(key, _LONGEST_KEY), self.block(value, limit)
            at = following

    def _first_leaf(self, number: int) -> int:
        for _ in range(MOST_LEVELS):
            page = _enough(self.block(number), 12)
            if int.from_bytes(page[:2], "big"):
                return number
            number = int.from_bytes(_enough(page, 16)[12:16], "big")
        raise Malformed("the asset catalog has a tree without leaves")


class _Icons:
    """Collects the pictures of app icons."""

    def __init__(self, store: _Store) -> None:
        self._store = store
        meta = store.named("EXTENDED_METADATA") if "EXTENDED_METADATA" in store.names else b""
        self._thinned = any(word in meta[4:260] for word in _THINNED)
        self._tokens = _tokens(store.named("KEYFORMAT"))
        self._names: dict[int, str] = {}
        self._scaled: dict[str, None] = {}
        for key, value in store.tree("FACETKEYS", _LONGEST_KEY):
            told = _attributes(value)
            name = key.decode("utf-8", "replace")
            if told.get(_PART) not in _NO_ICONS and "/" not in name:
                self._names[told.get(_IDENTIFIER, 0)] = name
                if told.get(_PART) != _ICON:
                    self._scaled[name] = None

    def told(self) -> Catalog:
        pictures: dict[Picture, None] = {}
        for key, head in self._store.tree("RENDITIONS", _PICTURE_HEAD) if self._names else ():
            told = dict(zip(self._tokens, struct.unpack_from(f"<{len(key) // 2}H", key), strict=False))
            name = self._names.get(told.get(_IDENTIFIER, 0), "")
            if not name or told.get(_ELEMENT) != _NAMED or told.get(_PART) == _SIZES:
                continue
            tag, width, height, layout = struct.unpack_from("<4s8x2I16xH", _enough(head, 44))
            if tag != b"ISTC":
                raise Malformed("the asset catalog has a picture that is none")
            if told.get(_PART) != _ICON or layout not in _PLAIN:
                self._scaled[name] = None  # Layers, from which the system makes every size.
                continue
            pictures[Picture(name, width, height)] = None
            if told.get(_IDIOM, _UNIVERSAL) == _UNIVERSAL and width >= _SCALE_OF_ALL:
                self._scaled[name] = None
        return Catalog(tuple(self._names.values()), tuple(pictures), tuple(self._scaled), self._thinned)


def _enough(data: bytes, length: int) -> bytes:
    if len(data) < length:
        raise Malformed("a block of the asset catalog is shorter than its fields")
    return data


def _names(data: bytes) -> Iterator[tuple[str, int]]:
    count = int.from_bytes(_enough(data, 4)[:4], "big")
    at = 4
    for _ in range(min(count, len(data))):
        number, length = struct.unpack_from(">IB", _enough(data, at + 5), at)
        yield _enough(data, at + 5 + length)[at + 5 : at + 5 + length].decode("utf-8", "replace"), number
        at += 5 + length


def _tokens(data: bytes) -> tuple[int, ...]:
    """What each number of a rendition's key means, in order."""
    count = int.from_bytes(_enough(data, 12)[8:12], "little")
    return struct.unpack_from(f"<{count}I", _enough(data, 12 + 4 * count), 12)


def _attributes(value: bytes) -> Mapping[int, int]:
    count = int.from_bytes(_enough(value, 6)[4:6], "little")
    pairs = _enough(value, 6 + 4 * count)[6 : 6 + 4 * count]
    return dict(struct.iter_unpack("<2H", pairs))
