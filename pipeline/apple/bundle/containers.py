"""One read-only view on every shape a product comes in: .ipa, .xcarchive, .app, .pkg, and a program on its own."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import tempfile
import zipfile
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self, cast

from pipeline.apple.bundle.deflate import Deflate
from pipeline.apple.bundle.faults import Excessive, Malformed, Unsupported
from pipeline.apple.bundle.macho import is_macho
from pipeline.lazily import cached_property
from pipeline.regular import opened
from pipeline.values import dataclass

BLOCK = 1024 * 1024
PACKED_BLOCK = 128 * 1024
HELD_IN_MEMORY = 16 * 1024 * 1024
MOST_FILES = 300_000
MOST_BYTES = 24 * 1024**3
"""More than any product Apple takes; a disk or a bomb, not an app."""
MOST_DIRECTORY_BYTES = 32 * 1024 * 1024
LONGEST_PATH = 1024
"""PATH_MAX of Apple's systems: nothing longer can be unpacked there."""
MOST_NAMES = 32 * 1024 * 1024
"""Bytes of all paths and links that are unpacked, as Python keeps them: what zips may have for their directory."""
DEFLATE_AT_BEST = 1032
"""No deflate stream grows more than so many times (zlib's technical notes): whoever declares more lies."""
SUSPICIOUS_GROWTH = 200
LONGEST_LINK = LONGEST_PATH
_STORED, _DEFLATED, _LZFSE = 0, 8, 99
_ENCRYPTED, _STRONGLY_ENCRYPTED, _UTF8_NAME = 0x1, 0x40, 0x800
_LOCAL, _CENTRAL = 30, 46
_USUAL_HEADER = 512
_END, _LOCATOR, _LONG_END, _LONGEST_COMMENT = 22, 20, 56, 0xFFFF
_WRAPS = 2**32
"""Apple's archivers write larger zips without zip64: offsets begin anew at zero there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a product. `path` has forward slashes; `size` is in bytes; `link` is a symbolic link's target."""

    path: str
    size: int
    link: str = ""
    mode: int = 0


class Artifact:
    """A product as a tree of files. Use it as a context manager.

    Attributes:
        kind: "ipa", "xcarchive", "app", "pkg", or "tool" for a single Mach-O file.
        path: where it lies on this machine.
        entries: files and links by path inside the product; folders are implied.
        problems: what is wrong with the container, although it could be read.
        unreadable: files whose packing is not known here, with its name; all others can be read.
    """

    checksummed = False
    """Whether reading a file tells that it is damaged."""

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        self.path = path
        self.entries: Mapping[str, Entry] = {}
        self.problems: list[str] = []
        self.unreadable: dict[str, str] = {}
        self._digests: dict[tuple[str, str], bytes] = {}
        self._names_left = MOST_NAMES

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files."""

    def raw(self, path: str) -> Iterator[bytes]:
        """One file in blocks of about 1 MiB, however long it turns out to be; safe to be called from several threads.

        Raises Malformed when there is no such file or it cannot be unpacked.
        """
        raise NotImplementedError

    def kept(self, name: str) -> str:
        """A path or a link's target, after a look at what all of them take. Raises Excessive."""
        self._names_left -= len(name) if name.isascii() else 4 * len(name)
        if self._names_left < 0:
            raise Excessive(f"{self.path.name} has paths and links of more than {MOST_NAMES:,} bytes")
        return name

    def unreadable_words(self) -> Iterator[str]:
        """One phrase for each kind of packing that is not known here."""
        packed: dict[str, list[str]] = {}
        for path, packing in self.unreadable.items():
            packed.setdefault(packing, []).append(path)
        for packing, paths in packed.items():
            files = paths[0] if len(paths) == 1 else f"{len(paths):,} of {len(self.entries):,} files"
            yield f"{files} cannot be read here: {packing}"

    @cached_property
    def paths(self) -> Sequence[str]:
        """The paths of all files and links, in order."""
        return sorted(self.entries)

    def below(self, folder: str) -> Sequence[str]:
        """The paths in a folder, in order; found without a look at all others."""
        return self.paths[bisect_left(self.paths, f"{folder}/") : bisect_left(self.paths, f"{folder}0")]

    @property
    def size(self) -> int:
        """Bytes of all files together, unpacked."""
        return sum(entry.size for entry in self.entries.values())

    def entry(self, path: str) -> Entry | None:
        """The file at a path, links followed inside the product; None when there is none."""
        found = self.entries.get(path)
        if found is None or found.link:
            resolved = self._resolve(path)
            found = self.entries.get(resolved) if resolved else None
        return found

    def _resolve(self, path: str) -> str:
        parts = path.split("/")
        for _ in range(32):
            for count in range(1, len(parts) + 1):
                entry = self.entries.get("/".join(parts[:count]))
                if entry and entry.link:
                    parts = _joined(parts[: count - 1], entry.link) + parts[count:]
                    break
            else:
                return "/".join(parts)
            if not parts or parts[0] == "..":
                return ""
        return ""

    def blocks(self, path: str) -> Iterator[bytes]:
        """One file in blocks of about 1 MiB. Raises Malformed when it is longer or shorter than declared."""
        entry = self.entries.get(path)
        if entry is None:
            raise Malformed(f"{path} is not there")
        left = entry.size
        try:
            for block in self.raw(path):
                left -= len(block)
                if left < 0:
                    break
                yield block
        except _UNPACKING as fault:
            raise Malformed(f"{path} cannot be unpacked") from fault
        if left:
            raise Malformed(f"{path} is not as long as declared ({entry.size:,} bytes)")

    def read(self, path: str, limit: int = HELD_IN_MEMORY) -> bytes:
        """The bytes of one file of at most `limit` bytes; links are followed. Raises Malformed."""
        entry = self.entry(path)
        if entry is None:
            raise Malformed(f"{path} is not there")
        if entry.size > limit:
            raise Excessive(f"{path} is larger than {limit:,} bytes")
        return b"".join(self.blocks(entry.path))

    def head(self, path: str, length: int) -> bytes:
        """The first bytes of one file, at most 1 MiB."""
        try:
            return next(iter(self.raw(path)), b"")[:length]
        except _UNPACKING as fault:
            raise Malformed(f"{path} cannot be unpacked") from fault

    def open(self, path: str) -> BinaryIO:
        """A seekable copy of one file: in memory when small, otherwise in an unnamed temporary file."""
        entry = self.entries.get(path)
        return copied(self.blocks(path), entry.size if entry else 0)

    def remember(self, path: str, algorithm: str, digest: bytes) -> None:
        """Keep a hash of one file, computed while it was read for another reason."""
        self._digests[path, algorithm] = digest

    def digest(self, path: str, algorithm: str) -> bytes:
        """Hash of one file ("sha256", "sha1", …), computed once."""
        key = (path, algorithm)
        if key not in self._digests:
            hasher = hashlib.new(algorithm)
            for block in self.blocks(path):
                hasher.update(block)
            self._digests[key] = hasher.digest()
        return self._digests[key]


