"""Finds the lanes of an app: which project, target and configuration make the build of each platform."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pipeline.apple.xcode.facts import Problem, Unrehearsed
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.project import Project, Target
from pipeline.apple.xcode.schemes import FOLDER, Scheme
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.workspace import Workspace
from pipeline.apple.xcode.workspacedata import FILE as CONTENTS
from pipeline.apple.xcode.workspacedata import WorkspaceData
from pipeline.model import Lane, Location, Platform, UsageFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from pipeline.ports.files import Files

NAMES = {Platform.IOS: "ios", Platform.MAC_OS: "macos", Platform.TV_OS: "tvos", Platform.VISION_OS: "visionos"}
_BY_SDK = {platform.sdk: platform for platform in Platform}
_EXAMPLE = re.compile(
    r"^(?:.*[-_ ])?(?:examples?|demos?|samples?|fixtures?|templates?|playgrounds?|tests?)(?:[-_ ]?apps?)?$",
    re.IGNORECASE,
)
_TEST = re.compile(r"(?:^|[-_ ])tests?$|test[-_ ]?host", re.IGNORECASE)
_TRIAL = re.compile(
    r"(?:^|[-_ (])(?:debug|dev|development|alpha|beta|staging|nightly|enterprise|prototype|screenshots?|profil\w+"
    r"|(?:ui|unit)?[-_ ]?tests?)(?:$|[-_ )])",
    re.IGNORECASE,
)
"""Names of schemes that archive something else than what is released."""
_RELEASES = ("production", "release", "appstore", "distribution")


@dataclass(frozen=True)
class Candidate:
    """An app target on one platform, and how well it fits a release. `reasons` says what the score is made of.

    `carried` says that another app holds this one, `catalyst` that the iOS app is built for Macs too.
    """

    project: str
    target: str
    platform: Platform
    configuration: str
    scheme: str
    score: int
    reasons: tuple[str, ...]
    line: int | None = None
    bundle_id: str = ""
    carried: bool = False
    catalyst: bool = False


@dataclass(frozen=True)
class Discovery:
    """The lanes, and everything that could have been one.

    `concerned` are the projects of the lanes, and those that hold an app of the same maker.
    """

    lanes: tuple[Lane, ...]
    others: tuple[Unrehearsed, ...] = ()
    problems: tuple[Problem, ...] = ()
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    concerned: frozenset[str] = frozenset()


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
    asked = bool(project or target or scheme or projects)
    lanes, others = _chosen(fitting, candidates, wanted, asked=asked)
    lanes = tuple(in_workspace(workspace, lane, (workspaces or {}).get(lane.name, "")) for lane in lanes)
    problems += _broken_workspaces(workspace, lanes)
    rest, concerned = _unchosen(lanes, candidates)
    found = Discovery(lanes, (*others, *rest), tuple(problems), tuple(candidates), concerned)
    if not found.lanes:
        have = ", ".join(sorted({NAMES[candidate.platform] for candidate in fitting}))
        raise UsageFault(
            f"no target for {', '.join(platforms)}", why=f"the app is built for {have}", remedy="name one of those"
        )
    WORKSPACES.remember(files, found)
    return found


def in_workspace(workspace: Workspace, lane: Lane, named: str = "") -> Lane:
    """The lane with the workspace that its project is built in, of which `named` is the path if somebody says so.

    A scheme that lies in a workspace is archived there. Else one that refers to CocoaPods' project is taken, else the
    only one that refers to the lane's, else the one beside the project. Without Pods, the project is built on its own
    where another project of the workspace has a scheme of the same name: xcodebuild could not tell the two apart.

    Raises:
        UsageFault: there is no such workspace, or it does not refer to the lane's project.

    """
    if named:
        return replace(lane, workspace=_named_workspace(workspace, lane, named))
    schemes = [one for one in workspace.schemes(lane.project)[0] if one.name == lane.scheme]
    own = [one for one in schemes if one.archives(lane.project, lane.target)] or schemes
    homes = {one.workspace for one in own}
    holding = [
        one
        for one in workspace.workspaces
        if lane.project in one.projects and (one.path in homes or _concerns(one, lane.project))
    ]
    folder = posixpath.dirname(lane.project)

    def rank(one: WorkspaceData) -> tuple[bool, bool, bool, bool]:
        at_home = one.path in homes and "" not in homes
        return at_home, bool(one.pods), one.folder == folder, _title(one.path) == _title(lane.project)

    best = max(reversed(holding), key=rank, default=None)
    if best is None:
        return lane
    at_home, pods, beside, _ = rank(best)
    alone = len(holding) == 1 or beside
    fits = at_home or pods or (alone and not _is_ambiguous(workspace, best, lane))
    return replace(lane, workspace=best.path if fits else "")


def _concerns(found: WorkspaceData, project: str) -> bool:
    """Whether a workspace is no example's of how to use the project."""
    return _holds(found.folder, project) or not any(_EXAMPLE.match(part) for part in found.folder.split("/"))


