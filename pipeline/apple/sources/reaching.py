"""Tells of code that must not run whether it is evident that an app comes there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from pipeline.apple.sources.conditions import Verdict
from pipeline.apple.sources.facts import Use
from pipeline.apple.sources.lexing import Lexed, Source
from pipeline.apple.sources.scanning import SWIFT, Module, block_end

_GUARD = re.compile(
    rb"\b(?:ubiquityIdentityToken|SecTaskCopyValueFor|SecTaskCreateFromSelf|forUbiquityContainerIdentifier"
    rb"|URLForUbiquityContainerIdentifier)|\bembedded\.(?:mobile)?provision"
)
"""Ways to find out whether there is iCloud before CloudKit is asked for anything."""

_OF_CLOUD = re.compile(r"\b\w*cloud\w*\b(?!\s*\()", re.IGNORECASE)
_MARK = re.compile(r"[{}\n]|\b(?:(class|struct|actor|enum|extension)|func|var)\s+(\w+)")
_IMPLEMENTED = re.compile(r"^@implementation\s+(\w+)", re.MULTILINE)
_OPENED = re.compile(r"\b(?:CKContainer|CKSyncEngine|NSPersistentCloudKitContainer|cloudKitDatabase)")
_STATIC = re.compile(r"\bstatic\s+(?:let|var)\s+(\w+)")
_LAZY = re.compile(r"\blazy\s+var\b")
_STARTED = re.compile(r"@(?:main|UIApplicationMain|NSApplicationMain)\b|\boverride\b[\w ]*$")
_NEAR = 200


class Reach:
    """The sources of one lane, asked whether it is evident that the app comes to a place.

    Args:
        modules: what the lane is made of.
        read: the bytes of a file; None when it cannot be read.
        lexed: a file after lexing.
        entitled: whether other entitlements than the app's ask for what is reached.
    """

    def __init__(
        self,
        modules: list[Module],
        read: Callable[[str], bytes | None],
        lexed: Callable[[str], Lexed],
        *,
        entitled: bool = False,
    ) -> None:
        self._modules: Mapping[str, Module] = {path: module for module in reversed(modules) for path in module.files}
        self._read, self._lexed = read, lexed
        self._entitled = entitled
        self._known: dict[str, bool] = {}

    def told(self, use: Use) -> Use:
        """The use, with what is not evident of it."""
        place = use.location
        module = self._modules.get(place.path) if place else None
        if place is None or module is None or not use.certain:
            return use
        lexed = self._lexed(place.path)
        evaluate = module.conditions.swift if place.path.endswith(SWIFT) else module.conditions.c_family
        if _is_switched_off(lexed, evaluate):
            return replace(use, certain=False)
        code = Source(lexed, evaluate).code
        guarded = self._is_guarded or bool(self._entitled and module.package)
        return replace(use, reached=self._is_evident(code, place.path, place.line or 1), guarded=guarded)

    def _is_evident(self, code: str, path: str, line: int) -> bool:
        lines = code.split("\n")
        text = lines[line - 1] if line <= len(lines) else ""
        start = sum(len(each) + 1 for each in lines[: line - 1])
        found = _OPENED.search(text)
        offset = start + (found.start() if found else len(text))
        if _LAZY.search(text):
            return False
        held = list(_holders(code, offset) if path.endswith(SWIFT) else _implementations(code, offset))
        names = [(match[1], start + match.start(1), start + match.end(1)) for match in _STATIC.finditer(text)]
        return all(self._is_named(name, path, code, start, end) for name, start, end in (*held, *names))

    @property
    def _is_guarded(self) -> bool:
        """Whether any source looks first."""
        if "" not in self._known:
            self._known[""] = any(_GUARD.search(self._read(path) or b"") for path in self._modules)
        return self._known[""]

    def _is_named(self, name: str, path: str, code: str, start: int, end: int) -> bool:
        """Whether anything but the thing itself names it."""
        word = re.compile(rf"(?<!\bclass )(?<!\bextension )(?<!\bstruct )(?<!\bactor )(?<!\benum )\b{name}\b")
        if word.search(code[:start]) or word.search(code, end):
            return True
        key = f"{name} {path}"
        if key not in self._known:
            self._known[key] = any(
                name.encode() in (self._read(other) or b"") and word.search(self._lexed(other).code)
                for other in self._modules
                if other != path
            )
        return self._known[key]


def _is_switched_off(lexed: Lexed, evaluate: Callable[[str, str], Verdict]) -> bool:
    """Whether a condition that speaks of the cloud does not hold: then the file is known to be built without, too."""
    return any(
        directive.word in ("if", "ifdef", "elseif")
        and _OF_CLOUD.search(directive.condition)
        and evaluate("if" if directive.word == "elseif" else directive.word, directive.condition) is not True
        for directive in lexed.directives
    )


def _holders(code: str, offset: int) -> Iterator[tuple[str, int, int]]:
    """The types around a place, and the nearest function or computed property: each with where it begins and ends.

    What the system calls by itself is left out: the app's own type, and functions that override.
    """
    around: list[re.Match[str] | None] = []
    announced: re.Match[str] | None = None
    for match in _MARK.finditer(code, 0, offset):
        mark = match[0]
        if mark == "{":
            around.append(announced)
        elif mark == "}" and around:
            around.pop()
        if mark in ("{", "}"):
            announced = None
        elif mark != "\n":
            announced = match
        elif announced and announced[0].startswith("var"):
            announced = None
    held = [match for match in around if match]
    types, others = [match for match in held if match[1]], [match for match in held if not match[1]]
    for match in (*types, *others[-1:]):
        if not _STARTED.search(code, max(0, match.start() - _NEAR), match.start()):
            yield match[2], match.start(), block_end(code, code.find("{", match.end()) + 1)


def _implementations(code: str, offset: int) -> Iterator[tuple[str, int, int]]:
    for match in list(_IMPLEMENTED.finditer(code, 0, offset))[-1:]:
        end = code.find("@end", match.end())
        if offset <= end:
            yield match[1], match.start(), end