_UNPACKING = (EOFError, OSError)


def copied(blocks: Iterable[bytes], size: int) -> BinaryIO:
    """The blocks of a file of `size` bytes as one that can be sought: in memory when small, else an unnamed file."""
    copy = io.BytesIO() if size <= HELD_IN_MEMORY else cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
    try:
        for block in blocks:
            copy.write(block)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def _joined(folder: list[str], link: str) -> list[str]:
    """The path a link leads to, counted from the product's top; ".." first when it leads outside."""
    if link.startswith("/"):
        return [".."]
    parts = list(folder)
    for part in link.split("/"):
        if part == "..":
            if not parts:
                return [".."]
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts


def open_artifact(path: Path) -> Artifact:
    """Open a product for reading.

    Raises:
        Malformed: it is not there, not what its name says, encrypted, a bomb, or has paths that lead outside.
    """
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            if suffix not in (".xcarchive", ".app"):
                raise Unsupported(f"{path.name} is a folder, but neither an .xcarchive nor an .app")
            return FolderArtifact(suffix[1:], path)
        if not path.is_file():
            raise Malformed(f"{path.name} is not there" if not path.exists() else f"{path.name} is no file")
        if suffix == ".ipa":
            return ZipArtifact(path)
        if suffix == ".pkg":
            from pipeline.apple.bundle.packages import PackageArtifact

            return PackageArtifact(path)
        with opened(path) as file:
            if is_macho(file.read(8)):
                return ToolArtifact(path)
    except OSError as fault:
        raise Malformed(f"{path.name} cannot be read ({fault.strerror or fault})") from fault
    raise Unsupported(f"{path.name} is neither .ipa, .pkg, .xcarchive nor .app")


def checked_path(name: str, folder: str = "") -> str:
    """A path inside a container, without a leading "./". Raises Malformed when it could lead outside.

    `folder` is a path that was checked, with a slash at its end; `name` lies in it.
    """
    path = name.removeprefix("./")
    if len(folder) + len(path) > LONGEST_PATH:
        raise Malformed(f"a path is longer than the {LONGEST_PATH:,} characters that Apple's systems take")
    parts = path.rstrip("/").split("/")
    if path.startswith("/") or "\\" in path or "\0" in path or ".." in parts or "" in parts:
        raise Malformed(f"the path {name[:200]!r} leads outside the product or is none")
    return folder + path


def leads_outside(entry: Entry) -> bool:
    """Whether a link's target lies outside the product."""
    return _joined(list(PurePosixPath(entry.path).parts[:-1]), entry.link)[:1] == [".."]


