"""Turns the parsed files of a workspace into the facts of one lane, and into the survey of the whole app."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import replace

from pipeline.apple.xcode import assets, infoplist, privacy
from pipeline.apple.xcode import entitlements as entitlement_files
from pipeline.apple.xcode.discovery import Discovery
from pipeline.apple.xcode.facts import (
    AppIcon,
    Extension,
    IconImage,
    PrivacyFlaw,
    PrivacyManifest,
    Problem,
    ProjectProblems,
    ProjectSurvey,
    Shadowed,
    SurveyedContainer,
    SurveyedTarget,
    TargetEntitlements,
    TargetInfo,
    TargetSettings,
    Value,
)
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.project import Project, Target
from pipeline.apple.xcode.settings import Resolved, Settings
from pipeline.apple.xcode.workspace import DEPLOYMENT, Loaded, Workspace
from pipeline.apple.xcode.workspacedata import FILE as CONTENTS
from pipeline.model import Lane, Location

_IDENTITY = (
    "PRODUCT_BUNDLE_IDENTIFIER",
    "MARKETING_VERSION",
    "CURRENT_PROJECT_VERSION",
    "CODE_SIGN_STYLE",
    "CODE_SIGN_IDENTITY",
    "PROVISIONING_PROFILE_SPECIFIER",
    "DEVELOPMENT_TEAM",
    "CODE_SIGN_ENTITLEMENTS",
    "INFOPLIST_FILE",
)
_BUILT = (".xcarchive/", ".app/", ".framework/", ".xcframework/", ".bundle/")
_ICON_LIMIT = 64 * 1024 * 1024
_PACKAGE_LIMIT = 4 * 1024 * 1024


class Sight:
    """One lane's target, looked at through its configuration and SDK.

    Args:
        workspace: the app's files.
        lane: which target of which project.
        team_id: the team that config declares, and that the archive is given on xcodebuild's command line.

    Raises:
        LookupError: the lane names a project or target that is not there.
        BrokenList: the project cannot be read.

    """

    def __init__(self, workspace: Workspace, lane: Lane, team_id: str = "") -> None:
        self.workspace = workspace
        self.lane = lane
        self.project = workspace.project(lane.project)
        target = self.project.target(lane.target)
        if target is None:
            raise LookupError(f"{lane.project} has no target {lane.target}")
        self.target = target
        self.team_id = team_id
        self.settings = self.settings_of(target, lane.platform.sdk)

    def settings_of(self, target: Target, sdk: str) -> Settings:
        """The settings with which a target is built for this lane."""
        return self.workspace.settings(self.project, target, self.lane.configuration, sdk, self.team_id)

    def value(self, key: str) -> Value:
        """A setting, with its place."""
        return _value(self.settings.get(key))

    def file(self, key: str) -> tuple[Value, bool]:
        """A setting that names a file, made relative to the app's root, and whether the file is there."""
        value = self.value(key)
        if not value.text:
            return value, True
        path = self.workspace.relative(value.text, self.project.folder)
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
        key = ("members", self.project.path, self.target.identifier)
        return self.workspace.once(key, lambda: members(self.workspace, self.project, self.target))


def members(workspace: Workspace, project: Project, target: Target) -> tuple[str, ...]:
    """Paths of everything that a target copies as a resource; catalogs and icons as their folders."""
    found = dict.fromkeys(project.resources(target))
    for folder, left_out in project.synchronized(target):
        for path in (*workspace.below(folder), *((folder,) if workspace.has(folder) else ())):
            shown = _bundle_of(path)
            if path not in left_out and shown not in left_out:
                found[shown] = None
    return tuple(found)


_BUNDLE = re.compile(r"^(.*?\.(?:xcassets|icon|bundle|xcdatamodeld|lproj))/")


def _bundle_of(path: str) -> str:
    match = _BUNDLE.match(path)
    return match[1] if match and not match[1].endswith(".lproj") else path


