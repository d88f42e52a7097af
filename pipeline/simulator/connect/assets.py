"""What Apple reads from an uploaded app archive first: identifier, versions, minimum system, encryption."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PLIST_LIMIT = 4 * 1024 * 1024
DIRECTORY_LIMIT = 32 * 1024 * 1024


class Asset(NamedTuple):
    """What was read; None where it was not looked into, `problem` where the file is no app archive at all."""

    bundle_id: str | None = None
    version: str | None = None
    build: str | None = None
    minimum_os: str | None = None
    uses_non_exempt_encryption: bool | None = None
    problem: str = ""


class PartFiles(io.RawIOBase):
    """Several files read as one, without copying them together."""

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = paths
        self._starts: list[int] = []
        self.size = 0
        for path in paths:
            self._starts.append(self.size)
            self.size += path.stat().st_size
        self._at = 0
        self._open: tuple[int, IO[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("a seek before the start")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self.size:
            return 0
        import bisect

        index = bisect.bisect_right(self._starts, self._at) - 1
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
        if self._open is None or self._open[0] != index:
            self._shut()
            self._open = (index, self._paths[index].open("rb"))
        file = self._open[1]
        file.seek(self._at - self._starts[index])
        data = file.read(min(len(buffer), end - self._at))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _shut(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        self._shut()
        super().close()


def inspect(stream: PartFiles, uti: str) -> Asset:
    """Look into an .ipa (a zip with Payload/*.app/Info.plist) or a .pkg. Other kinds are not looked into."""
    if uti == "com.apple.ipa":
        return _ipa(stream)
    if uti == "com.apple.pkg":
        return _pkg(stream)
    return Asset()


def _pkg(stream: PartFiles) -> Asset:
    from pipeline.simulator.connect.packages import NotAPackage, app_plist

    try:
        data = app_plist(stream, PLIST_LIMIT)
    except NotAPackage as fault:
        return Asset(problem=str(fault))
    if data is None:
        return Asset()
    return _described(data) if len(data) <= PLIST_LIMIT else Asset(problem="its Info.plist is too large")


def _ipa(stream: PartFiles) -> Asset:
    import zipfile
    import zlib

    # Unbuffered, a read ends where a part ends.
    reader: io.BufferedReader = io.BufferedReader(stream)
    if not _directory_is_small(reader, stream.size):
        return Asset(problem="its zip directory is missing or too large")
    try:
        with zipfile.ZipFile(reader) as archive:
            entries = [entry for entry in archive.infolist() if _is_app_plist(entry.filename)]
            if not entries:
                return Asset(problem="there is no Payload/*.app/Info.plist in it")
            with archive.open(entries[0]) as file:
                data = file.read(PLIST_LIMIT + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError) as fault:
        return Asset(problem=f"its zip cannot be read ({type(fault).__name__})")
    if len(data) > PLIST_LIMIT:
        return Asset(problem="its Info.plist is too large")
    return _described(data)


def _directory_is_small(reader: io.BufferedReader, size: int) -> bool:
    tail_size = min(size, 65_557)
    reader.seek(size - tail_size)
    tail = reader.read(tail_size)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 16:
        return False
    return int.from_bytes(tail[at + 12 : at + 16], "little") <= DIRECTORY_LIMIT


def _is_app_plist(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and parts[0] == "Payload" and parts[1].endswith(".app") and parts[2] == "Info.plist"


def _described(data: bytes) -> Asset:
    import plistlib
    import struct
    from xml.parsers.expat import ExpatError

    malformed = (
        plistlib.InvalidFileException,
        ExpatError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
        MemoryError,
        struct.error,
    )
    try:
        values = plistlib.loads(data)
    except malformed as fault:
        return Asset(problem=f"its Info.plist cannot be read ({type(fault).__name__})")
    if not isinstance(values, dict):
        return Asset(problem="its Info.plist holds no dictionary")
    encryption = values.get("ITSAppUsesNonExemptEncryption")
    return Asset(
        _word(values, "CFBundleIdentifier"),
        _word(values, "CFBundleShortVersionString"),
        _word(values, "CFBundleVersion"),
        _word(values, "MinimumOSVersion") or _word(values, "LSMinimumSystemVersion") or None,
        encryption if isinstance(encryption, bool) else None,
    )


def _word(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