class FolderArtifact(Artifact):
    """An .xcarchive or .app on disk. Links are listed and never followed out of the folder."""

    def __init__(self, kind: str, path: Path) -> None:
        super().__init__(kind, path)
        found: dict[str, Entry] = {}
        # The paths inside an .app begin with its own name, as they do in every other product.
        self._base = path.parent if kind == "app" else path
        pending = [path.name if kind == "app" else ""]
        while pending:
            folder = pending.pop()
            with os.scandir(self._base / folder) as listing:
                for item in sorted(listing, key=lambda item: item.name):
                    inner = f"{folder}/{item.name}" if folder else item.name
                    if item.is_dir(follow_symlinks=False):
                        pending.append(inner)
                    elif entry := self._entry(item, inner):
                        found[inner] = entry
            if len(found) + len(pending) > MOST_FILES:
                raise Excessive(f"{path.name} holds more than {MOST_FILES:,} files")
        self.entries = found

    def _entry(self, item: os.DirEntry[str], inner: str) -> Entry | None:
        about = item.stat(follow_symlinks=False)
        if stat.S_ISLNK(about.st_mode):
            entry = Entry(inner, 0, str(Path(item.path).readlink()), about.st_mode)
            if leads_outside(entry):
                self.problems.append(f"{inner} links to {entry.link!r}, outside the product")
            return entry
        if not stat.S_ISREG(about.st_mode):
            self.problems.append(f"{inner} is neither file, folder nor link")
            return None
        return Entry(inner, about.st_size, mode=about.st_mode)

    def raw(self, path: str) -> Iterator[bytes]:
        try:
            descriptor = os.open(self._base / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as fault:
            raise Malformed(f"{path} cannot be read ({fault.strerror})") from fault
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            while block := file.read(BLOCK):
                yield block

    def open(self, path: str) -> BinaryIO:
        try:
            return os.fdopen(os.open(self._base / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except OSError as fault:
            raise Malformed(f"{path} cannot be read ({fault.strerror})") from fault


class ToolArtifact(Artifact):
    """A single Mach-O file, such as a command-line tool."""

    def __init__(self, path: Path) -> None:
        super().__init__("tool", path)
        self.entries = {path.name: Entry(path.name, path.stat().st_size)}

    def raw(self, path: str) -> Iterator[bytes]:
        with self.open(path) as file:
            while block := file.read(BLOCK):
                yield block

    def open(self, path: str) -> BinaryIO:
        if path not in self.entries:
            raise Malformed(f"{path} is not there")
        return opened(self.path)


class ZipArtifact(Artifact):
    """An .ipa: a zip with the folder Payload at its top."""

    checksummed = True

    def __init__(self, path: Path) -> None:
        super().__init__("ipa", path)
        _check_directory(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as fault:
            raise Malformed(f"{path.name} is no zip archive ({fault})") from fault
        self._descriptor = os.open(path, os.O_RDONLY)
        self._deflate = Deflate.fit_for(os.fstat(self._descriptor).st_size)
        try:
            self._take_members()
        except BaseException:
            self.close()
            raise

    def _take_members(self) -> None:
        members = [member for member in self._zip.infolist() if not member.filename.endswith("/")]
        if len(members) > MOST_FILES:
            raise Excessive(f"{self.path.name} holds more than {MOST_FILES:,} files")
        _check_growth(self.path.name, members)
        found: dict[str, Entry] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            path = checked_path(member.filename)
            if path in found:
                raise Malformed(f"{path} is in the archive twice")
            self._members[path] = member
            if packing := _packing(member):
                self.unreadable[path] = packing
            mode = member.external_attr >> 16
            found[path] = Entry(path, member.file_size, mode=mode)
        self.entries = found
        self.problems.extend(self.unreadable_words())
        for path, member in self._members.items():
            if stat.S_ISLNK(member.external_attr >> 16) and path not in self.unreadable:
                target = self.kept(self.read(path, LONGEST_LINK).decode("utf-8", "replace"))
                found[path] = Entry(path, 0, target, member.external_attr >> 16)
                if leads_outside(found[path]):
                    self.problems.append(f"{path} links to {target!r}, outside the product")

    def close(self) -> None:
        self._zip.close()
        os.close(self._descriptor)

    def raw(self, path: str) -> Iterator[bytes]:
        member = self._members.get(path)
        if member is None:
            raise Malformed(f"{path} is not there")
        if path in self.unreadable:
            raise Unsupported(f"{path} cannot be read here: {self.unreadable[path]}")
        blocks = self._packed(member, path)
        checksum, crc32 = 0, self._deflate.crc32
        for block in self._deflate.inflated(blocks, BLOCK) if member.compress_type == _DEFLATED else blocks:
            checksum = crc32(block, checksum)
            yield block
        if checksum != member.CRC:
            raise Malformed(f"{path} cannot be unpacked: its checksum differs")

    def _packed(self, member: zipfile.ZipInfo, path: str) -> Iterator[bytes]:
        """The bytes that a member takes in the archive. Places as in APPNOTE 4.3.7."""
        left = member.compress_size
        # Whatever stands before it, a small file comes in one reading.
        held = os.pread(self._descriptor, min(PACKED_BLOCK, left + _USUAL_HEADER), member.header_offset)
        if len(held) < _LOCAL or held[:4] != b"PK\3\4":
            raise Malformed(f"{path} cannot be unpacked: its own header is not where it should be")
        method, length, extra = struct.unpack_from("<8xH16x2H", held)
        at = member.header_offset + _LOCAL
        name = held[_LOCAL : _LOCAL + length]
        if len(name) < length:
            name = os.pread(self._descriptor, length, at)
        if method != member.compress_type or name.decode(_charset(member), "replace") != member.orig_filename:
            raise Malformed(f"{path} has two headers that disagree")
        at += length + extra
        block = held[_LOCAL + length + extra :][:left]
        while left:
            block = block or os.pread(self._descriptor, min(PACKED_BLOCK, left), at)
            if not block:
                raise Malformed(f"{path} is cut short")
            yield block
            at += len(block)
            left -= len(block)
            block = b""


def _charset(member: zipfile.ZipInfo) -> str:
    return "utf-8" if member.flag_bits & _UTF8_NAME else "cp437"


def _packing(member: zipfile.ZipInfo) -> str:
    """What keeps a member from being unpacked; empty when nothing does."""
    if member.flag_bits & (_ENCRYPTED | _STRONGLY_ENCRYPTED):
        return "encrypted; export the app without a password"
    if member.compress_type == _LZFSE:
        return "packed with LZFSE, as apps from the App Store are; give the .ipa that Xcode exported"
    if member.compress_type not in (_STORED, _DEFLATED):
        return f"packed with method {member.compress_type}, which no export of Xcode uses"
    return ""


def _check_directory(path: Path) -> None:
    """Look at the end records before zipfile reads the whole directory into memory (APPNOTE 4.3.14 to 4.3.16)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _END - _LONGEST_COMMENT - _LOCATOR)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or at + _END > len(tail):
            raise Malformed(f"{path.name} is no zip archive")
        count, length, offset = struct.unpack_from("<H2L", tail, at + 10)
        locator = tail[max(0, at - _LOCATOR) : at]
        if len(locator) == _LOCATOR and locator[:4] == b"PK\6\7":
            # zipfile looks for the longer record right before its locator.
            file.seek(max(0, start + at - _LOCATOR - _LONG_END))
            record = file.read(_LONG_END)
            if record[:4] == b"PK\6\6":
                count, length, offset = struct.unpack_from("<3Q", record, 32)
                at -= _LOCATOR + _LONG_END
        if length > MOST_DIRECTORY_BYTES:
            raise Excessive(f"{path.name} has a directory of {length:,} bytes")
        if start + at - length - offset >= _WRAPS:
            reason = "larger than 4 GiB and has no zip64 records: its places cannot be told here"
            raise Unsupported(f"{path.name} is {reason}")
        # What the record tells is not believed where the directory has room for more.
        if count > MOST_FILES or (length > MOST_FILES * _CENTRAL and _holds_more(file, start + at - length, length)):
            raise Excessive(f"{path.name} holds more than {MOST_FILES:,} files")


def _holds_more(file: BinaryIO, start: int, length: int) -> bool:
    """Whether a directory has more members than are read, told from their headers (APPNOTE 4.3.12)."""
    file.seek(max(0, start))
    directory = file.read(length)
    at = 0
    for _ in range(MOST_FILES):
        if directory[at : at + 4] != b"PK\1\2" or at + _CENTRAL > len(directory):
            return False
        at += _CENTRAL + sum(struct.unpack_from("<3H", directory, at + 28))
    return at < length


def _check_growth(name: str, members: list[zipfile.ZipInfo]) -> None:
    end = 0
    packed = total = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise Malformed(f"{name} has members that overlap: a zip bomb is built so")
        end = member.header_offset + 30 + member.compress_size
        if member.compress_type == _STORED and member.file_size != member.compress_size and not member.flag_bits & 1:
            raise Malformed(f"{member.filename[:200]} lies about its size")
        if member.file_size > DEFLATE_AT_BEST * (member.compress_size + 16):
            raise Malformed(f"{member.filename[:200]} declares {member.file_size:,} bytes, more than it can hold")
        packed += member.compress_size
        total += member.file_size
    if total > MOST_BYTES or (total > 512 * BLOCK and total > SUSPICIOUS_GROWTH * packed):
        raise Excessive(f"{name} would unpack to {total:,} bytes from {packed:,}: a zip bomb")
