"""One target as a release builds it: through a configuration and an SDK, with the files that its settings name."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

from pipeline.apple.xcode.facts import Value
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.project import EMBEDDED, FRAMEWORK, PROGRAMS, Project, Target
from pipeline.apple.xcode.settings import Resolved, Settings, words
from pipeline.apple.xcode.workspace import Loaded, Workspace
from pipeline.lazily import cached_property
from pipeline.model import Lane, Location

if TYPE_CHECKING:
    from pipeline.apple.xcode.project import Copied

F = TypeVar("F")

UNREADABLE = (BrokenList, LookupError)
"""What keeps a lane's target from being looked at."""


class Unseen(LookupError):  # reads as what happened
    """A file that decides a fact is not here, or cannot be read, so that the fact is not known."""


MOST_CARRIED = 400
"""Bundles inside one app that are looked at; the largest real apps carry a few dozen."""

_CARRIED = frozenset({*EMBEDDED, *PROGRAMS, FRAMEWORK})


class Sight:
    """One target, looked at through a configuration and an SDK: the lane's own, unless another one is named.

    Args:
        workspace: the app's files.
        lane: which target of which project, and its platform.
        team_id: the team that config declares, and that the archive is given on xcodebuild's command line.

    Attributes:
        within: the name of the target whose product carries this one's; "" for the lane's own.

    Raises:
        LookupError: the lane names a target that is not there; not here, but when the target is first asked for.
        BrokenList: the project cannot be read; likewise.

    """

    def __init__(
        self,
        workspace: Workspace,
        lane: Lane,
        team_id: str = "",
        *,
        inside: tuple[Sight, Project, Target] | None = None,
    ) -> None:
        self.workspace, self.lane, self.team_id = workspace, lane, team_id
        self._inside = inside
        self.within = inside[0].target.name if inside else ""

    @cached_property
    def project(self) -> Project:
        """The project of the target. Raises BrokenList."""
        return self._inside[1] if self._inside else self.workspace.project(self.lane.project)

    @cached_property
    def target(self) -> Target:
        """The target. Raises LookupError, BrokenList."""
        target = self._inside[2] if self._inside else self.project.target(self.lane.target)
        if target is None:
            raise LookupError(f"{self.lane.project} has no target {self.lane.target}")
        return target

    @cached_property
    def configuration(self) -> str:
        """The lane's configuration; of a target that has none of that name, its default, as xcodebuild has it."""
        wanted = self.lane.configuration
        return wanted if self.target.configuration(wanted) else self.target.default_configuration or wanted

    @cached_property
    def sdk(self) -> str:
        """What the target is built for."""
        return self._sdk_inside(self._inside[0].sdk) if self._inside else self.lane.platform.sdk

    @cached_property
    def settings(self) -> Settings:
        """The settings with which the target is built."""
        return self.settings_for(self.configuration, self.sdk)

    def kept(self, make: Callable[[Sight], F]) -> F:
        """What a function makes of this sight, in this run or in one before, as long as no file has changed."""
        if self._inside:
            return make(self)
        lane = self.lane
        named = (lane.platform.value, lane.project, lane.target, lane.configuration, lane.scheme, lane.workspace)
        key = (f"{make.__module__}.{make.__qualname__}", *named, self.team_id)
        return self.workspace.kept(key, lambda: make(self))

    def at(self, project: Project, target: Target) -> Sight:
        """A target whose product this one's carries, as it is built for the same archive."""
        return Sight(self.workspace, self.lane, self.team_id, inside=(self, project, target))

    def _sdk_inside(self, around: str) -> str:
        """What an embedded target is built for: a watch app inside an iOS app is built for watchOS."""
        general = self.settings_for(self.configuration, "")
        supported = general.text("SUPPORTED_PLATFORMS").split() if general.get("SUPPORTED_PLATFORMS").given else []
        on_watch = (
            "watch" in self.target.product_type
            or general.text("SDKROOT").startswith("watch")
            or ("watchos" in supported and around not in supported)
        )
        return "watchos" if on_watch else around

    def settings_for(self, configuration: str, sdk: str) -> Settings:
        """The settings with which the target is built."""
        return self.workspace.settings(self.project, self.target, configuration, sdk, self.team_id)

    @property
    def place(self) -> Location:
        """Where the target is defined."""
        return Location(self.project.file, self.target.line)

    def value(self, key: str) -> Value:
        """A setting, with its place."""
        return value_of(self.settings.get(key))

    def file(self, key: str) -> tuple[Value, bool]:
        """A setting that names a file, made relative to the app's root, and whether the file is there."""
        value = self.value(key)
        if not value.text:
            return value, True
        path = self.workspace.spelled(self.workspace.relative(value.text, self.project.folder))
        return replace(value, text=path), self.workspace.has(path)

    def plist(self, key: str) -> tuple[str, Loaded]:
        """The property list that a setting names."""
        value, exists = self.file(key)
        if not value.text or not exists:
            return value.text, Loaded()
        if key == "INFOPLIST_FILE":
            return value.text, self.workspace.info(value.text, self.settings)
        return value.text, self.workspace.plist(value.text)

    def members(self) -> tuple[str, ...]:
        """Paths of everything that the target copies as a resource; catalogs and icons as their folders."""
        excluded = words(self.settings.text("EXCLUDED_SOURCE_FILE_NAMES"))
        key = ("members", self.project.path, self.target.identifier, self.sdk, *excluded)
        return self.workspace.once(
            key, lambda: members(self.workspace, self.project, self.target, self.sdk, excluded=excluded)
        )

    def copied(self) -> tuple[Copied, ...]:
        """What the target's copy phases put into its product."""
        excluded = words(self.settings.text("EXCLUDED_SOURCE_FILE_NAMES"))
        return tuple(
            each for each in self.project.copied(self.target, self.sdk) if not is_excluded(each.name, excluded)
        )

    def carried(self) -> Iterator[Sight]:
        """The targets whose products travel inside this one's, and inside theirs: outer ones first, each once."""
        seen = {(self.project.path, self.target.identifier)}
        pending = [self]
        while pending and len(seen) <= MOST_CARRIED:
            holder = pending.pop(0)
            for project, target in holder.makers():
                key = (project.path, target.identifier)
                if key not in seen and target.product_type in _CARRIED:
                    seen.add(key)
                    found = holder.at(project, target)
                    pending.append(found)
                    yield found

    def makers(self) -> Iterator[tuple[Project, Target]]:
        """The targets that make what the copy phases put into the product, here or in another project."""
        for each in self.copied():
            if each.made_by:
                target = self.project.target_of(each.made_by)
                if target:
                    yield self.project, target
            elif each.container:
                try:
                    other = self.workspace.project(each.container)
                except BrokenList:
                    continue
                if target := other.target_of(each.remote):
                    yield other, target


