"""Several pieces of signing material in one: .zip, .tar and .tar.gz, with a limit to what they may unfold into.

Nothing is written anywhere, so no path and no link in an archive leads anywhere.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from pipeline.apple.signing.sorts import Sort, pretends, sort_of
from pipeline.apple.signing.unopened import Fault, Unopened
from pipeline.values import dataclass

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

SIZE_LIMIT = 64 * 1024 * 1024
"""Of all that an archive unfolds into."""
MEMBER_LIMIT = 16 * 1024 * 1024
MOST_MEMBERS = 1_000
MOST_LISTED = 20_000
"""Files of which so much as the names are looked at."""

_OTHERS = frozenset({"AndroidManifest.xml", "BundleConfig.pb", "META-INF/MANIFEST.MF", "[Content_Types].xml"})
"""Files by which packages of other systems are known: .apk, .aab, .jar, and documents of Office."""
_RECORD = 512
_REGULAR = (b"0", b"\0", b"7")
_ENCRYPTED = 1
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True)
class Member:
    """One file of an archive. `damage` says why its bytes cannot be had."""

    name: str
    data: bytes = b""
    damage: str = ""

    def __repr__(self) -> str:
        return f"Member({self.name!r})"  # the data may be a private key


def members(data: bytes, sort: Sort) -> tuple[Member, ...]:
    """The regular files of an archive, in order.

    Nothing for an app, whose package is for other rooms to read, nor for a package of another system, and nothing for
    what is too large, unless it holds names of signing material.

    Raises:
        Unopened: it is damaged, or unfolds into too much.
    """
    if sort is Sort.ZIP:
        return _zipped(data)
    if sort is Sort.TAR:
        return _taped(data)
    plain = _inflated(data)
    return _taped(plain) if sort_of(plain[:_RECORD]) is Sort.TAR else ()


def _refused(why: str) -> Unopened:
    return Unopened("The archive cannot be read", Fault.UNREADABLE, why=why)


def _zipped(data: bytes) -> tuple[Member, ...]:
    import struct
    import zipfile
    import zlib

    if data.count(b"PK\x01\x02") > MOST_LISTED:
        return ()
    found: list[Member] = []
    left = SIZE_LIMIT
    damaged = (zipfile.BadZipFile, zlib.error, struct.error, OSError, ValueError, EOFError, RuntimeError, LookupError)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            listed = [each for each in archive.infolist() if not each.filename.endswith("/")]
            if any(".app/" in each.filename or each.filename in _OTHERS for each in listed):
                return ()
            if len(listed) > MOST_MEMBERS:
                return _too_much([each.filename for each in listed], f"it holds {len(listed):,} files")
            for each in listed:
                if each.flag_bits & _ENCRYPTED:
                    found.append(Member(each.filename, damage="the archive encrypts it"))
                elif each.compress_type not in {_STORED, _DEFLATED}:
                    found.append(Member(each.filename, damage="the archive packs it in a way that is not read here"))
                elif (each.external_attr >> 16) & 0o170000 in {0, 0o100000}:
                    limit = min(MEMBER_LIMIT, left)
                    member = _unpacked(archive, each, limit)
                    left -= limit if member.damage else len(member.data)
                    found.append(member)
    except damaged:
        raise _refused("it breaks off, or is damaged") from None
    return tuple(found)


def _unpacked(archive: ZipFile, told: ZipInfo, limit: int) -> Member:
    with archive.open(told) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        return Member(told.filename, damage=f"it unfolds into more than {limit:,} bytes")
    return Member(told.filename, data)


def _too_much(names: list[str], why: str) -> tuple[Member, ...]:
    if any(pretends(name) for name in names):
        raise _refused(why)
    return ()


def _inflated(data: bytes) -> bytes:
    """What was packed, and one byte more than the limit of what exceeds it."""
    import zlib

    machine = zlib.decompressobj(wbits=31)
    try:
        plain = machine.decompress(data, SIZE_LIMIT + 1)
    except zlib.error:
        raise _refused("it is damaged") from None
    if len(plain) <= SIZE_LIMIT and not machine.eof:
        raise _refused("it breaks off")
    return plain


def _taped(data: bytes) -> tuple[Member, ...]:
    """The regular files of a tar archive (POSIX.1-2001, pax, "ustar Interchange Format").

    Python's reader follows what a header says about the next one, which can be made to lead it around for ever.
    """
    found: list[Member] = []
    names: list[str] = []
    position = 0
    while position < len(data):
        header = data[position : position + _RECORD]
        if not header.strip(b"\0"):
            break
        size = _number(header[124:136])
        start = position + _RECORD
        if start + (size or 0) > SIZE_LIMIT or len(names) >= MOST_MEMBERS:
            return _too_much(names, f"it holds more than {MOST_MEMBERS:,} files, or {SIZE_LIMIT:,} bytes")
        if header[257:262] != b"ustar" or size is None or size < 0 or start + size > len(data):
            raise _refused("it breaks off, or is damaged")
        if header[156:157] in _REGULAR:
            names.append(header[:100].split(b"\0", 1)[0].decode("utf-8", "replace"))
            large = size > MEMBER_LIMIT
            content = b"" if large else data[start : start + size]
            found.append(Member(names[-1], content, f"it has {size:,} bytes" if large else ""))
        position = start + -(-size // _RECORD) * _RECORD
    return () if any(".app/" in name for name in names) else tuple(found)


def _number(octal: bytes) -> int | None:
    try:
        return int(octal.strip(b"\0 ") or b"0", 8)
    except ValueError:
        return None
