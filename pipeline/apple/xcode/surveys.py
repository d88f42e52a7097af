"""Looks across all projects of an app: which targets there are, and which CloudKit containers any file names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from pipeline.apple.xcode.discovery import Candidate, Discovery
from pipeline.apple.xcode.facts import ProjectSurvey, SurveyedContainer, SurveyedTarget, Value
from pipeline.apple.xcode.idle import idle_settings
from pipeline.apple.xcode.manifests import BUILT
from pipeline.apple.xcode.observation import target_info
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.project import Project, Target
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.sight import UNREADABLE, Sight, value_of
from pipeline.apple.xcode.workspace import Workspace
from pipeline.model import Lane, Location


def survey(workspace: Workspace, discovery: Discovery) -> ProjectSurvey:
    """All app targets of all projects, and all containers that any entitlements file names."""
    targets: dict[tuple[str, str, str], SurveyedTarget] = {}
    users: dict[str, list[str]] = {}
    rehearsed = {(lane.project, lane.target) for lane in discovery.lanes}
    # A project of another maker (a dependency's own demo, say) has to agree with nothing here.
    for candidate in (each for each in discovery.candidates if each.project in discovery.concerned):
        project = workspace.project(candidate.project)
        target = project.target(candidate.target)
        if target is None:
            continue
        settings = workspace.settings(project, target, candidate.configuration, candidate.platform.sdk)
        identifier = value_of(settings.get("PRODUCT_BUNDLE_IDENTIFIER"))
        key = (candidate.project, candidate.target, identifier.text)
        known = targets.get(key)
        platforms = (*known.platforms, candidate.platform.label) if known else (candidate.platform.label,)
        targets[key] = SurveyedTarget(
            candidate.project,
            candidate.target,
            candidate.configuration,
            platforms,
            identifier,
            value_of(settings.get("DEVELOPMENT_TEAM")),
            (candidate.project, candidate.target) in rehearsed,
            _version(workspace, candidate),
        )
        _note_user(workspace, project, target, settings, users)
    return ProjectSurvey(
        tuple(targets.values()),
        tuple(_containers(workspace, users)),
        discovery.others,
        discovery.problems,
        tuple(_unused(workspace)),
        idle_settings(workspace, discovery.concerned),
        tuple(_provisioning(workspace)),
        tuple(_teams(workspace)) if any(_is_teamless(each.team_id) for each in targets.values()) else (),
    )


_NAMING = re.compile(rb"^[ \t]*(update_project_provisioning|update_code_signing_settings)\b", re.MULTILINE)
_LANES_LIMIT = 1 << 20


def _provisioning(workspace: Workspace) -> Iterator[tuple[str, Location]]:
    """Where the lanes of fastlane write a profile or a signing style into the project, the first of each file."""
    for path in workspace.tree:
        if _is_of_fastlane(path):
            data = workspace.read(path, _LANES_LIMIT) or b""
            if found := _NAMING.search(data):
                yield found[1].decode(), Location(path, data.count(b"\n", 0, found.start()) + 1)


def _is_of_fastlane(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name.startswith("Fastfile") or (name.endswith(".rb") and "fastlane" in folder.split("/"))


def _is_teamless(team: Value) -> bool:
    return not team or bool(team.undefined)


_MOST_SCRIPTS = 200
_TEAM = re.compile(rb"^[ \t]*(?P<action>update_project_team)\b|\bDEVELOPMENT_TEAM=(?![\"'\\]*(?:\s|$))", re.MULTILINE)
_COMMAND = re.compile(rb"\b(?:xcodebuild|xcargs)\b")
_COMMAND_LENGTH = 2_000


def _teams(workspace: Workspace) -> Iterator[tuple[str, Location]]:
    """Where a command gives the build a team: fastlane's action, or an argument of xcodebuild, the first of a file."""
    scripts = (path for path in workspace.tree if _is_of_fastlane(path) or _is_script(path))
    for path in islice(scripts, _MOST_SCRIPTS):
        data = workspace.read(path, _LANES_LIMIT) or b""
        if b"DEVELOPMENT_TEAM=" not in data and b"update_project_team" not in data:
            continue
        for match in _TEAM.finditer(data):
            if match["action"] or _is_argument(data, match.start()):
                action = "update_project_team" if match["action"] else "an argument DEVELOPMENT_TEAM"
                yield action, Location(path, data.count(b"\n", 0, match.start()) + 1)
                break


