"""Mach-O executables: architectures, platforms, versions and where the signature lies, read within bounds.

Layouts: Apple's <mach-o/loader.h> and <mach-o/fat.h>.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from pipeline.apple.bundle.faults import Excessive, Malformed, StaticLibrary
from pipeline.apple.bundle.symbols import SymbolTables, Used, Wanted
from pipeline.values import dataclass

MOST_SLICES = 16
MOST_COMMAND_BYTES = 4 * 1024 * 1024
MOST_COMMANDS = 20_000

_FAT = {b"\xca\xfe\xba\xbe": 20, b"\xca\xfe\xba\xbf": 32}
_THIN = {
    b"\xce\xfa\xed\xfe": ("<", 28),
    b"\xcf\xfa\xed\xfe": ("<", 32),
    b"\xfe\xed\xfa\xce": (">", 28),
    b"\xfe\xed\xfa\xcf": (">", 32),
}
_ARCHITECTURES = {
    (7, None): "i386",
    (0x01000007, 8): "x86_64h",
    (0x01000007, None): "x86_64",
    (12, 9): "armv7",
    (12, 11): "armv7s",
    (12, 12): "armv7k",
    (12, None): "arm",
    (0x0100000C, 2): "arm64e",
    (0x0100000C, None): "arm64",
    (0x0200000C, None): "arm64_32",
    (18, None): "ppc",
    (0x01000012, None): "ppc64",
}
_FILE_TYPES = {1: "object", 2: "executable", 6: "dylib", 7: "dylinker", 8: "bundle", 10: "dsym", 11: "kext"}
_PLATFORMS = {
    1: "macOS",
    2: "iOS",
    3: "tvOS",
    4: "watchOS",
    5: "bridgeOS",
    6: "Mac Catalyst",
    7: "iOS Simulator",
    8: "tvOS Simulator",
    9: "watchOS Simulator",
    10: "DriverKit",
    11: "visionOS",
    12: "visionOS Simulator",
}
_STATIC = b"!<ar"
_LC_SEGMENT = {0x01: (4, 68), 0x19: (8, 80)}
"""Segment commands: width of their addresses, and size of each section behind them, both in bytes."""
_LC_SYMTAB = 0x02
_LC_DYSYMTAB = 0x0B
_LC_CHAINED_FIXUPS = 0x80000034
_LC_UUID = 0x1B
_LC_CODE_SIGNATURE = 0x1D
_LC_ENCRYPTION_INFO = (0x21, 0x2C)
_LC_BUILD_VERSION = 0x32
_LC_VERSION_MIN = {0x24: "macOS", 0x25: "iOS", 0x2F: "tvOS", 0x30: "watchOS"}
_LC_DYLIBS = (0x0C, 0x80000018, 0x8000001F, 0x20, 0x80000023)
_INTEL = (7, 0x01000007)


@dataclass(frozen=True)
class Segment:
    """One segment of a slice: where its bytes lie in the slice, and the names of its sections."""

    name: str = ""
    offset: int = 0
    size: int = 0
    sections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slice:
    """One architecture of a Mach-O file. Offsets and sizes are in bytes; `offset` counts from the file's beginning.

    `signature` is (offset from the slice's beginning, size), None when there is no LC_CODE_SIGNATURE.
    `encryption` is the cryptid of LC_ENCRYPTION_INFO, None without that command. Versions are "26.2" or "26.2.1".
    `imports` are those of the names asked for that it takes from other libraries, `selectors` those of the messages
    asked for whose names it holds; `unread` says why its symbols could not be read.
    """

    architecture: str = ""
    file_type: str = "executable"
    platform: str = ""
    minimum_os: str = ""
    sdk: str = ""
    uuid: str = ""
    encryption: int | None = None
    libraries: tuple[str, ...] = ()
    signature: tuple[int, int] | None = None
    offset: int = 0
    size: int = 0
    segments: tuple[Segment, ...] = ()
    imports: frozenset[str] = frozenset()
    selectors: frozenset[str] = frozenset()
    unread: str = ""

    def has_section(self, name: str) -> bool:
        """Whether any segment has a section of that name."""
        return any(name in segment.sections for segment in self.segments)


def is_macho(head: bytes) -> bool:
    """Whether a file that begins so is Mach-O. Java classes share the fat magic; their version tells them apart."""
    magic = head[:4]
    if magic in _THIN:
        return True
    return magic in _FAT and len(head) >= 8 and 0 < int.from_bytes(head[4:8], "big") <= MOST_SLICES


def read_macho(file: BinaryIO, size: int, wanted: Wanted | None = None, *, whole: int = 0) -> tuple[Slice, ...]:
    """The slices of a thin or fat Mach-O file of `size` bytes, with those of the wanted names that they use.

    `whole` is the size of the file of which `file` holds only the beginning; then it must be thin.

    Raises:
        Malformed: a count, size or offset points outside the file or outside its own command.
    """
    head = _read(file, 0, 8, size)
    if head[:4] not in _FAT:
        return (_read_slice(file, 0, whole or size, wanted),)
    count = int.from_bytes(head[4:8], "big")
    if not 0 < count <= MOST_SLICES:
        raise Malformed(f"the fat header claims {count:,} architectures")
    width = _FAT[head[:4]]
    table = _read(file, 8, count * width, size)
    slices = []
    end = 8 + count * width
    for offset, length in sorted(_fat_entry(table, at, width) for at in range(0, count * width, width)):
        if offset < end or offset + length > size:
            raise Malformed("the fat header points outside the file, or its slices overlap")
        end = offset + length
        slices.append(_read_slice(file, offset, length, wanted))
    return tuple(slices)


def _fat_entry(table: bytes, at: int, width: int) -> tuple[int, int]:
    values = struct.unpack_from(">QQ" if width == 32 else ">II", table, at + 8)
    return int(values[0]), int(values[1])


def _read(file: BinaryIO, offset: int, length: int, size: int) -> bytes:
    if offset + length > size:
        raise Malformed("the Mach-O file is cut short")
    file.seek(offset)
    data = file.read(length)
    if len(data) != length:
        raise Malformed("the Mach-O file is cut short")
    return data


def _read_slice(file: BinaryIO, offset: int, size: int, wanted: Wanted | None) -> Slice:
    magic = _read(file, offset, 4, offset + size)
    if magic == _STATIC:
        raise StaticLibrary("a static library")
    if magic not in _THIN:
        raise Malformed("no Mach-O magic where a slice should begin")
    order, width = _THIN[magic]
    header = _read(file, offset, width, offset + size)
    cpu, subtype, file_type, count, length = struct.unpack_from(order + "5I", header, 4)
    if length > MOST_COMMAND_BYTES or count > MOST_COMMANDS:
        raise Excessive(f"the Mach-O header claims {count:,} load commands in {length:,} bytes")
    commands = _read(file, offset + width, length, offset + size)
    found = _Commands(order, intel=cpu in _INTEL, wide=width == 32)
    at = 0
    for _ in range(count):
        if at + 8 > length:
            raise Malformed("the load commands end before the last one")
        kind, step = struct.unpack_from(order + "2I", commands, at)
        if step < 8 or at + step > length:
            raise Malformed(f"load command 0x{kind:x} claims {step:,} bytes")
        found.take(kind, commands[at : at + step])
        at += step
    if found.signature and sum(found.signature) > size:
        raise Malformed("LC_CODE_SIGNATURE points outside the file")
    used, unread = Used(), ""
    if wanted:
        try:
            used = found.tables.used(file, offset, size, wanted)
        except Malformed as fault:
            unread = str(fault)
    return Slice(
        _architecture(cpu, subtype),
        _FILE_TYPES.get(file_type, f"type {file_type}"),
        found.platform,
        found.minimum_os,
        found.sdk,
        found.uuid,
        found.encryption,
        tuple(found.libraries),
        found.signature,
        offset,
        size,
        tuple(found.segments),
        used.imports,
        used.selectors,
        unread,
    )


def _architecture(cpu: int, subtype: int) -> str:
    exact = _ARCHITECTURES.get((cpu, subtype & 0x00FFFFFF))
    return exact or _ARCHITECTURES.get((cpu, None)) or f"cpu 0x{cpu:x}"


class _Commands:
    """What the load commands of one slice say."""

    def __init__(self, order: str, *, intel: bool, wide: bool) -> None:
        self._order = order
        self._intel = intel
        self.segments: list[Segment] = []
        self.tables = SymbolTables(order, wide=wide)
        self.platform = self.minimum_os = self.sdk = self.uuid = ""
        self.encryption: int | None = None
        self.libraries: list[str] = []
        self.signature: tuple[int, int] | None = None

    def take(self, kind: int, command: bytes) -> None:
        if kind == _LC_BUILD_VERSION:
            platform, minimum, sdk = self._numbers(command, 3)
            self._built(_PLATFORMS.get(platform, f"platform {platform}"), minimum, sdk)
        elif kind in _LC_VERSION_MIN:
            minimum, sdk = self._numbers(command, 2)
            # Before LC_BUILD_VERSION a simulator binary was told only by its Intel code.
            mobile = _LC_VERSION_MIN[kind] != "macOS" and self._intel
            self._built(_LC_VERSION_MIN[kind] + (" Simulator" if mobile else ""), minimum, sdk)
        elif kind == _LC_UUID:
            self.uuid = command[8:24].hex().upper() if len(command) >= 24 else ""
        elif kind in _LC_ENCRYPTION_INFO:
            self.encryption = self._numbers(command, 3)[2]
        elif kind in _LC_DYLIBS:
            self._library(command)
        elif kind in _LC_SEGMENT:
            self._segment(command, *_LC_SEGMENT[kind])
        else:
            self._place(kind, command)

    def _place(self, kind: int, command: bytes) -> None:
        """The commands that say no more than where something lies."""
        if kind == _LC_CODE_SIGNATURE:
            offset, size = self._numbers(command, 2)
            self.signature = (offset, size)
        elif kind == _LC_SYMTAB:
            self.tables.names = self._numbers(command, 4)
        elif kind == _LC_DYSYMTAB:
            self.tables.undefined = self._numbers(command, 6)[4:]
        elif kind == _LC_CHAINED_FIXUPS:
            self.tables.fixups = self._numbers(command, 2)

    def _segment(self, command: bytes, width: int, step: int) -> None:
        head = 24 + 4 * width + 16
        if len(command) < head:
            raise Malformed("a segment is shorter than its fields")
        letter = "Q" if width == 8 else "I"
        _, _, offset, size = struct.unpack_from(f"{self._order}4{letter}", command, 24)
        count = int(struct.unpack_from(f"{self._order}I", command, head - 8)[0])
        if head + count * step > len(command):
            raise Malformed("a segment claims more sections than it holds")
        name = _name(command, 8)
        sections = []
        for at in range(head, head + count * step, step):
            sections.append(_name(command, at))
            if sections[-1] == "__objc_methname":
                (length,) = struct.unpack_from(f"{self._order}{letter}", command, at + 32 + width)
                (start,) = struct.unpack_from(f"{self._order}I", command, at + 32 + 2 * width)
                self.tables.messages = (start, length)
        self.segments.append(Segment(name, offset, size, tuple(sections)))

    def _numbers(self, command: bytes, count: int) -> tuple[int, ...]:
        if len(command) < 8 + 4 * count:
            raise Malformed("a load command is shorter than its fields")
        return struct.unpack_from(f"{self._order}{count}I", command, 8)

    def _built(self, platform: str, minimum: int, sdk: int) -> None:
        # A zippered binary names macOS first and Mac Catalyst second: the first is what it is.
        if not self.platform:
            self.platform, self.minimum_os, self.sdk = platform, _version(minimum), _version(sdk)

    def _library(self, command: bytes) -> None:
        start = self._numbers(command, 1)[0]
        if not 8 <= start < len(command):
            raise Malformed("a library's name lies outside its load command")
        self.libraries.append(command[start:].split(b"\0", 1)[0].decode("utf-8", "replace"))


def _name(command: bytes, at: int) -> str:
    return command[at : at + 16].split(b"\0", 1)[0].decode("utf-8", "replace")


def _version(packed: int) -> str:
    major, minor, patch = packed >> 16, packed >> 8 & 0xFF, packed & 0xFF
    return f"{major}.{minor}.{patch}" if patch else f"{major}.{minor}"
