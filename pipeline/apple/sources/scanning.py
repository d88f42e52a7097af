"""Searches source files for the signs of the table, each file no finer than it has to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from pipeline.apple.sources.conditions import Conditions
from pipeline.apple.sources.facts import Topic, Use
from pipeline.apple.sources.lexing import Lexed, Source, c_family, swift
from pipeline.apple.sources.signs import MARKER
from pipeline.apple.sources.symbols import Sign, by_trigger, triggers
from pipeline.model import Location
from pipeline.values import dataclass

MOST_PLACES = 3
"""Places that are told of one sign. One is enough to be wrong; more would cost time."""

_MOST_USES = 2_000
"""Places that are told of at all."""

SWIFT = ".swift"
C_FAMILY = (".m", ".mm", ".c", ".cc", ".cpp", ".cxx")
ENDINGS = (SWIFT, *C_FAMILY)

_CONTAINER = re.compile(r"iCloud\.[A-Za-z0-9.-]+")
_OPENED = re.compile(
    r"(?<![\w.])CKContainer\s*\(\s*identifier\s*:\s*(?:self\s*\.\s*|(?:[A-Z]\w*\s*\.\s*){1,4})?(\w+)\s*\)"
)
_CONSTANT = re.compile(r"\blet\s+(\w+)\s*(?::\s*String\s*)?=\s*$")
_DECLARED = re.compile(r"\b(?:let|var)\s+(\w+)")
_LINE_LENGTH = 200
_GROUP_FOLDER = "Group Containers"
_GROUP = re.compile(r"(group\.com\.apple\.[\w.-]+)")
_GROUP_PATH = re.compile(rf"{_GROUP_FOLDER}/{_GROUP.pattern}")
_CONFLICT = b"\n" + MARKER.encode() + b" "
_BEGUN = re.compile(rf"^{MARKER} ", re.MULTILINE)
_PARTED = re.compile(r"^={7}\r?$", re.MULTILINE)
_ENDED = re.compile(r"^>{7} ", re.MULTILINE)
"""As version control writes them, and as compilers know them: swift, Lexer::tryLexConflictMarker."""
_NEAR = 200
"""Characters between the parts of a path that is put together."""


@dataclass
class Module:
    """The files of one target or package target, and what decides about their conditions.

    `linked` says that they become part of the app's own executable, `imported` that something that runs imports them.
    `manifests` are the privacy manifests among its resources.
    """

    name: str
    files: tuple[str, ...]
    conditions: Conditions
    package: str = ""
    linked: bool = True
    manifests: tuple[str, ...] = ()
    imported: bool = True


class Scan:
    """What was found so far in the sources of one lane.

    Args:
        platform: the lane's platform, as a Platform's value.
    """

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self.uses: list[Use] = []
        self._triggers = triggers(platform)
        self._signs = by_trigger(platform)
        self._counts: dict[tuple[int, str, bool], int] = {}
        self._seen: set[Use] = set()

    def words(self, data: bytes) -> frozenset[bytes]:
        """The triggers and imports in a file."""
        words = frozenset(self._triggers.findall(data))
        return words | {MARKER.encode()} if _CONFLICT in data or data.startswith(_CONFLICT[1:]) else words

    def signs(self, words: frozenset[bytes], module: Module) -> tuple[Sign, ...]:
        """The signs that a file with these words may show and that are not yet told of often enough."""
        return tuple(
            sign
            for word in sorted(words)
            for sign in self._signs.get(word.decode("ascii", "replace"), ())
            if self._counts.get((id(sign), module.package, module.linked), 0) < MOST_PLACES
        )

    def search(self, path: str, lexed: Lexed, signs: tuple[Sign, ...], module: Module) -> None:
        """Keep what a lexed file uses, in the order of its lines."""
        of_swift = path.endswith(SWIFT)
        source = Source(lexed, module.conditions.swift if of_swift else module.conditions.c_family)
        before = len(self.uses)
        for sign in signs:
            pattern = sign.patterns[0 if of_swift else 1]
            if pattern is None or (sign.neighbour and not sign.neighbour.search(source.code)):
                continue
            for match in pattern.finditer(source.code):
                self._found(sign, source, path, match, module)
        if any(sign.topic is Topic.CONTAINER for sign in signs):
            self._containers(source, path, module)
        if any(sign.topic is Topic.RECORD_TYPE for sign in signs):
            self._fields(source, path, module)
        if any(sign.topic is Topic.OTHERS_GROUP for sign in signs):
            self._groups(source, path, module)
        if any(sign.topic is Topic.CONFLICT for sign in signs):
            self._conflict(source, path, module)
        self.uses[before:] = sorted(self.uses[before:], key=_line_of)

    def _found(self, sign: Sign, source: Source, path: str, match: re.Match[str], module: Module) -> None:
        name = sign.name
        if not name:
            name = _named(source, match.end()) or ""
            if not re.fullmatch(sign.shape, name):
                return
        key = (id(sign), module.package, module.linked)
        certain = sign.certain and source.certain(match.start())
        use = _use(sign.topic, name, sign.symbol, Location(path, source.line(_start(match))), module, certain=certain)
        if use in self._seen:
            return
        self._seen.add(use)
        if certain and sign.name:
            self._counts[key] = self._counts.get(key, 0) + 1
            if self._counts[key] > MOST_PLACES:
                return
        self._keep(use)

    def _keep(self, use: Use) -> None:
        if len(self.uses) < _MOST_USES:
            self.uses.append(use)

    def _containers(self, source: Source, path: str, module: Module) -> None:
        """Texts that are names of containers, in a file that opens one by a name: a constant of the file, or not."""
        told = {(use.name, use.location.line) for use in self.uses if use.location and use.location.path == path}
        opened = {match[1] for match in _OPENED.finditer(source.code)}
        constants = _DECLARED.findall(source.code) if opened else []
        for offset, text in source.texts.items():
            line = source.line(offset)
            if not _CONTAINER.fullmatch(text) or (text, line) in told or source.code[offset] not in '"#':
                continue
            constant = _CONSTANT.search(source.code, max(0, offset - _LINE_LENGTH), offset)
            direct = constant is not None and constant[1] in opened and constants.count(constant[1]) == 1
            topic, symbol = (Topic.CONTAINER, "CKContainer(identifier:)") if direct else (Topic.CONTAINER_TEXT, "")
            self._keep(_use(topic, text, symbol, Location(path, line), module, certain=source.certain(offset)))

    def _groups(self, source: Source, path: str, module: Module) -> None:
        """Paths into a group container of Apple's: in one text, or in two that are put together."""
        before = (-_NEAR, "")
        for offset, text in sorted({**source.texts, **source.spliced}.items()):
            match = _GROUP_PATH.search(text)
            if match is None and before[1] and offset - before[0] < _NEAR:
                match = _GROUP.match(text)
            before = (offset, text if text.rstrip("/").endswith(_GROUP_FOLDER) else "")
            if match and source.code[offset] in '"#':
                place = Location(path, source.line(offset))
                symbol = f"{_GROUP_FOLDER}/{match[1]}"
                certain = source.certain(offset)
                self._keep(_use(Topic.OTHERS_GROUP, match[1], symbol, place, module, certain=certain))

    def _conflict(self, source: Source, path: str, module: Module) -> None:
        """The first merge of a file that was not brought to its end: all three lines, in their order."""
        begun = _BEGUN.search(source.code)
        parted = _PARTED.search(source.code, begun.end()) if begun else None
        if begun and parted and _ENDED.search(source.code, parted.end()):
            place = Location(path, source.line(begun.start()))
            certain = source.certain(begun.start())
            self._keep(_use(Topic.CONFLICT, MARKER, MARKER, place, module, certain=certain))

    def _fields(self, source: Source, path: str, module: Module) -> None:
        for name, offset in _fields(source):
            place = Location(path, source.line(offset))
            self._keep(_use(Topic.FIELD, name, "", place, module, certain=source.certain(offset)))


