"""What one run learnt from files and the next need not learn again: a folder of the user's own, never of the app.

Whoever packed an app's folder could put a memory into it that says what he likes; so nothing there is believed. Nor is
a folder or a file here that somebody else owns or may write to.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path
from typing import Protocol

LIMIT = 64 * 1024 * 1024
MOST = 64
"""So many records are kept, the newest of them."""
_SUFFIX = ".kept"


class Memory(Protocol):
    """Records by name. What is lost is learnt anew, so that no failure here is anybody's concern.

    `keeps` is False where nothing is ever kept.
    """

    keeps: bool

    def load(self, name: str) -> bytes | None:
        """The record as it was saved; None where there is none, or none that can be trusted."""
        ...

    def save(self, name: str, data: bytes) -> None:
        """Keep a record. It must hold no secret."""
        ...


class NoMemory:
    """Where nothing is kept."""

    keeps = False

    def load(self, name: str) -> bytes | None:  # noqa: ARG002
        return None

    def save(self, name: str, data: bytes) -> None:
        """Nothing is kept."""


class LiveMemory:
    """A folder in the user's home, which nobody else may enter."""

    keeps = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls) -> LiveMemory | NoMemory:
        """XDG_CACHE_HOME, else ~/Library/Caches on a Mac and ~/.cache elsewhere; nothing is kept without a home."""
        told = os.environ.get("XDG_CACHE_HOME", "")
        try:
            home = Path(told) if told.startswith("/") else Path.home() / _usual()
        except RuntimeError:
            return NoMemory()
        return cls(home / "release-pipeline")

    def load(self, name: str) -> bytes | None:
        try:
            if not _is_ours(self._folder.stat()):
                return None
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                held = os.fstat(descriptor)
                if not stat.S_ISREG(held.st_mode) or not _is_ours(held) or held.st_size > LIMIT:
                    return None
                data = file.read(LIMIT)
        except (OSError, ValueError):
            return None
        seal, _, body = data.partition(b"\n")
        return body if seal == _seal(body) else None

    def save(self, name: str, data: bytes) -> None:
        if len(data) >= LIMIT:
            return
        path = self._path(name)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(self._folder.stat()):
                return
            unfinished.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_seal(data) + b"\n" + data)
            unfinished.replace(path)
            self._thin_out()
        except OSError:
            return

    def _path(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}{_SUFFIX}"

    def _thin_out(self) -> None:
        held = [entry for entry in os.scandir(self._folder) if entry.name.endswith(_SUFFIX)]
        if len(held) > MOST:
            for entry in sorted(held, key=lambda entry: entry.stat().st_mtime)[: len(held) - MOST]:
                Path(entry.path).unlink(missing_ok=True)


def _usual() -> str:
    return "Library/Caches" if sys.platform == "darwin" else ".cache"


def _is_ours(held: os.stat_result) -> bool:
    return held.st_uid == os.getuid() and not held.st_mode & 0o077


def _seal(data: bytes) -> bytes:
    """Tells a record that was cut short or damaged; against a forger the folder's owner is the defence."""
    return hashlib.sha256(data).hexdigest().encode()
