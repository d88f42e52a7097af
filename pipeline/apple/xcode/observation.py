"""Turns the parsed files of a workspace into the facts of one target: settings, Info.plist, entitlements, problems."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from pipeline.apple.xcode import entitlements as entitlement_files
from pipeline.apple.xcode import infoplist
from pipeline.apple.xcode.facts import (
    Catalyst,
    Extension,
    Problem,
    ProjectProblems,
    Shadowed,
    TargetEntitlements,
    TargetInfo,
    TargetSettings,
    Value,
)
from pipeline.apple.xcode.project import APPLICATION, EMBEDDED, TOOL
from pipeline.apple.xcode.settings import Settings
from pipeline.apple.xcode.sight import UNREADABLE, Sight, Unseen, value_of
from pipeline.apple.xcode.workspace import DEPLOYMENT, Loaded
from pipeline.apple.xcode.workspacedata import FILE as CONTENTS
from pipeline.model import Location, Platform

__all__ = ["UNREADABLE", "Sight", "Unseen", "problems", "target_entitlements", "target_info", "target_settings"]

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
_SCRIPT_LIMIT = 256 * 1024
_MOST_KEYS = 400
"""INFOPLIST_KEY_ settings of one target that are looked at; Xcode knows a hundred names."""
_MOST_CONFIGURATIONS = 200


def target_settings(sight: Sight) -> TargetSettings:
    """The settings that decide a release. What only the lane's own target has is left out for an embedded one."""
    return sight.kept(_target_settings)


def _target_settings(sight: Sight) -> TargetSettings:
    found = _settings_of(sight)
    if sight.within:
        return found
    schemes, _ = sight.workspace.schemes(sight.lane.project)
    return replace(
        found,
        scheme_shared=any(one.name == sight.lane.scheme for one in schemes),
        bundle_ids=_across_configurations(sight, "PRODUCT_BUNDLE_IDENTIFIER"),
        shadowed=tuple(_shadowed(sight)),
        extensions=tuple(_extensions(sight)),
        catalyst=_catalyst(sight),
    )


def _catalyst(sight: Sight) -> Catalyst | None:
    """The build for Macs of an iOS app that has one.

    Source: swift-build, iOSDevice.xcspec 130-160, MacCatalystInfoExtension.swift.
    """
    if sight.lane.platform is not Platform.IOS or not sight.settings.flag("SUPPORTS_MACCATALYST"):
        return None
    on_mac = Sight(sight.workspace, replace(sight.lane, platform=Platform.MAC_OS), sight.team_id)
    supports = sight.value("SUPPORTS_MACCATALYST")
    derives = on_mac.value("DERIVE_MACCATALYST_PRODUCT_BUNDLE_IDENTIFIER")
    unread = []
    asked, info = TargetEntitlements(), TargetInfo()
    try:
        asked = target_entitlements(on_mac)
    except Unseen:
        unread.append("entitlements")
    try:
        info = target_info(on_mac)
    except Unseen:
        unread.append("Info.plist")
    key = "LSApplicationCategoryType"
    return Catalyst(
        bundle_id=on_mac.value("PRODUCT_BUNDLE_IDENTIFIER"),
        derives=derives,
        sandboxed=asked.values.get(entitlement_files.SANDBOX) is True,
        category=Value(info.text(key), info.place(key)),
        entitlements=on_mac.file("CODE_SIGN_ENTITLEMENTS")[0],
        info=on_mac.file("INFOPLIST_FILE")[0],
        unread=tuple(unread),
        place=supports.location,
    )


def _settings_of(sight: Sight) -> TargetSettings:
    settings = sight.settings
    plist, plist_exists = sight.file("INFOPLIST_FILE")
    entitlements, entitlements_exist = sight.file("CODE_SIGN_ENTITLEMENTS")
    own = sight.workspace.settings(sight.project, sight.target, sight.configuration, sight.sdk)
    return TargetSettings(
        bundle_id=sight.value("PRODUCT_BUNDLE_IDENTIFIER"),
        marketing_version=sight.value("MARKETING_VERSION"),
        build_number=sight.value("CURRENT_PROJECT_VERSION"),
        team_id=value_of(own.get("DEVELOPMENT_TEAM")),
        code_sign_style=_signing_style(sight),
        code_sign_identity=sight.value("CODE_SIGN_IDENTITY"),
        profile_specifier=_profile(sight),
        deployment_target=sight.value(DEPLOYMENT[sight.sdk]),
        product_name=sight.value("PRODUCT_NAME"),
        product=sight.target.product_name,
        sdk=sight.sdk,
        infoplist_file=plist,
        infoplist_exists=plist_exists or _needs_no_infoplist(sight),
        entitlements_file=entitlements,
        entitlements_exists=entitlements_exist,
        generates_infoplist=settings.flag("GENERATE_INFOPLIST_FILE"),
        device_families=tuple(settings.text("TARGETED_DEVICE_FAMILY").replace(",", " ").split()),
        app_sandbox=sight.value("ENABLE_APP_SANDBOX"),
        app_icon=sight.value("ASSETCATALOG_COMPILER_APPICON_NAME"),
        bitcode=sight.value("ENABLE_BITCODE"),
        infoplist_keys=tuple((key, sight.value(key)) for key in _infoplist_keys(settings)),
        architectures=sight.value("ARCHS"),
        excluded_architectures=sight.value("EXCLUDED_ARCHS"),
        embeds_swift=sight.value("ALWAYS_EMBED_SWIFT_STANDARD_LIBRARIES"),
        alternate_icons=sight.value("ASSETCATALOG_COMPILER_ALTERNATE_APPICON_NAMES"),
        all_icons=settings.flag("ASSETCATALOG_COMPILER_INCLUDE_ALL_APPICON_ASSETS"),
        place=sight.place,
        packages=sight.project.products(sight.target),
        build_folder=_moved(sight, "CONFIGURATION_BUILD_DIR"),
    )