def _value(resolved: Resolved) -> Value:
    place = Location(resolved.path, resolved.line) if resolved.path else None
    return Value(resolved.text, place, resolved.undefined)


def target_settings(sight: Sight) -> TargetSettings:
    """The settings that decide a release."""
    settings, workspace = sight.settings, sight.workspace
    plist, plist_exists = sight.file("INFOPLIST_FILE")
    entitlements, entitlements_exist = sight.file("CODE_SIGN_ENTITLEMENTS")
    schemes, _ = workspace.schemes(sight.lane.project)
    own = workspace.settings(sight.project, sight.target, sight.lane.configuration, sight.lane.platform.sdk)
    return TargetSettings(
        bundle_id=sight.value("PRODUCT_BUNDLE_IDENTIFIER"),
        marketing_version=sight.value("MARKETING_VERSION"),
        build_number=sight.value("CURRENT_PROJECT_VERSION"),
        team_id=_value(own.get("DEVELOPMENT_TEAM")),
        code_sign_style=_signing_style(sight),
        code_sign_identity=sight.value("CODE_SIGN_IDENTITY"),
        profile_specifier=sight.value("PROVISIONING_PROFILE_SPECIFIER"),
        deployment_target=sight.value(DEPLOYMENT[sight.lane.platform.sdk]),
        product_name=sight.value("PRODUCT_NAME"),
        product=sight.target.product_name,
        sdk=sight.lane.platform.sdk,
        infoplist_file=plist,
        infoplist_exists=plist_exists,
        entitlements_file=entitlements,
        entitlements_exists=entitlements_exist,
        generates_infoplist=settings.flag("GENERATE_INFOPLIST_FILE"),
        device_families=tuple(settings.text("TARGETED_DEVICE_FAMILY").replace(",", " ").split()),
        app_sandbox=sight.value("ENABLE_APP_SANDBOX"),
        app_icon=sight.value("ASSETCATALOG_COMPILER_APPICON_NAME"),
        bitcode=sight.value("ENABLE_BITCODE"),
        scheme_shared=any(one.name == sight.lane.scheme for one in schemes),
        bundle_ids=_across_configurations(sight, "PRODUCT_BUNDLE_IDENTIFIER"),
        shadowed=tuple(_shadowed(sight)),
        infoplist_keys=tuple((key, sight.value(key)) for key in sorted(settings) if key.startswith(infoplist.PREFIX)),
        extensions=tuple(_extensions(sight)),
    )


def _signing_style(sight: Sight) -> Value:
    """CODE_SIGN_STYLE, else the target's own attribute.

    Where neither says anything, the project is older than the choice: Xcode then takes the profile that is named.
    """
    style = sight.value("CODE_SIGN_STYLE")
    if style.location:
        return style
    if style:
        return Value(style.text, Location(sight.project.file, sight.target.line))
    return Value("Manual" if sight.settings.text("PROVISIONING_PROFILE_SPECIFIER") else "Automatic")


def _across_configurations(sight: Sight, key: str) -> tuple[tuple[str, Value], ...]:
    found = []
    for configuration in sight.target.configurations:
        settings = sight.workspace.settings(
            sight.project, sight.target, configuration.name, sight.lane.platform.sdk, sight.team_id
        )
        found.append((configuration.name, _value(settings.get(key))))
    return tuple(found)


def _dedicated(sight: Sight) -> frozenset[str]:
    """Configuration files that serve this configuration alone; the others are shared, and meant to be overridden."""
    mine: set[str] = set()
    others: set[str] = set()
    for holder in (sight.project, sight.target):
        for configuration in holder.configurations:
            (mine if configuration.name == sight.lane.configuration else others).add(configuration.base)
    return frozenset(mine - others - {""})


