"""The code signature inside a Mach-O file: code directories, their page and slot hashes, entitlements and the CMS blob.

Layout: Apple's <kern/cs_blobs.h> (xnu) and CodeDirectory in libsecurity_codesigning. What is verified is what
SecStaticCode::verifySignature verifies (Security, StaticCode.cpp).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, BinaryIO

from pipeline.apple.bundle import dictionaries, timestamps
from pipeline.apple.bundle.entitlements import read_der
from pipeline.apple.bundle.faults import Excessive, Malformed
from pipeline.apple.bundle.timestamps import Timestamp
from pipeline.apple.signing.cms import Signature, read_signed
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import Anchors
from pipeline.values import dataclass

MOST_BYTES = 64 * 1024 * 1024
_TEAM_LENGTH = 10
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
ADHOC = 0x2
RUNTIME = 0x10000

_SUPERBLOB, _DIRECTORY, _CMS = 0xFADE0CC0, 0xFADE0C02, 0xFADE0B01
_MAGICS = {REQUIREMENTS: 0xFADE0C01, ENTITLEMENTS: 0xFADE7171, ENTITLEMENTS_DER: 0xFADE7172}
_ALTERNATES = range(0x1000, 0x1006)
_CMS_SLOT = 0x10000
_HASHES = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48), 5: ("sha512", 64)}
_DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


@dataclass(frozen=True)
class CodeDirectory:
    """What is signed: hashes of all pages of code and of the slots around it.

    `kind` is the number of the hash, `limit` is how many bytes of the slice are hashed, `page` the page size in bytes
    (0: one page), `slots` the special slots by number, `pages` the concatenated page hashes, `raw` the whole blob that
    the CMS signature covers.
    """

    identifier: str
    team_id: str
    flags: int
    version: int
    kind: int
    algorithm: str
    width: int
    page: int
    limit: int
    slots: Mapping[int, bytes]
    pages: bytes = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def digest(self) -> bytes:
        """The directory's own hash."""
        return hashlib.new(self.algorithm, self.raw).digest()

    @property
    def cdhash(self) -> bytes:
        """The identity of this code: the directory's own hash, cut to 20 bytes."""
        return self.digest[:20]


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


@dataclass(frozen=True)
class Signer:
    """Who signed. Certificates are DER. `flaws` says what does not hold; empty means that the signature is right.

    `signed_at` is what the signer claims (aware, UTC), `timestamp` what an authority says of it; None without one.
    """

    certificate: bytes = field(repr=False)
    others: tuple[bytes, ...] = field(repr=False)
    signed_at: datetime | None
    timestamp: Timestamp | None
    flaws: tuple[str, ...]


def verify(data: bytes, directories: Sequence[CodeDirectory], anchors: Anchors) -> Signer:
    """Verify a code signature's CMS blob.

    Args:
        data: the blob, as CodeSignature.cms has it.
        directories: all code directories: the primary one first, over which the signature is made.
        anchors: the roots that a timestamp's chain must end in; the signer's own chain is another question.

    Raises:
        Malformed: not CMS with one signer and that signer's certificate, or made with an unknown algorithm.
    """
    try:
        message = read_signed(data, directories[0].raw)
        signature = message.only
        stamped = _stamped(signature, data, anchors)
    except SigningFault as fault:
        raise Malformed(f"the CMS signature cannot be read: {fault.why or fault.what}") from fault
    if signature.intact is None:
        raise Malformed(f"the CMS signature cannot be checked: {signature.why}")
    flaws = [] if signature.intact else [f"the CMS signature does not hold: {signature.why}"]
    flaws.extend(_directory_flaws(signature, directories))
    if stamped and stamped.flaw:
        flaws.append(f"{timestamps.WRONG}: {stamped.flaw}")
    others = tuple(each for each in message.certificates if each != signature.certificate)
    return Signer(signature.certificate, others, signature.signed_at, stamped, tuple(flaws))


def teams_differ(named: str, signer: str) -> bool:
    """Whether code names another team than its signer's certificate.

    Apple signs what the store sells, and its own frameworks, by certificates that name a department ("iPhone",
    "Apple Software") where a developer's name the team; the code goes on naming the developer's.
    """
    return (
        bool(named)
        and named != signer
        and len(signer) == _TEAM_LENGTH
        and signer.isalnum()
        and signer == signer.upper()
    )


def _stamped(signature: Signature, data: bytes, anchors: Anchors) -> Timestamp | None:
    if not signature.timestamp:
        return None
    return timestamps.read_timestamp(signature.timestamp, timestamps.signature_octets(data), anchors)


def _directory_flaws(signature: Signature, directories: Sequence[CodeDirectory]) -> Iterator[str]:
    """What the signed attributes say of the code directories: the list, and the digests that newer signatures have.

    Both name all directories and nothing else. Where neither is there, the signature is about the first alone.
    """
    listed, digests = signature.cdhashes, signature.cdhash_digests
    if listed is None and digests is None and len(directories) > 1:
        yield f"the CMS signature covers only the first of {len(directories)} code directories"
    other = False
    if listed is not None:
        told = dictionaries.read_signed(listed, "the list of cdhashes").get("cdhashes")
        # In order of the hash, as CodeDirectorySet::hashList writes it.
        other = told != [each.cdhash for each in sorted(directories, key=lambda each: each.kind)]
    if digests is not None:
        named = {_DIGESTS.get(algorithm, algorithm): digest for algorithm, digest in digests}
        other = other or len(named) != len(digests) or named != {each.algorithm: each.digest for each in directories}
        other = other or len(named) != len(directories)
    if other:
        yield "the CMS signature names other code directories (cdhashes differ)"


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
    if len({directory.kind for directory in directories}) != len(directories):
        flaws.append("two code directories of the signature use the same hash")
    if not cms and not directories[0].flags & ADHOC:
        flaws.append("the signature is not marked as ad hoc, and names no signer")
    return CodeSignature(tuple(directories), blobs, cms, entitlements, tuple(flaws))


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
        kind=kind,
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


def _entitlements(blobs: Mapping[int, bytes]) -> tuple[Mapping[str, Any], list[str]]:
    xml = der = None
    flaws: list[str] = []
    try:
        if ENTITLEMENTS in blobs:
            xml = dictionaries.read_signed(blobs[ENTITLEMENTS][8:], "the signed entitlements")
        if ENTITLEMENTS_DER in blobs:
            der = read_der(blobs[ENTITLEMENTS_DER][8:])
    except Malformed as fault:
        flaws.append(str(fault))
    if xml is not None and der is not None and dict(xml) != dict(der):
        flaws.append("the XML entitlements and the DER entitlements differ")
    return (xml if xml is not None else der or {}), flaws


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
    make, page = getattr(hashlib, directory.algorithm), directory.page
    per_read = max(page, BLOCK // page * page)
    left, number = directory.limit, 0
    while left > 0:
        want = min(per_read, left)
        # The last page ends where the signed code ends.
        held = memoryview(file.read(want))
        digests = [make(held[at : at + page]).digest()[:width] for at in range(0, want, page)]
        told = directory.pages[number * width : (number + len(digests)) * width]
        if b"".join(digests) != told:
            bad += [number + n for n, digest in enumerate(digests) if digest != told[n * width : (n + 1) * width]]
        number += len(digests)
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
