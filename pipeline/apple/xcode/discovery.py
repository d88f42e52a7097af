"""Finds the lanes of an app: which project, target and configuration make the build of each platform."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pipeline.apple.xcode.facts import Problem, Unrehearsed
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.project import Project, Target
from pipeline.apple.xcode.schemes import Scheme
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Lane, Location, Platform, UsageFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.ports.files import Files

NAMES = {Platform.IOS: "ios", Platform.MAC_OS: "macos", Platform.TV_OS: "tvos", Platform.VISION_OS: "visionos"}
_BY_SDK = {platform.sdk: platform for platform in Platform}
_EXAMPLE = re.compile(
    r"^(?:.*[-_ ])?(?:examples?|demos?|samples?|fixtures?|templates?|playgrounds?|tests?)$", re.IGNORECASE
)
_RELEASES = ("production", "release", "appstore", "distribution")


@dataclass(frozen=True)
class Candidate:
    """An app target on one platform, and how well it fits a release. `reasons` says what the score is made of."""

    project: str
    target: str
    platform: Platform
    configuration: str
    scheme: str
    score: int
    reasons: tuple[str, ...]
    line: int | None = None


@dataclass(frozen=True)
class Discovery:
    """The lanes, and everything that could have been one."""

    lanes: tuple[Lane, ...]
    others: tuple[Unrehearsed, ...] = ()
    problems: tuple[Problem, ...] = ()
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)


class Workspaces:
    """One workspace per Files port, so that every lane of a run shares what was parsed."""

    def __init__(self) -> None:
        self._held: WeakKeyDictionary[Files, Workspace] = WeakKeyDictionary()
        self._found: WeakKeyDictionary[Files, Discovery] = WeakKeyDictionary()

    def of(self, files: Files) -> Workspace:
        """The workspace over that port."""
        held = self._held.get(files)
        if held is None:
            held = self._held[files] = _open(files)
        return held

    def remember(self, files: Files, found: Discovery) -> None:
        """Keep what discovery chose: the survey tells which apps are not rehearsed."""
        self._found[files] = found

    def discovery(self, files: Files) -> Discovery:
        """What discovery chose; chosen now when nobody asked before."""
        return self._found.get(files) or discover(files)


WORKSPACES = Workspaces()


def _open(files: Files) -> Workspace:
    # A weak dictionary must not be held alive by its own values, so the port is reached through a weak reference.
    from weakref import ref

    port = ref(files)

    def read(path: str, limit: int) -> bytes | None:
        live = port()
        try:
            return None if live is None else live.read(path, limit)
        except (FileNotFoundError, UsageFault):
            return None

    return Workspace(files.root.absolute().as_posix(), files.tree(), read)


def discover(
    files: Files,
    *,
    project: str = "",
    target: str = "",
    configuration: str = "",
    scheme: str = "",
    platforms: tuple[str, ...] = (),
    projects: dict[str, str] | None = None,
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

    Raises:
        UsageFault: no such folder, nothing in it, no Xcode project, no app target, or an option that names nothing.

    """
    _root_is_there(files)
    workspace = WORKSPACES.of(files)
    paths = workspace.project_paths
    if not paths:
        raise _no_project(files, workspace)
    wanted = _wanted(platforms)
    project = _named_project(project, paths)
    by_platform = {name: _named_project(path, paths) for name, path in (projects or {}).items()}
    problems: list[Problem] = []
    candidates = list(_candidates(workspace, paths, configuration, scheme, problems))
    fitting = [
        candidate
        for candidate in candidates
        if (not project or candidate.project == project)
        and (project or candidate.project == by_platform.get(NAMES[candidate.platform], candidate.project))
        and (not target or candidate.target == target)
        and (not scheme or candidate.scheme == scheme)
    ]
    if not fitting:
        raise _nothing_fits(candidates, problems, (project, target, configuration, scheme))
    found = Discovery(*_chosen(fitting, candidates, wanted), tuple(problems), tuple(candidates))
    if not found.lanes:
        have = ", ".join(sorted({NAMES[candidate.platform] for candidate in fitting}))
        raise UsageFault(
            f"no target for {', '.join(platforms)}", why=f"the app is built for {have}", remedy="name one of those"
        )
    WORKSPACES.remember(files, found)
    return found


