"""The git checkout a release starts from, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pipeline.model import Source
from pipeline.ports.tools import Completed

if TYPE_CHECKING:
    from pathlib import Path


class Git(Protocol):
    """Asks git, without ever taking a lock or writing an index."""

    source: Source

    def ask(self, *arguments: str) -> Completed:
        """`git ARGUMENTS` in the app's root; returncode 127 when git is not installed."""
        ...


class LiveGit:
    """Git as installed on this machine."""

    source = Source.LIVE
    changed_by = "US"

    def __init__(self, root: Path) -> None:
        self._root = root

    def ask(self, *arguments: str) -> Completed:
        import subprocess

        from pipeline.ports.secrets import harmless_environment

        argv = ("git", "--no-optional-locks", "-C", str(self._root), *arguments)
        env = {**harmless_environment(), "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        try:
            done = subprocess.run(argv, capture_output=True, env=env, timeout=60, check=False)
        except (FileNotFoundError, PermissionError):
            return Completed(argv, 127, "", "git is not installed")
        except subprocess.TimeoutExpired:
            return Completed(argv, 124, "", "git did not answer within 60 s")
        return Completed(
            argv, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
        )
