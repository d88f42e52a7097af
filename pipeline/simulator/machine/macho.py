"""Writes small real Mach-O files: what a linker makes of a `main` that returns 0 (mach-o/loader.h, mach-o/fat.h)."""

from __future__ import annotations

from struct import pack, pack_into, unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.simulator.machine.project import Sdk

PAGE = 0x4000
_BASE = 0x1_0000_0000
_TEXT_SIZE = 2 * PAGE
"""One page of headers, one of code: encryption covers all but the first page, so there must be a second."""

_CPU = {"arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3)}
_CODE = {"arm64": bytes.fromhex("00008052c0035fd6"), "x86_64": bytes.fromhex("31c0c3")}
_TOOL_LD = 3
_LD_VERSION = "1230.1"
_LIBSYSTEM = "/usr/lib/libSystem.B.dylib"


def packed_version(text: str) -> int:
    """X.Y.Z as xxxx.yy.zz in 32 bits; what is no number counts as 0."""
    parts = [int(part) if part.isdigit() else 0 for part in text.split(".")][:3]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return min(major, 0xFFFF) << 16 | min(minor, 0xFF) << 8 | min(patch, 0xFF)


def _name(text: str) -> bytes:
    return text.encode().ljust(16, b"\0")


def _segment(name: str, vm: tuple[int, int], file: tuple[int, int], protection: int, *sections: bytes) -> bytes:
    return pack(
        "<II16sQQQQiiII",
        0x19,
        72 + 80 * len(sections),
        _name(name),
        *vm,
        *file,
        protection,
        protection,
        len(sections),
        0,
    ) + b"".join(sections)


def _section(name: str, segment: str, address: int, size: int, *, offset: int, flags: int) -> bytes:
    return pack("<16s16sQQIIIIIIII", _name(name), _name(segment), address, size, offset, 2, 0, 0, flags, 0, 0, 0)


def _with_text(command: int, fixed: bytes, text: str) -> bytes:
    offset = 8 + len(fixed) + 4
    size = (offset + len(text) + 1 + 7) & ~7
    return (pack("<III", command, size, offset) + fixed + text.encode()).ljust(size, b"\0")


def _build_version(sdk: Sdk, minimum: str) -> bytes:
    versions = (packed_version(minimum), packed_version(sdk.version))
    return pack("<IIIIIIII", 0x32, 32, sdk.macho_platform, *versions, 1, _TOOL_LD, packed_version(_LD_VERSION))


def _symbols(addresses: Sequence[tuple[str, int]]) -> tuple[bytes, bytes]:
    table, strings = b"", b" \0"
    for name, address in addresses:
        table += pack("<IBBHQ", len(strings), 0x0F, 1, 0x10 if name.startswith("__mh") else 0, address)
        strings += name.encode() + b"\0"
    return table, strings.ljust((len(strings) + 7) & ~7, b"\0")


def _image(architecture: str, filetype: int, flags: int, loads: Sequence[bytes]) -> bytes:
    body = b"".join(loads)
    return pack("<IiiIIIII", 0xFEEDFACF, *_CPU[architecture], filetype, len(loads), len(body), flags, 0) + body


def executable(architecture: str, sdk: Sdk, minimum: str, uuid: bytes) -> bytes:
    """A thin MH_EXECUTE without a signature.

    `minimum` is the lowest supported system, "17.0"; `uuid` has 16 bytes.
    """
    code = _CODE[architecture]
    table, strings = _symbols((("__mh_execute_header", _BASE), ("_main", _BASE + PAGE)))
    symbols_at = _TEXT_SIZE
    strings_at = symbols_at + len(table)
    linkedit = len(table) + len(strings)
    dylib = pack("<III", 2, packed_version("1351"), packed_version("1"))
    loads = [
        _segment("__PAGEZERO", (0, _BASE), (0, 0), 0),
        _segment(
            "__TEXT",
            (_BASE, _TEXT_SIZE),
            (0, _TEXT_SIZE),
            5,
            _section("__text", "__TEXT", _BASE + PAGE, len(code), offset=PAGE, flags=0x80000400),
        ),
        _segment("__LINKEDIT", (_BASE + _TEXT_SIZE, (linkedit + PAGE - 1) & -PAGE), (_TEXT_SIZE, linkedit), 1),
        pack("<II40x", 0x80000022, 48),
        pack("<IIIIII", 2, 24, symbols_at, len(table) // 16, strings_at, len(strings)),
        pack("<IIIIIIII48x", 0xB, 80, 0, 0, 0, 2, 2, 0),
        _with_text(0xE, b"", "/usr/lib/dyld"),
        pack("<II16s", 0x1B, 24, uuid),
        _build_version(sdk, minimum),
        pack("<IIQ", 0x2A, 16, 0),
        pack("<IIQQ", 0x80000028, 24, PAGE, 0),
        *([pack("<IIIIII", 0x2C, 24, PAGE, PAGE, 0, 0)] if sdk.name != "macosx" else []),
        _with_text(0xC, dylib, _LIBSYSTEM),
    ]
    head = _image(architecture, 2, 0x00200085, loads)
    text = head.ljust(PAGE, b"\0") + code
    return text.ljust(_TEXT_SIZE, b"\0") + table + strings


def debug_symbols(architecture: str, sdk: Sdk, minimum: str, uuid: bytes, source: str) -> bytes:
    """A thin MH_DSYM with the same UUID; its only DWARF section is the string table, which names `source`."""
    table, strings = _symbols((("__mh_execute_header", _BASE), ("_main", _BASE + PAGE)))
    dwarf = source.encode() + b"\0"
    symbols_at = PAGE
    strings_at = symbols_at + len(table)
    dwarf_at = 2 * PAGE
    loads = [
        pack("<II16s", 0x1B, 24, uuid),
        _build_version(sdk, minimum),
        pack("<IIIIII", 2, 24, symbols_at, len(table) // 16, strings_at, len(strings)),
        _segment("__PAGEZERO", (0, _BASE), (0, 0), 0),
        _segment(
            "__TEXT",
            (_BASE, _TEXT_SIZE),
            (0, 0),
            5,
            _section("__text", "__TEXT", _BASE + PAGE, len(_CODE[architecture]), offset=0, flags=0x80000400),
        ),
        _segment("__LINKEDIT", (_BASE + _TEXT_SIZE, PAGE), (symbols_at, len(table) + len(strings)), 1),
        _segment(
            "__DWARF",
            (_BASE + _TEXT_SIZE + PAGE, PAGE),
            (dwarf_at, len(dwarf)),
            3,
            _section(
                "__debug_str", "__DWARF", _BASE + _TEXT_SIZE + PAGE, len(dwarf), offset=dwarf_at, flags=0x02000000
            ),
        ),
    ]
    head = _image(architecture, 10, 0, loads)
    return (head.ljust(symbols_at, b"\0") + table + strings).ljust(dwarf_at, b"\0") + dwarf


def joined(images: Sequence[tuple[str, bytes]]) -> bytes:
    """One slice as it is; several in a fat file, each aligned to 16 KiB."""
    if len(images) == 1:
        return images[0][1]
    head = pack(">II", 0xCAFEBABE, len(images))
    out = bytearray(PAGE)
    for architecture, data in images:
        out += b"\0" * (-len(out) % PAGE)
        head += pack(">iiIII", *_CPU[architecture], len(out), len(data), 14)
        out += data
    out[: len(head)] = head
    return bytes(out)


def slices(data: bytes) -> list[tuple[str, bytes]]:
    """The thin images in a file, by architecture.

    Raises:
        ValueError: it holds something else than 64-bit images for arm64 and x86_64.
    """
    names = {cpu: name for name, (cpu, _) in _CPU.items()}
    if data[:4] == b"\xca\xfe\xba\xbe":
        (count,) = unpack_from(">I", data, 4)
        if count > len(_CPU):
            raise ValueError("too many architectures")
        found = [unpack_from(">iiIII", data, 8 + 20 * number) for number in range(count)]
        thin = [data[offset : offset + size] for _, _, offset, size, _ in found]
    else:
        thin = [data]
    named = []
    for image in thin:
        if len(image) < 32 or image[:4] != b"\xcf\xfa\xed\xfe":
            raise ValueError("not a 64-bit Mach-O image")
        (cpu,) = unpack_from("<i", image, 4)
        if cpu not in names:
            raise ValueError(f"an image for cpu type {cpu:#x}")
        named.append((names[cpu], image))
    return named


def commands(image: bytes) -> list[tuple[int, int, int]]:
    """(command, offset, size) of each load command of a thin image; raises ValueError when they are damaged."""
    count, total = unpack_from("<II", image, 16)
    at, end, found = 32, min(32 + total, len(image)), []
    for _ in range(count):
        if at + 8 > end:
            raise ValueError("load commands are cut short")
        command, size = unpack_from("<II", image, at)
        if size < 8 or at + size > end:
            raise ValueError("a load command has an impossible size")
        found.append((command, at, size))
        at += size
    return found


def signature(image: bytes) -> tuple[int, int] | None:
    """Offset and size of a thin image's code signature."""
    for command, at, _ in commands(image):
        if command == 0x1D:
            offset, size = unpack_from("<II", image, at + 8)
            return offset, size
    return None


def _segment_at(image: bytes, name: str) -> int:
    for command, at, _ in commands(image):
        if command == 0x19 and image[at + 8 : at + 24] == _name(name):
            return at
    raise ValueError(f"no segment {name}")


def text_size(image: bytes) -> int:
    """Bytes of __TEXT: the limit of the executable segment in a CodeDirectory."""
    size: int = unpack_from("<Q", image, _segment_at(image, "__TEXT") + 48)[0]
    return size


def with_signature_room(image: bytes, room: int) -> bytes:
    """The image without its signature, ending where the next one begins, with `room` bytes promised to that one."""
    placed = signature(image)
    code = bytearray(image[: placed[0]] if placed else image)
    code += b"\0" * (-len(code) % 16)
    if placed:
        at = next(at for command, at, _ in commands(image) if command == 0x1D)
    else:
        count, total = unpack_from("<II", code, 16)
        at = 32 + total
        if any(code[at : at + 16]):
            raise ValueError("no room for one more load command")
        pack_into("<II", code, 16, count + 1, total + 16)
    pack_into("<IIII", code, at, 0x1D, 16, len(code), room)
    linkedit = _segment_at(image, "__LINKEDIT")
    (offset,) = unpack_from("<Q", code, linkedit + 40)
    size = len(code) + room - offset
    pack_into("<Q", code, linkedit + 32, (size + PAGE - 1) & -PAGE)
    pack_into("<Q", code, linkedit + 48, size)
    return bytes(code)
