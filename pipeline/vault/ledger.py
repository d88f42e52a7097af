"""The ledger of a vault: one JSON file for each change, each naming the digest of the one before it.

A line has exactly one spelling (sorted keys, one space of indentation, a final line feed), so that what is digested,
what is proved and what is read cannot differ; a key that stands twice or a number written otherwise is no line.

    number      1 for the first
    before      SHA-256 of the file of the line before; "" in the first
    batch       16 random hex digits: in the names of the files that this line put there
    at, by, what
    put         {path: file}: new content. A file is {sealed, sha256, size, told}: of the bytes as they are stored
    resealed    {path: file}: the same content as before, encrypted anew
    dropped     [path]
    recipients  [{name, key}]: only when they change, and then with `key`: the vault key, sealed for them
    proof       HMAC-SHA256 of all the rest, by the vault key that was in force before this line (the first: by its own)
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any

from pipeline.ports.vault import Recipient
from pipeline.values import dataclass
from pipeline.vault.sealing import plain_key

FORMAT = 1
FOLDER, KEYS = "ledger", "keys"

LINE_LIMIT = 4 * 1024 * 1024
LEDGER_LIMIT = 64 * 1024 * 1024
"""Bytes of one line, and of all."""
MOST_LINES = 20_000
MOST_ENTRIES = 5_000
FILE_LIMIT = 8 * 1024 * 1024
MOST_RECIPIENTS = 200
TEXT_LIMIT = 500
MOST_TOLD = 20

_PATH = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_-]{0,99}/){1,3}[A-Za-z0-9][A-Za-z0-9_.-]{0,120}\.[A-Za-z0-9]{1,30}")
"""Names of files have an ending and those of folders no dot, so that nothing can be both."""
_HEX64 = re.compile(r"[0-9a-f]{64}")
_BATCH = re.compile(r"[0-9a-f]{16}")
_LINE_NAME = re.compile(r"[0-9]{6}\.json")
_STORED = re.compile(
    r"(?:[A-Za-z0-9_-]{1,100}/){1,3}(?:[A-Za-z0-9_.-]{0,130}\.)?([0-9a-f]{16})(?:\.[A-Za-z0-9]{1,30}){0,2}"
)

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_FIELDS = {"format", "number", "before", "batch", "at", "by", "what", "put", "resealed", "dropped", "proof"}
_FILE_FIELDS = {"sealed", "sha256", "size", "told"}


class Broken(ValueError):
    """A line that cannot be taken as one; the text says why."""


@dataclass(frozen=True)
class Stored:
    """A file as a line tells it: whether it is encrypted, digest and size of the stored bytes, public facts."""

    sealed: bool = True
    sha256: str = ""
    size: int = 0
    told: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes, *, sealed: bool, told: Mapping[str, str] | None = None) -> Stored:
        """The description of these stored bytes."""
        return cls(sealed, hashlib.sha256(data).hexdigest(), len(data), dict(told or {}))

    def is_of(self, data: bytes) -> bool:
        """Whether these are the bytes."""
        return len(data) == self.size and hashlib.sha256(data).hexdigest() == self.sha256


@dataclass(frozen=True)
class Line:
    """One line. `digest` is of its file, `body` is what its proof is made of; both empty while it is being made."""

    number: int
    before: str
    batch: str
    at: datetime
    by: str
    what: str
    put: Mapping[str, Stored] = field(default_factory=dict)
    resealed: Mapping[str, Stored] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    recipients: tuple[Recipient, ...] | None = None
    key: Stored | None = None
    proof: str = ""
    digest: str = ""
    body: bytes = field(default=b"", repr=False)

    def proved_by(self, key: bytes) -> bool:
        """Whether somebody who had this vault key wrote the line."""
        return hmac.compare_digest(proof_of(self.body, key), self.proof)


def proof_of(body: bytes, key: bytes) -> str:
    """The proof of a line without its proof."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


# Names ---------------------------------------------------------------------------------------------------------------


def line_name(number: int) -> str:
    """Where a line is stored, below the vault."""
    return f"{FOLDER}/{number:06d}.json"


def key_name(number: int, batch: str) -> str:
    """Where the vault key is stored that a line brought."""
    return f"{KEYS}/{number:06d}.{batch}.age"


