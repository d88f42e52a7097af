"""Keeps facts from one run to the next, as long as every file that they rest on is the one that was read.

A record belongs to one folder, one list of its files, and one edition of this program; any difference and all of it is
learnt anew. So it can make a run faster, and not its verdict another.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import ref

if TYPE_CHECKING:
    from pipeline.ports.files import Files, Stamp

T = TypeVar("T")

FINE, COARSE = 100_000_000, 2_500_000_000
"""Nanoseconds: how long ago the youngest file has to have changed. Disks that count in seconds need more."""
_PACKAGE = "pipeline."
_BILLION = 1_000_000_000


class Kept:
    """The record of one folder, read when it is first asked and written by `save`."""

    def __init__(self, files: Files) -> None:
        # Workspaces are held as long as their port is, which must not be held by them in turn.
        self._port = ref(files)
        self._name = str(files.root.absolute())
        self._reads: dict[str, Stamp | None] = {}
        self._facts: dict[str, str] = {}
        self._new = False
        self._loaded = False
        self._tree = ""

    @property
    def _files(self) -> Files:
        files = self._port()
        if files is None:
            raise ReferenceError("the files are gone")
        return files

    def note(self, path: str) -> None:
        """Remember what a file is, before it is read."""
        if path not in self._reads:
            self._reads[path] = self._files.stamp(path)

    def recall(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """The fact as a run before this one found it; else it is found now, and kept."""
        if not self._loaded:
            self._loaded = True
            self._load()
        name = json.dumps(key)
        held = self._facts.get(name)
        if held is not None:
            try:
                found: T = _restored(json.loads(held))
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
                del self._facts[name]
            else:
                return found
        made = make()
        try:
            self._facts[name] = json.dumps(_plain(made), separators=(",", ":"))
        except (ValueError, TypeError, RecursionError):
            return made
        self._new = True
        return made

    def save(self) -> None:
        """Write down what is new, unless a file is so young that it could change without its stamp telling."""
        if not self._new or not self._settled():
            return
        told = {"tree": self._tree, "edition": edition(), "reads": self._reads, "facts": self._facts}
        self._files.memory.save(self._name, json.dumps(told, separators=(",", ":")).encode())
        self._new = False

    def _settled(self) -> bool:
        times = [moment for stamp in self._reads.values() if stamp for moment in stamp[3:]]
        wait = COARSE if all(moment % _BILLION == 0 for moment in times) else FINE
        return not times or max(times) + wait < time.time_ns()

    def _load(self) -> None:
        listed = "\0".join(self._files.tree()).encode("utf-8", "surrogatepass")
        self._tree = hashlib.sha256(listed).hexdigest()
        data = self._files.memory.load(self._name)
        if data is None:
            return
        try:
            told = json.loads(data)
            if told["tree"] != self._tree or told["edition"] != edition():
                return
            facts, reads = dict(told["facts"]), dict(told["reads"])
            stamp = self._files.stamp
            for path, held in reads.items():
                seen = stamp(path)
                if (list(seen) if seen else None) != held:
                    return
        except (ValueError, TypeError, LookupError, RecursionError):
            return
        self._facts = facts
        self._reads |= {path: tuple(held) if held else None for path, held in reads.items()}


@cache
def edition() -> str:
    """What changes with any file of this program: a newer one may judge otherwise."""
    root = Path(__file__).parents[2]
    seen = hashlib.sha256(sys.version.encode())
    pending = [str(root)]
    while pending:
        for entry in sorted(os.scandir(pending.pop()), key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in ("__pycache__", "simulator", "reports", "console"):
                    pending.append(entry.path)
            else:
                held = entry.stat()
                seen.update(f"{entry.path}\0{held.st_size}\0{held.st_mtime_ns}\0".encode("utf-8", "surrogatepass"))
    return seen.hexdigest()


def _plain(value: Any) -> Any:
    """A fact as JSON: what JSON has no word for is a list that begins with its kind."""
    kind = value.__class__
    if value is None or kind in (str, int, float, bool):
        return value
    if kind in (list, tuple, frozenset, set):
        return [kind.__name__, *map(_plain, value)]
    if isinstance(value, dict):
        return ["dict", *([_plain(key), _plain(inner)] for key, inner in value.items())]
    if is_dataclass(value):
        return [
            "value",
            f"{kind.__module__}:{kind.__qualname__}",
            *(_plain(getattr(value, f.name)) for f in fields(value)),
        ]
    if isinstance(value, Enum):
        return ["enum", f"{kind.__module__}:{kind.__qualname__}", value.name]
    if kind is bytes:
        return ["bytes", value.hex()]
    if hasattr(value, "isoformat"):
        return ["moment", value.isoformat()]
    raise TypeError(kind.__name__)


def _restored(told: Any) -> Any:
    if told.__class__ is not list:
        return told
    kind, rest = told[0], told[1:]
    if kind == "value":
        made = _class(rest[0])
        names = [f.name for f in fields(made)]
        if len(names) != len(rest) - 1:
            raise ValueError(rest[0])
        return made(**dict(zip(names, map(_restored, rest[1:]), strict=True)))
    if kind == "dict":
        return {_restored(key): _restored(inner) for key, inner in rest}
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind](map(_restored, rest))
    if kind == "enum":
        return _class(rest[0])[rest[1]]
    if kind == "bytes":
        return bytes.fromhex(rest[0])
    if kind == "moment":
        from datetime import datetime

        return datetime.fromisoformat(rest[0])
    raise ValueError(kind)


_COLLECTIONS: dict[str, Callable[[Any], Any]] = {"list": list, "tuple": tuple, "frozenset": frozenset, "set": set}


@cache
def _class(name: str) -> Any:
    """A fact's class. Nothing but our own values and enumerations is ever made of a record."""
    from importlib import import_module

    module, _, told = name.partition(":")
    if not module.startswith(_PACKAGE) or not told.isidentifier():
        raise ValueError(name)
    found = getattr(import_module(module), told)
    if not (isinstance(found, type) and (is_dataclass(found) or issubclass(found, Enum))):
        raise TypeError(name)
    return found
