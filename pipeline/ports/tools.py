"""Command-line tools: Apple's `xcodebuild`, `security`, `xcrun` and the like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from pipeline.model import AppleFailure, Source
from pipeline.values import dataclass

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


class LiveTools:
    """The tools of this machine. They do not inherit our credentials.

    Secrets never go on a command line: hand them over as standard input or in `env`.
    """

    source = Source.LIVE

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 3600.0,
    ) -> Completed:
        import subprocess

        from pipeline.ports.secrets import harmless_environment

        try:
            done = subprocess.run(
                list(argv),
                cwd=cwd,
                env={**harmless_environment(), **(env or {})},
                input=stdin.encode("utf-8", "surrogateescape"),
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            return Completed(tuple(argv), 127, "", f"{argv[0]}: command not found")
        except PermissionError as fault:
            return Completed(tuple(argv), 126, "", f"{argv[0]}: {fault.strerror}")
        except subprocess.TimeoutExpired as fault:
            raise AppleFailure(
                f"{argv[0]} did not finish within {timeout:.0f} s",
                why="it may wait for a dialog or for the network",
                remedy="run it by hand to see what it waits for",
                ambiguous=True,
            ) from fault
        # A path that is no UTF-8 must come back as it is: what is listed here is said to the next tool.
        told = (each.decode("utf-8", "surrogateescape") for each in (done.stdout, done.stderr))
        return Completed(tuple(argv), done.returncode, *told)

    def find(self, name: str) -> str | None:
        import shutil

        return shutil.which(name)


Performance = Callable[[Sequence[str], "Path | None", Mapping[str, str], str], tuple[int, str, str]]
"""(argv, cwd, env, stdin) -> (returncode, stdout, stderr): a machine inside the process."""


class PlayedTools:
    """Tools that are played by a simulated machine; nothing is started on this one."""

    source = Source.SIMULATED

    def __init__(self, performance: Performance, find: Callable[[str], str | None]) -> None:
        self._performance = performance
        self._find = find

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout: float = 3600.0,  # noqa: ARG002 - a simulated tool takes no time
    ) -> Completed:
        return Completed(tuple(argv), *self._performance(argv, cwd, env or {}, stdin))

    def find(self, name: str) -> str | None:
        return self._find(name)
