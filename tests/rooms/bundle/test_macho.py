"""Mach-O headers: what honest ones say, and that lying ones are refused within bounds."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle.faults import Excessive, Malformed
from pipeline.apple.bundle.macho import Slice, is_macho, read_macho
from tests.rooms.bundle import foundry


def slices_of(data: bytes) -> tuple[Slice, ...]:
    return read_macho(io.BytesIO(data), len(data))


def test_a_thin_file() -> None:
    data = foundry.macho(signature=100) + bytes(100)
    (part,) = slices_of(data)
    assert (part.architecture, part.file_type, part.platform) == ("arm64", "executable", "iOS")
    assert (part.minimum_os, part.sdk, part.encryption) == ("17.0", "26.2", 0)
    assert part.libraries == ("/usr/lib/libSystem.B.dylib",)
    assert len(part.uuid) == 32
    assert part.signature == (9008, 100)


def test_a_fat_file() -> None:
    parts = slices_of(
        foundry.fat(foundry.macho(foundry.X86_64, foundry.MACOS), foundry.macho(foundry.ARM64, foundry.MACOS))
    )
    assert [part.architecture for part in parts] == ["x86_64", "arm64"]
    assert [part.offset for part in parts] == [0x4000, 0x8000]


def test_a_simulator_before_build_versions() -> None:
    command = struct.pack("<4I", 0x25, 16, 0x0C0000, 0x0D0000)
    head = b"\xcf\xfa\xed\xfe" + struct.pack("<7I", *foundry.X86_64, 2, 1, len(command), 0, 0)
    (part,) = slices_of(head + command)
    assert part.platform == "iOS Simulator"


def test_java_classes_are_no_macho() -> None:
    assert not is_macho(b"\xca\xfe\xba\xbe\x00\x00\x00\x41")
    assert is_macho(b"\xca\xfe\xba\xbe\x00\x00\x00\x02")
    assert not is_macho(b"")


def header(count: int, length: int, commands: bytes) -> bytes:
    return b"\xcf\xfa\xed\xfe" + struct.pack("<7I", *foundry.ARM64, 2, count, length, 0, 0) + commands


@pytest.mark.parametrize(
    "data",
    [
        header(1, 8, struct.pack("<2I", 0x1B, 4)),
        header(1, 8, struct.pack("<2I", 0x1B, 0)),
        header(1, 8, struct.pack("<2I", 0x1B, 0xFFFFFFF0)),
        header(2, 8, struct.pack("<2I", 0x1B, 8)),
        header(1, 8, struct.pack("<2I", 0x32, 8)),
        header(1, 16, struct.pack("<4I", 0x1D, 16, 0xFFFFFFFF, 0xFFFFFFFF)),
        header(1, 24, struct.pack("<6I", 0x0C, 24, 400, 0, 0, 0)),
        header(1, 5000, b""),
        b"\xca\xfe\xba\xbe" + struct.pack(">I", 1) + struct.pack(">5I", 7, 3, 0xFFFFFFF0, 0x7FFFFFFF, 0),
        b"\xca\xfe\xba\xbe" + struct.pack(">I", 0xFFFF),
        b"",
        b"\xcf\xfa\xed\xfe",
    ],
)
def test_lies_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        slices_of(data)


def test_a_fat_header_within_itself_is_refused() -> None:
    inner = foundry.macho()
    entry = struct.pack(">5I", 7, 3, 0, len(inner) + 28, 0)
    with pytest.raises(Malformed, match="overlap"):
        slices_of(b"\xca\xfe\xba\xbe" + struct.pack(">I", 1) + entry + inner)


def test_millions_of_commands_are_too_many() -> None:
    with pytest.raises(Excessive):
        slices_of(header(0xFFFFFFFF, 8, struct.pack("<2I", 0x1B, 8)))


THIN = foundry.macho(code=600, signature=16) + bytes(16)


def test_every_truncation_is_refused_or_read() -> None:
    for length in range(len(THIN)):
        with pytest.raises(Malformed):
            slices_of(THIN[:length])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 260), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_damage_never_escapes(changes: list[tuple[int, int]], fat: bool) -> None:
    data = bytearray(foundry.fat(THIN, THIN) if fat else THIN)
    for at, value in changes:
        data[at] = value
    try:
        slices_of(bytes(data))
    except Malformed:
        return