def _chosen(
    fitting: list[Candidate], candidates: list[Candidate], wanted: frozenset[Platform]
) -> tuple[tuple[Lane, ...], tuple[Unrehearsed, ...]]:
    lanes: list[Lane] = []
    others: list[Unrehearsed] = []
    for platform in Platform:
        rivals = sorted(
            (candidate for candidate in fitting if candidate.platform is platform),
            key=lambda c: (-c.score, c.project.count("/"), c.project, c.target),
        )
        if not rivals:
            continue
        if wanted and platform not in wanted:
            others.append(_left_out(platform, rivals[0], "the platforms asked for do not include it"))
            continue
        if not wanted and platform is Platform.VISION_OS and _spans(rivals[0], candidates):
            others.append(_left_out(platform, rivals[0], "it is one platform of a target for several"))
            continue
        best = rivals[0]
        lanes.append(Lane(NAMES[platform], platform, best.project, best.target, best.configuration, best.scheme))
    taken = {(lane.project, lane.target, lane.platform): lane for lane in lanes}
    for candidate in candidates:
        lane = next((lane for lane in lanes if lane.platform is candidate.platform), None)
        if lane and (candidate.project, candidate.target, candidate.platform) not in taken:
            others.append(_outdone(candidate, lane, candidates))
    return tuple(lanes), tuple(others)


def _spans(candidate: Candidate, candidates: list[Candidate]) -> bool:
    return any(
        (other.project, other.target) == (candidate.project, candidate.target) and other.platform != candidate.platform
        for other in candidates
    )


def _left_out(platform: Platform, candidate: Candidate, why: str) -> Unrehearsed:
    what = f"{platform.label} build of {candidate.target} in {candidate.project}"
    place = Location(_file(candidate.project), candidate.line)
    return Unrehearsed(what, why, f"ask for the platform {NAMES[platform]}", location=place)


def _outdone(candidate: Candidate, lane: Lane, candidates: list[Candidate]) -> Unrehearsed:
    winner = next(
        c for c in candidates if (c.project, c.target, c.platform) == (lane.project, lane.target, lane.platform)
    )
    label = candidate.platform.label
    chosen = f"{lane.target} in {lane.project} fits a release better"
    because = [reason for reason in winner.reasons if reason not in candidate.reasons]
    against = [reason for reason in candidate.reasons if reason not in winner.reasons]
    reason = (
        chosen
        + (f": {', '.join(because)}" if because else "")
        + (f"; this one: {', '.join(against)}" if against else "")
    )
    if candidate.project == lane.project:
        remedy = f"select it with the target {candidate.target}"
    else:
        path = candidate.project
        remedy = f"select it with the project {path}, or with projects: {{{lane.name}: {path}}} in config"
    return Unrehearsed(
        f"{label} app {candidate.target} in {candidate.project}",
        reason,
        remedy,
        rival=not any(_EXAMPLE.match(part) for part in candidate.project.split("/")[:-1]),
        location=Location(_file(candidate.project), candidate.line),
    )


def _file(project: str) -> str:
    return f"{project}/project.pbxproj"


def _candidates(
    workspace: Workspace, paths: Iterable[str], configuration: str, scheme: str, problems: list[Problem]
) -> Iterator[Candidate]:
    for path in paths:
        try:
            project = workspace.project(path)
        except BrokenList as fault:
            place = Location(_file(path), fault.line)
            problems.append(Problem("unreadable", f"the project cannot be read: {fault.reason}", place))
            continue
        schemes, flawed = workspace.schemes(path)
        problems.extend(flawed)
        for target in project.applications:
            shared = [one for one in schemes if one.archives(path, target.name) and scheme in ("", one.name)]
            best = min(
                shared, key=lambda one: (_rank(one.configuration), one.name != target.name, one.name), default=None
            )
            yield from _on_platforms(workspace, project, target, best, configuration)


