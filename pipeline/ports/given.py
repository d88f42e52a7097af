"""Files that a person named on the command line, and those in folders that were named: read, never changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from pipeline.model import Source, UsageFault
from pipeline.ports.files import SKIPPED, Unreadable
from pipeline.regular import opened

READ_LIMIT = 64 * 1024 * 1024
MOST_FILES = 50_000


class GivenFiles:
    """Everything that `--file` names.

    Attributes:
        named: the paths as they were written.
    """

    source = Source.LIVE
    changed_by = "NOBODY"

    def __init__(self, named: Sequence[str] = ()) -> None:
        self.named = tuple(named)

    def paths(self) -> Iterator[Path]:
        """All files: those that are named, and those below folders that are named, each folder in order of its names.

        Links to folders are not followed; folders that hold no source of anybody's (see SKIPPED) are passed over.

        Raises:
            UsageFault: something that is named is not there, or there are too many files.
        """
        count = 0
        for each in self.named:
            top = Path(each)
            if not os.path.lexists(top):
                raise UsageFault(f"--file {each}: there is no such file", remedy="check the path")
            for path in _below(top):
                count += 1
                if count > MOST_FILES:
                    raise UsageFault(
                        f"--file {each} holds more than {MOST_FILES:,} files",
                        why="a folder of certificates is expected, not a whole disk",
                        remedy="name the folder that holds the signing material",
                    )
                yield path

    def read(self, path: Path, limit: int = READ_LIMIT) -> bytes:
        """The bytes.

        Raises:
            Unreadable: it cannot be read, is no file, or is larger than `limit` bytes.
        """
        with self.opened(path) as file:
            try:
                data = file.read(limit + 1)
            except OSError as fault:
                raise _unreadable(path, fault) from fault
        if len(data) > limit:
            raise Unreadable(f"{path} is larger than {limit:,} bytes")
        return data

    def opened(self, path: Path) -> BinaryIO:
        """The file, for reading parts of it, whatever its size.

        Raises:
            Unreadable: it cannot be opened, or is no file.
        """
        try:
            return opened(path)
        except OSError as fault:
            raise _unreadable(path, fault) from fault


def _unreadable(path: Path, fault: OSError) -> Unreadable:
    return Unreadable(f"{path} cannot be read", why=fault.strerror or str(fault))


def _below(top: Path) -> Iterator[Path]:
    if not top.is_dir():
        yield top
        return
    for folder, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name not in SKIPPED)
        for name in sorted(files):
            yield Path(folder, name)
