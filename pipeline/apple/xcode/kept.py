"""Keeps facts from one run to the next, as long as every file that they rest on is the one that was read.

A record belongs to one folder, one list of its files, and one edition of this program; any difference and all of it is
learnt anew. So it can make a run faster, and not its verdict another.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.apple.xcode.sight import Unseen

if TYPE_CHECKING:
    from pipeline.ports.files import Stamp
    from pipeline.ports.memory import Memory

T = TypeVar("T")

TICK = 3_000_000_000
"""Nanoseconds within which a file may change twice and bear the same stamp: two seconds on a FAT disk, and then some.

A file so young is read again in the next run, as git does with what it calls racily clean.
"""
VALUES = 500_000
"""Parts of one fact; a binary property list can hold one part a million times."""
_SIZE, _MTIME, _CTIME, _MODE = 2, 3, 4, 5
_PACKAGES = ("pipeline.model", "pipeline.apple.")
"""Where the classes of facts are."""
_SHOWING = ("__pycache__", "simulator", "reports")
"""Folders of this program that make no facts."""


class Kept:
    """The record of one folder, read when it is first asked and written by `save`.

    Args:
        memory: where it is kept.
        root: the folder.
        tree: all files in it.
        read: bytes of a path, as Workspace takes it.
        stamp: what tells whether a file is still the one that was read.
    """

    def __init__(
        self,
        memory: Memory,
        root: str,
        tree: Sequence[str],
        read: Callable[[str, int], bytes | None],
        stamp: Callable[[str], Stamp | None],
    ) -> None:
        self._memory, self._root, self._tree, self._read, self._stamp = memory, root, tree, read, stamp
        self._stamps: dict[str, Stamp | None] = {}
        self._young: dict[str, str] = {}
        self._told: dict[str, Any] = {}
        self._new = False
        self._loaded = False
        self._sure = True
        self._edition = ""

    def read(self, path: str, limit: int) -> bytes | None:
        """The bytes of a file, of which is remembered what it was before it was read."""
        began = time.time_ns()
        stamp = self._stamps.setdefault(path, self._stamp(path)) if path not in self._stamps else self._stamps[path]
        young = stamp is not None and _is_young(stamp, began)
        try:
            data = self._read(path, limit)
        except (OSError, ValueError):
            # What is too large, or no file, stays so as long as its stamp. Other reasons may pass without a trace.
            if stamp is None or (stat.S_ISREG(stamp[_MODE]) and stamp[_SIZE] <= limit):
                self._sure = False
            elif young:
                self._young.setdefault(path, "")
            raise
        if young:
            self._young.setdefault(path, _digest(data or b""))
        return data

    def recall(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """The fact as a run before this one found it; else it is found now, and kept. Raises Unseen as `make` did."""
        if not self._loaded:
            self._loaded = True
            self._load()
        name = json.dumps(key)
        if name in self._told:
            try:
                found: T | Unseen = _restored(self._told[name])
            except (ValueError, TypeError, LookupError, AttributeError, ImportError, RecursionError):
                del self._told[name]
            else:
                if isinstance(found, Unseen):
                    raise found
                return found
        try:
            made = make()
        except Unseen as fault:
            self._tell(name, fault)
            raise
        self._tell(name, made)
        return made

    def _tell(self, name: str, value: object) -> None:
        try:
            self._told[name] = _plain(value, [VALUES])
        except (ValueError, TypeError, RecursionError):
            return
        self._new = True

    def save(self) -> None:
        """Write down what is new, for the next run."""
        if not self._new or not self._sure or not self._edition or edition() != self._edition:
            return
        self._new = False
        told = {
            "edition": self._edition,
            "tree": self._listed(),
            "paths": list(self._stamps),
            "stamps": _digest(repr(list(self._stamps.values())).encode()),
            "young": self._young,
            "facts": self._told,
        }
        try:
            data = json.dumps(told, separators=(",", ":")).encode()
        except (ValueError, TypeError, RecursionError):
            return
        self._memory.save(self._root, data)

    def _load(self) -> None:
        self._edition = edition()
        data = self._memory.load(self._root)
        if data is None:
            return
        try:
            told = json.loads(data)
            if not self._edition or told["edition"] != self._edition or told["tree"] != self._listed():
                return
            facts, young, paths = dict(told["facts"]), dict(told["young"]), told["paths"]
            now = time.time_ns()
            stamps = {path: self._stamp(path) for path in paths}
            if _digest(repr(list(stamps.values())).encode()) != told["stamps"]:
                return
            still = {}
            for path, digest in young.items():
                stamp = stamps[path]
                if stamp is None or _digest(self._read(path, stamp[_SIZE]) or b"") != digest:
                    return
                if _is_young(stamp, now):
                    still[path] = digest
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return
        self._new = len(still) < len(young)
        self._told = facts
        # What was read before the record was, is as it was then.
        for path, stamp in stamps.items():
            self._stamps.setdefault(path, stamp)
        for path, digest in still.items():
            self._young.setdefault(path, digest)

    def _listed(self) -> str:
        return _digest("\0".join(self._tree).encode("utf-8", "surrogatepass"))


def _is_young(stamp: Stamp, now: int) -> bool:
    """Whether a file could change after this moment without another stamp."""
    return max(stamp[_MTIME], stamp[_CTIME]) + TICK > now


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def edition() -> str:
    """What changes with any file of this program, or with what it reads YAML with: a newer one may judge otherwise.

    Empty where it cannot be told: the program is no folder, or is being changed, so that what runs may be of before.
    """
    yaml = find_spec("yaml")
    seen = [sys.version]
    newest = 0
    try:
        for path in (*_program(), *((yaml.origin,) if yaml and yaml.origin else ())):
            held = os.stat(path)  # noqa: PTH116 - asked hundreds of times
            seen.append(f"{path} {held.st_ino} {held.st_size} {held.st_mtime_ns} {held.st_ctime_ns}")
            newest = max(newest, held.st_ctime_ns)
    except OSError:
        return ""
    settled = newest + TICK <= time.time_ns()
    return _digest("\0".join(seen).encode("utf-8", "surrogatepass")) if settled else ""


def _program() -> Iterator[str]:
    pending = [str(Path(__file__).parents[2])]
    while pending:
        for entry in sorted(os.scandir(pending.pop()), key=lambda entry: entry.name):
            if not entry.is_dir(follow_symlinks=False):
                yield entry.path
            elif entry.name not in _SHOWING:
                pending.append(entry.path)


def _plain(value: Any, room: list[int]) -> Any:
    """A fact as JSON: a tuple is a list, and what JSON has no word for an object with one key, which tells its kind."""
    room[0] -= 1
    if room[0] < 0:
        raise ValueError("too large")
    kind = value.__class__
    if value is None or kind in (str, int, float, bool):
        return value
    if kind is tuple:
        return [_plain(each, room) for each in value]
    if is_dataclass(value):
        return {_name(kind): [_plain(getattr(value, name), room) for name in _names(kind)]}
    if isinstance(value, Enum):
        return {_name(kind): value.name}
    if kind in _TOLD:
        return {kind.__name__: _TOLD[kind](value, room)}
    raise TypeError(kind.__name__)


def _restored(told: Any) -> Any:
    kind = told.__class__
    if kind is list:
        return tuple([_restored(each) for each in told])
    if kind is not dict:
        return told
    ((name, inner),) = told.items()
    if name in _MADE:
        return _MADE[name](inner)
    made = _class(name)
    if issubclass(made, Enum):
        return made[inner]
    if len(inner) != len(_names(made)):
        raise ValueError(name)
    return made(*[_restored(each) for each in inner])


def _all(values: Iterable[Any], room: list[int]) -> list[Any]:
    return [_plain(each, room) for each in values]


_TOLD: dict[type, Callable[[Any, list[int]], Any]] = {
    list: _all,
    set: _all,
    frozenset: _all,
    dict: lambda value, room: [[_plain(key, room), _plain(inner, room)] for key, inner in value.items()],
    bytes: lambda value, _: value.hex(),
    datetime: lambda value, _: value.isoformat(),
    Unseen: lambda value, _: str(value),
}
_MADE: dict[str, Callable[[Any], Any]] = {
    "list": lambda told: [_restored(each) for each in told],
    "set": lambda told: {_restored(each) for each in told},
    "frozenset": lambda told: frozenset([_restored(each) for each in told]),
    "dict": lambda told: {_restored(key): _restored(inner) for key, inner in told},
    "bytes": bytes.fromhex,
    "datetime": datetime.fromisoformat,
    "Unseen": Unseen,
}


@cache
def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind))


@cache
def _class(name: str) -> Any:
    """A fact's class. Nothing but our own values and enumerations is ever made of a record."""
    from importlib import import_module

    module, _, told = name.partition(":")
    if not module.startswith(_PACKAGES) or not told.isidentifier():
        raise ValueError(name)
    found = getattr(import_module(module), told)
    if not (isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum))):
        raise TypeError(name)
    return found
