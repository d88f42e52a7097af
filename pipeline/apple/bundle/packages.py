"""Installer packages: xar archives whose Payload is a compressed cpio archive.

Layouts: xar's header and table of contents as in Apple's xar; cpio "odc" and "newc" as in POSIX pax and cpio(5); pbzx
as Apple's installer writes it (magic, flags, then blocks of flags, length and xz or raw data).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from pipeline.apple.bundle.containers import (
    BLOCK,
    LONGEST_LINK,
    MOST_BYTES,
    MOST_FILES,
    Artifact,
    Entry,
    checked_path,
    leads_outside,
)
from pipeline.apple.bundle.deflate import ZLIB
from pipeline.apple.bundle.faults import Excessive, Malformed, Unsupported
from pipeline.apple.bundle.timestamps import signature_octets
from pipeline.apple.signing.cms import SIZE_LIMIT as MOST_CMS_BYTES
from pipeline.apple.signing.cms import read_signed
from pipeline.apple.signing.faults import SigningFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MOST_TOC_BYTES = 32 * 1024 * 1024
MOST_MARKS = 200_000
"""Of tags and attributes in a table of contents: each takes many times its length in memory."""
MOST_GROWTH = 1100
MOST_CERTIFICATES = 16
MOST_LZMA_BYTES = 256 * BLOCK
"""Bytes that a decompressor may take for its dictionary."""
_ANY_ZLIB = 47
"""Window bits for zlib.decompressobj: streams of zlib and gzip alike."""
_GZIP = 31
"""Window bits for gzip's streams alone."""
_LONGEST_DECLARATION = 200
_SHOWN = 3
_APPLE_ARCHIVES = (b"AA01", b"YAA1", b"pbze", b"pbz4", b"pbzz", b"pbz-")
"""An Apple Archive, plain or packed in blocks of LZFSE, LZ4, zlib or nothing."""
_CHECKSUMS = {"sha1": 20, "sha256": 32, "sha512": 64, "md5": 16}


@dataclass(frozen=True)
class InstallerSignature:
    """Who signed a package. Certificates are DER, the signer's first.

    `holds` says whether the signature fits the table of contents. `signed_at` is when, as the signer claims (aware,
    UTC); `token` is the timestamp (DER) that was given for `octets`; empty without one.
    """

    certificates: tuple[bytes, ...] = field(repr=False)
    holds: bool
    signed_at: datetime | None = None
    token: bytes = field(default=b"", repr=False)
    octets: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class _Member:
    """`length` is what it takes in the package, `size` what it unpacks to; `checksum` is (style, hex) of the former."""

    path: str
    offset: int
    length: int
    size: int
    encoding: str
    checksum: tuple[str, str]


