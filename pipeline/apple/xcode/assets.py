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
_EDGE_ROWS = 8
_WIDTH_LIMIT = 4096


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
    alpha = colour in (4, 6) or _has_transparency_chunk(data)
    clear = alpha and colour in (4, 6) and _edge_is_clear(data, width, channels=2 if colour == 4 else 4)
    return replace(image, exists=True, width=width, height=height, alpha=alpha, clear=clear)


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


def _edge_is_clear(data: bytes, width: int, channels: int) -> bool:
    """Whether a pixel of the first rows is not opaque: rounded corners and margins show there.

    Reads 8-bit images that are not interlaced; of any other nothing is claimed.
    """
    if data[24] != 8 or data[28] or not 0 < width <= _WIDTH_LIMIT:
        return False
    import zlib

    stride = width * channels
    reader = zlib.decompressobj()
    raw = bytearray()
    try:
        for kind, body in _chunks(data):
            if kind == b"IDAT":
                raw += reader.decompress(body, _EDGE_ROWS * (stride + 1) - len(raw))
            if len(raw) >= _EDGE_ROWS * (stride + 1):
                break
    except zlib.error:
        return False
    above = bytes(stride)
    for row in range(len(raw) // (stride + 1)):
        start = row * (stride + 1)
        line = _unfiltered(raw[start], raw[start + 1 : start + 1 + stride], above, channels)
        if any(value != 255 for value in line[channels - 1 :: channels]):
            return True
        above = bytes(line)
    return False


def _unfiltered(kind: int, line: bytearray, above: bytes, channels: int) -> bytearray:
    """One row as it was before filtering (PNG specification, 9.2)."""
    for i in range(len(line)):
        left = line[i - channels] if i >= channels else 0
        up, corner = above[i], above[i - channels] if i >= channels else 0
        if kind == 1:
            line[i] = (line[i] + left) & 255
        elif kind == 2:
            line[i] = (line[i] + up) & 255
        elif kind == 3:
            line[i] = (line[i] + (left + up) // 2) & 255
        elif kind == 4:
            guess = left + up - corner
            distances = (abs(guess - left), abs(guess - up), abs(guess - corner))
            line[i] = (line[i] + (left, up, corner)[distances.index(min(distances))]) & 255
    return line
