"""Finds the lanes of an app: which project, target and configuration make the build of each platform."""

from __future__ import annotations

import os
import posixpath
from dataclasses import field
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from pipeline.apple.xcode.candidates import Candidate, unjudged, unknown_platforms
from pipeline.apple.xcode.candidates import candidates as candidates_of
from pipeline.apple.xcode.facts import Problem, Unrehearsed
from pipeline.apple.xcode.homes import broken_workspaces, in_workspace
from pipeline.apple.xcode.rivals import NAMES, chosen, unchosen
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Lane, Platform, UsageFault
from pipeline.ports.files import Elsewhere
from pipeline.regular import Outside
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.ports.files import Files, Stamp

F = TypeVar("F")

__all__ = ["NAMES", "WORKSPACES", "Candidate", "Discovery", "Workspaces", "discover", "in_workspace"]


@dataclass(frozen=True)
class Discovery:
    """The lanes, and everything that could have been one.

    `concerned` are the projects of the lanes, and those that hold an app of the same maker. `rivals` are the lanes of
    apps that might have been meant instead: nothing is released of them, and they can be judged all the same.
    """

    lanes: tuple[Lane, ...]
    others: tuple[Unrehearsed, ...] = ()
    problems: tuple[Problem, ...] = ()
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    concerned: frozenset[str] = frozenset()
    rivals: tuple[Lane, ...] = ()