class Xar:
    """The table of contents of a xar archive. Raises Malformed when a length lies or the checksum differs."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        header = file.read(28)
        if len(header) < 28 or header[:4] != b"xar!":
            raise Malformed("the package is no xar archive")
        width = int.from_bytes(header[4:6], "big")
        packed = int.from_bytes(header[8:16], "big")
        length = int.from_bytes(header[16:24], "big")
        if width < 28 or width + packed > size or length > MOST_TOC_BYTES:
            raise Malformed("the package's header claims an impossible table of contents")
        self._heap = width + packed
        file.seek(width)
        raw = file.read(packed)
        self._toc = _parse(_inflate(raw, length))
        self.checksum = self._checked(raw)
        self.members = {member.path: member for member in self._members()}

    def _checked(self, raw: bytes) -> bytes:
        told = self._toc.find("checksum")
        style = _style(told)
        if told is None or style not in _CHECKSUMS:
            raise Unsupported("the package's table of contents has no checksum that is known here")
        held = self._heap_bytes(_number(told, "offset"), _number(told, "size"), 128)
        if held != hashlib.new(style, raw, usedforsecurity=False).digest():
            raise Malformed("the package's table of contents changed after it was made (checksum differs)")
        self.style = style
        return held

    def _heap_bytes(self, offset: int, length: int, limit: int) -> bytes:
        if length > limit or self._heap + offset + length > self._size:
            raise Malformed("the package's table of contents points outside the file")
        self._file.seek(self._heap + offset)
        return self._file.read(length)

    def _members(self) -> Iterator[_Member]:
        pending = [("", element) for element in self._toc.findall("file")]
        seen = 0
        while pending:
            folder, element = pending.pop()
            seen += 1
            if seen > MOST_FILES:
                raise Excessive(f"the package lists more than {MOST_FILES:,} files")
            path = checked_path((element.findtext("name") or "").strip(), folder).rstrip("/")
            within = f"{path}/"
            pending.extend((within, inner) for inner in element.findall("file"))
            data = element.find("data")
            if data is not None:
                encoding = data.find("encoding")
                checksum = data.find("archived-checksum")
                member = _Member(
                    path,
                    _number(data, "offset"),
                    _number(data, "length"),
                    _number(data, "size"),
                    encoding.get("style", "") if encoding is not None else "",
                    (_style(checksum), (data.findtext("archived-checksum") or "").strip().lower()),
                )
                if self._heap + member.offset + member.length > self._size:
                    raise Malformed(f"{path} lies outside the package")
                yield member

    def changed(self) -> tuple[str, ...]:
        """Which files are not what the table of contents says of them: only through it does a signature cover them.

        Raises:
            Excessive: the files overlap, and hashing all of them would take too long.
        """
        signed = self._toc.find("signature") is not None or self._toc.find("x-signature") is not None
        known: dict[tuple[int, int, str], str] = {}
        flaws = []
        left = 4 * self._size
        for member in self.members.values():
            style, told = member.checksum
            if style not in _CHECKSUMS:
                if signed:
                    flaws.append(f"the signature does not cover {member.path}: it has no checksum that is known here")
                continue
            # Files that are the same may share their bytes.
            place = (member.offset, member.length, style)
            if place not in known:
                left -= member.length
                if left < 0:
                    raise Excessive("the package's files overlap")
                known[place] = self._digest(member, style)
            if known[place] != told:
                flaws.append(f"{member.path} changed after the package was made (checksum differs)")
        return tuple(flaws)

    def _digest(self, member: _Member, style: str) -> str:
        hasher = hashlib.new(style, usedforsecurity=False)
        for block in _section(self._file, self._heap + member.offset, member.length):
            hasher.update(block)
        return hasher.hexdigest()

    def raw_blocks(self, member: _Member) -> Iterator[bytes]:
        """A member's bytes with xar's own encoding undone, in blocks of about 1 MiB."""
        blocks = _section(self._file, self._heap + member.offset, member.length)
        kind = member.encoding.removeprefix("application/x-")
        if kind == "gzip":
            return _measured(member, _inflated(blocks, _ANY_ZLIB))
        if kind == "bzip2":
            import bz2

            return _measured(member, _unpacked_by(bz2.BZ2Decompressor(), blocks))
        if kind in ("lzma", "xz"):
            import lzma

            return _measured(member, _unpacked_by(lzma.LZMADecompressor(memlimit=MOST_LZMA_BYTES), blocks))
        if kind in ("application/octet-stream", ""):
            return _measured(member, blocks)
        raise Unsupported(f"{member.path} cannot be read here: it is packed as {member.encoding[:80]}")

    def signature(self) -> InstallerSignature | None:
        """Who signed the table of contents; None when nobody did.

        Apple's packages carry two signatures over its checksum, a bare one by RSA and, since timestamps, one in CMS.
        All that are there must hold.
        """
        bare, message = self._toc.find("signature"), self._toc.find("x-signature")
        told = bare if bare is not None else message
        if told is None:
            return None
        certificates = _certificates(told)
        verdicts = []
        if bare is not None and bare.get("style") == "RSA":
            signature = self._heap_bytes(_number(bare, "offset"), _number(bare, "size"), 8192)
            verdicts.append(_rsa_holds(certificates[0], signature, self.checksum, self.style))
        found = InstallerSignature(certificates, holds=bool(verdicts) and all(verdicts))
        if message is not None and message.get("style") == "CMS":
            data = self._heap_bytes(_number(message, "offset"), _number(message, "size"), MOST_CMS_BYTES)
            found = _with_message(found, data, self.checksum, alone=not verdicts)
        return found


def _certificates(told: Element) -> tuple[bytes, ...]:
    certificates: list[bytes] = []
    for element in told.iter():
        if element.tag.rpartition("}")[2] == "X509Certificate":
            try:
                certificates.append(base64.b64decode("".join((element.text or "").split()), validate=True))
            except (binascii.Error, ValueError) as fault:
                raise Malformed("the package's signature holds a certificate that is no base64") from fault
        if len(certificates) > MOST_CERTIFICATES:
            raise Excessive(f"the package's signature carries more than {MOST_CERTIFICATES} certificates")
    if not certificates:
        raise Malformed("the package's signature carries no certificate")
    return tuple(certificates)


def _with_message(found: InstallerSignature, data: bytes, checksum: bytes, *, alone: bool) -> InstallerSignature:
    """The signature, and the second one in CMS, which tells the time too; it is the only one when `alone`."""
    try:
        signature = read_signed(data, checksum).only
        octets = signature_octets(data) if signature.timestamp else b""
    except SigningFault:
        return replace(found, holds=False)
    holds = signature.certificate == found.certificates[0] and signature.intact is True
    return InstallerSignature(
        found.certificates, holds and (alone or found.holds), signature.signed_at, signature.timestamp, octets
    )


def _rsa_holds(certificate: bytes, signature: bytes, checksum: bytes, style: str) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

    known: dict[str, hashes.HashAlgorithm] = {
        "sha1": hashes.SHA1(),  # noqa: S303 (what old packages were signed with)
        "sha256": hashes.SHA256(),
        "sha512": hashes.SHA512(),
    }
    algorithm = known.get(style)
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        if algorithm is None or not isinstance(key, rsa.RSAPublicKey):
            return False
        # productsign signs the checksum as a digest; other signers hash the checksum once more. Both bind the contents.
        for wanted in (utils.Prehashed(algorithm), algorithm):
            try:
                key.verify(signature, checksum, padding.PKCS1v15(), wanted)
            except InvalidSignature:
                continue
            return True
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False
    return False


def _parse(toc: bytes) -> Element:
    from xml.etree import ElementTree as ET

    declared = toc[:_LONGEST_DECLARATION].partition(b"?>")[0].upper()
    if b"\0" in toc or (b"ENCODING" in declared and b"UTF-8" not in declared):
        raise Malformed("the package's table of contents is not in UTF-8")
    if b"<!DOCTYPE" in toc or b"<!ENTITY" in toc:
        raise Malformed("the package's table of contents declares entities")
    if toc.count(b"<") + toc.count(b"=") > MOST_MARKS:
        raise Excessive("the package's table of contents has more tags than any installer's")
    try:
        top = ET.fromstring(toc)  # noqa: S314 (entities are refused above, the size is bounded)
    except (ET.ParseError, ValueError, LookupError) as fault:
        raise Malformed("the package's table of contents is no XML") from fault
    found = top.find("toc")
    if found is None:
        raise Malformed("the package has no table of contents")
    return found


def _inflate(raw: bytes, length: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(raw, length + 1)
    except zlib.error as fault:
        raise Malformed("the package's table of contents cannot be unpacked") from fault
    if len(data) != length:
        raise Malformed("the package's table of contents is not as long as declared")
    return data


def _number(element: Element, name: str) -> int:
    text = (element.findtext(name) or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Malformed(f"the package's table of contents has an odd {name} {text[:40]!r}")
    return int(text)


def _style(told: Element | None) -> str:
    return (told.get("style") or "").lower().replace("-", "") if told is not None else ""


def _measured(member: _Member, blocks: Iterator[bytes]) -> Iterator[bytes]:
    left = member.size
    for block in blocks:
        left -= len(block)
        if left < 0:
            break
        yield block
    if left:
        raise Malformed(f"{member.path} is not as long as declared ({member.size:,} bytes)")


def _section(file: BinaryIO, offset: int, length: int) -> Iterator[bytes]:
    while length:
        file.seek(offset)
        block = file.read(min(BLOCK, length))
        if not block:
            raise Malformed("the package is cut short")
        offset += len(block)
        length -= len(block)
        yield block


def _inflated(blocks: Iterator[bytes], window: int) -> Iterator[bytes]:
    try:
        yield from ZLIB.inflated(blocks, BLOCK, window)
    except EOFError as fault:
        state = "damaged" if fault.__cause__ else "cut short"
        raise Malformed(f"compressed data in the package is {state}") from fault


def _unpacked_by(unpacker: object, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """What a bz2 or lzma decompressor makes of the blocks."""
    import lzma

    decompress = cast("Callable[[bytes, int], bytes]", unpacker.decompress)  # type: ignore[attr-defined]
    try:
        for block in blocks:
            out = decompress(block, BLOCK)
            while out:
                yield out
                out = b"" if _is_done(unpacker) else decompress(b"", BLOCK)
    except (OSError, EOFError, lzma.LZMAError) as fault:
        raise Malformed("compressed data in the package is damaged") from fault
    if not getattr(unpacker, "eof", False):
        raise Malformed("compressed data in the package is cut short")


def _is_done(unpacker: object) -> bool:
    return bool(getattr(unpacker, "eof", False)) or bool(getattr(unpacker, "needs_input", False))


class _Bytes:
    """Reads exact amounts from blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = bytearray()

    def take(self, count: int) -> bytes:
        """Exactly so many bytes. Raises Malformed at the end."""
        while len(self._held) < count:
            block = next(self._blocks, b"")
            if not block:
                raise Malformed("the package's payload is cut short")
            self._held += block
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def peek(self, count: int) -> bytes:
        """Up to so many bytes without taking them."""
        while len(self._held) < count and (block := next(self._blocks, b"")):
            self._held += block
        return bytes(self._held[:count])

    def rest(self) -> Iterator[bytes]:
        """Everything that is left."""
        if self._held:
            yield bytes(self._held)
            self._held.clear()
        yield from self._blocks


