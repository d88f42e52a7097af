"""Opens files that must be files, and keeps a checkout from naming files that are not its own."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def opened(path: str | Path, *, follow: bool = True) -> BinaryIO:
    """The file, for reading, without waiting for a writer on the other side of a pipe.

    Args:
        path: where it is.
        follow: whether it may be a link to a file elsewhere.

    Raises:
        OSError: it cannot be opened, or it is not a regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except OSError as fault:
        if fault.errno == errno.ELOOP and not follow:
            raise OSError(errno.ELOOP, "it is a link to something elsewhere", str(path)) from None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    mode = os.fstat(descriptor).st_mode
    os.close(descriptor)
    raise _no_file(mode, path)


def _no_file(mode: int, path: str | Path) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return OSError(errno.EINVAL, "it is a pipe, a socket or a device, not a file", str(path))


def read(path: str | Path, *, follow: bool = True) -> bytes:
    """All of it; raises as `opened` does."""
    with opened(path, follow=follow) as file:
        return file.read()


class Outside(OSError):
    """A path that leads out of the checkout: nothing is told of what it names, not even whether it is there."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(errno.EACCES, "it lies outside of the checkout, and is not read", str(path))

    def __str__(self) -> str:
        return str(self.strerror)


_OF_THE_MACHINE = ("/proc", "/sys", "/dev")
"""What the kernel shows of this machine and its processes; no checkout has files there."""


class Fence:
    """The bounds of a checkout: its repository's top level, else the folder itself. What lies elsewhere is not read.

    A checkout is written by others than the one who looks at it, and what is read of it is told in reports. So no link,
    no setting and no `#include` leads to a file of this machine that the checkout does not hold. A repository around it
    that belongs to somebody else, or that holds a home folder, is no bound.
    """

    def __init__(self, root: str, named: Collection[str] = ()) -> None:
        """`named` are paths that a person named, and not the checkout: they may lie anywhere."""
        self.root = root
        self.named = frozenset(named)
        self.top = _top(os.path.realpath(root))
        self._folders: dict[str, str] = {}

    def place(self, path: str | Path) -> str:
        """Where a path, from the root, leads when all links are followed. Raises Outside, and OSError for a loop."""
        return self._seen(path)[0]

    def stat(self, path: str | Path) -> os.stat_result:
        """What the disk says of a file. Raises OSError as `place` does, and where there is none."""
        real, held = self._seen(path)
        return held or os.stat(real)  # noqa: PTH116 - asked thousands of times

    def opened(self, path: str | Path) -> BinaryIO:
        """The file, for reading. Raises OSError as `place` does, and where it is no regular file."""
        real, held = self._seen(path)
        mode = (held or os.stat(real)).st_mode  # noqa: PTH116 - opening a device may already set it going
        if not stat.S_ISREG(mode):
            raise _no_file(mode, path)
        return opened(real, follow=False)

    def read(self, path: str | Path) -> bytes:
        """All of a file; raises as `opened` does."""
        with self.opened(path) as file:
            return file.read()

    def _seen(self, path: str | Path) -> tuple[str, os.stat_result | None]:
        """Where a path leads, and what was seen of that on the way."""
        told = str(path)
        if told in self.named:
            return os.path.realpath(told), None
        folder, slash, name = told.rpartition("/")
        folder = folder or slash
        if name in ("", ".", ".."):
            folder, name = told, ""
        real = self._folders.get(folder)
        if real is None:
            whole = folder if folder.startswith("/") else f"{self.root}/{folder}".rstrip("/") or "/"
            real = self._folders[folder] = self._resolved(whole)
        if not real:
            # Nobody looks for a link there, though it might lead back.
            raise Outside(path)
        if not name:
            return real, None
        real = f"{real.rstrip('/')}/{name}"
        try:
            held = os.lstat(real)
        except OSError:
            return real, None  # whoever opens it says why it cannot be seen
        if not stat.S_ISLNK(held.st_mode):
            if real.startswith(_OF_THE_MACHINE) and not self._holds(real):
                raise Outside(path)
            return real, held
        real = self._resolved(real)
        if not real:
            raise Outside(path)
        return real, None

    def _resolved(self, path: str) -> str:
        """The path without links, "" outside. What is left behind a loop may hold links still, and lead anywhere."""
        real = os.path.realpath(path)
        if not self._holds(real):
            return ""
        if real != path and os.path.realpath(real) != real:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        return real

    def _holds(self, real: str) -> bool:
        if not _lies_in(real, self.top):
            return False
        return not any(_lies_in(real, one) and not _lies_in(self.top, one) for one in _OF_THE_MACHINE)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _top(root: str) -> str:
    """The folder that holds the repository around a folder; the folder itself where there is none."""
    try:
        owner = os.stat(root).st_uid  # noqa: PTH116 - what is here needs no Path
        home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() fails without a home
        place = root
        while place != "/" and os.stat(place).st_uid == owner:  # noqa: PTH116 - as above
            if os.path.lexists(f"{place}/.git"):
                return root if _lies_in(home, place) else place
            place = os.path.dirname(place)  # noqa: PTH120 - as above
    except OSError:
        pass
    return root
