"""The file that is uploaded: what it is, what it weighs, and into which parts Apple wants it divided."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.apple.connect.documents import Resource, mappings_of, moment_of, number_of, text_of
from pipeline.model import AppleFailure, UsageFault
from pipeline.ports.http import FileSlice
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from typing import Any

    from pipeline.apple.connect.facts import AcceptedContent, UploadedFile

UTIS = {".ipa": "com.apple.ipa", ".pkg": "com.apple.pkg"}
BLOCK = 1024 * 1024
PARTS_LIMIT = 10_000
LOOPBACK = frozenset({"127.0.0.1", "localhost"})


@dataclass(frozen=True)
class Parcel:
    """An exported app on this machine. `uti` is Apple's name of its type; checksums are lower-case hex."""

    path: Path
    size: int
    md5: str
    uti: str


@dataclass(frozen=True)
class Part:
    """One upload operation. `expires` is the hour after which its address is of no use."""

    number: int
    url: str
    headers: Mapping[str, str]
    body: FileSlice
    expires: datetime | None


def parcel(path: Path, sha256: str, size: int) -> Parcel:
    """Weigh the file, and make sure that it is still the one that was judged.

    Raises:
        UsageFault: it is gone, it is no .ipa or .pkg, or it has changed.

    """
    uti = UTIS.get(path.suffix.lower())
    if uti is None:
        raise UsageFault(
            f"{path.name} cannot be uploaded",
            why="App Store Connect takes .ipa (iOS, tvOS, visionOS) and .pkg (macOS)",
            remedy="export the archive for App Store Connect",
        )
    md5, sha = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    length = 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                length += len(block)
                md5.update(block)
                sha.update(block)
    except OSError as fault:
        raise UsageFault(
            f"{path.name} cannot be read", why=fault.strerror or str(fault), remedy="export the archive again"
        ) from fault
    if length == 0 or (size and size != length) or (sha256 and sha256 != sha.hexdigest()):
        raise UsageFault(
            f"{path.name} is not the file that was judged",
            why=f"judged: {size:,} bytes, SHA-256 {sha256}; now: {length:,} bytes, SHA-256 {sha.hexdigest()}",
            remedy="export the archive again and let nothing else write to it",
        )
    return Parcel(path, length, md5.hexdigest(), uti)


def md5_of(part: FileSlice) -> str:
    """MD5 of a part of a file, lower-case hex: what the storage answers as the part's ETag."""
    return hash_of("md5", part.path, part.offset, part.length)


def hash_of(algorithm: str, path: Path, offset: int = 0, length: int | None = None) -> str:
    """Lower-case hex digest of a file or of a part of it."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        file.seek(offset)
        left = length
        while block := file.read(BLOCK if left is None else min(BLOCK, left)):
            digest.update(block)
            left = None if left is None else left - len(block)
    return digest.hexdigest()


def compared(file: UploadedFile | None, path: Path, size: int) -> AcceptedContent:
    """The file here against the one at Apple: by size, and by checksum where Apple shows one."""
    from pipeline.apple.connect.facts import AcceptedContent

    ours = f"{size:,} bytes"
    if file is None or file.size is None:
        return AcceptedContent(None, ours=ours)
    algorithm = {"MD5": "md5", "SHA_256": "sha256"}.get(file.algorithm)
    if file.size != size or not file.checksum or algorithm is None:
        same = file.size == size
        return AcceptedContent(same, certain=not same, ours=ours, theirs=str(file))
    checksum = hash_of(algorithm, path)
    ours += f", {file.algorithm} {checksum}"
    return AcceptedContent(checksum == file.checksum, certain=True, ours=ours, theirs=str(file))


def parts(file: Resource, whole: Parcel) -> tuple[Part, ...]:
    """The parts Apple asks for, in the order of the file; none when it asks for none (it has been committed).

    Raises:
        AppleFailure: they do not cover the file exactly once, or lead to an address without TLS.

    """
    operations = mappings_of(file.attributes, "uploadOperations")
    if len(operations) > PARTS_LIMIT:
        raise _odd(f"{len(operations):,} parts")
    found = sorted(_parts(operations, whole), key=lambda part: part.body.offset)
    expected = 0
    for part in found:
        if part.body.offset != expected:
            raise _odd(f"a part begins at {part.body.offset:,} where {expected:,} was expected")
        expected += part.body.length
    if found and expected != whole.size:
        raise _odd(f"its parts cover {expected:,} of {whole.size:,} bytes")
    return tuple(found)


def _parts(operations: tuple[Mapping[str, Any], ...], whole: Parcel) -> Iterator[Part]:
    for index, operation in enumerate(operations, 1):
        offset, length = number_of(operation, "offset"), number_of(operation, "length")
        if offset is None or length is None or offset < 0 or length < 1:
            raise _odd("a part without a place in the file")
        url = text_of(operation, "url")
        address = urlsplit(url)
        if not address.hostname or (address.scheme != "https" and address.hostname not in LOOPBACK):
            raise _odd(f"a part goes to {address.hostname or 'nowhere'} without TLS")
        if text_of(operation, "method") != "PUT":
            raise _odd(f"a part is to be sent with {text_of(operation, 'method') or 'no method'}")
        headers = {text_of(h, "name"): text_of(h, "value") for h in mappings_of(operation, "requestHeaders")}
        yield Part(
            number_of(operation, "partNumber") or index,
            url,
            {name: value for name, value in headers.items() if name},
            FileSlice(whole.path, offset, length),
            moment_of(text_of(operation, "expiration")),
        )


def _odd(why: str) -> AppleFailure:
    return AppleFailure(
        "App Store Connect's upload instructions cannot be followed",
        why=why,
        remedy="run again; if it stays, report it to Apple",
        code="UPLOAD_OPERATIONS",
    )
