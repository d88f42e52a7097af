"""What one run learnt from files and the next need not learn again: a folder of the user's own, never of the app.

Whoever packed an app's folder could put a memory into it that says what he likes; so nothing there is believed. Nor is
a folder or a file here that somebody else owns or may write to, or that is a link.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

SWITCH = "PIPELINE_CACHE"
"""The environment variable that is set to "off" by who wants nothing to be kept."""
LIMIT = 16 * 1024 * 1024
"""Bytes of one record; those of apps of three thousand files have a fiftieth of it."""
MOST, WHOLE = 64, 64 * 1024 * 1024
"""So many records are kept, and so many bytes of them all: the newest."""
_KEPT, _UNFINISHED = ".kept", ".part"
_ABANDONED = 3600.0
"""Seconds after which somebody who began to write a record will not end it."""
_OPEN = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


class Memory(Protocol):
    """Records by name. What is lost is learnt anew, so that no failure here is anybody's concern."""

    def load(self, name: str) -> bytes | None:
        """The record as it was saved; None where there is none, or none that can be trusted."""
        ...

    def save(self, name: str, data: bytes) -> None:
        """Keep a record, in the place of an earlier one. It must hold no secret."""
        ...


class LiveMemory:
    """A folder in the user's home, which nobody else may enter."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls) -> LiveMemory | None:
        """XDG_CACHE_HOME, else ~/Library/Caches on a Mac and ~/.cache elsewhere; None where nothing is to be kept."""
        if os.environ.get(SWITCH) == "off":
            return None
        told = os.environ.get("XDG_CACHE_HOME", "")
        try:
            home = Path(told) if told.startswith("/") else Path.home() / _usual()
        except RuntimeError:
            return None
        return cls(home / "pipeline" / "facts")

    def load(self, name: str) -> bytes | None:
        try:
            with self._entered() as folder, os.fdopen(_opened(folder, _file(name)), "rb") as file:
                held = os.fstat(file.fileno())
                if not stat.S_ISREG(held.st_mode) or not _is_ours(held) or held.st_size > LIMIT:
                    return None
                data = file.read(LIMIT)
        except (OSError, ValueError):
            return None
        seal, _, body = data.partition(b"\n")
        return body if seal == _seal(body) else None

    def save(self, name: str, data: bytes) -> None:
        if len(data) > LIMIT // 2:
            return
        with suppress(OSError, ValueError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._entered() as folder:
                _written(folder, _file(name), _seal(data) + b"\n" + data)
                _thin_out(folder)

    @contextmanager
    def _entered(self) -> Iterator[int]:
        """The open folder: what is done in it is done in the one that was looked at, whoever moves it meanwhile."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
        try:
            if not _is_ours(os.fstat(folder)):
                raise PermissionError(str(self._folder))
            yield folder
        finally:
            os.close(folder)


def _written(folder: int, name: str, data: bytes) -> None:
    # By chance and not by the process's number: two containers that share a home have each a process of that number.
    unfinished = f"{os.urandom(8).hex()}{_UNFINISHED}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise


def _thin_out(folder: int) -> None:
    """Remove the oldest records where there are too many or too large ones, and what a process left that was killed."""
    from time import time

    held: list[tuple[float, int, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            seen = entry.stat(follow_symlinks=False)
            if entry.name.endswith(_KEPT):
                held.append((seen.st_mtime, seen.st_size, entry.name))
            elif entry.name.endswith(_UNFINISHED) and seen.st_mtime < time() - _ABANDONED:
                os.unlink(entry.name, dir_fd=folder)
    room = WHOLE
    for place, (_, size, name) in enumerate(sorted(held, reverse=True)):
        room -= size
        if place >= MOST or room < 0:
            os.unlink(name, dir_fd=folder)


def _opened(folder: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | _OPEN, dir_fd=folder)


def _file(name: str) -> str:
    return f"{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}{_KEPT}"


def _usual() -> str:
    return "Library/Caches" if sys.platform == "darwin" else ".cache"


def _is_ours(held: os.stat_result) -> bool:
    return held.st_uid == os.getuid() and not held.st_mode & 0o077


def _seal(data: bytes) -> bytes:
    """Tells a record that was cut short or damaged; against a forger the folder's owner is the defence."""
    return hashlib.sha256(data).hexdigest().encode()
