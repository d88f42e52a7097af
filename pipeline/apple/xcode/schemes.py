"""Reads shared schemes: which target an archive is made of, and in which configuration."""

from __future__ import annotations

import posixpath
from xml.parsers import expat

from pipeline.values import dataclass

FOLDER = "/xcshareddata/xcschemes/"


@dataclass(frozen=True)
class Scheme:
    """A shared scheme. `targets` are (target identifier, target name, container) of what it builds for archiving.

    `for_extension` says that Xcode made it to debug an app extension inside the app.
    """

    name: str
    path: str
    targets: tuple[tuple[str, str, str], ...]
    configuration: str
    for_extension: bool = False

    @property
    def holder(self) -> str:
        """The .xcodeproj or .xcworkspace that it lies in."""
        return self.path.partition(FOLDER)[0]

    @property
    def workspace(self) -> str:
        """The .xcworkspace that it lies in; "" for a scheme of a project."""
        return self.holder if self.holder.endswith(".xcworkspace") else ""

    def archives(self, project: str, target: str) -> bool:
        """Whether archiving this scheme makes that target; `project` is the .xcodeproj's path."""
        return any(name == target and self._names(where, project) for _, name, where in self.targets)

    def _names(self, container: str, project: str) -> bool:
        if self.workspace:
            # A workspace may hold two projects of one name.
            return posixpath.normpath(posixpath.join(posixpath.dirname(self.workspace), container)) == project
        return posixpath.basename(container) == posixpath.basename(project)


class BrokenScheme(ValueError):  # reads as what happened
    """A scheme file that is not the XML Xcode writes. `line` counts from 1."""

    def __init__(self, reason: str, line: int | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


_STATES = {
    "ArchiveAction": ("configuration", "buildConfiguration", "Release"),
    "Scheme": ("extension", "wasCreatedForAppExtension", ""),
}


def parse(data: bytes, path: str) -> Scheme:
    """A scheme.

    Raises:
        BrokenScheme: not well-formed XML, or entity definitions.

    """
    targets: list[tuple[str, str, str]] = []
    state = {"archiving": "", "configuration": "Release", "extension": ""}
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "BuildActionEntry":
            state["archiving"] = attributes.get("buildForArchiving", "YES")
        elif tag == "BuildableReference" and state["archiving"] == "YES":
            container = attributes.get("ReferencedContainer", "").partition(":")[2]
            targets.append((attributes.get("BlueprintIdentifier", ""), attributes.get("BlueprintName", ""), container))
        elif tag in _STATES:
            key, attribute, default = _STATES[tag]
            state[key] = attributes.get(attribute, default)

    def end(tag: str) -> None:
        if tag == "BuildActionEntry":
            state["archiving"] = ""

    def entity(*_: object) -> None:
        raise BrokenScheme("defines XML entities", parser.CurrentLineNumber)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(data, True)  # noqa: FBT003  # expat takes it by position only
    except expat.ExpatError as fault:
        raise BrokenScheme(f"not well-formed XML: {expat.ErrorString(fault.code)}", fault.lineno) from fault
    except (LookupError, UnicodeError) as fault:
        raise BrokenScheme("an encoding that XML readers do not know", 1) from fault
    finally:
        parser.StartElementHandler = parser.EndElementHandler = parser.EntityDeclHandler = None
    name = posixpath.splitext(posixpath.basename(path))[0]
    return Scheme(name, path, tuple(targets), state["configuration"], state["extension"] == "YES")
