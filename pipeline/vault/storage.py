"""Where a vault's files lie: what a folder and a repository have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from pathlib import Path
from typing import Protocol

from pipeline.values import dataclass

MOST_FILES = 50_000
TOTAL_LIMIT = 256 * 1024 * 1024
"""Files that a vault's place may hold, and bytes that are read of them at once."""


@dataclass(frozen=True)
class Change:
    """What is to be stored, all or nothing.

    Attributes:
        files: new files by name; no file of such a name was ever there.
        line: name and bytes of the new ledger line. That it is there makes the change.
        gone: names of files that nobody needs when the line is there.
        kept: batches of the ledger, this line's included: whatever else is there and old was left behind by a crash.
    """

    files: Mapping[str, bytes] = field(repr=False)
    line: tuple[str, bytes] = field(repr=False)
    gone: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    what: str = ""
    by: str = ""
    first: bool = False


def private_folder(path: Path) -> None:
    """Make a folder and those above it, as far as they are not there, for their owner alone."""
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


class Snapshot(Protocol):
    """The files of a vault at one moment.

    Attributes:
        sizes: of regular files, by name below the vault, with forward slashes.
        odd: names of what is there and is no file: links, pipes.
    """

    @property
    def sizes(self) -> Mapping[str, int]: ...

    @property
    def odd(self) -> Collection[str]: ...

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of those that are still there.

        Raises:
            UsageFault: together they are larger than TOTAL_LIMIT.
        """
        ...


class Storage(Protocol):
    """A place that holds one vault."""

    def look(self) -> Snapshot:
        """What is there now.

        Raises:
            UsageFault: it cannot be read, or something else is kept there.
            UsageFault: it is out of reach.
        """
        ...

    def commit(self, seen: Snapshot, change: Change) -> None:
        """Store a change of what was seen, whole or not at all.

        Raises:
            Moved: somebody else stored a line first.
            UsageFault: the place refuses.
        """
        ...
