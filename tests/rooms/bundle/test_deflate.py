"""Unpacking: both implementations give the same bytes in bounded blocks, and tell damage in the same way."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle import deflate
from pipeline.apple.bundle.containers import open_artifact
from pipeline.apple.bundle.deflate import ZLIB, Deflate
from pipeline.apple.bundle.faults import Malformed

LARGE = Deflate.fit_for(deflate.WORTH_IT)
BOTH = pytest.mark.parametrize("kind", [ZLIB, LARGE], ids=["zlib", "ISA-L"])


def packed(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_large_containers_are_unpacked_by_another_library_than_small_ones() -> None:
    pytest.importorskip("isal", reason="there is no wheel of isal for this platform")
    assert Deflate.fit_for(deflate.WORTH_IT - 1) is ZLIB
    assert LARGE.error is not zlib.error


@BOTH
@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=3000),
    st.integers(1, 200),
    st.integers(0, 9),
    st.tuples(st.integers(1, 700), st.integers(1, 5000)),
)
def test_what_was_packed_comes_back_in_bounded_blocks(
    kind: Deflate, data: bytes, times: int, level: int, sizes: tuple[int, int]
) -> None:
    taken, given_back = sizes
    blocks = list(kind.inflated(cut(packed(data * times, level), taken), given_back))
    assert b"".join(blocks) == data * times
    assert all(0 < len(block) <= given_back for block in blocks)
    assert kind.crc32(data, 0) == zlib.crc32(data)


@BOTH
def test_a_bomb_is_given_block_by_block(kind: Deflate) -> None:
    blocks = kind.inflated([packed(bytes(50_000_000), 9)], 100_000)
    assert len(next(blocks)) == 100_000


@BOTH
def test_every_truncation_is_told(kind: Deflate) -> None:
    data = packed(bytes(range(256)) * 40 + b"end")
    for length in range(len(data)):
        with pytest.raises(EOFError):
            list(kind.inflated(cut(data[:length], 50), 1000))


@BOTH
@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_told_or_gives_other_bytes_and_never_escapes(kind: Deflate, changes: list[tuple[int, int]]) -> None:
    data = bytearray(packed(bytes(range(256)) * 20 + b"abc" * 300))
    for at, value in changes:
        data[at % len(data)] = value
    seen = 0
    try:
        for block in kind.inflated(cut(bytes(data), 64), 512):
            seen += len(block)
    except EOFError:
        return
    assert seen <= 1032 * (len(data) + 16)


@BOTH
def test_a_flipped_byte_in_a_member_is_told(kind: Deflate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deflate, "fit_for", staticmethod(lambda _: kind))
    path = tmp_path / "a.ipa"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Payload/A", b"some text, " * 400)
    whole = path.read_bytes()
    start = whole.index(b"Payload/A") + len("Payload/A")
    for at in range(start, whole.index(b"PK\1\2")):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(Malformed), open_artifact(path) as artifact:
            for _ in artifact.blocks("Payload/A"):
                pass