def _is_script(path: str) -> bool:
    name = path.rpartition("/")[2]
    return (
        name == "Makefile"
        or name.endswith(".sh")
        or (".github/workflows/" in path and name.endswith((".yml", ".yaml")))
    ) and not (_ELSEWHERE & set(path.split("/")) or "node_modules/" in path)


def _is_argument(data: bytes, position: int) -> bool:
    """Whether it stands behind xcodebuild or xcargs, without an empty line or a comment between."""
    before = data[max(0, position - _COMMAND_LENGTH) : position]
    lines = re.split(rb"\n[ \t\r]*\n", before)[-1].split(b"\n")
    if lines[-1].lstrip().startswith(b"#"):
        return False
    return any(_COMMAND.search(line) for line in lines if not line.lstrip().startswith(b"#"))


def _version(workspace: Workspace, candidate: Candidate) -> Value:
    lane = Lane("", candidate.platform, candidate.project, candidate.target, candidate.configuration, candidate.scheme)
    try:
        info = target_info(Sight(workspace, lane))
    except UNREADABLE:
        return Value()
    key = "CFBundleShortVersionString"
    known = key not in info.stamped and not any(each.key == key for each in info.undefined)
    return Value(info.text(key), info.place(key)) if known else Value()


_LISTS = ("INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS")
_ELSEWHERE = frozenset(("Pods", "Carthage", "SourcePackages", "vendor", "Vendor", "ThirdParty", "thirdparty"))
_BUNDLES = (*BUILT, ".lproj/", ".appex/", ".dSYM/", ".docset/", ".playground/", ".xctest/", ".xcodeproj/", ".plugin/")


def _unused(workspace: Workspace) -> Iterator[str]:
    """Info.plists and entitlements that no setting of any configuration of any target names."""
    found = [
        path
        for path in workspace.tree
        if path.endswith((".entitlements", "/Info.plist", "-Info.plist"))
        and not any(part in path for part in _BUNDLES)
        and not _ELSEWHERE & set(path.split("/"))
    ]
    if not found:
        return
    named: set[str] = set()
    vague: set[str] = set()
    for path in workspace.project_paths:
        try:
            project = workspace.project(path)
        except BrokenList:
            # What it names is not known.
            return
        texts, whole = workspace.assigned_texts(project, _LISTS)
        if not whole:
            return
        for text in texts:
            plain = text.replace("$(SRCROOT)/", "").replace("$(PROJECT_DIR)/", "")
            if "$" in plain:
                vague.add(posixpath.basename(plain).casefold())
            else:
                named.add(workspace.relative(plain, project.folder).casefold())
    if any("$" in name for name in vague):
        return
    for path in found:
        known = path.casefold() in named or posixpath.basename(path).casefold() in vague
        if not known and _is_list(workspace, path):
            yield path


def _is_list(workspace: Workspace, path: str) -> bool:
    """Whether a file is one of the lists of a bundle, and not a resource that is called like one."""
    if path.endswith(".entitlements"):
        return True
    plist = workspace.plist(path).plist
    return plist is not None and isinstance(plist.value, dict) and any(key in plist.value for key in _OF_BUNDLES)


_OF_BUNDLES = (
    "CFBundleExecutable",
    "CFBundlePackageType",
    "CFBundleInfoDictionaryVersion",
    "CFBundleName",
    "NSExtension",
)


def _note_user(
    workspace: Workspace, project: Project, target: Target, settings: Settings, users: dict[str, list[str]]
) -> None:
    name = settings.text("CODE_SIGN_ENTITLEMENTS")
    if name:
        names = users.setdefault(workspace.relative(name, project.folder), [])
        label = f"{target.name} in {project.path}"
        if label not in names:
            names.append(label)


def _containers(workspace: Workspace, users: dict[str, list[str]]) -> Iterable[SurveyedContainer]:
    for path in workspace.tree:
        if not path.endswith(".entitlements") or any(part in path for part in BUILT):
            continue
        plist = workspace.plist(path).plist
        if plist is None or not isinstance(plist.value, dict):
            continue
        key = "com.apple.developer.icloud-container-identifiers"
        held = plist.value.get(key)
        for position, container in enumerate(held if isinstance(held, list) else ()):
            if isinstance(container, str) and "$" not in container:
                line = plist.lines.get((key, position), plist.lines.get((key,)))
                yield SurveyedContainer(container, Location(path, line), tuple(users.get(path, ())))