class Workspaces:
    """One workspace per Files port, so that every lane of a run shares what was parsed."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[Files, Workspace] = WeakKeyDictionary()
        self._found: WeakKeyDictionary[Files, tuple[Discovery, str]] = WeakKeyDictionary()

    def of(self, files: Files) -> Workspace:
        """The workspace over that port."""
        held = self._held.get(files)
        if held is None:
            held = self._held[files] = _open(files)
        return held

    def keep(self, files: Files) -> None:
        """Write down, for the next run, what was found over that port; to be called when a run ends."""
        held = self._held.get(files)
        if held is not None and held.record is not None:
            held.record.save()

    def remember(self, files: Files, found: Discovery, wish: str) -> None:
        """Keep what discovery chose, and what it was asked for: the survey tells which apps are not rehearsed."""
        self._found[files] = found, wish

    def discovery(self, files: Files) -> Discovery:
        """What discovery chose; chosen now when nobody asked before."""
        return self._found[files][0] if files in self._found else discover(files)

    def kept(self, files: Files, make: Callable[[Workspace, Discovery], F], *told: str) -> F:
        """What a function makes of the whole checkout, in this run or in one before, as long as no file has changed.

        `told` is what it depends on besides files and what discovery was asked for.
        """
        found = self.discovery(files)
        key = (f"{make.__module__}.{make.__qualname__}", self._found[files][1], *told)
        workspace = self.of(files)
        return workspace.kept(key, lambda: make(workspace, found))


WORKSPACES = Workspaces()


def _open(files: Files) -> Workspace:
    # A weak dictionary must not be held alive by its own values, so the port is reached through a weak reference.
    from weakref import ref

    port = ref(files)

    def read(path: str, limit: int) -> bytes | None:
        live = port()
        try:
            return None if live is None else live.read(path, limit)
        except FileNotFoundError:
            return None
        except Elsewhere as fault:
            raise Outside(path) from fault
        except UsageFault as fault:
            raise ValueError(fault.why or fault.what) from fault

    def stamp(path: str) -> Stamp | None:
        live = port()
        return None if live is None else live.stamp(path)

    root, tree = files.root.absolute().as_posix(), files.tree()
    if files.memory is None:
        return Workspace(root, tree, read)
    from pipeline.apple.xcode.kept import Kept

    record = Kept(files.memory, root, tree, read, stamp)
    return Workspace(root, tree, record.read, record)


def discover(
    files: Files,
    *,
    project: str = "",
    target: str = "",
    configuration: str = "",
    scheme: str = "",
    platforms: tuple[str, ...] = (),
    projects: dict[str, str] | None = None,
    workspaces: dict[str, str] | None = None,
) -> Discovery:
    """One lane per platform that the app supports.

    Args:
        files: the app.
        project: only this .xcodeproj, relative to the root.
        target: only this target.
        configuration: this configuration instead of the preferred one.
        scheme: only what this shared scheme archives.
        platforms: only these, as lane names (ios, macos, tvos, visionos).
        projects: the .xcodeproj of a platform, by lane name; `project` wins over it.
        workspaces: the .xcworkspace that a platform's project is built in, by lane name.

    Raises:
        UsageFault: no such folder, nothing in it, no Xcode project, no app target, or an option that names nothing.

    """
    _root_is_there(files)
    workspace = WORKSPACES.of(files)
    if not workspace.project_paths:
        raise _no_project(files, workspace)
    wish = _Wish(
        project,
        target,
        configuration,
        scheme,
        platforms,
        tuple((projects or {}).items()),
        tuple((workspaces or {}).items()),
    )
    found = workspace.kept(("discover", repr(wish)), lambda: _discovered(workspace, wish))
    WORKSPACES.remember(files, found, repr(wish))
    return found


@dataclass(frozen=True)
class _Wish:
    """What `discover` was asked for."""

    project: str
    target: str
    configuration: str
    scheme: str
    platforms: tuple[str, ...]
    projects: tuple[tuple[str, str], ...]
    workspaces: tuple[tuple[str, str], ...]


def _discovered(workspace: Workspace, wish: _Wish) -> Discovery:
    paths, target, scheme = workspace.project_paths, wish.target, wish.scheme
    wanted = _wanted(wish.platforms)
    project = _named_project(wish.project, paths)
    by_platform = {name: _named_project(path, paths) for name, path in wish.projects}
    problems: list[Problem] = []
    candidates = list(candidates_of(workspace, paths, wish.configuration, scheme, problems))
    fitting = [
        candidate
        for candidate in candidates
        if (not project or candidate.project == project)
        and (project or candidate.project == by_platform.get(NAMES[candidate.platform], candidate.project))
        and (not target or candidate.target == target)
        and (not scheme or candidate.scheme == scheme)
    ]
    if not fitting:
        foreign = tuple(unjudged(workspace, paths))
        if not candidates and not problems and not wish.configuration:
            _platforms_are_known(workspace, paths)
        raise _nothing_fits(candidates, problems, foreign, (project, target, wish.configuration, scheme))
    asked = bool(project or target or scheme or wish.projects)
    lanes, others = chosen(fitting, candidates, wanted, asked=asked)
    homes = dict(wish.workspaces)
    lanes = tuple(in_workspace(workspace, lane, homes.get(lane.name, "")) for lane in lanes)
    problems += broken_workspaces(workspace, lanes)
    rest, concerned, rivals = unchosen(lanes, candidates)
    rest += tuple(unjudged(workspace, concerned))
    if not lanes and not wanted:
        raise _nothing_for_the_store(fitting)
    if not lanes:
        have = ", ".join(sorted({NAMES[candidate.platform] for candidate in fitting}))
        raise UsageFault(
            f"no target for {', '.join(wish.platforms)}",
            why=f"the app is built for {have}",
            remedy="name one of those",
        )
    rivals = tuple(in_workspace(workspace, lane) for lane in rivals)
    return Discovery(lanes, (*others, *rest), tuple(problems), tuple(candidates), concerned, rivals)


def _platforms_are_known(workspace: Workspace, paths: tuple[str, ...]) -> None:
    """Raises a fault where an app's platform is in a file that is not here."""
    for place, target, files in unknown_platforms(workspace, paths):
        raise UsageFault(
            f"{place}: the platform of {target} is not known",
            why=f"its SDKROOT may be in {', '.join(files)}, which was not read",
            remedy="check out what the project includes (submodules, packages), or make the file, and look again",
        )