def stored_name(path: str, batch: str, *, sealed: bool) -> str:
    """Where a file is stored: its path with the batch before its ending, and .age behind it when it is sealed.

    No name is ever used twice: what a crash left behind cannot be taken for something newer, nor the reverse.
    """
    folder, _, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    named = f"{stem}.{batch}.{ending}" if dot else f"{name}.{batch}"
    return f"{folder}/{named}{'.age' if sealed else ''}"


def batch_in(name: str) -> str:
    """The batch in the name of a stored file (below the vault); empty when the vault does not name its files so."""
    found = _STORED.fullmatch(name)
    return found[1] if found else ""


def is_line_name(name: str) -> bool:
    """Whether a file of the ledger's folder is a line."""
    return _LINE_NAME.fullmatch(name) is not None and name != "000000.json"


def path_fault(path: str) -> str:
    """Why nothing may be kept under this path; empty when it may."""
    if len(path) > 240 or not _PATH.fullmatch(path):
        return "it is not a folder of plain letters, digits, _ and -, with a file that has an ending"
    if path.partition("/")[0].lower() in (FOLDER, KEYS):
        return f"the folders {FOLDER} and {KEYS} are the vault's own"
    return ""


def text_fault(text: str) -> str:
    """Why a text may not stand in the ledger; empty when it may."""
    if len(text) > TEXT_LIMIT:
        return f"is longer than {TEXT_LIMIT} characters"
    if not text.isprintable():
        return "holds control characters"
    return ""


# Writing -------------------------------------------------------------------------------------------------------------


