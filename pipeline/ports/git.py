"""The git checkout a release starts from, read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.model import Source
from pipeline.ports.tools import Completed
from pipeline.regular import opened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

HARMLESS = ("core.fsmonitor=false", "core.untrackedCache=false", "core.hooksPath=/dev/null")
"""A checkout's own configuration names programs, and whoever packed the folder wrote it: none of them is run."""

TELLING = (b"filter", b"include", b"lfs", b"worktreeconfig")
"""Without one of these words a configuration file names no filter, nor another file that could."""

CONFIG_LIMIT = 1_000_000
INDEX_LIMIT = 256 * 1024 * 1024
GITLINK = b"\x00\x00\xe0\x00"
"""The mode of a submodule in an index (gitformat-index: a 32-bit word, 160000 octal)."""

LFS = {"clean": "git-lfs clean -- %f", "smudge": "git-lfs smudge -- %f", "process": "git-lfs filter-process"}
"""What `git lfs install --local` writes: the user's own program, called as everywhere else."""

DEPTH = 8
SECONDS = 60


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
        # Of what is asked here, only `status` reads the work tree, and so only it would run filters.
        filters = sorted(set(_filters(self._root))) if arguments[:1] == ("status",) else ()
        return _git(self._root, *arguments, without=filters)


def _git(root: Path, *arguments: str, without: Collection[str] = ()) -> Completed:
    import subprocess

    settings = [part for each in HARMLESS for part in ("-c", each)]
    argv = ("git", "--no-optional-locks", *settings, "-C", str(root), *arguments)
    try:
        done = subprocess.run(argv, capture_output=True, env=_environment(without), timeout=SECONDS, check=False)
    except (FileNotFoundError, PermissionError):
        return Completed(argv, 127, "", "git is not installed")
    except subprocess.TimeoutExpired:
        return Completed(argv, 124, "", f"git did not answer within {SECONDS} s")
    return Completed(
        argv, done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    )


def _environment(without: Collection[str]) -> dict[str, str]:
    """Nothing is locked, asked or fetched: what a partial clone lacks stays lacking. Filters are named without effect.

    Settings go by environment because a filter's name may hold the sign that ends a name on the command line.
    """
    from pipeline.ports.secrets import harmless_environment

    env = harmless_environment()
    told = env.get("GIT_CONFIG_COUNT", "")
    count = int(told) if told.isdecimal() else 0
    for name in without:
        for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")):
            env[f"GIT_CONFIG_KEY_{count}"], env[f"GIT_CONFIG_VALUE_{count}"] = f"filter.{name}.{key}", value
            count += 1
    return {
        **env,
        "GIT_CONFIG_COUNT": str(count),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "",
        "LC_ALL": "C",
    }


def _filters(root: Path, depth: int = DEPTH) -> Iterator[str]:
    """The filters that a checkout or its submodules declare for themselves, except git-lfs called as usual."""
    place = next((each / ".git" for each in (root, *root.parents) if (each / ".git").exists()), None)
    if _may_hold(place, "config", CONFIG_LIMIT, *TELLING):
        yield from _declared(_git(root, "config", "--show-scope", "-z", "--get-regexp", r"^(filter|lfs\.extension)\."))
    if depth and _may_hold(place, "index", INDEX_LIMIT, GITLINK, b"link\0"):
        listed = _git(root, "ls-files", "--stage", "-z", "--full-name", ":/").stdout
        for entry in listed.split("\0"):
            mode, _, path = entry.partition(" ")[0], *entry.partition("\t")[1:]
            nested = place.parent / path if place else root / path
            if mode == "160000" and (nested / ".git").exists():
                yield from _filters(nested, depth - 1)


def _may_hold(place: Path | None, name: str, limit: int, *words: bytes) -> bool:
    """Whether a file of a .git folder holds one of the words; also where it lies elsewhere and only git finds it."""
    if place is None or not place.is_dir():
        return True
    try:
        with opened(place / name) as file:
            data = file.read(limit).lower()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return len(data) == limit or any(word in data for word in words)


def _declared(told: Completed) -> Iterator[str]:
    fields = told.stdout.split("\0")
    for scope, setting in zip(fields[::2], fields[1::2], strict=False):
        key, _, value = setting.partition("\n")
        section, _, rest = key.partition(".")
        name, _, variable = rest.rpartition(".")
        if scope not in ("local", "worktree"):
            continue
        if section == "lfs":
            yield "lfs"  # An extension of git-lfs is a program too, and git-lfs would run it.
        elif name != "lfs" or LFS.get(variable, value) != value:
            yield name
