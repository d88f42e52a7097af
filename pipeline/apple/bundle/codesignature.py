"""The code signature inside a Mach-O file: code directories, their page and slot hashes, entitlements and the CMS blob.

Layout: Apple's <kern/cs_blobs.h> (xnu) and CodeDirectory in libsecurity_codesigning.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import field
from typing import Any, BinaryIO

from pipeline.apple.bundle.entitlements import read_der
from pipeline.apple.bundle.faults import Excessive, Malformed
from pipeline.apple.bundle.plists import read_dictionary
from pipeline.values import dataclass

MOST_BYTES = 64 * 1024 * 1024
MOST_BLOBS = 64
BLOCK = 1024 * 1024

INFO_PLIST = 1
REQUIREMENTS = 2
CODE_RESOURCES = 3
ENTITLEMENTS = 5
ENTITLEMENTS_DER = 7
SLOT_NAMES = {
    INFO_PLIST: "Info.plist",
    REQUIREMENTS: "the requirements",
    CODE_RESOURCES: "_CodeSignature/CodeResources",
    ENTITLEMENTS: "the entitlements",
    ENTITLEMENTS_DER: "the DER entitlements",
}
RUNTIME = 0x10000

_SUPERBLOB, _DIRECTORY, _CMS = 0xFADE0CC0, 0xFADE0C02, 0xFADE0B01
_MAGICS = {REQUIREMENTS: 0xFADE0C01, ENTITLEMENTS: 0xFADE7171, ENTITLEMENTS_DER: 0xFADE7172}
_ALTERNATES = range(0x1000, 0x1006)
_CMS_SLOT = 0x10000
_HASHES = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48), 5: ("sha512", 64)}


@dataclass(frozen=True)
class CodeDirectory:
    """What is signed: hashes of all pages of code and of the slots around it.

    `limit` is how many bytes of the slice are hashed, `page` the page size in bytes (0: one page), `slots` the special
    slots by number, `pages` the concatenated page hashes, `raw` the whole blob that the CMS signature covers.
    """

    identifier: str
    team_id: str
    flags: int
    version: int
    algorithm: str
    width: int
    page: int
    limit: int
    slots: Mapping[int, bytes]
    pages: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def cdhash(self) -> bytes:
        """The identity of this code: the directory's own hash, cut to 20 bytes."""
        return hashlib.new(self.algorithm, self.raw).digest()[:20]


@dataclass(frozen=True)
class CodeSignature:
    """One slice's signature. `directories` has the primary one first; `cms` is empty when it is ad hoc."""

    directories: tuple[CodeDirectory, ...]
    blobs: Mapping[int, bytes] = field(repr=False)
    cms: bytes = field(repr=False)
    entitlements: Mapping[str, Any]
    flaws: tuple[str, ...] = ()

    @property
    def primary(self) -> CodeDirectory:
        """The directory that the CMS signature covers."""
        return self.directories[0]

    @property
    def strongest(self) -> CodeDirectory:
        """The directory with the best hash: the one macOS and iOS go by."""
        return max(self.directories, key=lambda directory: (directory.width, directory.algorithm))


def read_signature(data: bytes) -> CodeSignature:
    """The parts of an embedded signature (what LC_CODE_SIGNATURE points at).

    Raises:
        Malformed: lengths and offsets that lie, no code directory, an unknown hash.
    """
    blobs = _blobs(data)
    directories = [_directory(blobs[slot]) for slot in (0, *_ALTERNATES) if slot in blobs]
    if 0 not in blobs:
        raise Malformed("the code signature has no code directory")
    for slot, magic in _MAGICS.items():
        if slot in blobs and int.from_bytes(blobs[slot][:4], "big") != magic:
            raise Malformed(f"{SLOT_NAMES[slot]} in the code signature are of the wrong kind")
    entitlements, flaws = _entitlements(blobs)
    cms = blobs.get(_CMS_SLOT, b"")[8:]
    return CodeSignature(tuple(directories), blobs, cms, entitlements, flaws)


def _blobs(data: bytes) -> dict[int, bytes]:
    if len(data) < 12:
        raise Malformed("the code signature is cut short")
    magic, length, count = struct.unpack_from(">3I", data)
    if magic != _SUPERBLOB:
        raise Malformed("the code signature does not begin as one")
    if length > len(data) or count > MOST_BLOBS or 12 + 8 * count > length:
        raise Malformed(f"the code signature claims {count:,} parts in {length:,} bytes")
    blobs: dict[int, bytes] = {}
    for index in range(count):
        slot, offset = struct.unpack_from(">2I", data, 12 + 8 * index)
        if offset + 8 > length:
            raise Malformed("a part of the code signature lies outside it")
        size = int.from_bytes(data[offset + 4 : offset + 8], "big")
        if size < 8 or offset + size > length:
            raise Malformed("a part of the code signature lies outside it")
        if slot in blobs:
            raise Malformed("the code signature holds one part twice")
        blobs[slot] = data[offset : offset + size]
    return blobs


