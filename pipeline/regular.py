"""Opens files that must be files: a named pipe or a device would keep its reader waiting for ever."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
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
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is a pipe, a socket or a device, not a file", str(path))


def read(path: str | Path, *, follow: bool = True) -> bytes:
    """All of it; raises as `opened` does."""
    with opened(path, follow=follow) as file:
        return file.read()
