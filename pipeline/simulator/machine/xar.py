"""Writes flat installer packages as productbuild does: xar with a signed table of contents around a cpio archive."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from base64 import encodebytes
from struct import error, pack, unpack_from
from typing import TYPE_CHECKING

from pipeline.simulator.authority import signed_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pipeline.simulator.authority import Identity

_DIGEST = 20
_ROOM = 80
"""An ECDSA signature over P-256 has at most 72 bytes."""
_CMS_ROOM = 8192
_MOST = 256 * 1024 * 1024


def cpio(files: Mapping[str, tuple[int, bytes]], moment: datetime) -> bytes:
    """A portable ASCII (odc) archive: path -> (mode, data); folders have the mode's directory bit."""
    entries = [*files.items(), ("TRAILER!!!", (0, b""))]
    out = []
    for number, (path, (mode, data)) in enumerate(entries, 1):
        name = path.encode() + b"\0"
        links = 2 if mode & 0o040000 else 1
        seconds = int(moment.timestamp()) if mode else 0
        head = (0, number if mode else 0, mode, 0, 0, links, 0)
        out += [
            b"070707",
            "".join(f"{value & 0o777777:06o}" for value in head).encode(),
            f"{seconds:011o}{len(name):06o}{len(data):011o}".encode(),
            name,
            data,
        ]
    return b"".join(out)


def payload(files: Mapping[str, tuple[int, bytes]], moment: datetime) -> bytes:
    """The package's Payload: a cpio archive in gzip."""
    return gzip.compress(cpio(files, moment), 1, mtime=0)


def archive(files: Mapping[str, bytes], identity: Identity | None, moment: datetime) -> bytes:
    """A xar archive, signed when there is an identity.

    `files`: data by path; folders come from the paths. The signature's style says ECDSA where Apple's packages say RSA,
    because the test authority's keys are; the second signature is CMS over the same checksum, as Apple's.
    """
    heap = [bytes(_DIGEST + (_ROOM + _CMS_ROOM if identity else 0))]
    size = len(heap[0])
    counter = 0

    def element(name: str, content: object) -> str:
        nonlocal size, counter
        counter += 1
        number = counter
        if isinstance(content, dict):
            inner = "".join(element(child, content[child]) for child in content)
            return f'<file id="{number}"><type>directory</type><mode>0755</mode><name>{name}</name>{inner}</file>'
        data = content if isinstance(content, bytes) else b""
        packed = data if name == "Payload" else zlib.compress(data, 1)
        style = "octet-stream" if packed is data else "x-gzip"
        place = size
        heap.append(packed)
        size += len(packed)
        return (
            f'<file id="{number}"><data><length>{len(packed)}</length><offset>{place}</offset><size>{len(data)}</size>'
            f'<encoding style="application/{style}"/>'
            f'<extracted-checksum style="sha1">{_sha1(data).hex()}</extracted-checksum>'
            f'<archived-checksum style="sha1">{_sha1(packed).hex()}</archived-checksum></data>'
            f"<type>file</type><mode>0644</mode><name>{name}</name></file>"
        )

    tree = "".join(element(name, content) for name, content in _tree(files).items())
    toc = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<xar><toc>'
        f"<creation-time>{moment:%Y-%m-%dT%H:%M:%S}</creation-time>"
        f'<checksum style="sha1"><offset>0</offset><size>{_DIGEST}</size></checksum>'
        f"{_signatures(identity) if identity else ''}{tree}</toc></xar>\n"
    ).encode()
    compressed = zlib.compress(toc)
    checksum = _sha1(compressed)
    if identity:
        signature = identity.sign(checksum).ljust(_ROOM, b"\0")
        message = signed_message(identity, checksum, moment, attached=False).ljust(_CMS_ROOM, b"\0")
        heap[0] = checksum + signature + message
    else:
        heap[0] = checksum
    return pack(">IHHQQI", 0x78617221, 28, 1, len(compressed), len(toc), 1) + compressed + b"".join(heap)


def _signatures(identity: Identity) -> str:
    certificates = "".join(
        f"<X509Certificate>{encodebytes(certificate).decode()}</X509Certificate>"
        for certificate in (identity.certificate, *identity.chain)
    )
    key = f'<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>{certificates}</X509Data></KeyInfo>'
    return (
        f'<signature style="ECDSA"><offset>{_DIGEST}</offset><size>{_ROOM}</size>{key}</signature>'
        f'<x-signature style="CMS"><offset>{_DIGEST + _ROOM}</offset><size>{_CMS_ROOM}</size>{key}</x-signature>'
    )


def _tree(files: Mapping[str, bytes]) -> dict[str, object]:
    root: dict[str, object] = {}
    for path, data in files.items():
        folder: dict[str, object] = root
        *parents, name = path.split("/")
        for parent in parents:
            below = folder.setdefault(parent, {})
            if isinstance(below, dict):
                folder = below
        folder[name] = data
    return root


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def with_folders(paths: Sequence[str]) -> list[str]:
    """All paths together with the folders above them, parents first."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            found.setdefault("/".join(parts[:depth]))
    return list(found)


def info_plist(data: bytes) -> bytes:
    """The Info.plist of the application in a flat package, as Apple's servers look for it after an upload.

    Raises:
        ValueError: it is no such package, or there is no application in it.
    """
    try:
        _, header, _, packed, _, _ = unpack_from(">IHHQQI", data)
        if data[:4] != b"xar!":
            raise ValueError("it is no xar archive")
        toc = _inflated(data[header : header + packed], zlib.MAX_WBITS).decode()
        entries = re.findall(r"<file\b[^>]*><data>(.*?)</data>.*?<name>(.*?)</name>", toc, re.DOTALL)
        about = next((about for about, name in entries if name == "Payload"), "")
        length, offset = (int(re.findall(rf"<{tag}>(\d+)</{tag}>", about)[0]) for tag in ("length", "offset"))
        start = header + packed + offset
        return _entry(_inflated(data[start : start + length], 16 + zlib.MAX_WBITS))
    except (error, zlib.error, IndexError, UnicodeDecodeError) as fault:
        raise ValueError(f"the package is damaged ({fault})") from None


def _inflated(data: bytes, bits: int) -> bytes:
    out = zlib.decompressobj(bits).decompress(data, _MOST)
    if len(out) >= _MOST:
        raise ValueError("the package is too large")
    return out


def _entry(archive: bytes) -> bytes:
    at = 0
    while archive[at : at + 6] == b"070707":
        name_size, size = int(archive[at + 59 : at + 65], 8), int(archive[at + 65 : at + 76], 8)
        start = at + 76 + name_size
        name = archive[at + 76 : start - 1].decode()
        if re.fullmatch(r"\./[^/]+\.app/Contents/Info\.plist", name):
            return archive[start : start + size]
        at = start + size
    raise ValueError("there is no application in the package")
