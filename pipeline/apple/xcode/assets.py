"""Reads the app icon's source: the entries of an icon set, and the facts in the head of each PNG."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from pipeline.apple.xcode.facts import IconImage

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNKS_LIMIT = 4096


class BrokenCatalog(ValueError):
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
    return tuple(
        _image(entry, line) for entry, line in zip(entries, lines, strict=True) if isinstance(entry, dict)
    )


def _entry_lines(text: str, count: int) -> list[int | None]:
    """The lines of the opening braces, one level below "images"; None for all when they do not add up."""
    begin = text.find('"images"')
    found: list[int | None] = []
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', text[begin + 8 :] if begin >= 0 else ""):
        token = match[0]
        if token == "{" and depth == 1:
            found.append(text.count("\n", 0, begin + 8 + match.start()) + 1)
        if token in "{[":
            depth += 1
        elif token in "}]":
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
    if not data.startswith(_SIGNATURE):
        return replace(image, exists=True, flaw="" if data[:3] == b"\xff\xd8\xff" else "not a PNG image")
    if len(data) < 33 or data[12:16] != b"IHDR":
        return replace(image, exists=True, flaw="a PNG without a header: it is truncated")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    colour = data[25]
    return replace(image, exists=True, width=width, height=height, alpha=colour in (4, 6) or _transparent(data))


def _transparent(data: bytes) -> bool:
    """Whether there is a tRNS chunk, which has to come before the image data (PNG specification, 11.3.1.1)."""
    position = 8
    for _ in range(_CHUNKS_LIMIT):
        kind = data[position + 4 : position + 8]
        if kind == b"tRNS":
            return True
        if kind == b"IDAT" or len(kind) < 4:
            return False
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False