def _shadowed(sight: Sight) -> Iterable[Shadowed]:
    """Values of this configuration's own xcconfig that the project file overrides with another text."""
    settings, dedicated = sight.settings, _dedicated(sight)
    for key in _IDENTITY:
        held = settings.assignments(key)
        if len(held) < 2:
            continue
        winner = settings.get(key)
        if winner.path.endswith(".xcconfig") or not winner.path:
            continue
        for position, (assignment, _) in reversed(list(enumerate(held[:-1]))):
            if assignment.path in dedicated:
                text = settings.expanded_at(key, position)
                if text and text != winner.text:
                    yield Shadowed(key, text, Location(assignment.path, assignment.line), _value(winner))
                break


def _extensions(sight: Sight) -> Iterable[Extension]:
    for target in sight.project.embedded_in(sight.target):
        if target.configuration(sight.lane.configuration) is None:
            continue
        sdk = sight.lane.platform.sdk
        if sight.settings_of(target, "").text("SDKROOT").startswith("watch"):
            sdk = "watchos"
        settings = sight.settings_of(target, sdk)
        name = settings.text("INFOPLIST_FILE")
        path = sight.workspace.relative(name, sight.project.folder) if name else ""
        loaded = sight.workspace.info(path, settings) if path and sight.workspace.has(path) else Loaded()
        info = infoplist.effective(loaded.plist, path, settings)
        yield Extension(
            target.name,
            _from_info(info, "CFBundleIdentifier") or _value(settings.get("PRODUCT_BUNDLE_IDENTIFIER")),
            _from_info(info, "CFBundleShortVersionString"),
            _from_info(info, "CFBundleVersion"),
            _value(settings.get("PROVISIONING_PROFILE_SPECIFIER")),
        )


def _from_info(info: infoplist.InfoPlist, key: str) -> Value:
    value = info.values.get(key)
    return Value(value if isinstance(value, str) else "", info.places.get(key))


class Unseen(LookupError):  # reads as what happened
    """A file that decides a fact is not here, or cannot be read, so that the fact is not known."""


def _readable(sight: Sight, key: str) -> tuple[str, Loaded]:
    path, loaded = sight.plist(key)
    if path and loaded.plist is None:
        reason = loaded.problem.text if loaded.problem else "is not in the checkout"
        raise Unseen(f"{path} {reason}")
    if loaded.plist is not None and not isinstance(loaded.plist.value, dict):
        raise Unseen(f"{path} is no dictionary")
    return path, loaded


def target_info(sight: Sight) -> TargetInfo:
    """The Info.plist as the build will hold it. Raises Unseen when its source cannot be read."""
    path, loaded = _readable(sight, "INFOPLIST_FILE")
    info = infoplist.effective(loaded.plist, path, sight.settings)
    stamped = tuple(key for key in _STAMPS if any(_sets(script, key) for script in sight.project.scripts(sight.target)))
    return TargetInfo(info.values, info.places, path, infoplist.texts(loaded.plist), tuple(info.undefined), stamped)


_STAMPS = ("CFBundleShortVersionString", "CFBundleVersion")


def _sets(script: str, key: str) -> bool:
    """Whether a script changes a key of the built Info.plist."""
    return key in script and bool(re.search(rf"(?:\bSet\s+:?|-replace\s+|\bwrite\s+\S+\s+){key}\b", script))


def target_entitlements(sight: Sight) -> TargetEntitlements:
    """The entitlements that the target asks for. Raises Unseen when their file cannot be read."""
    path, loaded = _readable(sight, "CODE_SIGN_ENTITLEMENTS")
    return entitlement_files.effective(loaded.plist, path, sight.settings)


