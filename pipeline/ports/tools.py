"""Command-line tools: Apple's `xcodebuild`, `security`, `xcrun` and the like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.model import Source

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Completed:
    """A finished process. `returncode` 127 means that the tool was not found."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Tools(Protocol):
    """Runs command-line tools, never through a shell."""

    source: Source

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 3600.0,
    ) -> Completed:
        """Run to the end. Raises AppleFailure when the time (seconds) is used up."""
        ...

    def find(self, name: str) -> str | None:
        """Where the tool is, or None."""
        ...
