"""One read-only view on every shape a product comes in: .ipa, .xcarchive, .app and .pkg."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Self, cast

from pipeline.apple.bundle.faults import Excessive, Malformed, Unsupported
from pipeline.values import dataclass

BLOCK = 1024 * 1024
HELD_IN_MEMORY = 8 * 1024 * 1024
MOST_FILES = 300_000
MOST_BYTES = 24 * 1024**3
"""More than any product Apple takes; a disk or a bomb, not an app."""
MOST_DIRECTORY_BYTES = 128 * 1024 * 1024
DEFLATE_AT_BEST = 1032
"""No deflate stream grows more than so many times (zlib's technical notes): whoever declares more lies."""
SUSPICIOUS_GROWTH = 200
LONGEST_LINK = 4096
_STORED, _DEFLATED = 0, 8


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
        kind: "ipa", "xcarchive", "app" or "pkg".
        path: where it lies on this machine.
        entries: files and links by path inside the product; folders are implied.
        problems: what is wrong with the container, although it could be read.
    """

    def __init__(self, kind: str, path: Path) -> None:
        self.kind = kind
        self.path = path
        self.entries: Mapping[str, Entry] = {}
        self.problems: list[str] = []
        self._digests: dict[tuple[str, str], bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files."""

    def stream(self, path: str) -> IO[bytes]:
        """A forward-only reader of one file. Raises Malformed when there is no such file or it cannot be unpacked."""
        raise NotImplementedError

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
        """One file in blocks of at most 1 MiB. Raises Malformed when it is longer or shorter than declared."""
        entry = self.entries.get(path)
        if entry is None:
            raise Malformed(f"{path} is not there")
        left = entry.size
        with self.stream(path) as file:
            try:
                while left >= 0 and (block := file.read(BLOCK)):
                    left -= len(block)
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
        """The first bytes of one file."""
        try:
            with self.stream(path) as file:
                return file.read(length)
        except _UNPACKING as fault:
            raise Malformed(f"{path} cannot be unpacked") from fault

    def open(self, path: str) -> BinaryIO:
        """A seekable copy of one file: in memory when small, otherwise in an unnamed temporary file."""
        entry = self.entries.get(path)
        if entry is not None and entry.size <= HELD_IN_MEMORY:
            return io.BytesIO(self.read(path))
        copy = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        try:
            for block in self.blocks(path):
                copy.write(block)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return cast("BinaryIO", copy)

    def digest(self, path: str, algorithm: str) -> bytes:
        """Hash of one file ("sha256", "sha1", …), computed once."""
        key = (path, algorithm)
        if key not in self._digests:
            hasher = hashlib.new(algorithm)
            for block in self.blocks(path):
                hasher.update(block)
            self._digests[key] = hasher.digest()
        return self._digests[key]


_UNPACKING = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


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
    except OSError as fault:
        raise Malformed(f"{path.name} cannot be read ({fault.strerror or fault})") from fault
    raise Unsupported(f"{path.name} is neither .ipa, .pkg, .xcarchive nor .app")


def checked_path(name: str) -> str:
    """A path inside a container, without a leading "./". Raises Malformed when it could lead outside."""
    path = name.removeprefix("./")
    parts = path.rstrip("/").split("/")
    if path.startswith("/") or "\\" in path or "\0" in path or ".." in parts or "" in parts:
        raise Malformed(f"the path {name[:200]!r} leads outside the product or is none")
    return path


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

    def stream(self, path: str) -> IO[bytes]:
        try:
            descriptor = os.open(self._base / path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as fault:
            raise Malformed(f"{path} cannot be read ({fault.strerror})") from fault
        return os.fdopen(descriptor, "rb")


class ZipArtifact(Artifact):
    """An .ipa: a zip with the folder Payload at its top."""

    def __init__(self, path: Path) -> None:
        super().__init__("ipa", path)
        _check_directory_size(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as fault:
            raise Malformed(f"{path.name} is no zip archive ({fault})") from fault
        try:
            self._take_members()
        except BaseException:
            self._zip.close()
            raise

    def _take_members(self) -> None:
        members = [member for member in self._zip.infolist() if not member.is_dir()]
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
            mode = member.external_attr >> 16
            found[path] = Entry(path, member.file_size, mode=mode)
        self.entries = found
        for path, member in self._members.items():
            if stat.S_ISLNK(member.external_attr >> 16):
                target = self.read(path, LONGEST_LINK).decode("utf-8", "replace")
                found[path] = Entry(path, 0, target, member.external_attr >> 16)
                if leads_outside(found[path]):
                    self.problems.append(f"{path} links to {target!r}, outside the product")

    def close(self) -> None:
        self._zip.close()

    def stream(self, path: str) -> IO[bytes]:
        member = self._members.get(path)
        if member is None:
            raise Malformed(f"{path} is not there")
        if member.flag_bits & 0x1:
            raise Unsupported(f"{path} is encrypted: export the app without a password")
        if member.compress_type not in (_STORED, _DEFLATED):
            name = "LZFSE, as in apps downloaded from the App Store" if member.compress_type == 99 else "unknown here"
            raise Unsupported(f"{path} is packed with method {member.compress_type} ({name})")
        try:
            return self._zip.open(member)
        except _UNPACKING as fault:
            raise Malformed(f"{path} cannot be unpacked ({fault})") from fault


def _check_directory_size(path: Path) -> None:
    """Look at the end record before zipfile reads the whole directory into memory (APPNOTE 4.3.16)."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 22 - 0xFFFF))
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(tail):
        raise Malformed(f"{path.name} is no zip archive")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    if (length == 0xFFFFFFFF and size > MOST_BYTES) or MOST_DIRECTORY_BYTES < length < 0xFFFFFFFF:
        raise Excessive(f"{path.name} has a directory of {length:,} bytes")


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