def _directory(raw: bytes) -> CodeDirectory:
    if len(raw) < 44:
        raise Malformed("a code directory is cut short")
    magic, length, version, flags, hashes, name, specials, count, limit = struct.unpack_from(">9I", raw)
    width, kind, _, page = struct.unpack_from(">4B", raw, 36)
    if magic != _DIRECTORY or length != len(raw):
        raise Malformed("a code directory does not begin as one")
    if kind not in _HASHES or width != _HASHES[kind][1]:
        raise Malformed(f"a code directory uses an unknown hash (type {kind}, {width} bytes)")
    if page and not 9 <= page <= 24:
        raise Malformed(f"a code directory has pages of 2^{page} bytes")
    if specials > 32 or hashes < specials * width or hashes + count * width > length:
        raise Malformed("a code directory claims more hashes than it holds")
    team = _number(raw, 48, 4) if version >= 0x20200 else 0
    if version >= 0x20300 and (wide := _number(raw, 56, 8)):
        limit = wide
    size = 1 << page if page else 0
    if count != (-(-limit // size) if size else 1):
        raise Malformed(f"a code directory has {count:,} page hashes for {limit:,} bytes")
    return CodeDirectory(
        identifier=_text(raw, name),
        team_id=_text(raw, team) if team else "",
        flags=flags,
        version=version,
        algorithm=_HASHES[kind][0],
        width=width,
        page=size,
        limit=limit,
        slots={slot: raw[hashes - slot * width : hashes - (slot - 1) * width] for slot in range(1, specials + 1)},
        pages=raw[hashes : hashes + count * width],
        raw=raw,
    )


def _number(raw: bytes, offset: int, width: int) -> int:
    if offset + width > len(raw):
        raise Malformed("a code directory is shorter than its version says")
    return int.from_bytes(raw[offset : offset + width], "big")


def _text(raw: bytes, offset: int) -> str:
    end = raw.find(b"\0", offset)
    if not 0 < offset < len(raw) or end < 0:
        raise Malformed("a name in a code directory lies outside it")
    return raw[offset:end].decode("utf-8", "replace")


def _entitlements(blobs: Mapping[int, bytes]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    xml = der = None
    flaws = []
    try:
        if ENTITLEMENTS in blobs:
            xml = read_dictionary(blobs[ENTITLEMENTS][8:], "the signed entitlements")
        if ENTITLEMENTS_DER in blobs:
            der = read_der(blobs[ENTITLEMENTS_DER][8:])
    except Malformed as fault:
        flaws.append(str(fault))
    if xml is not None and der is not None and dict(xml) != dict(der):
        flaws.append("the XML entitlements and the DER entitlements differ")
    return (xml if xml is not None else der or {}), tuple(flaws)


def page_flaws(directory: CodeDirectory, file: BinaryIO, offset: int, end: int) -> tuple[str, ...]:
    """Hash the code again, block by block, and say which pages differ.

    Args:
        directory: the hashes to compare with.
        file: the Mach-O file.
        offset: where the slice begins in the file.
        end: where its signature begins in the slice: nothing before it may be left unsigned.
    """
    if directory.limit > end:
        return (f"the code directory covers {directory.limit:,} bytes, but the code ends at {end:,}",)
    if end - directory.limit > 16:
        # Apple's tools align the signature to 16 bytes: anything more is code that nobody signed.
        return (f"{end - directory.limit:,} bytes before the signature are not signed",)
    bad = _differing_pages(directory, file, offset)
    if not bad:
        return ()
    shown = ", ".join(f"{page:,}" for page in bad[:5]) + (", …" if len(bad) > 5 else "")
    word = "page" if len(bad) == 1 else "pages"
    return (f"{len(bad):,} {word} of code changed after signing ({word} {shown})",)


def _differing_pages(directory: CodeDirectory, file: BinaryIO, offset: int) -> list[int]:
    file.seek(offset)
    width = directory.width
    if not directory.page:
        hasher = hashlib.new(directory.algorithm)
        left = directory.limit
        while left and (block := file.read(min(BLOCK, left))):
            hasher.update(block)
            left -= len(block)
        return [] if hasher.digest()[:width] == directory.pages and not left else [0]
    bad = []
    make = getattr(hashlib, directory.algorithm)
    per_read = max(directory.page, BLOCK // directory.page * directory.page)
    left, number, pages = directory.limit, 0, directory.pages
    while left > 0:
        want = min(per_read, left)
        held = memoryview(file.read(want))
        for at in range(0, want, directory.page):
            digest = make(held[at : min(at + directory.page, want)]).digest()
            if digest[:width] != pages[number * width : (number + 1) * width]:
                bad.append(number)
            number += 1
        left -= want
    return bad


def slot_flaws(signature: CodeSignature, around: Mapping[int, bytes | None]) -> tuple[str, ...]:
    """Say which parts around the code differ from what was signed.

    Args:
        signature: the signature with the blobs it holds itself.
        around: the files that belong to the bundle by slot number (INFO_PLIST, CODE_RESOURCES); None when the file is
            absent; a slot that is not mentioned is not judged.
    """
    flaws: dict[str, None] = {}
    for directory in signature.directories:
        held: dict[int, bytes | None] = {slot: signature.blobs.get(slot) for slot in _MAGICS}
        for slot, content in {**held, **around}.items():
            if flaw := _slot_flaw(directory, slot, content):
                flaws[flaw] = None
    return tuple(flaws)


def _slot_flaw(directory: CodeDirectory, slot: int, content: bytes | None) -> str:
    signed = directory.slots.get(slot, b"")
    if not any(signed):
        if content is not None and slot in (ENTITLEMENTS, ENTITLEMENTS_DER, CODE_RESOURCES):
            return f"the signature does not cover {SLOT_NAMES[slot]}"
        return ""
    if content is None:
        return f"{SLOT_NAMES[slot]} was signed and is missing"
    if hashlib.new(directory.algorithm, content).digest()[: directory.width] != signed:
        return f"{SLOT_NAMES[slot]} changed after signing"
    return ""


def read_from(file: BinaryIO, offset: int, size: int) -> CodeSignature:
    """The signature of `size` bytes at `offset` of a file. Raises Malformed as `read_signature` does."""
    if size > MOST_BYTES:
        raise Excessive(f"the code signature claims {size:,} bytes")
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise Malformed("the code signature is cut short")
    return read_signature(data)