def _is_ambiguous(workspace: Workspace, found: WorkspaceData, lane: Lane) -> bool:
    for path in found.projects:
        if path == lane.project or not workspace.has(_file(path)):
            continue
        if workspace.has(f"{path}{FOLDER}{lane.scheme}.xcscheme"):
            return True
        try:
            targets = workspace.project(path).applications
        except BrokenList:
            continue
        if any(target.name == lane.scheme for target in targets):
            return True
    return False


def _named_workspace(workspace: Workspace, lane: Lane, name: str) -> str:
    plain = posixpath.normpath(name.replace(os.sep, "/")).removesuffix(f"/{CONTENTS}")
    problem = next((problem for path, problem in workspace.broken_workspaces if path == plain), None)
    if problem:
        raise UsageFault(f"{problem.location}: {problem.text}", remedy="mend the workspace, or name another one")
    holding = [one.path for one in workspace.workspaces if lane.project in one.projects]
    if plain in holding:
        return plain
    there = any(one.path == plain for one in workspace.workspaces)
    remedy = f"name one of: {', '.join(holding)}" if holding else "leave it out, or let `pod install` write it first"
    if there:
        raise UsageFault(f"the workspace {name} does not refer to {lane.project}", remedy=remedy)
    raise UsageFault(f"there is no workspace {name}", why=f"it is named for the lane {lane.name}", remedy=remedy)


def _broken_workspaces(workspace: Workspace, lanes: tuple[Lane, ...]) -> list[Problem]:
    """What is wrong with workspaces beside or above the projects that are released."""
    return [
        problem
        for path, problem in workspace.broken_workspaces
        if any(_holds(posixpath.dirname(path), lane.project) for lane in lanes)
    ]


