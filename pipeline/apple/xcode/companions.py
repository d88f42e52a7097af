"""Looks at everything that travels inside an app: each embedded target with its own settings and files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from pipeline.apple.xcode.facts import (
    AppIcon,
    Companion,
    Companions,
    Enclosed,
    Kind,
    PrivacyManifest,
    ResourceBundle,
    TargetEntitlements,
    TargetInfo,
)
from pipeline.apple.xcode.icons import app_icon
from pipeline.apple.xcode.manifests import own_manifest
from pipeline.apple.xcode.observation import Unseen, target_entitlements, target_info, target_settings
from pipeline.apple.xcode.project import FRAMEWORKS, PREFIX, RESOURCE_BUNDLE, Target
from pipeline.apple.xcode.sight import Sight
from pipeline.model import Location

_KINDS = {
    "application": Kind.HELPER,
    "application.watchapp2": Kind.WATCH_APP,
    "application.on-demand-install-capable": Kind.APP_CLIP,
    "watchkit2-extension": Kind.WATCH_EXTENSION,
    "tool": Kind.TOOL,
    "xpc-service": Kind.SERVICE,
    "system-extension": Kind.SYSTEM_EXTENSION,
    "driver-extension": Kind.SYSTEM_EXTENSION,
    "framework": Kind.FRAMEWORK,
}
_LIBRARIES = (".a", ".dylib", ".o")
_DEVELOPMENT = (".storekit",)


def companions(sight: Sight) -> Companions:
    """Everything that travels inside the app of a lane."""
    return sight.kept(_companions)


def _companions(sight: Sight) -> Companions:
    carried = list(sight.carried())
    bundles: dict[tuple[str, str], ResourceBundle] = {}
    libraries: list[Enclosed] = []
    development: list[Enclosed] = []
    for each in (sight, *carried):
        libraries += _libraries(each)
        development += _of_development(each)
        for target in _bundles(each):
            held = each.at(each.project, target)
            bundles.setdefault((each.project.path, target.identifier), ResourceBundle(target.name, _info(held)[0]))
    return Companions(tuple(map(_companion, carried)), tuple(bundles.values()), tuple(libraries), tuple(development))


def kind_of(target: Target, sdk: str) -> Kind:
    """What a target is inside the app. On a watch, an application is a watch app."""
    kind = _KINDS.get(target.product_type.removeprefix(PREFIX), Kind.EXTENSION)
    return Kind.WATCH_APP if kind is Kind.HELPER and sdk == "watchos" else kind


def _companion(sight: Sight) -> Companion:
    info, no_info = _info(sight)
    entitlements, no_entitlements = _entitlements(sight)
    kind = kind_of(sight.target, sight.sdk)
    return Companion(
        target=sight.target.name,
        kind=kind,
        within=sight.within,
        sdk=sight.sdk,
        settings=target_settings(sight),
        info=info,
        entitlements=entitlements,
        unread=(*no_info, *no_entitlements),
        icon=app_icon(sight) if kind is Kind.WATCH_APP else AppIcon(),
        manifest=own_manifest(sight) or PrivacyManifest(),
        enclosed=tuple(_enclosed(sight)),
    )


def _info(sight: Sight) -> tuple[TargetInfo, tuple[str, ...]]:
    try:
        return target_info(sight), ()
    except Unseen:
        return TargetInfo(), ("Info.plist",)


def _entitlements(sight: Sight) -> tuple[TargetEntitlements, tuple[str, ...]]:
    try:
        return target_entitlements(sight), ()
    except Unseen:
        return TargetEntitlements(), ("entitlements",)


def _enclosed(sight: Sight) -> Iterator[Enclosed]:
    """Frameworks that a target of the project makes. Of others it is not known whether anything of them is left to
    be copied: Xcode leaves out what is linked statically.
    """
    for each in sight.copied():
        maker = sight.project.target_of(each.made_by) if each.folder == FRAMEWORKS and each.made_by else None
        if maker and sight.at(sight.project, maker).settings.text("MACH_O_TYPE") in ("", "mh_dylib"):
            yield Enclosed(each.name, "Frameworks", Location(sight.project.file, each.line))


def _libraries(sight: Sight) -> Iterator[Enclosed]:
    """Libraries and object files that are resources: on the device no code may lie outside of a bundle of its own."""
    for path, line in sight.project.placed_resources(sight.target, sight.sdk):
        if path.endswith(_LIBRARIES):
            yield Enclosed(posixpath.basename(path), sight.target.name, Location(sight.project.file, line))


def _bundles(sight: Sight) -> Iterator[Target]:
    """The resource bundles that targets of the project make and this one carries, unless they hold a program."""
    for target in sight.project.bundled(sight.target, sight.sdk):
        if target.product_type == RESOURCE_BUNDLE and not sight.project.compiles(target):
            yield target


def _of_development(sight: Sight) -> Iterator[Enclosed]:
    for path in sight.members():
        if path.endswith(_DEVELOPMENT) and sight.workspace.has(path):
            yield Enclosed(posixpath.basename(path), sight.target.name, Location(path))