def _on_platforms(
    workspace: Workspace, project: Project, target: Target, scheme: Scheme | None, asked: str
) -> Iterator[Candidate]:
    configuration = asked or _configuration(target, scheme)
    if target.configuration(configuration) is None:
        return
    general = workspace.settings(project, target, configuration, "")
    supported = general.text("SUPPORTED_PLATFORMS").split() if general.get("SUPPORTED_PLATFORMS").given else []
    sdk = general.text("SDKROOT")
    names = supported or [re.sub(r"[0-9.]+$", "", sdk)]
    for name in dict.fromkeys(names):
        platform = _BY_SDK.get(name)
        if platform is None:
            continue
        score, reasons = _score(project.path, workspace.settings(project, target, configuration, platform.sdk), scheme)
        yield Candidate(
            project.path,
            target.name,
            platform,
            configuration,
            scheme.name if scheme else target.name,
            score,
            reasons,
            target.line,
        )


def _rank(configuration: str) -> int:
    plain = re.sub(r"[^a-z]", "", configuration.lower())
    return next((rank for rank, name in enumerate(_RELEASES) if plain == name), len(_RELEASES) + ("debug" in plain))


def _configuration(target: Target, scheme: Scheme | None) -> str:
    """The configuration to archive: the shared scheme's own, else Production, Release, AppStore, or the default."""
    names = [found.name for found in target.configurations]
    if scheme and scheme.configuration in names:
        return scheme.configuration
    best = min(names, key=_rank, default="")
    return best if best and _rank(best) < len(_RELEASES) else (target.default_configuration or best)


def _score(project: str, settings: Settings, scheme: Scheme | None) -> tuple[int, tuple[str, ...]]:
    """How much speaks for releasing this target, and what."""
    configuration = settings.context.configuration
    identity = settings.get("CODE_SIGN_IDENTITY")
    signals = (
        (4, scheme is not None, "a shared scheme archives it"),
        (3, _rank(configuration) in (0, 2, 3), f"it has a {configuration} configuration"),
        (3, settings.get("PROVISIONING_PROFILE_SPECIFIER").given, "its settings name a provisioning profile"),
        (2, identity.given and "Distribution" in identity.text, "its settings name a distribution identity"),
        (1, settings.get("CODE_SIGN_ENTITLEMENTS").given, "it has entitlements"),
        (1, settings.get("DEVELOPMENT_TEAM").given, "it names a team"),
        (-8, any(_EXAMPLE.match(part) for part in project.split("/")[:-1]), "it lies in a folder of examples"),
    )
    held = [(points, reason) for points, holds, reason in signals if holds]
    return sum(points for points, _ in held), tuple(reason for _, reason in held)


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


def _nothing_fits(candidates: list[Candidate], problems: list[Problem], asked: tuple[str, str, str, str]) -> UsageFault:
    if not candidates and problems:
        first = problems[0]
        return UsageFault(
            f"{first.location}: {first.text}", remedy="mend the project file; Xcode could not open it either"
        )
    named = [
        f"{kind} {name}"
        for kind, name in zip(("project", "target", "configuration", "scheme"), asked, strict=True)
        if name
    ]
    if not candidates and not asked[2]:
        return UsageFault("no app target in any project", remedy="an app target has the product type application")
    known = ", ".join(sorted({f"{c.project}: {c.target}" for c in candidates}))
    return UsageFault(
        f"nothing to archive for {', '.join(named) or 'any Apple platform'}",
        why=f"the apps here are {known}" if known else "no app target has that configuration",
        remedy="name one that is there",
    )
