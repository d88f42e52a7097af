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


def encoded(width: int, height: int, colour: int, depth: int, body: bytes, *, pieces: int = 1) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packed = zlib.compress(body)
    size = len(packed) // pieces + 1
    parts = [packed[at : at + size] for at in range(0, len(packed), size)]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + b"".join(chunk(b"IDAT", one) for one in parts)
        + chunk(b"IEND", b"")
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_transparency_is_found_wherever_it_is(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
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
    body = filtered([bytes(row) for row in pixels], kinds, step)
    found = with_png(IMAGE, encoded(width, height, colour, 8 * octets, body, pieces=data.draw(st.integers(1, 3))))
    assert found.alpha
    assert found.clear is bool(spot)


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=80, deadline=None)
def test_whatever_follows_the_head_is_borne(rest: bytes, cut: int) -> None:
    whole = encoded(4, 4, 6, 8, filtered([b"\1\2\3\xff" * 4] * 4, [4] * 4, 4))
    assert with_png(IMAGE, whole[:cut] + rest).exists
