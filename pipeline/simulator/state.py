"""What the small Apple remembers: resources in memory, and every accepted mutation as one line of a file."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

JOURNAL = "apple.jsonl"


class StateFault(Exception):
    """The state directory holds something that this simulator did not write, or the disk refused a line."""


class Record:
    """One resource. `links` maps a relationship's name to an id, a list of ids or None; `hidden` is never shown.

    Records are not changed in place: `altered` makes the successor, and State.change puts it in.
    """

    __slots__ = ("attributes", "hidden", "id", "kind", "links")

    def __init__(
        self,
        kind: str,
        identifier: str,
        attributes: Mapping[str, Any] | None = None,
        links: Mapping[str, Any] | None = None,
        hidden: Mapping[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.id = identifier
        self.attributes = dict(attributes or {})
        self.links = dict(links or {})
        self.hidden = dict(hidden or {})

    def altered(
        self,
        attributes: Mapping[str, Any] | None = None,
        links: Mapping[str, Any] | None = None,
        hidden: Mapping[str, Any] | None = None,
    ) -> Record:
        """The same resource with some values replaced."""
        return Record(
            self.kind,
            self.id,
            {**self.attributes, **(attributes or {})},
            {**self.links, **(links or {})},
            {**self.hidden, **(hidden or {})},
        )

    def as_list(self) -> list[Any]:
        """The form it has in the journal."""
        return [self.kind, self.id, self.attributes, self.links, self.hidden]


class State:
    """All resources by kind and id, rebuilt from the journal on construction.

    One process owns a state directory at a time. A mutation is one line, written by one write(2) to a descriptor
    opened with O_APPEND before it is applied in memory: a process killed at any moment leaves a whole mutation or
    none. A last line without its line end was never answered for and is cut off.

    Raises:
        StateFault: a line of the journal is not one of ours.

    """

    def __init__(self, folder: Path) -> None:
        self._tables: dict[str, dict[str, Record]] = {}
        self._known: set[tuple[str, str]] = set()
        self._effects: list[dict[str, Any]] = []
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / JOURNAL
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._replay()

    def close(self) -> None:
        """Give the journal's descriptor back. The state can still be read."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def table(self, kind: str) -> dict[str, Record]:
        """The resources of one kind by id, oldest first. Not to be changed by the caller."""
        return self._tables.setdefault(kind, {})

    def find(self, kind: str, identifier: str) -> Record | None:
        """One resource, or None."""
        return self.table(kind).get(identifier)

    def knew(self, kind: str, identifier: str) -> bool:
        """Whether there is, or ever was, such a resource."""
        return (kind, identifier) in self._known

    def effects(self) -> list[dict[str, Any]]:
        """The accepted mutations in order: {effect, at, subject, detail}."""
        return [dict(effect) for effect in self._effects]

    def fresh(self, kind: str, *content: str, portal: bool = False) -> str:
        """An identifier that was never used, and the same for the same content in the same order.

        In UUID form, or in the form of the developer portal: ten upper-case letters and digits.
        """
        ordinal = 0
        while True:
            text = "\x1f".join((kind, *content, str(ordinal)))
            digest = hashlib.sha256(text.encode()).hexdigest()
            made = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
            if portal:
                made = digest[:10].upper()
            if (kind, made) not in self._known:
                return made
            ordinal += 1

    def change(
        self,
        effect: str,
        at: str,
        puts: Iterable[Record] = (),
        drops: Iterable[tuple[str, str]] = (),
        *,
        subject: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Accept one mutation. An empty `effect` is bookkeeping and is no effect."""
        entry = {
            "effect": effect,
            "at": at,
            "subject": subject,
            "detail": dict(detail or {}),
            "puts": [record.as_list() for record in puts],
            "drops": [list(drop) for drop in drops],
        }
        self._append(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._apply(entry)

    def _append(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise StateFault(f"{self.path} could not take a line of {len(line)} bytes")

    def _apply(self, entry: Mapping[str, Any]) -> None:
        for kind, identifier, attributes, links, hidden in entry["puts"]:
            self.table(kind)[identifier] = Record(kind, identifier, attributes, links, hidden)
            self._known.add((kind, identifier))
        for kind, identifier in entry["drops"]:
            self.table(kind).pop(identifier, None)
        if entry["effect"]:
            self._effects.append({key: entry[key] for key in ("effect", "at", "subject", "detail")})

    def _replay(self) -> None:
        size = os.fstat(self._file).st_size
        if not size:
            return
        data = os.pread(self._file, size, 0)
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file, whole)
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as fault:
                raise StateFault(f"{self.path}:{number}: not a line of this simulator's journal") from fault
