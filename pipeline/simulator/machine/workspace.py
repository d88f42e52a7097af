"""Reads an .xcworkspace and finds its schemes, on its own, as the simulated xcodebuild opens one."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.regular import opened
from pipeline.simulator.machine.project import APPLICATION, BuildError, Project, Target, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE_LIMIT = 4 * 1024 * 1024
DEPTH_LIMIT = 100
REFERENCE_LIMIT = 10_000


class Workspace:
    """An .xcworkspace.

    Args:
        path: the .xcworkspace folder.
        project: opens a project; raises BuildError where there is none.

    Raises:
        BuildError: it is missing or is none, in xcodebuild's words.
    """

    def __init__(self, path: Path, project: Callable[[Path], Project]) -> None:
        self.path = path
        self._open = project
        if not path.exists():
            raise BuildError(f"xcodebuild: error: '{path}' does not exist.", 66)
        try:
            with opened(path / "contents.xcworkspacedata") as file:
                text = file.read(SIZE_LIMIT + 1).decode("utf-8")
        except (OSError, UnicodeDecodeError):
            raise self._none() from None
        if len(text) > SIZE_LIMIT or "<!ENTITY" in text:
            raise self._none()
        self._places = tuple(dict.fromkeys(self._read(text)))

    def _none(self) -> BuildError:
        return BuildError(f"xcodebuild: error: '{self.path}' is not a workspace file.", 66)

    @property
    def name(self) -> str:
        """The file's name without its extension."""
        return self.path.stem

    @property
    def folder(self) -> Path:
        """What `container:` stands for; a project's own workspace lies in the project."""
        return self.path.parent.parent if self._is_inner else self.path.parent

    @property
    def _is_inner(self) -> bool:
        return self.path.parent.suffix == ".xcodeproj"

    def _read(self, text: str) -> Iterator[Path]:
        """Where its references lead, in their order."""
        from xml.etree import ElementTree as ET

        try:
            top = ET.fromstring(text)  # noqa: S314  # what could be expanded without end was turned away
        except ET.ParseError:
            raise self._none() from None
        if top.tag != "Workspace":
            raise self._none()
        pending = [(top, self.folder, 0)]
        count = 0
        while pending:
            element, group, depth = pending.pop()
            count += 1
            if depth > DEPTH_LIMIT or count > REFERENCE_LIMIT:
                raise self._none()
            place = self._place(element.get("location", ""), group)
            if element.tag == "FileRef":
                yield from () if place is None else (place,)
            elif element.tag in ("Group", "Workspace"):
                pending += [(child, place or group, depth + 1) for child in reversed(element)]

    def _place(self, location: str, group: Path) -> Path | None:
        kind, _, rest = location.partition(":")
        if kind == "self":
            return self.path.parent if self._is_inner else None
        bases = {"group": group, "container": self.folder, "absolute": Path("/")}
        return _plain(bases[kind] / rest.lstrip("/")) if kind in bases else None

    @cached_property
    def projects(self) -> list[Project]:
        """The projects that can be opened, in its order; Xcode shows the others in red, and goes on."""
        found = []
        for place in self._places:
            if place.suffix != ".xcodeproj":
                continue
            try:
                found.append(self._open(place))
            except BuildError:
                continue
        return found

    @cached_property
    def schemes(self) -> dict[str, tuple[Target | None, str]]:
        """Scheme name -> (the target that it archives, its archive configuration): its own, then its projects'."""
        found: dict[str, tuple[Target | None, str]] = {}
        for pattern in ("xcshareddata/xcschemes/*.xcscheme", "xcuserdata/*/xcschemes/*.xcscheme"):
            for path in sorted(self.path.glob(pattern)):
                references, configuration = scheme_of(path)
                found.setdefault(path.stem, (self._released(references), configuration))
        for project in self.projects:
            targets = {target.identifier: target for target in project.targets}
            for name, (identifier, configuration) in project.schemes.items():
                found.setdefault(name, (targets.get(identifier), configuration))
        return found

    def _released(self, references: list[tuple[str, str]]) -> Target | None:
        """Of everything that a scheme archives, the target that the archive is named for: the app."""
        held = {
            (_plain(project.path), target.identifier): target for project in self.projects for target in project.targets
        }
        named = (held.get((_plain(self.folder / where), identifier)) for identifier, where in references)
        targets = [target for target in named if target is not None]
        return next((t for t in targets if t.product_type == APPLICATION), targets[0] if targets else None)


def _plain(path: Path) -> Path:
    return Path(os.path.normpath(path))
