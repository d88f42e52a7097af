"""Reads what `git status --porcelain=v2 --branch -z` says; the format is that of git-status(1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDINARY_FIELDS, RENAMED_FIELDS, UNMERGED_FIELDS = 8, 9, 10
"""How many blanks stand before the path of an entry that begins with 1, 2 or u."""

SUBMODULE_FIELD = 2
OWN_FOLDERS = frozenset({".runs"})
"""What the pipeline itself writes beside the app."""


@dataclass(frozen=True)
class Status:
    """Paths are relative to the top of the work tree. `commit` and `branch` are empty where git has none to name."""

    commit: str = ""
    branch: str = ""
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()


def read_status(text: str) -> Status:
    """What the output says; entries of a kind that this format does not have are passed over."""
    commit = branch = ""
    changed: list[str] = []
    untracked: list[str] = []
    for entry in _entries(text):
        kind = entry[:2]
        if entry.startswith("# branch.oid "):
            commit = _named(entry, "(initial)")
        elif entry.startswith("# branch.head "):
            branch = _named(entry, "(detached)")
        elif kind == "? ":
            untracked.append(entry[2:])
        elif kind in _FIELDS:
            *fields, path = entry.split(" ", _FIELDS[kind])
            if len(fields) != _FIELDS[kind]:
                continue
            (untracked if _only_new_files_in_submodule(fields) else changed).append(path)
    kept = tuple(path for path in untracked if not OWN_FOLDERS & set(path.split("/")))
    return Status(commit, branch, tuple(changed), kept)


_FIELDS = {"1 ": ORDINARY_FIELDS, "2 ": RENAMED_FIELDS, "u ": UNMERGED_FIELDS}


def _entries(text: str) -> Iterator[str]:
    """The entries; the old path of a renamed file, which follows as an entry of its own, is left out."""
    parts = iter(text.split("\0"))
    for part in parts:
        if part.startswith("2 "):
            next(parts, None)
        yield part


def _named(entry: str, nothing: str) -> str:
    value = entry.split(" ", 2)[2]
    return "" if value == nothing else value


def _only_new_files_in_submodule(fields: list[str]) -> bool:
    """Whether a submodule differs only by files that it does not track itself (S..U)."""
    return fields[1] == ".M" and fields[SUBMODULE_FIELD] == "S..U"
