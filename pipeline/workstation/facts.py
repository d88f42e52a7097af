"""What can be known about the machine and the checkout before anything is built."""

from __future__ import annotations

from pipeline.values import dataclass


@dataclass(frozen=True)
class InstalledXcode:
    """The Xcode that `xcodebuild` belongs to.

    Attributes:
        path: where `xcodebuild` is; empty when it was not found.
        version: as in "26.1"; empty when `xcodebuild` did not say.
        build: as in "17B55".
        fault: why `xcodebuild -version` did not answer, in its own words.
    """

    path: str = ""
    version: str = ""
    build: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Tool:
    """A command-line tool that a lane needs. `path` is empty when it was not found."""

    name: str
    purpose: str
    path: str = ""


@dataclass(frozen=True)
class Toolchain:
    """What one lane needs of the machine.

    Attributes:
        given: the artifact that was given, as a path; empty when this lane builds one.
        tools: the tools without which the lane cannot go on.
    """

    given: str = ""
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True)
class Checkout:
    """The git checkout that holds the app; every path is relative to the app's root.

    Attributes:
        repository: whether the app lies in a git work tree.
        root: the top of the work tree.
        commit: of HEAD, in hexadecimal; empty before the first commit.
        branch: empty when HEAD is detached.
        changed: tracked files below the app's root that differ from HEAD, at most CHANGED_LIMIT of them.
        changed_count: how many there are.
        untracked: files and folders below the app's root that git neither tracks nor ignores, limited likewise.
        untracked_count: how many there are.
        tags: names of the tags at HEAD.
        shallow: whether history is cut off.
    """

    repository: bool = False
    root: str = ""
    commit: str = ""
    branch: str = ""
    changed: tuple[str, ...] = ()
    changed_count: int = 0
    untracked: tuple[str, ...] = ()
    untracked_count: int = 0
    tags: tuple[str, ...] = ()
    shallow: bool = False

    @property
    def detached(self) -> bool:
        """Whether HEAD names a commit instead of a branch."""
        return self.repository and not self.branch
