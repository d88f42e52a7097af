"""The journal: append-only, synced where it matters, hash-chained, and readable while it is written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline import regular
from pipeline.model import UsageFault

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.run import Entry

GENESIS = "0" * 64
SYNCED = frozenset({"run", "resume", "intent", "receipt", "done"})
"""Kinds of entries that must be on disk before the walk goes on: what was intended, and what came of it."""


class JournalBroken(UsageFault):
    """The chain of hashes does not hold: the journal was changed after it was written."""


class Journal:
    """A file of JSON lines. Each line carries `seq`, `prev` and `hash`; the hash covers the line and its predecessor.

    Opening an existing journal verifies the chain and drops a torn last line, which a crash in the middle of a write
    leaves behind. One process writes at a time (the run's lease sees to that); any number may read.
    """

    def __init__(
        self,
        path: Path,
        *,
        redact: Callable[[str], str] = str,
        listener: Callable[[Entry], None] | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.path = path
        self._redact = redact
        self._listener = listener
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._seq, self._prev = 0, GENESIS
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        except OSError as fault:
            raise UsageFault(
                f"the run directory {path.parent} cannot be written",
                why=fault.strerror or str(fault),
                remedy="name a writable folder with --runs DIR or the variable PIPELINE_RUNS",
            ) from fault
        whole = 0
        for entry, end in _lines(path):
            self._seq, self._prev, whole = entry["seq"], entry["hash"], end
        if whole != os.fstat(self._file).st_size:
            os.ftruncate(self._file, whole)

    def append(self, kind: str, **fields: Any) -> Entry:
        """Write one entry and return it; it is on disk then if its kind is in SYNCED."""
        return self.extend([(kind, fields)])[0]

    def extend(self, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Entry]:
        """Write several entries in one go: a crash leaves the first of them, and never half of one."""
        told: list[Entry] = []
        with self._lock:
            lines: list[bytes] = []
            for kind, fields in entries:
                line, entry = self._sealed(kind, fields)
                lines.append(line)
                told.append(entry)
            if not lines:
                return told
            _write_all(self._file, b"".join(lines))
            if any(entry["kind"] in SYNCED for entry in told):
                os.fsync(self._file)
        if self._listener:
            for entry in told:
                self._listener(entry)
        return told

    def _sealed(self, kind: str, fields: Mapping[str, Any]) -> tuple[bytes, Entry]:
        plain = {"seq": self._seq + 1, "kind": kind, "at": self._now().isoformat(), **fields}
        entry = _mapped(plain, self._redact)
        text = _canonical(entry)
        seal = _seal(self._prev, text)
        line = f'{text[:-1]},"prev":"{self._prev}","hash":"{seal}"}}\n'.encode("utf-8", "surrogatepass")
        self._seq, self._prev = self._seq + 1, seal
        return line, entry

    def redacted(self, text: str) -> str:
        """The text as it may be written here: what is to be cut short has to lose its secrets before."""
        return self._redact(text)

    def tell(self, kind: str, **fields: Any) -> None:
        """Tell listeners something that is not worth keeping, such as progress."""
        if self._listener:
            self._listener(_mapped({"kind": kind, "at": self._now().isoformat(), **fields}, self._redact))

    def entries(self) -> Iterator[Entry]:
        """All entries so far, verified."""
        return read(self.path)

    def close(self) -> None:
        """Sync and close."""
        with contextlib.suppress(OSError):
            os.fsync(self._file)
            os.close(self._file)


def read(path: Path) -> Iterator[Entry]:
    """The entries of a journal, also of one that is being written; a torn last line is left out.

    Raises:
        JournalBroken: the chain does not hold.
        UsageFault: it is not a file, or cannot be read.
        FileNotFoundError: there is no journal.
    """
    for entry, _ in _lines(path):
        yield entry


def _lines(path: Path) -> Iterator[tuple[Mapping[str, Any], int]]:
    prev, seq, end = GENESIS, 0, 0
    with _opened(path) as file:
        for line in file:
            end += len(line)
            if not line.endswith(b"\n"):
                return
            entry, seal = _open(line)
            if entry is None or entry.get("prev") != prev or entry.get("seq") != seq + 1 or entry.get("hash") != seal:
                raise JournalBroken(
                    f"{path.name}: entry {seq + 1} does not follow from the one before it",
                    why="the journal was changed after it was written",
                    remedy="restore it from a copy, or start a new run; nothing was done on its word",
                )
            prev, seq = seal, seq + 1
            yield entry, end


def _opened(path: Path) -> BinaryIO:
    try:
        return regular.opened(path, follow=False)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise UsageFault(
            f"the journal {path} cannot be read",
            why=fault.strerror or str(fault),
            remedy="find out who put that there; restore the journal from a copy, or start a new run",
        ) from fault


def _open(line: bytes) -> tuple[Mapping[str, Any] | None, str]:
    try:
        text = line.decode("utf-8", "surrogatepass")
        entry = json.loads(text)
    except ValueError:
        return None, ""
    cut = text.rfind(',"prev":"')
    prev = entry.get("prev") if isinstance(entry, dict) else None
    if cut < 0 or not isinstance(prev, str):
        return None, ""
    return entry, _seal(prev, text[:cut] + "}")


def _seal(prev: str, text: str) -> str:
    # File names that are not UTF-8 reach us with lone surrogates, and must not stop a journal.
    return hashlib.sha256((prev + text).encode("utf-8", "surrogatepass")).hexdigest()


def _mapped(value: Any, redact: Callable[[str], str]) -> Any:
    """The value with every text in it redacted, one by one, so that redaction can never break the line's syntax."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _mapped(inner, redact) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(inner, redact) for inner in value]
    return value


def _canonical(entry: Mapping[str, Any]) -> str:
    return _ENCODER.encode(entry).replace("\u2028", "\\u2028")


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str)


def _write_all(file: int, data: bytes) -> None:
    try:
        written = os.write(file, data)
        while written < len(data):
            written += os.write(file, data[written:])
    except OSError as fault:
        raise UsageFault(
            "the journal cannot be written",
            why=fault.strerror or str(fault),
            remedy="make room on the disk, then `invoke resume`: nothing was done that the journal does not say",
        ) from fault