def members(
    workspace: Workspace, project: Project, target: Target, sdk: str = "", *, excluded: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Paths of everything that a target copies as a resource; catalogs and icons as their folders."""
    found = dict.fromkeys(project.resources(target, sdk))
    for folder, left_out in project.synchronized(target, sdk):
        for path in (*workspace.below(folder), *((folder,) if workspace.has(folder) else ())):
            shown = _bundle_of(path)
            if path not in left_out and shown not in left_out:
                found[shown] = None
    if excluded:
        return tuple(path for path in found if not is_excluded(path, excluded))
    return tuple(found)


def is_excluded(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether EXCLUDED_SOURCE_FILE_NAMES keeps a file out of the product."""
    name = posixpath.basename(path)
    return any(
        fnmatchcase(path, f"*{pattern}") if "/" in pattern else fnmatchcase(name, pattern) for pattern in patterns
    )


_BUNDLE = re.compile(r"^(.*?\.(?:xcassets|icon|bundle|xcdatamodeld|lproj))/")


def _bundle_of(path: str) -> str:
    match = _BUNDLE.match(path)
    return match[1] if match and not match[1].endswith(".lproj") else path


def value_of(resolved: Resolved) -> Value:
    """A resolved setting as a fact."""
    place = Location(resolved.path, resolved.line) if resolved.path else None
    return Value(resolved.text, place, resolved.undefined, "$" in resolved.written, resolved.hidden)