def _infoplist_keys(settings: Settings) -> list[str]:
    return sorted(key for key in settings if key.startswith(infoplist.PREFIX))[:_MOST_KEYS]


_USUAL_FOLDERS = tuple(
    f"$({root})/$(CONFIGURATION){suffix}"
    for root in ("BUILD_DIR", "BUILD_ROOT", "SYMROOT")
    for suffix in ("$(EFFECTIVE_PLATFORM_NAME)", "")
)


def _moved(sight: Sight, key: str) -> Value:
    """A setting of a folder, where the project says something else than Xcode does."""
    found = sight.settings.get(key)
    written = found.written.replace("{", "(").replace("}", ")").rstrip("/")
    return value_of(found) if found.given and written not in ("", f"$({key})", *_USUAL_FOLDERS) else Value()


def _needs_no_infoplist(sight: Sight) -> bool:
    """Whether the product has none, whatever the setting says: a tool, unless it is linked into its program.

    Source: swift-build, InfoPlistTaskProducer.swift 243.
    """
    return sight.target.product_type == TOOL and not sight.settings.flag("CREATE_INFOPLIST_SECTION_IN_BINARY")


def _signing_style(sight: Sight) -> Value:
    """CODE_SIGN_STYLE, else the target's own attribute.

    Where neither says anything, the project is older than the choice: Xcode then takes the profile that is named.
    """
    style = sight.value("CODE_SIGN_STYLE")
    if style.location:
        return style
    if style:
        return replace(style, location=Location(sight.project.file, sight.target.line))
    return replace(style, text="Manual" if _profile(sight) else "Automatic")


def _profile(sight: Sight) -> Value:
    """The profile that the project names: by name or UUID, else as before Xcode 8 by PROVISIONING_PROFILE, a UUID.

    Source: swift-build, PlanningOperation.swift, getProvisioningTaskInputs hands both over.
    """
    specifier = sight.value("PROVISIONING_PROFILE_SPECIFIER")
    return specifier if specifier or specifier.undefined else sight.value("PROVISIONING_PROFILE")


def _across_configurations(sight: Sight, key: str) -> tuple[tuple[str, Value], ...]:
    return tuple(
        (configuration.name, value_of(sight.settings_for(configuration.name, sight.sdk).get(key)))
        for configuration in sight.target.configurations[:_MOST_CONFIGURATIONS]
    )


def _dedicated(sight: Sight) -> frozenset[str]:
    """Configuration files that serve this configuration alone; the others are shared, and meant to be overridden."""
    mine: set[str] = set()
    others: set[str] = set()
    for holder in (sight.project, sight.target):
        for configuration in holder.configurations:
            (mine if configuration.name == sight.configuration else others).add(configuration.base)
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
                    yield Shadowed(key, text, Location(assignment.path, assignment.line), value_of(winner))
                break


def _extensions(sight: Sight) -> Iterator[Extension]:
    for carried in sight.carried():
        on_watch = carried.target.product_type == APPLICATION and carried.sdk == "watchos"
        if carried.target.product_type not in EMBEDDED and not on_watch:
            continue
        path, loaded = carried.plist("INFOPLIST_FILE")
        try:
            info = infoplist.effective(loaded.plist, path, carried.settings)
        except infoplist.Overgrown:
            info = infoplist.InfoPlist()
        yield Extension(
            carried.target.name,
            _from_info(info, "CFBundleIdentifier") or carried.value("PRODUCT_BUNDLE_IDENTIFIER"),
            _from_info(info, "CFBundleShortVersionString"),
            _from_info(info, "CFBundleVersion"),
            _profile(carried),
        )


def _from_info(info: infoplist.InfoPlist, key: str) -> Value:
    value = info.values.get(key)
    return Value(value if isinstance(value, str) else "", info.places.get(key))


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
    return sight.kept(_target_info)


def _target_info(sight: Sight) -> TargetInfo:
    path, loaded = _readable(sight, "INFOPLIST_FILE")
    try:
        info = infoplist.effective(loaded.plist, path, sight.settings)
    except infoplist.Overgrown as fault:
        raise Unseen(str(fault)) from fault
    return TargetInfo(
        info.values,
        info.places,
        path,
        infoplist.texts(loaded.plist),
        tuple(info.undefined),
        _stamped(sight),
        info.hidden,
        tuple(_lost(sight, info)),
    )


