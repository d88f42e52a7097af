"""The home folder of the person for whom the tools sign: where keychains and provisioning profiles are installed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Protocol

from pipeline.model import Source, UsageFault
from pipeline.ports.files import Unreadable
from pipeline.regular import opened

READ_LIMIT = 64 * 1024 * 1024
MOST_FILES = 20_000
PATIENCE = 60.0
"""Seconds to wait for a lock: others hold it for a few calls of `security`."""
_PAUSE = 0.02


class Home(Protocol):
    """Paths are relative to the home folder, with forward slashes. It lies on the machine on which the tools run.

    A path that is absolute, or leads upwards, is refused with a UsageFault: names in it may come from strangers.
    """

    source: Source
    root: Path

    def find(self, folder: str, *patterns: str) -> tuple[str, ...]:
        """The files right below a folder whose names match one of the patterns, sorted; none when it is not there.

        Raises:
            Unreadable: the folder cannot be listed, or holds too many files.
        """
        ...

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The bytes. Raises FileNotFoundError when there is no such file, Unreadable for anything else."""
        ...

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Put a file there, whole or not at all; folders are made, readable by their owner only.

        Raises:
            UsageFault: the machine refuses.
        """
        ...

    def remove(self, path: str) -> bool:
        """Take a file away; False when there was none. Raises UsageFault when the machine refuses."""
        ...

    def lock(self, path: str, patience: float = PATIENCE) -> AbstractContextManager[None]:
        """Hold that file's lock for the length of a block: one process, and one thread of it, at a time.

        The file is made, empty, and taken away at the end. The lock of a process that died is free.

        Raises:
            UsageFault: another holds it for longer than `patience` (seconds), or the machine refuses.
        """
        ...


class FolderHome:
    """A home folder on this machine: the person's own, or one that a simulated Mac has in the run's folder."""

    changed_by = "OTHERS"

    def __init__(self, root: Path, source: Source = Source.LIVE) -> None:
        self.root = root
        self.source = source

    def find(self, folder: str, *patterns: str) -> tuple[str, ...]:
        place = self._place(folder)
        try:
            with os.scandir(place) as entries:
                names = [each.name for each in entries if any(fnmatchcase(each.name, p) for p in patterns)]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as fault:
            raise Unreadable(
                f"the folder ~/{folder} cannot be listed",
                why=fault.strerror or str(fault),
                remedy="check the folder's permissions",
            ) from fault
        if len(names) > MOST_FILES:
            raise Unreadable(
                f"the folder ~/{folder} holds {len(names):,} files",
                why=f"at most {MOST_FILES:,} are read",
                remedy="remove what is no longer needed",
            )
        return tuple(f"{folder}/{name}" for name in sorted(names))

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        place = self._place(path)
        try:
            with opened(place) as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            raise
        except OSError as fault:
            raise Unreadable(
                f"~/{path} cannot be read", why=fault.strerror or str(fault), remedy="check the file's permissions"
            ) from fault
        if len(data) > limit:
            raise Unreadable(f"~/{path} is larger than {limit:,} bytes", remedy="check that this is the file you meant")
        return data

    def write(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        target = self._place(path)
        fresh = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            _make(target.parent)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(target)
        except OSError as fault:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise UsageFault(
                f"~/{path} cannot be written", why=fault.strerror or str(fault), remedy="make room or give access"
            ) from fault

    def remove(self, path: str) -> bool:
        place = self._place(path)
        try:
            place.unlink()
        except FileNotFoundError:
            return False
        except OSError as fault:
            raise UsageFault(
                f"~/{path} cannot be removed", why=fault.strerror or str(fault), remedy="give access to its folder"
            ) from fault
        return True

    @contextlib.contextmanager
    def lock(self, path: str, patience: float = PATIENCE) -> Iterator[None]:
        target, end = self._place(path), time.monotonic() + patience
        try:
            while (guard := _taken(target)) is None:
                if time.monotonic() >= end:
                    raise UsageFault(
                        f"another process holds ~/{path}",
                        why=f"it did not give it back within {patience:g} s",
                        remedy="wait until it has finished, or stop it, and repeat the command",
                    )
                time.sleep(_PAUSE)
        except OSError as fault:
            raise UsageFault(
                f"~/{path} cannot be locked", why=fault.strerror or str(fault), remedy="give access to its folder"
            ) from fault
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # a lock file that stays is only one more to take
                target.unlink()
            os.close(guard)

    def _place(self, path: str) -> Path:
        named = PurePosixPath(path)
        if named.is_absolute() or ".." in named.parts or not named.parts:
            raise UsageFault(
                f"{path or 'an empty path'} leads out of the home folder",
                why="it is none of the pipeline's files",
                remedy="look at where that name comes from",
            )
        return self.root / named


def _taken(target: Path) -> int | None:
    """The open file with its lock, if nobody else has it: a lock that waits could not be given up after a while.

    Whoever held it took the file away before giving it back, so the file that was opened may be none any more.
    """
    import fcntl

    _make(target.parent)
    guard = os.open(target, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(guard)
        return None
    except OSError:
        os.close(guard)
        raise
    if os.fstat(guard).st_nlink:
        return guard
    os.close(guard)
    return None


def _make(folder: Path) -> None:
    """Folders for their owner alone; `mkdir` gives its mode to the last one only, not to those above it."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