def _nothing_for_the_store(fitting: list[Candidate]) -> UsageFault:
    best = next((each for each in fitting if each.outside), None) or next(each for each in fitting if each.unprepared)
    return UsageFault(
        "no app here is made for the App Store",
        why=f"{best.target} in {best.project}: {best.outside or best.unprepared}",
        remedy=f"judge it all the same with --project {best.project}, or as another build configuration makes it with "
        f"--configuration; `platforms: [{NAMES[best.platform]}]` in config/pipeline.yaml says so for good",
    )


def _root_is_there(files: Files) -> None:
    if not files.root.is_dir():
        raise UsageFault(f"there is no folder {files.root}", remedy="name the folder of the app's checkout with --app")


def _wanted(platforms: tuple[str, ...]) -> frozenset[Platform]:
    by_name = {name: platform for platform, name in NAMES.items()} | {p.value.lower(): p for p in Platform}
    unknown = [name for name in platforms if name.lower() not in by_name]
    if unknown:
        raise UsageFault(f"unknown platform {unknown[0]}", remedy=f"name one of {', '.join(NAMES.values())}")
    return frozenset(by_name[name.lower()] for name in platforms)


def _named_project(name: str, paths: tuple[str, ...]) -> str:
    if not name:
        return ""
    plain = posixpath.normpath(name.replace(os.sep, "/")).removesuffix("/project.pbxproj")
    matches = [path for path in paths if path == plain or path.endswith(f"/{plain}")]
    if len(matches) == 1 or plain in matches:
        return plain if plain in matches else matches[0]
    raise UsageFault(
        f"{name} names {'several projects' if matches else 'no Xcode project here'}",
        remedy=f"name one of: {', '.join(paths)}",
    )


def _no_project(files: Files, workspace: Workspace) -> UsageFault:
    tree = workspace.tree
    if not tree:
        return UsageFault(f"{files.root} is empty", remedy="name the folder of the app's checkout with --app")
    packages = [path for path in tree if posixpath.basename(path) == "Package.swift"]
    generators = [path for path in tree if posixpath.basename(path) in ("project.yml", "Project.swift")]
    if generators:
        tool = "xcodegen generate" if generators[0].endswith("project.yml") else "tuist generate"
        return UsageFault(
            f"no Xcode project in {files.root}",
            why=f"{generators[0]} describes one that is generated",
            remedy=f"run {tool} first",
        )
    if packages:
        return UsageFault(
            f"no Xcode project in {files.root}",
            why=f"{packages[0]} is a Swift package, and a package alone cannot be archived for the App Store",
            remedy="add an Xcode project with an app target that uses the package",
        )
    return UsageFault(
        f"no Xcode project in {files.root}",
        why=f"none of its {len(tree):,} files lies in an .xcodeproj",
        remedy="name the folder that holds the .xcodeproj with --app",
    )


def _nothing_fits(
    candidates: list[Candidate],
    problems: list[Problem],
    foreign: tuple[Unrehearsed, ...],
    asked: tuple[str, str, str, str],
) -> UsageFault:
    if not candidates and problems:
        first = problems[0]
        broken = first.kind != "unread"
        return UsageFault(
            f"{first.location}: {first.text}",
            remedy="mend the project file; Xcode could not open it either"
            if broken
            else "nothing says that it is broken: name another project with --project, or another folder with --app",
        )
    named = [
        f"{kind} {name}"
        for kind, name in zip(("project", "target", "configuration", "scheme"), asked, strict=True)
        if name
    ]
    if not candidates and foreign:
        return UsageFault(
            "no app that can be judged before it is built",
            why=f"there is the {foreign[0].what}",
            remedy=foreign[0].remedy,
        )
    if not candidates and not asked[2]:
        return UsageFault("no app target in any project", remedy="an app target has the product type application")
    known = ", ".join(sorted({f"{c.project}: {c.target}" for c in candidates}))
    return UsageFault(
        f"nothing to archive for {', '.join(named) or 'any Apple platform'}",
        why=f"the apps here are {known}" if known else "no app target has that configuration",
        remedy="name one that is there",
    )