_LAUNCH_SCREENS = ("UILaunchStoryboardName", "UILaunchStoryboardName~ipad")
_STORYBOARDS = (".storyboard", ".xib", ".nib")


def _lost(sight: Sight, info: infoplist.InfoPlist) -> Iterator[str]:
    """The keys of a launch screen whose storyboard is none of the target's, and lies nowhere in the checkout.

    One that lies there may come into the app by a way that the project does not tell.
    """
    for key in _LAUNCH_SCREENS:
        named = info.values.get(key)
        if isinstance(named, str) and named and "$" not in named:
            files = tuple(named if named.endswith(suffix) else f"{named}{suffix}" for suffix in _STORYBOARDS)
            held = (*sight.members(), *sight.workspace.tree)
            if not any(path.endswith(files) and posixpath.basename(path) in files for path in held):
                yield key


_STAMPS = ("CFBundleShortVersionString", "CFBundleVersion")


def _stamped(sight: Sight) -> tuple[str, ...]:
    """The versions that a script of the target writes into the built file."""
    scripts = sight.project.scripts(sight.target)
    if not scripts:
        return ()
    texts = [*scripts, *(text for script in scripts for text in _called(sight, script))]
    return tuple(key for key in _STAMPS if any(_sets(text, key) for text in texts))


def _called(sight: Sight, script: str) -> Iterator[str]:
    """The scripts of the checkout that a script of the project calls."""
    for named in re.findall(r"[\w./${}()+-]+\.(?:sh|bash|zsh|rb|py)\b", script)[:16]:
        path = sight.workspace.relative(sight.settings.expand(named).text, sight.project.folder)
        if sight.workspace.has(path):
            yield (sight.workspace.read(path, _SCRIPT_LIMIT) or b"").decode("utf-8", "replace")


def _sets(script: str, key: str) -> bool:
    """Whether a script changes a key of the built Info.plist."""
    return key in script and bool(re.search(rf"(?:\bSet\s+:?|-replace\s+|\bwrite\s+\S+\s+){key}\b", script))


def target_entitlements(sight: Sight) -> TargetEntitlements:
    """The entitlements that the target asks for. Raises Unseen when their file cannot be read."""
    return sight.kept(_target_entitlements)


def _target_entitlements(sight: Sight) -> TargetEntitlements:
    path, loaded = _readable(sight, "CODE_SIGN_ENTITLEMENTS")
    try:
        return entitlement_files.effective(loaded.plist, path, sight.settings)
    except infoplist.Overgrown as fault:
        raise Unseen(str(fault)) from fault


def problems(sight: Sight) -> ProjectProblems:
    """What could not be read on the way to the facts of the lane's target and of all that travels inside its app."""
    return sight.kept(_problems)


def _problems(sight: Sight) -> ProjectProblems:
    found: dict[tuple[str, str, Location | None], Problem] = {}
    for each in (*_of_project(sight), *_of_target(sight), *_missing_pods(sight)):
        found.setdefault((each.kind, each.text, each.location), each)
    for carried in sight.carried():
        for each in _of_target(carried):
            found.setdefault((each.kind, each.text, each.location), each)
    return ProjectProblems(tuple(found.values()))


def _of_project(sight: Sight) -> Iterator[Problem]:
    for key, line in sight.project.doubled:
        text = f"the key {key} occurs twice in one dictionary; the last one wins"
        yield Problem("duplicate", text, Location(sight.project.file, line))


def _of_target(sight: Sight) -> Iterator[Problem]:
    label = sight.target.name if sight.within else ""
    for holder, what in ((sight.project, "project"), (sight.target, "target")):
        configuration = holder.configuration(sight.configuration)
        if configuration is None or not configuration.base:
            continue
        _, flaws, there = sight.workspace.xcconfig(configuration.base)
        if not there:
            text = f"the {what}'s base configuration {configuration.base} is not here"
            place = Location(sight.project.file, configuration.line)
            yield Problem("missing-base", text, place, configuration.base, label)
        for flaw in flaws:
            yield Problem(flaw.kind, flaw.text, Location(flaw.path, flaw.line), flaw.missing, label, flaw.optional)
    for key in ("INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS"):
        path, loaded = sight.plist(key)
        written = sight.value(key)
        named = sight.workspace.relative(written.text, sight.project.folder) if written else path
        if named != path:
            text = f"{key} names {named}, and the file is {path}: not every disk takes one for the other"
            yield Problem("case", text, written.location, "", label)
        yield from _of_plist(path, loaded, label)


def _of_plist(path: str, loaded: Loaded, label: str) -> Iterator[Problem]:
    if loaded.problem:
        yield Problem(loaded.problem.kind, loaded.problem.text, loaded.problem.location, "", label)
    if loaded.plist is None:
        return
    for name, line in loaded.plist.duplicates:
        text = f"the key {'/'.join(map(str, name))} occurs twice; the last one wins"
        yield Problem("duplicate", text, Location(path, line), "", label)
    if not isinstance(loaded.plist.value, dict):
        yield Problem("unreadable", "is no dictionary", Location(path, 1), "", label)


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