def _holds(folder: str, path: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _chosen(
    fitting: list[Candidate], candidates: list[Candidate], wanted: frozenset[Platform], *, asked: bool
) -> tuple[tuple[Lane, ...], tuple[Unrehearsed, ...]]:
    lanes: list[Lane] = []
    others: list[Unrehearsed] = []
    # What speaks against a target counts only where another lane makes up for leaving it out.
    head = max(fitting, key=lambda c: (c.score, -c.project.count("/")))
    free = not wanted and not asked
    for platform in Platform:
        rivals = sorted(
            (candidate for candidate in fitting if candidate.platform is platform),
            key=lambda c: (-c.score, c.project.count("/"), c.project, c.target),
        )
        if not rivals:
            continue
        best = rivals[0]
        if wanted and platform not in wanted:
            others.append(_left_out(platform, best, "the platforms asked for do not include it"))
        elif free and best.project != head.project and not _is_related(best.project, [best], [head]):
            others.append(_left_out(platform, best, f"nothing says that it belongs to {head.target} in {head.project}"))
        elif not wanted and platform is Platform.VISION_OS and _spans(best, candidates):
            others.append(_left_out(platform, best, "it is one platform of a target for several"))
        elif free and best.score < 0 <= head.score:
            others.append(_left_out(platform, best, f"it is hardly one for a release: {best.reasons[-1]}"))
        else:
            lanes.append(Lane(NAMES[platform], platform, best.project, best.target, best.configuration, best.scheme))
            if best.catalyst:
                others.append(_on_macs(best))
    return tuple(lanes), tuple(others)


def _unchosen(lanes: tuple[Lane, ...], candidates: list[Candidate]) -> tuple[tuple[Unrehearsed, ...], frozenset[str]]:
    """The apps of which no lane was made, told by project; and the projects that concern this release."""
    chosen = {(lane.project, lane.target) for lane in lanes}
    served = {lane.platform for lane in lanes}
    winners = [c for c in candidates if any(_is_of(c, lane) for lane in lanes)]
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if (candidate.project, candidate.target) not in chosen and candidate.platform in served:
            groups.setdefault(candidate.project, []).append(candidate)
    others: list[Unrehearsed] = []
    concerned = {lane.project for lane in lanes}
    for project, group in groups.items():
        free = [candidate for candidate in group if not candidate.carried]
        if project in concerned:
            ties = [candidate for candidate in free if any(_ties(candidate, winner) for winner in winners)]
            tied = {candidate.target for candidate in ties}
            rest = [candidate for candidate in free if candidate.target not in tied]
        else:
            ties, rest = [], free
        for part, rival in ((ties, True), (rest, project not in concerned and _is_related(project, free, winners))):
            if part:
                others.append(_outdone(part, winners, rival=rival))
            if part and rival:
                concerned.add(project)
    return tuple(others), frozenset(concerned)


def _is_of(candidate: Candidate, lane: Lane) -> bool:
    return (candidate.project, candidate.target, candidate.platform) == (lane.project, lane.target, lane.platform)


def _ties(candidate: Candidate, winner: Candidate) -> bool:
    same = candidate.platform is winner.platform and candidate.project == winner.project
    return same and candidate.score >= winner.score


def _is_related(project: str, group: list[Candidate], winners: list[Candidate]) -> bool:
    """Whether a project holds an app of the same maker or name that might be the one to release."""
    if any(_EXAMPLE.match(part) for part in project.split("/")[:-1]):
        return False
    makers = {_maker(winner.bundle_id) for winner in winners} - {""}
    own = {_core(name) for winner in winners for name in (winner.target, _title(winner.project))}
    its = {_core(name) for name in (_title(project), *(each.target for each in group))}
    return any(_maker(each.bundle_id) in makers for each in group) or any(
        one in other or other in one for one in own for other in its if min(len(one), len(other)) > _SHORT
    )


_SHORT = 3
"""A name of so few letters occurs in others by chance."""


def _core(name: str) -> str:
    """A name without the platform at its end: IsometryiOS and IsometryMac are one app."""
    return re.sub(r"(?:ios|macos|osx|mac|tvos|visionos|iphone|ipad|mobile|desktop|app)$", "", _plain(name))


def _title(project: str) -> str:
    return posixpath.splitext(posixpath.basename(project))[0]


def _maker(bundle_id: str) -> str:
    """The first two labels of a bundle identifier, which are the maker's domain."""
    return ".".join(bundle_id.lower().split(".")[:2]) if bundle_id.count(".") > 1 else ""


def _spans(candidate: Candidate, candidates: list[Candidate]) -> bool:
    return any(
        (other.project, other.target) == (candidate.project, candidate.target) and other.platform != candidate.platform
        for other in candidates
    )


def _left_out(platform: Platform, candidate: Candidate, why: str) -> Unrehearsed:
    what = f"{platform.label} build of {candidate.target} in {candidate.project}"
    place = Location(_file(candidate.project), candidate.line)
    return Unrehearsed(what, why, f"ask for the platform {NAMES[platform]}", location=place)


def _on_macs(candidate: Candidate) -> Unrehearsed:
    return Unrehearsed(
        f"Mac Catalyst build of {candidate.target} in {candidate.project}",
        "Xcode alone can tell what it is made of",
        "judge its exported package with build.validate --pkg",
        location=Location(_file(candidate.project), candidate.line),
    )


_SHOWN = 4


def _outdone(group: list[Candidate], winners: list[Candidate], *, rival: bool) -> Unrehearsed:
    """One word for all apps of a project that are not rehearsed."""
    candidate = group[0]
    winner = next(one for one in winners if one.platform is candidate.platform)
    because = [reason for reason in winner.reasons if reason not in candidate.reasons]
    against = [reason for reason in candidate.reasons if reason not in winner.reasons]
    reason = (
        f"{winner.target} in {winner.project} fits a release better"
        + (f": {', '.join(because)}" if because else "")
        + (f"; this one: {', '.join(against)}" if against else "")
    )
    if candidate.score >= winner.score:
        reason = f"{winner.target} was chosen, although nothing speaks more for it"
    if candidate.project == winner.project:
        remedy = f"select it with the target {candidate.target}"
    else:
        path = candidate.project
        remedy = f"select it with the project {path}, or with projects: {{{NAMES[winner.platform]}: {path}}} in config"
    names = list(dict.fromkeys(each.target for each in group))
    labels = " and ".join(dict.fromkeys(each.platform.label for each in group))
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return Unrehearsed(
        f"{labels} {'app' if len(names) == 1 else 'apps'} {shown} in {candidate.project}",
        reason,
        remedy,
        rival=rival,
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
            best = min(shared, key=lambda one: _scheme_rank(one, target, project), default=None)
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
        settings = workspace.settings(project, target, configuration, platform.sdk)
        against = _against(project, target, settings, re.sub(r"[0-9.]+$", "", sdk))
        score, reasons = _score(project, target, settings, scheme)
        identifier = settings.get("PRODUCT_BUNDLE_IDENTIFIER")
        yield Candidate(
            project.path,
            target.name,
            platform,
            configuration,
            scheme.name if scheme else target.name,
            score - _WEIGHT * len(against),
            (*reasons, *against),
            target.line,
            identifier.text,
            target.identifier in project.carried,
            platform is Platform.IOS and settings.flag("SUPPORTS_MACCATALYST"),
        )


_WEIGHT = 20
"""More than all that can speak for a target."""


def _against(project: Project, target: Target, settings: Settings, root: str) -> tuple[str, ...]:
    """What makes a target no candidate where there is another one."""
    sdk = settings.context.sdk
    signals = (
        (any(_EXAMPLE.match(part) for part in project.path.split("/")[:-1]), "it lies in a folder of examples"),
        (bool(_TEST.search(target.name)), "its name is that of a test"),
        (root in _BY_SDK and root != sdk, f"its SDKROOT is {root}"),
        (target.identifier in project.carried, "another app carries it"),
    )
    return tuple(reason for holds, reason in signals if holds)


def _scheme_rank(scheme: Scheme, target: Target, project: Project) -> tuple[object, ...]:
    """Sorts the schemes that archive a target: first the one a release would take."""
    names = {_plain(target.name), _plain(project.name)}
    return (
        scheme.for_extension,
        scheme.targets[0][1] != target.name,
        bool(_TRIAL.search(scheme.name)),
        _rank(scheme.configuration),
        scheme.name != target.name,
        _plain(scheme.name) not in names,
        "release" not in scheme.name.lower(),
        scheme.name,
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


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


def _score(project: Project, target: Target, settings: Settings, scheme: Scheme | None) -> tuple[int, tuple[str, ...]]:
    """How much speaks for releasing this target, and what."""
    configuration = settings.context.configuration
    identity = settings.get("CODE_SIGN_IDENTITY")
    signals = (
        (4, scheme is not None, "a shared scheme archives it"),
        (3, _rank(configuration) in (0, 2, 3), f"it has a {configuration} configuration"),
        (3, settings.get("PROVISIONING_PROFILE_SPECIFIER").given, "its settings name a provisioning profile"),
        (2, identity.given and "Distribution" in identity.text, "its settings name a distribution identity"),
        (2, "appstore" in _plain(target.name), "its name speaks of the App Store"),
        (1, settings.get("CODE_SIGN_ENTITLEMENTS").given, "it has entitlements"),
        (1, settings.get("DEVELOPMENT_TEAM").given, "it names a team"),
        (1, _plain(target.name) == _plain(project.name), "it bears the project's name"),
        (-4, identity.text.startswith("Developer ID"), "it is signed for distribution outside the App Store"),
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