def _payload_blocks(raw: Iterator[bytes]) -> Iterator[bytes]:
    data = _Bytes(raw)
    magic = data.peek(6)
    if magic[:2] == b"\x1f\x8b":
        return _inflated(data.rest(), _GZIP)
    if magic[:4] == b"pbzx":
        return _pbzx(data)
    if magic in (b"070707", b"070701", b"070702"):
        return data.rest()
    if magic == b"\xfd7zXZ\0":
        import lzma

        return _unpacked_by(lzma.LZMADecompressor(memlimit=MOST_LZMA_BYTES), data.rest())
    if magic[:3] == b"BZh":
        import bz2

        return _unpacked_by(bz2.BZ2Decompressor(), data.rest())
    if magic[:4] in _APPLE_ARCHIVES:
        raise Unsupported("the package's payload cannot be read here: it is an Apple Archive")
    raise Unsupported("the package's payload cannot be read here: it is neither gzip, bzip2, xz, pbzx nor plain cpio")


def _pbzx(data: _Bytes) -> Iterator[bytes]:
    import lzma

    head = data.take(12)
    flags = int.from_bytes(head[4:12], "big")
    while flags & 0x01000000:
        block = data.take(16)
        flags, length = int.from_bytes(block[:8], "big"), int.from_bytes(block[8:], "big")
        if length > 64 * BLOCK:
            raise Excessive("a block of the package's payload claims more than 64 MiB")
        content = data.take(length)
        if content[:6] == b"\xfd7zXZ\0":
            yield from _unpacked_by(lzma.LZMADecompressor(memlimit=MOST_LZMA_BYTES), iter([content]))
        else:
            yield content


