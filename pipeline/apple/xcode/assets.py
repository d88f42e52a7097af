"""Reads the app icon's source: the entries of an icon set, and the facts in the head of each PNG."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pipeline.apple.xcode.facts import IconImage

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_POINTER = b"version https://git-lfs.github.com/spec/"
_CHUNKS_LIMIT = 4096
_SIDE_LIMIT = 4096
_PIECE = 1 << 20
_CHANNELS = {4: 2, 6: 4}
"""Channels of the colour types that have an alpha channel (PNG specification, 11.2.2)."""


class BrokenCatalog(ValueError):  # reads as what happened
    """A Contents.json that cannot be read. `line` counts from 1."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def icon_images(data: bytes) -> tuple[IconImage, ...]:
    """The entries of an .appiconset's Contents.json, with the line on which each begins.

    Raises:
        BrokenCatalog: it is not JSON, or not an icon set.

    """
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError) as fault:
        raise BrokenCatalog("not valid JSON", getattr(fault, "lineno", None)) from fault
    entries = value.get("images", []) if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise BrokenCatalog("no list of images")
    lines = _entry_lines(text, len(entries))
    return tuple(_image(entry, line) for entry, line in zip(entries, lines, strict=True) if isinstance(entry, dict))


def _entry_lines(text: str, count: int) -> list[int | None]:
    """The lines of the opening braces, one level below "images"; None for all when they do not add up."""
    begin = text.find('"images"')
    found: list[int | None] = []
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', text[begin + 8 :] if begin >= 0 else ""):
        bracket = match[0]
        if bracket == "{" and depth == 1:
            found.append(text.count("\n", 0, begin + 8 + match.start()) + 1)
        if bracket in "{[":
            depth += 1
        elif bracket in "}]":
            depth -= 1
            if depth <= 0:
                break
    return found if len(found) == count else [None] * count


def _image(entry: dict[str, Any], line: int | None) -> IconImage:
    def text(key: str) -> str:
        value = entry.get(key)
        return value if isinstance(value, str) else ""

    appearances = entry.get("appearances")
    appearance = ""
    if isinstance(appearances, list) and appearances and isinstance(appearances[0], dict):
        appearance = str(appearances[0].get("value", ""))
    return IconImage(
        text("idiom"), text("size"), text("scale") or "1x", text("platform"), appearance, text("filename"), line
    )


def with_png(image: IconImage, data: bytes) -> IconImage:
    """The entry with what its file's head says; a file that is no PNG is left without dimensions."""
    if data.startswith(_POINTER):
        return replace(image, exists=True, flaw="is a Git LFS pointer", pointer=True)
    if not data.startswith(_SIGNATURE):
        return replace(image, exists=True, flaw="" if data[:3] == b"\xff\xd8\xff" else "not a PNG image")
    if len(data) < 33 or data[12:16] != b"IHDR":
        return replace(image, exists=True, flaw="a PNG without a header: it is truncated")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    colour = data[25]
    alpha = colour in _CHANNELS or _has_transparency_chunk(data)
    seen = _is_clear(data, width, height, _CHANNELS[colour]) if alpha and colour in _CHANNELS else None
    undecided = alpha and seen is None
    return replace(image, exists=True, width=width, height=height, alpha=alpha, clear=bool(seen), undecided=undecided)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    for _ in range(_CHUNKS_LIMIT):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if len(kind) < 4:
            return
        yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length


def _has_transparency_chunk(data: bytes) -> bool:
    """Whether there is a tRNS chunk, which has to come before the image data (PNG specification, 11.3.1.1)."""
    for kind, _ in _chunks(data):
        if kind in (b"tRNS", b"IDAT"):
            return kind == b"tRNS"
    return False


def _is_clear(data: bytes, width: int, height: int, channels: int) -> bool | None:
    """Whether any pixel is not opaque; None where it cannot be told.

    Filtering mixes a byte with the same channel of its neighbours alone, so of a row whose neighbours are opaque it is
    known what its alpha bytes have to be (PNG specification, 9.2): they are compared, not computed. An interlaced
    picture is seven smaller ones (8.2).
    """
    import zlib

    depth = data[24] // 8
    if depth not in (1, 2) or not 0 < width <= _SIDE_LIMIT or not 0 < height <= _SIDE_LIMIT:
        return None
    step = channels * depth
    passes = list(_passes(width, height) if data[28] else ((width, height),))
    reader = zlib.decompressobj()
    held, row = b"", 0
    try:
        for kind, body in _chunks(data):
            left = body if kind == b"IDAT" else b""
            while left and passes:
                held += reader.decompress(left, _PIECE)
                left = reader.unconsumed_tail
                start = 0
                while passes and start + (stride := passes[0][0] * step + 1) <= len(held):
                    if not _is_opaque(held, start, stride, step, depth, first=row == 0):
                        return True
                    start, row = start + stride, row + 1
                    if row == passes[0][1]:
                        del passes[0]
                        row = 0
                held = held[start:]
    except zlib.error:
        return None
    return None if passes else False


_STEPS = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Where the passes of an interlaced picture begin, and how far apart their pixels are (PNG specification, 8.2)."""


def _passes(width: int, height: int) -> Iterator[tuple[int, int]]:
    for left, top, across, down in _STEPS:
        columns, rows = -((left - width) // across), -((top - height) // down)
        if columns > 0 and rows > 0:
            yield columns, rows


def _is_opaque(rows: bytes, start: int, stride: int, step: int, depth: int, *, first: bool) -> bool:
    """Whether the row at `start` is opaque, all rows before it being so."""
    kind = rows[start]
    count = (stride - 1) // step
    if kind not in _OPAQUE:
        return True
    head, rest = _OPAQUE[kind][1 if first else 0]
    wanted = bytes((head,)) + bytes((rest,)) * (count - 1)
    end = start + stride
    return all(rows[start + 1 + step - 1 - octet : end : step] == wanted for octet in range(depth))


_OPAQUE = {
    0: ((255, 255), (255, 255)),
    1: ((255, 0), (255, 0)),
    2: ((0, 0), (255, 255)),
    3: ((128, 0), (255, 128)),
    4: ((0, 0), (255, 0)),
}
"""By filter: the first alpha byte of an opaque row and the others, below an opaque row; then those of the top row."""