def _use(topic: Topic, name: str, symbol: str, place: Location, module: Module, *, certain: bool) -> Use:
    return Use(topic, name, symbol, place, module.package, certain, module.linked, module.imported)


def _line_of(use: Use) -> int:
    return (use.location.line or 0) if use.location else 0


def _start(match: re.Match[str]) -> int:
    """Where the found thing begins: patterns may begin with space."""
    return match.start() + len(match[0]) - len(match[0].lstrip())


def _named(source: Source, offset: int) -> str | None:
    if source.code[offset : offset + 1] == "@":
        offset += 1
    return source.text_at(offset)


_RECORD = re.compile(r"\b(?:let|var)\s+(\w+)\s*(?::\s*CKRecord\s*)?=\s*CKRecord\s*\(\s*recordType\s*:\s*(?=#*\")")
_MOST_RECORDS = 200
_BRACE = re.compile(r"[{}]")


def _fields(source: Source) -> Iterator[tuple[str, int]]:
    """Fields of records whose type is evident: "Type.field" and the offset of the field's text.

    The record is made under a name in the same block, and the field is a text in its subscript or in setValue.
    """
    for made in islice(_RECORD.finditer(source.code), _MOST_RECORDS):
        record_type = source.text_at(made.end())
        if not record_type:
            continue
        end = block_end(source.code, made.end())
        name = made[1]
        again = re.compile(rf"\b(?:let|var)\s+{name}\b").search(source.code, made.end(), end)
        end = again.start() if again else end
        written = re.compile(
            rf"(?<![\w.]){name}(?:\s*\.\s*encryptedValues)?\s*(?:\[\s*(?=#*\")|\.\s*setValue\s*\([^;{{}}\n]{{0,300}}?\bforKey\s*:\s*(?=#*\"))"
        )
        for match in written.finditer(source.code, made.end(), end):
            field = source.text_at(match.end())
            if field:
                yield f"{record_type}.{field}", match.end()


def block_end(code: str, position: int) -> int:
    """Where the block ends that is open at the position; the end of the code, where it does not end."""
    depth = 0
    for match in _BRACE.finditer(code, position):
        depth += 1 if match[0] == "{" else -1
        if depth < 0:
            return match.start()
    return len(code)


def imported(word: bytes) -> str:
    """The module that a word imports; "" for other words."""
    return re.split(rb"[\s<]+", word)[-1].decode("ascii", "replace") if word.startswith(b"import") else ""


def lexed(path: str, data: bytes) -> Lexed:
    """A file as it was lexed; what is no UTF-8 counts as some letter."""
    text = data.decode("utf-8-sig", "replace")
    return swift(text) if path.endswith(SWIFT) else c_family(text)
