"""Reads Package.swift as far as it is written out, to know which files a local package's products are made of.

Source: docs.swift.org/package-manager/PackageDescription; paths: swift-package-manager, PackageBuilder.swift
(predefined source directories: Sources, Source, src, srcs).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from pipeline.apple.sources.lexing import Lexed, swift
from pipeline.model import Platform
from pipeline.values import dataclass

FILE = "Package.swift"
SIZE_LIMIT = 1024 * 1024
FOLDERS = ("Sources", "Source", "src", "srcs")
_MOST_PARTS = 200_000
"""Brackets and commas that are looked at, all in all; the largest manifests in use have ten thousand."""

_TARGET = re.compile(r"\.\s*(target|executableTarget|testTarget|macro|plugin|binaryTarget|systemLibrary)\s*(?=\()")
_PRODUCT = re.compile(r"\.\s*(library|executable|plugin)\s*(?=\()")
_PACKAGE = re.compile(r"\.\s*package\s*(?=\()")
_REFERENCE = re.compile(r"\s*\.\s*(product|target|byName)\s*(?=\()")
_LABEL = re.compile(r"\s*(\w+)\s*:")
_TEXT = re.compile(r'#*"')
_BRACKET = re.compile(r"[()\[\]{},]")
_WHEN = re.compile(r"\.\s*when\s*\(\s*platforms\s*:\s*\[([^\]]*)\]")
_CASES = {Platform.IOS: "iOS", Platform.MAC_OS: "macOS", Platform.TV_OS: "tvOS", Platform.VISION_OS: "visionOS"}


@dataclass(frozen=True)
class Dependency:
    """What a target depends on: a target or product by name; `package` where it is named, `only` the platforms."""

    name: str
    package: str = ""
    only: tuple[str, ...] = ()

    def counts(self, platform: Platform) -> bool:
        """Whether it is there on a platform."""
        return not self.only or _CASES[platform] in self.only


@dataclass(frozen=True)
class PackageTarget:
    """A target of a package. `path` is relative to the package; "" for the conventional place."""

    name: str
    kind: str
    path: str = ""
    exclude: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    dependencies: tuple[Dependency, ...] = ()


@dataclass(frozen=True)
class PackageProduct:
    """A product of a package. A dynamic library is an executable of its own."""

    name: str
    targets: tuple[str, ...]
    dynamic: bool = False


@dataclass(frozen=True)
class Package:
    """A package as its manifest says. `neighbours` are paths of local packages; `text` is the manifest's code."""

    name: str
    targets: Mapping[str, PackageTarget] = field(default_factory=dict)
    products: Mapping[str, PackageProduct] = field(default_factory=dict)
    neighbours: tuple[str, ...] = ()
    text: str = field(default="", repr=False)


def read_package(data: bytes, folder: str) -> Package:
    """What a manifest says; what it computes is left out. Never raises."""
    lexed = swift(data[:SIZE_LIMIT].decode("utf-8-sig", "replace"))
    reader = _Reader(lexed)
    named = re.search(r"\bPackage\s*(?=\()", lexed.code)
    name = reader.text(reader.arguments(named.end()).get("name")) if named else ""
    return Package(
        name or posixpath.basename(folder),
        {target.name: target for target in reader.targets()},
        {product.name: product for product in reader.products()},
        tuple(reader.neighbours()),
        lexed.code,
    )


Span = tuple[int, int]


class _Reader:
    def __init__(self, lexed: Lexed) -> None:
        self._code = lexed.code
        self._texts = lexed.texts
        self._left = _MOST_PARTS

    def targets(self) -> Iterator[PackageTarget]:
        # `.target(name:)` inside the arguments of another is a dependency and no declaration.
        within = 0
        for match in _TARGET.finditer(self._code):
            if match.start() < within:
                continue
            arguments = self.arguments(match.end())
            within = max((end for _, end in arguments.values()), default=match.end())
            name = self.text(arguments.get("name"))
            if name:
                yield PackageTarget(
                    name,
                    match[1],
                    self.text(arguments.get("path")).strip("/"),
                    self._list(arguments.get("exclude")),
                    self._list(arguments.get("sources")),
                    tuple(self._dependencies(arguments.get("dependencies"))),
                )

    def products(self) -> Iterator[PackageProduct]:
        for match in _PRODUCT.finditer(self._code):
            arguments = self.arguments(match.end())
            name, targets = self.text(arguments.get("name")), self._list(arguments.get("targets"))
            kind = arguments.get("type")
            if name and targets:
                yield PackageProduct(name, targets, bool(kind and ".dynamic" in self._code[slice(*kind)]))

    def neighbours(self) -> Iterator[str]:
        for match in _PACKAGE.finditer(self._code):
            path = self.text(self.arguments(match.end()).get("path"))
            if path:
                yield path

    def arguments(self, opening: int) -> dict[str, Span]:
        """The labelled arguments of the call whose parenthesis opens there, each as a span."""
        found: dict[str, Span] = {}
        for start, end in self._elements(opening):
            label = _LABEL.match(self._code, start, end)
            if label:
                found.setdefault(label[1], (label.end(), end))
        return found

    def text(self, span: Span | None) -> str:
        """The text that stands alone in a span; "" when something else does."""
        if span is None:
            return ""
        part = self._code[slice(*span)]
        quote = len(part) - len(part.lstrip())
        found = self._texts.get(span[0] + quote, "")
        return found if _TEXT.match(part, quote) and not re.search(r'"\s*\S', part[quote:].split('"', 1)[1]) else ""

    def _elements(self, opening: int) -> Iterator[Span]:
        """The spans between the commas of the brackets that open there."""
        depth, start = 0, opening + 1
        for match in _BRACKET.finditer(self._code, opening):
            mark = match[0]
            self._left -= 1
            if self._left < 0:
                return
            if mark in "([{":
                depth += 1
            elif mark != ",":
                depth -= 1
            if depth == 0 or (mark == "," and depth == 1):
                if self._code[start : match.start()].strip():
                    yield start, match.start()
                start = match.end()
            if depth == 0:
                return

    def _items(self, span: Span | None) -> Iterator[Span]:
        if span is None:
            return
        opening = self._code.find("[", *span)
        if opening >= 0 and not self._code[span[0] : opening].strip():
            yield from self._elements(opening)

    def _list(self, span: Span | None) -> tuple[str, ...]:
        return tuple(text for item in self._items(span) if (text := self.text(item)))

    def _dependencies(self, span: Span | None) -> Iterator[Dependency]:
        for item in self._items(span):
            text = self.text(item)
            if text:
                yield Dependency(text)
                continue
            reference = _REFERENCE.match(self._code, *item)
            if reference:
                arguments = self.arguments(reference.end())
                name = self.text(arguments.get("name"))
                when = _WHEN.search(self._code, *item)
                only = tuple(re.findall(r"\.\s*(\w+)", when[1])) if when else ()
                if name:
                    yield Dependency(name, self.text(arguments.get("package")), only)
