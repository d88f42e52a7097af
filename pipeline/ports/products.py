"""Where one lane's build products lie: made in the run's own directory, or given by the person who started the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model import Source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Products:
    """The products of one lane. Kinds: "archive" (an .xcarchive) and "export" (an .ipa or .pkg).

    Attributes:
        directory: the lane's own folder inside the run directory; everything that a lane makes goes here.
    """

    changed_by = "US"

    def __init__(self, directory: Path, source: Source, given: Mapping[str, Path] | None = None) -> None:
        self.directory = directory
        self.source = source
        self._given = dict(given or {})

    def given(self, kind: str) -> Path | None:
        """The artifact that was named on the command line, if any."""
        return self._given.get(kind)

    def path(self, kind: str, name: str) -> Path:
        """Where that product is, or will be; `name` is its file name when it is made here."""
        return self._given.get(kind) or self.directory / name

    def source_of(self, kind: str) -> Source:
        """LIVE for a given artifact; otherwise that of the tools that make it."""
        return Source.LIVE if kind in self._given else self.source
