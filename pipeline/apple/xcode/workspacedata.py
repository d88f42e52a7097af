"""Reads an .xcworkspace: which projects it holds together."""

from __future__ import annotations

import posixpath
from xml.parsers import expat

from pipeline.values import dataclass

FILE = "contents.xcworkspacedata"
LIMIT = 4 * 1024 * 1024
DEPTH = 64
REFERENCES = 10_000
PODS = "Pods.xcodeproj"
"""The project that `pod install` writes."""


@dataclass(frozen=True)
class WorkspaceData:
    """An .xcworkspace. `projects` are the .xcodeproj folders that it refers to, there or not, in its order.

    Paths are relative to the app's root. What lies outside of it begins with "..".
    """

    path: str
    projects: tuple[str, ...]

    @property
    def folder(self) -> str:
        """What the locations in it are relative to; "" is the root."""
        return posixpath.dirname(self.path)

    @property
    def pods(self) -> str:
        """The CocoaPods project that it refers to; "" when there is none."""
        return next((one for one in self.projects if posixpath.basename(one) == PODS), "")


class BrokenWorkspace(ValueError):  # reads as what happened
    """A file that is not the XML Xcode writes. `line` counts from 1."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def parse(data: bytes, path: str, root: str) -> WorkspaceData:
    """The workspace at `path`; `root` is the app's root as an absolute path, for references that are absolute.

    A location is `group:` (relative to the group that holds it), `container:` (relative to the workspace's folder) or
    `absolute:`; others (`developer:`, `self:`) name no project beside the workspace.

    Raises:
        BrokenWorkspace: not well-formed XML, entity definitions, no workspace, or more than any workspace holds.

    """
    reader = _Reader(posixpath.dirname(path), root)
    parser = reader.parser
    try:
        parser.Parse(data, True)  # noqa: FBT003  # expat takes it by position only
    except expat.ExpatError as fault:
        raise BrokenWorkspace(f"not well-formed XML: {expat.ErrorString(fault.code)}", fault.lineno) from fault
    except (LookupError, UnicodeError) as fault:
        raise BrokenWorkspace("an encoding that XML readers do not know", 1) from fault
    finally:
        parser.StartElementHandler = parser.EndElementHandler = parser.EntityDeclHandler = None
    if reader.top != "Workspace":
        raise BrokenWorkspace("there is no Workspace in it", 1)
    return WorkspaceData(path, tuple(reader.projects))


class _Reader:
    """Follows the groups down to the references, which are kept in their order, each once."""

    def __init__(self, folder: str, root: str) -> None:
        self.projects: dict[str, None] = {}
        self.top = ""
        self._folder, self._root = folder, root
        self._groups = [folder]
        self._count = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.EntityDeclHandler = self._entity

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.top = self.top or tag
        if tag not in ("Group", "FileRef"):
            return
        self._count += 1
        if self._count > REFERENCES or len(self._groups) > DEPTH:
            raise BrokenWorkspace("it holds more than any workspace does", self.parser.CurrentLineNumber)
        place = _resolved(attributes.get("location", ""), self._groups[-1], self._folder, self._root)
        if tag == "Group":
            self._groups.append(self._groups[-1] if place is None else place)
        elif place is not None and place.endswith(".xcodeproj"):
            self.projects[place] = None

    def _end(self, tag: str) -> None:
        if tag == "Group":
            self._groups.pop()

    def _entity(self, *_: object) -> None:
        raise BrokenWorkspace("defines XML entities", self.parser.CurrentLineNumber)


def _resolved(location: str, group: str, folder: str, root: str) -> str | None:
    kind, _, path = location.partition(":")
    if kind == "absolute":
        return posixpath.relpath(posixpath.normpath(f"/{path}"), root) if root else path.lstrip("/")
    if kind not in ("group", "container"):
        return None
    joined = posixpath.join(group if kind == "group" else folder, path.lstrip("/"))
    return posixpath.normpath(joined) if joined else ""
