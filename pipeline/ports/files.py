"""The app's files, read-only: one listing of the tree, and bounded reads with errors a person can act on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.model import Source, UsageFault
from pipeline.regular import Fence, Outside

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline.ports.memory import Memory

SKIPPED = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        "node_modules",
        "DerivedData",
        ".build",
        ".venv",
        "venv",
        "__pycache__",
        ".runs",
        "Carthage",
    }
)
"""Folders that hold no source of the app: version control, dependencies' checkouts, build output."""

READ_LIMIT = 256 * 1024 * 1024
TREE_LIMIT = 300_000


Stamp = tuple[int, int, int, int, int, int]
"""Device, inode, size, the nanoseconds of the last change of content (mtime) and of anything (ctime), and the mode.

A program can set a file's mtime as it likes, and not its ctime; so two stamps that are equal are those of one content,
unless it changed twice within a tick of the file system's clock.
"""


ELSEWHERE: Stamp = (0, 0, 0, 0, 0, 0)
"""Stands for whatever lies outside of the checkout, at which nobody looks."""


class Unreadable(UsageFault):
    """A file that is there cannot be read, or is too large to be what its name says."""


class Elsewhere(Unreadable):
    """A path leads out of the checkout, to what is not read: see Fence."""


class Files(Protocol):
    """Paths are relative to the app's root with forward slashes; absolute paths are accepted.

    Only what lies in the checkout is read, after all links: below the top level of its repository, else below the root.
    """

    source: Source
    root: Path
    memory: Memory | None
    """Where facts about unchanged files are kept between runs, if they are."""

    def tree(self) -> tuple[str, ...]:
        """All files below the root, sorted; see SKIPPED for what is left out. Links to folders are not followed."""
        ...

    def exists(self, path: str | Path) -> bool:
        """Whether there is a file or folder in the checkout."""
        ...

    def read(self, path: str | Path, limit: int = READ_LIMIT) -> bytes:
        """The bytes. Raises FileNotFoundError when there is no such file, Unreadable for anything else.

        What lies outside of the checkout is Elsewhere, whether it is there or not.
        """
        ...

    def stamp(self, path: str | Path) -> Stamp | None:
        """What tells whether a file is still the one that was read; None where there is none, ELSEWHERE outside."""
        ...


class LiveFiles:
    """The file system of this machine. `named` are files that a person named; they may lie outside of the checkout."""

    source = Source.LIVE
    changed_by = "US"

    def __init__(self, root: Path, memory: Memory | None = None, named: Collection[str] = ()) -> None:
        self.root = root
        self._base = str(root)
        self.memory = memory
        self._fence = Fence(str(root), named)
        self._tree: tuple[str, ...] | None = None

    def tree(self) -> tuple[str, ...]:
        if self._tree is None:
            found: list[str] = []
            pending = [""]
            while pending:
                folder = pending.pop()
                try:
                    entries = list(os.scandir(os.path.join(self._base, folder)))  # noqa: PTH118 - as below
                except OSError:
                    continue
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in SKIPPED:
                            pending.append(path)
                    else:
                        found.append(path)
                if len(found) > TREE_LIMIT:
                    raise UsageFault(
                        f"{self.root} holds more than {TREE_LIMIT:,} files",
                        why="an app's folder is expected, not a whole disk",
                        remedy="name the folder that holds the Xcode project with --app",
                    )
            self._tree = tuple(sorted(found))
        return self._tree

    def exists(self, path: str | Path) -> bool:
        return self.stamp(path) not in (None, ELSEWHERE)

    def read(self, path: str | Path, limit: int = READ_LIMIT) -> bytes:
        try:
            with self._fence.opened(path) as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            raise
        except OSError as fault:
            raise _unreadable(path, fault) from fault
        if len(data) > limit:
            reason = f"it is larger than {limit:,} bytes"
            raise Unreadable(f"{path} cannot be read", why=reason, remedy="check that this is the file you meant")
        return data

    def stamp(self, path: str | Path) -> Stamp | None:
        try:
            held = self._fence.stat(path)
        except Outside:
            return ELSEWHERE
        except (OSError, ValueError):
            return None
        return held.st_dev, held.st_ino, held.st_size, held.st_mtime_ns, held.st_ctime_ns, held.st_mode


def _unreadable(path: str | Path, fault: OSError) -> Unreadable:
    why, what = fault.strerror or str(fault), f"{path} cannot be read"
    if isinstance(fault, Outside):
        return Elsewhere(
            what, why=why, remedy="move it into the checkout, or name the folder that holds both with --app"
        )
    return Unreadable(
        what, why=why, remedy="check the file's permissions and that it is not a folder or a loop of links"
    )