@dataclass(frozen=True)
class _Record:
    name: str
    mode: int
    size: int


def _odc(data: _Bytes) -> tuple[_Record, int]:
    head = data.take(76)
    mode, name_size, size = (_digits(head[a:b], 8) for a, b in ((18, 24), (59, 65), (65, 76)))
    return _Record(_name(data, name_size), mode, size), 0


def _newc(data: _Bytes) -> tuple[_Record, int]:
    head = data.take(110)
    mode, size, name_size = (_digits(head[a:b], 16) for a, b in ((14, 22), (54, 62), (94, 102)))
    name = _name(data, name_size)
    data.take(-(110 + name_size) % 4)
    return _Record(name, mode, size), -size % 4


def _digits(text: bytes, base: int) -> int:
    try:
        # int() would also take signs, spaces and underscores.
        return int(text if text.isalnum() else b"", base)
    except ValueError as fault:
        raise Malformed("the package's payload has a broken cpio header") from fault


def _name(data: _Bytes, size: int) -> str:
    if not 1 <= size <= 4096:
        raise Malformed("the package's payload has a path of impossible length")
    return data.take(size).rstrip(b"\0").decode("utf-8", "surrogateescape")


class PackageArtifact(Artifact):
    """A .pkg. Its payloads are unpacked once into an unnamed temporary file, which the files are then read from."""

    def __init__(self, path: Path) -> None:
        super().__init__("pkg", path)
        self._file: BinaryIO = path.open("rb")
        self._copy = cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=8 * BLOCK))  # noqa: SIM115
        self._places: dict[str, int] = {}
        self._turn = threading.Lock()
        try:
            size = self._file.seek(0, os.SEEK_END)
            self._file.seek(0)
            self._xar = Xar(self._file, size)
            self.signature = self._xar.signature()
            self._unpack(size)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()
        self._copy.close()

    def _unpack(self, size: int) -> None:
        if flaws := self._xar.changed():
            raise Malformed("; ".join(flaws[:_SHOWN]))
        found: dict[str, Entry] = {}
        limit = min(MOST_BYTES, MOST_GROWTH * (size + BLOCK))
        payloads = [m for m in self._xar.members.values() if m.path.rpartition("/")[2] == "Payload"]
        for member in sorted(payloads, key=lambda member: member.path):
            data = _Bytes(_payload_blocks(self._xar.raw_blocks(member)))
            for number, (record, padding) in enumerate(_records(data)):
                if number > 2 * MOST_FILES:
                    raise Excessive(f"the package's payload lists more than {MOST_FILES:,} files")
                self._keep(found, record, data, limit)
                data.take(padding)
        self.entries = found

    def _keep(self, found: dict[str, Entry], record: _Record, data: _Bytes, limit: int) -> None:
        if record.name in (".", "./") or stat.S_ISDIR(record.mode):
            if record.size > BLOCK:
                raise Malformed("a folder in the package's payload has content")
            data.take(record.size)
            return
        path = self.kept(checked_path(record.name))
        if path in found:
            raise Malformed(f"{path} is in the package twice")
        start = self._copy.tell()
        if len(found) >= MOST_FILES or start + record.size > limit:
            raise Excessive("the package would unpack to more than an app can be: a bomb")
        if stat.S_ISLNK(record.mode):
            if record.size > LONGEST_LINK:
                raise Malformed(f"{path} links to a path of impossible length")
            target = self.kept(data.take(record.size).decode("utf-8", "surrogateescape"))
            found[path] = Entry(path, 0, target, record.mode)
            if leads_outside(found[path]):
                self.problems.append(f"{path} links to {found[path].link!r}, outside the product")
            return
        left = record.size
        while left:
            left -= self._copy.write(data.take(min(left, BLOCK)))
        self._places[path] = start
        found[path] = Entry(path, record.size, mode=record.mode)

    def raw(self, path: str) -> Iterator[bytes]:
        if path not in self._places:
            raise Malformed(f"{path} is not there")
        at = self._places[path]
        left = self.entries[path].size
        while left:
            with self._turn:
                self._copy.seek(at)
                block = self._copy.read(min(BLOCK, left))
            if not block:
                raise Malformed(f"{path} is cut short")
            yield block
            at += len(block)
            left -= len(block)


def _records(data: _Bytes) -> Iterator[tuple[_Record, int]]:
    while True:
        magic = data.peek(6)
        if magic == b"070707":
            record, padding = _odc(data)
        elif magic in (b"070701", b"070702"):
            record, padding = _newc(data)
        else:
            raise Malformed("the package's payload is no cpio archive")
        if record.name == "TRAILER!!!":
            return
        yield record, padding
