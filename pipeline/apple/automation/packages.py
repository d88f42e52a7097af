"""Reads what pins Swift packages: Package.resolved, package references of projects, and Package.swift as far as it is
written by literal.

Formats of Package.resolved: swift-package-manager, Sources/PackageGraph/ResolvedPackagesStore.swift (versions 1 to 3).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pipeline.apple.automation.facts import Pin, PinFile, Requirement
from pipeline.apple.xcode.pbxproj import Table
from pipeline.apple.xcode.project import Project
from pipeline.model import Location
from pipeline.values import dataclass

FILE = "Package.resolved"
LIMIT = 4 * 1024 * 1024
PIN_LIMIT = 2_000
NEWEST = 3

_IDENTITY = re.compile(r'"(?:identity|package)"\s*:\s*"((?:[^"\\]|\\.)*)"')
_REMOTE = re.compile(
    r"""\.package\s*\(\s*(?:name\s*:\s*"[^"]*"\s*,\s*)?url\s*:\s*"([^"\\]+)"\s*,\s*"""
    r"""(?:(?:\.(branch|revision|exact|upToNextMajor|upToNextMinor)\s*\(\s*(?:from\s*:\s*)?"([^"\\]*)")"""
    r"""|(from|exact|branch|revision)\s*:\s*"([^"\\]*)"|(?=["\w.]))"""
)
_LOCAL = re.compile(r"""\.package\s*\(\s*(?:name\s*:\s*"[^"]*"\s*,\s*)?path\s*:\s*"([^"\\]+)\"""")
_ANY = re.compile(r"\.package\s*\(\s*(?:name\s*:\s*\"[^\"]*\"\s*,\s*)?(?:url|path|id|\w)")
_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_BRANCHING = re.compile(r"(?m)^\s*#?if\b|\bContext\.environment|ProcessInfo|\bappend\s*\(|\+=")
_DECLARED = re.compile(
    r'(?:name\s*:|\.(?:library|executable|target|executableTarget|plugin)\s*\()\s*"([^"\\]+)"|name\s*:\s*"([^"\\]+)"'
)


@dataclass(frozen=True)
class References:
    """The packages that a project refers to: remote ones, and the folders of local ones relative to the app's root."""

    remote: tuple[Requirement, ...] = ()
    local: tuple[str, ...] = ()
    strays: tuple[Requirement, ...] = ()
    products: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A Package.swift as far as it is written by literal. `whole` says that all of its dependencies were read."""

    remote: tuple[Requirement, ...] = ()
    local: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    whole: bool = True


def identity(url: str) -> str:
    """The identity of a package: the last part of its address, without .git, in lower case."""
    return url.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git").lower()


def read_pins(data: bytes, path: str) -> PinFile:
    """A Package.resolved of any format; a flaw where it cannot be read."""
    if data.lstrip().startswith(b"<<<<<<<") or b"\n<<<<<<< " in data:
        line = data[: data.find(b"<<<<<<<")].count(b"\n") + 1
        return PinFile(path, flaw="it holds an unresolved merge conflict", line=line)
    try:
        text = data.decode("utf-8-sig")
        root = json.loads(text)
    except UnicodeDecodeError as fault:
        return PinFile(path, flaw="it is not UTF-8 text", line=data.count(b"\n", 0, fault.start) + 1)
    except (ValueError, RecursionError) as fault:
        return PinFile(path, flaw="it is no JSON", line=getattr(fault, "lineno", None))
    version = root.get("version") if isinstance(root, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        return PinFile(path, flaw="it says no version of its format", line=1)
    if not 1 <= version <= NEWEST:
        return PinFile(path, version=version, flaw=f"its format has the version {version}, which is not known", line=1)
    held = root.get("object") if version == 1 else root
    pins = held.get("pins") if isinstance(held, dict) else None
    if not isinstance(pins, list):
        return PinFile(path, version=version, flaw="it has no list of pins", line=1)
    lines = _lines(text)
    return PinFile(path, tuple(_pins(pins[:PIN_LIMIT], path, lines)), version)


def _lines(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    position = line = 0
    for match in _IDENTITY.finditer(text):
        line += text.count("\n", position, match.start())
        position = match.start()
        found.setdefault(match[1].lower(), line + 1)
    return found


def _pins(pins: list[Any], path: str, lines: dict[str, int]) -> Iterator[Pin]:
    for pin in pins:
        if not isinstance(pin, dict):
            continue
        url = pin.get("location") or pin.get("repositoryURL")
        named = pin.get("identity")
        name = named if isinstance(named, str) else identity(url) if isinstance(url, str) else ""
        state = pin.get("state")
        if not name or not isinstance(state, dict):
            continue
        shown = pin.get("identity") or pin.get("package")
        line = lines.get(shown.lower()) if isinstance(shown, str) else None
        for kind in ("version", "branch", "revision"):
            text = state.get(kind)
            if isinstance(text, str) and text:
                yield Pin(name.lower()[:200], kind, text[:100], Location(path, line))
                break


def references(project: Project, objects: Table) -> References:
    """What a project's package references say."""
    remote, local, strays, products = [], [], [], []
    held = {key: table for key, table in objects.items() if isinstance(table, Table) and "isa" in table}
    # A reference that the project does not list any more stays behind as an object, and Xcode passes it over.
    listed = {
        key for table in held.values() if table["isa"] == "PBXProject" for key in table.texts("packageReferences")
    }
    for key, table in held.items():
        kind = table["isa"]
        if kind.endswith("SwiftPackageReference") and key not in listed:
            continue
        place = Location(project.file, objects.line(key))
        if kind == "XCRemoteSwiftPackageReference":
            wanted = table.table("requirement")
            how = wanted.text("kind")
            text = wanted.text("version") or wanted.text("branch") or wanted.text("revision")
            text = text or wanted.text("minimumVersion")
            remote.append(Requirement(identity(table.text("repositoryURL")), how, text, place))
        elif kind == "XCLocalSwiftPackageReference":
            local.append(table.text("relativePath"))
        elif kind == "XCSwiftPackageProductDependency":
            product, package = table.text("productName").removeprefix("plugin:"), table.text("package")
            products.append(product)
            if package and package not in held:
                strays.append(Requirement(product, "", package, place))
    return References(tuple(remote), tuple(local), tuple(strays), tuple(products))


def read_manifest(data: bytes, path: str) -> Manifest:
    """What a Package.swift names by literal."""
    text = _COMMENT.sub(_without_comment, data[:LIMIT].decode("utf-8", "replace"))
    remote, local = [], []
    for match in _REMOTE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        kind = match[2] or match[4] or ""
        remote.append(Requirement(identity(match[1]), kind, match[3] or match[5] or "", Location(path, line)))
    local = [match[1] for match in _LOCAL.finditer(text)]
    whole = not _BRANCHING.search(text) and len(_ANY.findall(text)) == len(remote) + len(local)
    names = frozenset(one or other for one, other in _DECLARED.findall(text))
    return Manifest(tuple(remote), tuple(local), names, whole)


def _without_comment(match: re.Match[str]) -> str:
    return match[0] if match[0][0] == '"' else re.sub(r"[^\n]", " ", match[0])