def app_icon(sight: Sight) -> AppIcon:
    """The icon set, or the Icon Composer file, that the target compiles."""
    name = sight.settings.text("ASSETCATALOG_COMPILER_APPICON_NAME")
    members = sight.members()
    catalogs = tuple(path for path in members if path.endswith(".xcassets"))
    if not name:
        return AppIcon(catalogs=catalogs)
    for path in members:
        if posixpath.basename(path) == f"{name}.icon":
            return AppIcon(name, path, "icon", catalogs=catalogs)
    for catalog in catalogs:
        for kind in ("appiconset", "solidimagestack", "brandassets"):
            suffix = f"/{name}.{kind}/Contents.json"
            for path in sight.workspace.below(catalog):
                if path.endswith(suffix):
                    return _icon_set(sight.workspace, name, path, kind, catalogs)
    absent = tuple(one for one in catalogs if _is_made_elsewhere(sight, one))
    return AppIcon(name, catalogs=catalogs, absent=absent)


def _is_made_elsewhere(sight: Sight, catalog: str) -> bool:
    """Whether nothing of a catalog is here, or only its outer shell, which a script of the target may fill."""
    held = sight.workspace.below(catalog)
    return not held or (list(held) == [f"{catalog}/Contents.json"] and bool(sight.project.scripts(sight.target)))


def _icon_set(workspace: Workspace, name: str, path: str, kind: str, catalogs: tuple[str, ...]) -> AppIcon:
    if kind != "appiconset":
        return AppIcon(name, path, kind, catalogs=catalogs)
    try:
        images = assets.icon_images(workspace.read(path) or b"")
    except assets.BrokenCatalog as fault:
        return AppIcon(name, path, kind, flaw=fault.reason, catalogs=catalogs)
    folder = posixpath.dirname(path)
    heads: dict[str, bytes | None] = {}
    found = []
    for image in images:
        if image.filename and image.filename not in heads:
            heads[image.filename] = workspace.read(f"{folder}/{image.filename}", _ICON_LIMIT)
        found.append(_with_file(image, heads.get(image.filename)))
    return AppIcon(name, path, kind, tuple(found), catalogs=catalogs)


def _with_file(image: IconImage, data: bytes | None) -> IconImage:
    return image if data is None else assets.with_png(image, data)


def privacy_manifest(sight: Sight) -> PrivacyManifest:
    """The privacy manifest that is a member of the target, judged; and those nearby that are not."""
    members = [path for path in sight.members() if posixpath.basename(path) == privacy.FILE]
    for path in members:
        if not sight.workspace.has(path):
            continue
        loaded = sight.workspace.plist(path)
        if loaded.plist is not None:
            return PrivacyManifest(path, privacy.flaws(loaded.plist))
        if loaded.problem is not None:
            line = loaded.problem.location.line if loaded.problem.location else None
            return PrivacyManifest(path, (PrivacyFlaw(loaded.problem.text, "ITMS-91056", line),))
    return PrivacyManifest(strays=tuple(_stray_manifests(sight)))


_OF_OTHERS = frozenset(("Pods", "Carthage", "SourcePackages", "node_modules", "vendor", "thirdparty", "external"))
"""Folders, in lower case but for the first three, of what others made: its manifest goes where it goes."""


def _stray_manifests(sight: Sight) -> Iterable[str]:
    """Manifests below the project that are members of no target at all."""
    workspace, project = sight.workspace, sight.project
    inside = f"{project.folder}/" if project.folder != "." else ""
    others = [
        f"{posixpath.dirname(path)}/"
        for path in workspace.project_paths
        if path != project.path and posixpath.dirname(path).startswith(inside) and "/" in path
    ]
    found = [
        path
        for path in workspace.below(project.folder)
        if path.endswith(privacy.FILE)
        and posixpath.basename(path) == privacy.FILE
        and not path.startswith(tuple(others))
        and not any(built in path for built in _BUILT)
        and not _OF_OTHERS & {*path.split("/"), *path.lower().split("/")}
        and not _is_of_package(workspace, path)
    ]
    return [path for path in found if not any(project.holds(target, path) for target in project.targets)]