def _spelled(told: Mapping[str, Any]) -> bytes:
    return (json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _file_told(file: Stored) -> dict[str, Any]:
    return {"sealed": file.sealed, "sha256": file.sha256, "size": file.size, "told": dict(file.told)}


def _told(line: Line) -> dict[str, Any]:
    told: dict[str, Any] = {
        "format": FORMAT,
        "number": line.number,
        "before": line.before,
        "batch": line.batch,
        "at": line.at.astimezone(UTC).strftime(_MOMENT),
        "by": line.by,
        "what": line.what,
        "put": {path: _file_told(file) for path, file in line.put.items()},
        "resealed": {path: _file_told(file) for path, file in line.resealed.items()},
        "dropped": sorted(line.dropped),
    }
    if line.recipients is not None and line.key is not None:
        told["recipients"] = [{"name": each.name, "key": each.key} for each in line.recipients]
        told["key"] = _file_told(line.key)
    return told


def written(line: Line, key: bytes) -> bytes:
    """The file of a line, proved by a vault key."""
    told = _told(line)
    return _spelled({**told, "proof": proof_of(_spelled(told), key)})


# Reading -------------------------------------------------------------------------------------------------------------


def read_line(data: bytes) -> Line:
    """A line from its file.

    Raises:
        Broken: it is none, or not spelled as one.
    """
    if len(data) > LINE_LIMIT:
        raise Broken(f"it is larger than {LINE_LIMIT:,} bytes")
    try:
        told = json.loads(data, parse_int=_whole)
        spelled = _spelled(told)
    except (ValueError, RecursionError):
        raise Broken("it is no JSON, or of numbers that are too large") from None
    if not isinstance(told, dict) or spelled != data:
        raise Broken("it is not spelled as the vault writes it")
    if (made := _number(told.get("format"), "format")) != FORMAT:
        raise Broken(f"it is of format {made}, and this version reads format {FORMAT}")
    proof = _text(told.pop("proof", None), "proof")
    line = _line(told)
    return replace(line, proof=proof, digest=hashlib.sha256(data).hexdigest(), body=_spelled(told))


def _whole(digits: str) -> int:
    if len(digits) > 15:
        raise ValueError(digits[:20])
    return int(digits)


def _line(told: Mapping[str, Any]) -> Line:
    extra = {"recipients", "key"} if "recipients" in told or "key" in told else set()
    if set(told) != (_FIELDS | extra) - {"proof"}:
        odd = sorted(set(told) ^ ((_FIELDS | extra) - {"proof"}))
        raise Broken(f"it lacks, or should not have, {odd[0]!r:.60}")
    return Line(
        number=_number(told["number"], "number"),
        before=_matching(told["before"], "before", _HEX64) if told["before"] != "" else "",
        batch=_matching(told["batch"], "batch", _BATCH),
        at=_moment(told["at"]),
        by=_text(told["by"], "by"),
        what=_text(told["what"], "what"),
        put=_files(told["put"], "put"),
        resealed=_files(told["resealed"], "resealed"),
        dropped=tuple(_path(each) for each in _list(told["dropped"], "dropped", MOST_ENTRIES)),
        recipients=_recipients(told["recipients"]) if extra else None,
        key=_file(told["key"], "key") if extra else None,
    )


def _number(value: object, name: str) -> int:
    if type(value) is not int or value < 0:
        raise Broken(f"{name} is no number")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Broken(f"{name} is no text")
    if fault := text_fault(value):
        raise Broken(f"{name} {fault}")
    return value


def _matching(value: object, name: str, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Broken(f"{name} is not what it should be")
    return value


def _moment(value: object) -> datetime:
    text = _text(value, "at")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Broken("at is no moment") from None
    if at.tzinfo is None or at.strftime(_MOMENT) != text:
        raise Broken("at is no moment in UTC")
    return at


def _list(value: object, name: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise Broken(f"{name} is no list of at most {most:,}")
    return value


def _path(value: object) -> str:
    if not isinstance(value, str):
        raise Broken("a path is no text")
    if fault := path_fault(value):
        raise Broken(f"the path {value!r:.80} cannot be kept: {fault}")
    return value


def _files(value: object, name: str) -> dict[str, Stored]:
    if not isinstance(value, dict) or len(value) > MOST_ENTRIES:
        raise Broken(f"{name} is no mapping of at most {MOST_ENTRIES:,} files")
    return {_path(path): _file(file, f"the file {path}") for path, file in value.items()}


def _file(value: object, name: str) -> Stored:
    if not isinstance(value, dict) or set(value) != _FILE_FIELDS:
        raise Broken(f"{name} is not described by sealed, sha256, size and told")
    if not isinstance(value["sealed"], bool):
        raise Broken(f"{name}: sealed is neither true nor false")
    told = value["told"]
    if not isinstance(told, dict) or len(told) > MOST_TOLD:
        raise Broken(f"{name}: told is no mapping of at most {MOST_TOLD} texts")
    size = _number(value["size"], f"{name}: size")
    if size > FILE_LIMIT:
        raise Broken(f"{name} is larger than {FILE_LIMIT:,} bytes")
    return Stored(
        sealed=value["sealed"],
        sha256=_matching(value["sha256"], f"{name}: sha256", _HEX64),
        size=size,
        told={_text(key, "told"): _text(text, f"{name}: {key}") for key, text in told.items()},
    )


def _recipients(value: object) -> tuple[Recipient, ...]:
    found: list[Recipient] = []
    for each in _list(value, "recipients", MOST_RECIPIENTS):
        if not isinstance(each, dict) or set(each) != {"name", "key"} or not isinstance(each["key"], str):
            raise Broken("a recipient is not described by name and key")
        if len(each["key"]) > 10_000 or not each["key"].isprintable():
            raise Broken("the key of a recipient is no public key")
        found.append(Recipient(_text(each["name"], "name"), each["key"]))
    if not found or len({plain_key(each.key) for each in found}) != len(found):
        raise Broken("there is no recipient, or one stands twice")
    return tuple(found)


# Adding up -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Holding:
    """A file that the vault holds.

    Attributes:
        stored: its name below the vault.
        put: the number of the line that brought its content.
        readers: names by plain key of all who could read this content at some time.
    """

    path: str
    file: Stored
    stored: str
    put: int
    by: str
    at: datetime
    readers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Account:
    """What a ledger adds up to.

    Attributes:
        keys: (number of the line, stored name, description) of every vault key, oldest first.
        faults: why it does not add up; what follows the first fault is not counted.
    """

    lines: tuple[Line, ...] = ()
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    recipients: tuple[Recipient, ...] = ()
    keys: tuple[tuple[int, str, Stored], ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """The digest of the newest line; empty when there is none."""
        return self.lines[-1].digest if self.lines else ""

    @property
    def expected(self) -> dict[str, Stored]:
        """The stored files by name: everything besides the ledger itself."""
        held = {each.stored: each.file for each in self.holdings.values()}
        if self.keys:
            _, name, file = self.keys[-1]
            held[name] = file
        return held

    @property
    def batches(self) -> frozenset[str]:
        """The batches of all lines: a stored file of one of them that is not expected was replaced."""
        return frozenset(line.batch for line in self.lines)

    def key_before(self, number: int) -> int:
        """The line whose vault key was in force before a line; the first line's own for the first."""
        return max((brought for brought, _, _ in self.keys if brought < number), default=1)


def add_up(files: Iterable[bytes]) -> Account:
    """Fold the files of a ledger, in order, as far as they are whole."""
    tally = _Tally()
    for number, data in enumerate(files, start=1):
        try:
            tally.take(read_line(data), number)
        except Broken as fault:
            more = "" if number == 1 else "; only what was written before it counts"
            return replace(tally.account(), faults=(f"line {number} of the ledger is broken: {fault}{more}",))
    return tally.account()


def following(account: Account, data: bytes) -> Account:
    """The account after one more line, whose file is given.

    Raises:
        Broken: it does not follow.
    """
    tally = _Tally(account)
    tally.take(read_line(data), len(account.lines) + 1)
    return tally.account()


class _Tally:
    def __init__(self, start: Account | None = None) -> None:
        start = start or Account()
        self._lines = list(start.lines)
        self._holdings = dict(start.holdings)
        self._recipients = start.recipients
        self._keys = list(start.keys)
        self._folded = {path.lower(): path for path in self._holdings}
        self._batches = {line.batch for line in self._lines}

    def account(self) -> Account:
        return Account(tuple(self._lines), dict(self._holdings), self._recipients, tuple(self._keys))

    def take(self, line: Line, number: int) -> None:
        """Count one more line, or raise Broken and be of no more use."""
        self._chained(line, number)
        self._applies(line)
        if line.recipients is not None:
            self._renewed(line)
        for path in line.dropped:
            del self._holdings[path]
            del self._folded[path.lower()]
        self._recrypted(line)
        readers = {plain_key(each.key): each.name for each in self._recipients}
        for path, file in line.put.items():
            there = self._folded.setdefault(path.lower(), path)
            if there != path:
                raise Broken(f"it puts {path} beside {there}, which differs only in upper and lower case")
            stored = stored_name(path, line.batch, sealed=file.sealed)
            self._holdings[path] = Holding(path, file, stored, line.number, line.by, line.at, readers)
        if len(self._holdings) > MOST_ENTRIES:
            raise Broken(f"it makes more than {MOST_ENTRIES:,} files")
        self._batches.add(line.batch)
        self._lines.append(line)

    def _applies(self, line: Line) -> None:
        for path in line.dropped:
            if path not in self._holdings or path in line.put:
                raise Broken(f"it drops {path}, which is not there")
        if len(set(line.dropped)) != len(line.dropped):
            raise Broken("it drops something twice")
        moved = {*line.put, *line.dropped}
        for path, file in line.resealed.items():
            held = self._holdings.get(path)
            if held is None or not held.file.sealed or not file.sealed or path in moved:
                raise Broken(f"it encrypts {path} anew, which is not there to be encrypted")

    def _recrypted(self, line: Line) -> None:
        readers = {plain_key(each.key): each.name for each in self._recipients}
        for path, file in line.resealed.items():
            held, stored = self._holdings[path], stored_name(path, line.batch, sealed=True)
            self._holdings[path] = replace(held, file=file, stored=stored, readers={**held.readers, **readers})

    def _chained(self, line: Line, number: int) -> None:
        head = self._lines[-1].digest if self._lines else ""
        if line.number != number:
            raise Broken(f"it calls itself line {line.number}")
        if line.before != head:
            raise Broken("it does not follow the line before it")
        if line.batch in self._batches:
            raise Broken("its batch was used before")
        if not self._lines and line.recipients is None:
            raise Broken("the first line names no recipients")

    def _renewed(self, line: Line) -> None:
        touched = {*line.resealed, *line.put, *line.dropped}
        left = [path for path, held in self._holdings.items() if held.file.sealed and path not in touched]
        if left:
            raise Broken(f"it changes the recipients and leaves {min(left)} as it was")
        if line.recipients is not None and line.key is not None:
            self._recipients = line.recipients
            self._keys.append((line.number, key_name(line.number, line.batch), line.key))

    def _room_for(self, path: str) -> None:
        there = self._folded.get(path.lower())
        if there not in (None, path):
            raise Broken(f"it puts {path} beside {there}, which differs only in upper and lower case")
