"""Pictures: whether a pixel is transparent is told for every way in which a row may be filtered."""

from __future__ import annotations

import struct
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode.assets import with_png
from pipeline.apple.xcode.facts import IconImage

IMAGE = IconImage("universal", "1x1")


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda near: abs(guess - near))


def filtered(rows: list[bytes], kinds: list[int], step: int) -> bytes:
    """Rows as a PNG encoder writes them (PNG specification, 9.2)."""
    out = bytearray()
    above = bytes(len(rows[0]))
    for row, kind in zip(rows, kinds, strict=True):
        out.append(kind)
        for i, value in enumerate(row):
            left, up = (row[i - step] if i >= step else 0), above[i]
            corner = above[i - step] if i >= step else 0
            by = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
            out.append((value - by) & 255)
        above = row
    return bytes(out)


STEPS = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column and row, and how far apart, of each pass (PNG specification, 8.2)."""


def interlaced(rows: list[bytes], kinds: list[int], step: int) -> bytes:
    """The same rows as seven pictures, one after the other."""
    body = b""
    for left, top, across, down in STEPS:
        columns = range(left, len(rows[0]) // step, across)
        smaller = [b"".join(row[at * step : (at + 1) * step] for at in columns) for row in rows[top::down]]
        if smaller and smaller[0]:
            body += filtered(smaller, kinds[: len(smaller)], step)
    return body


def encoded(
    width: int, height: int, colour: int, depth: int, body: bytes, *, pieces: int = 1, interlace: int = 0
) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packed = zlib.compress(body)
    size = len(packed) // pieces + 1
    parts = [packed[at : at + size] for at in range(0, len(packed), size)]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(chunk(b"IDAT", one) for one in parts)
        + chunk(b"IEND", b"")
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_transparency_is_found_wherever_it_is(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 10)), data.draw(st.integers(1, 10))
    colour, channels = data.draw(st.sampled_from(((4, 2), (6, 4))))
    octets = data.draw(st.sampled_from((1, 2)))
    step = channels * octets
    pixels = [bytearray(data.draw(st.binary(min_size=width * step, max_size=width * step))) for _ in range(height)]
    for row in pixels:
        for at in range(width):
            row[(at + 1) * step - octets : (at + 1) * step] = b"\xff" * octets
    spot = data.draw(st.none() | st.tuples(st.integers(0, height - 1), st.integers(0, width - 1)))
    if spot:
        pixels[spot[0]][(spot[1] + 1) * step - octets] = data.draw(st.integers(0, 254))
    kinds = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    way = data.draw(st.sampled_from((filtered, interlaced)))
    body, pieces = way([bytes(row) for row in pixels], kinds, step), data.draw(st.integers(1, 3))
    whole = encoded(width, height, colour, 8 * octets, body, pieces=pieces, interlace=int(way is interlaced))
    found = with_png(IMAGE, whole)
    assert found.alpha
    assert found.clear is bool(spot)
    assert not found.undecided


def test_a_picture_that_ends_too_soon_is_not_called_opaque() -> None:
    body = filtered([b"\1\2\3\xff" * 4] * 3, [0] * 3, 4)
    found = with_png(IMAGE, encoded(4, 4, 6, 8, body))
    assert (found.alpha, found.clear, found.undecided) == (True, False, True)


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=80, deadline=None)
def test_whatever_follows_the_head_is_borne(rest: bytes, cut: int) -> None:
    whole = encoded(4, 4, 6, 8, filtered([b"\1\2\3\xff" * 4] * 4, [4] * 4, 4))
    assert with_png(IMAGE, whole[:cut] + rest).exists