def _is_of_package(workspace: Workspace, path: str) -> bool:
    """Whether a file lies in a target of a Swift package: it goes into the package's own bundle then.

    A package beside the app's project may share its folder with the app, so there the target has to be named.
    """
    folder, _, inner = f"/{path}".rpartition("/Sources/")
    if not inner:
        return False
    package = f"{folder}/Package.swift".lstrip("/")
    if folder:
        return workspace.has(package)
    return f'"{inner.split("/")[0]}"'.encode() in (workspace.read(package, _PACKAGE_LIMIT) or b"")


def problems(sight: Sight) -> ProjectProblems:
    """What could not be read on the way to the lane's facts."""
    found: list[Problem] = []
    for holder, what in ((sight.project, "project"), (sight.target, "target")):
        configuration = holder.configuration(sight.lane.configuration)
        if configuration and configuration.base:
            _, flaws, there = sight.workspace.xcconfig(configuration.base)
            if not there:
                text = f"the {what}'s base configuration {configuration.base} is not here"
                place = Location(sight.project.file, configuration.line)
                found.append(Problem("missing-base", text, place, configuration.base))
            found += [
                Problem(kind, flaw.text, Location(flaw.path, flaw.line), flaw.missing)
                for flaw in flaws
                for kind in ("missing-base" if flaw.missing else "syntax",)
            ]
    found += _missing_pods(sight)
    for key in ("INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS"):
        path, loaded = sight.plist(key)
        if loaded.problem:
            found.append(loaded.problem)
        if loaded.plist is not None:
            for name, line in loaded.plist.duplicates:
                text = f"the key {'/'.join(map(str, name))} occurs twice; the last one wins"
                found.append(Problem("duplicate", text, Location(path, line)))
            if not isinstance(loaded.plist.value, dict):
                found.append(Problem("unreadable", "is no dictionary", Location(path, 1)))
    return ProjectProblems(tuple(dict.fromkeys(found)))


def _missing_pods(sight: Sight) -> Iterable[Problem]:
    """What `pod install` would write and is not here: the workspace, or the project that it holds for the pods."""
    workspace, lane = sight.workspace, sight.lane
    data = next((one for one in workspace.workspaces if one.path == lane.workspace), None)
    if data is not None:
        if data.pods and not workspace.has(f"{data.pods}/project.pbxproj"):
            text = f"{lane.workspace} refers to {data.pods}, which is not here"
            yield Problem("missing-pods", text, Location(f"{lane.workspace}/{CONTENTS}"), data.pods)
        return
    podfile = posixpath.join(posixpath.dirname(lane.project), "Podfile")
    bases = (holder.configuration(lane.configuration) for holder in (sight.project, sight.target))
    based = next((one for one in bases if one and "Pods" in one.base.split("/")), None)
    if workspace.has(podfile):
        text = f"{podfile} asks for CocoaPods, and no workspace with {lane.project} is here"
        yield Problem("missing-pods", text, Location(podfile))
    elif based is not None:
        text = f"{sight.target.name} is built with CocoaPods, and no workspace with {lane.project} is here"
        yield Problem("missing-pods", text, Location(sight.project.file, based.line))


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
        identifier = _value(settings.get("PRODUCT_BUNDLE_IDENTIFIER"))
        key = (candidate.project, candidate.target, identifier.text)
        known = targets.get(key)
        platforms = (*known.platforms, candidate.platform.label) if known else (candidate.platform.label,)
        targets[key] = SurveyedTarget(
            candidate.project,
            candidate.target,
            candidate.configuration,
            platforms,
            identifier,
            _value(settings.get("DEVELOPMENT_TEAM")),
            (candidate.project, candidate.target) in rehearsed,
        )
        _note_user(workspace, project, target, settings, users)
    return ProjectSurvey(
        tuple(targets.values()), tuple(_containers(workspace, users)), discovery.others, discovery.problems
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
        if not path.endswith(".entitlements") or any(part in path for part in _BUILT):
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


UNREADABLE = (BrokenList, LookupError)
"""What keeps a lane's target from being looked at."""
