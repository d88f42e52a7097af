"""The home folder of the person for whom the tools sign: where keychains and provisioning profiles are installed."""

from __future__ import annotations

import contextlib
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from pipeline.model import Source, UsageFault
from pipeline.ports.files import Unreadable
from pipeline.regular import opened

READ_LIMIT = 64 * 1024 * 1024
MOST_FILES = 20_000


class Home(Protocol):
    """Paths are relative to the home folder, with forward slashes. It lies on the machine on which the tools run."""

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


class FolderHome:
    """A home folder on this machine: the person's own, or one that a simulated Mac has in the run's folder."""

    changed_by = "OTHERS"

    def __init__(self, root: Path, source: Source = Source.LIVE) -> None:
        self.root = root
        self.source = source

    def find(self, folder: str, *patterns: str) -> tuple[str, ...]:
        try:
            with os.scandir(self.root / folder) as entries:
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
        try:
            with opened(self.root / path) as file:
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
        target = self.root / path
        fresh = target.with_name(f".{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        try:
            (self.root / path).unlink()
        except FileNotFoundError:
            return False
        except OSError as fault:
            raise UsageFault(
                f"~/{path} cannot be removed", why=fault.strerror or str(fault), remedy="give access to its folder"
            ) from fault
        return True
