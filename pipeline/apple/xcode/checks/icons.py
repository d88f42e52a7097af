"""Judges icons beyond the store's own: each device's, those that the app may change to, a watch's, those of layers."""

from collections.abc import Iterator

from pipeline.apple.xcode.checks.assets import is_single, usable
from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.facts import AppIcon, Companions, IconImage, Kind, TargetInfo, TargetSettings
from pipeline.model import Finding, Lane, Location, Platform, check, error, warning

NEEDED = {
    "1": (("60x60", "2x", ("iphone",), "90022"),),
    "2": (("76x76", "2x", ("ipad",), "90023"), ("83.5x83.5", "2x", ("ipad",), "90023")),
}
"""By device family: size and scale of the icons without which an upload is refused, and Apple's code."""


def _entry(icon: AppIcon, size: str, scale: str, idioms: tuple[str, ...]) -> tuple[IconImage | None, bool]:
    """The entry for an icon, and whether a picture serves for it."""
    fitting = [image for image in icon.images if (image.size, image.scale) == (size, scale) and image.idiom in idioms]
    good = next((image for image in fitting if usable(image) or image.pointer), None)
    return good or next(iter(fitting), None), good is not None


@check("PROJ055", "an icon set of single sizes has those of every device")
def icons_of_all_devices_are_there(settings: TargetSettings, icon: AppIcon, lane: Lane) -> Iterator[Finding]:
    if lane.platform is not Platform.IOS or icon.kind != "appiconset" or icon.flaw or is_single(icon):
        return
    for family in settings.device_families:
        for size, scale, idioms, code in NEEDED.get(family, ()):
            entry, there = _entry(icon, size, scale, idioms)
            if not there:
                pixels = round(float(size.partition("x")[0]) * 2)
                device = "iPhone" if family == "1" else "iPad"
                lacking = error(
                    f"{icon.name} has no {device} icon of {pixels} by {pixels} pixels ({size}@{scale})",
                    subject=f"{size}@{scale}",
                    at=Location(icon.path, entry.line if entry else None),
                    remedy="put the picture into the set, or let one of 1024 by 1024 pixels serve all (Single Size)",
                    apple=code,
                )
                yield doubted(lacking, settings.app_icon.hidden)


@check("PROJ056", "icons that the app may change to are there")
def alternate_icons_are_there(settings: TargetSettings, icon: AppIcon) -> Iterator[Finding]:
    for each in icon.alternates:
        if not each.path and not each.absent:
            lost = warning(
                f"there is no icon set {each.name}, which ASSETCATALOG_COMPILER_ALTERNATE_APPICON_NAMES names",
                subject=each.name,
                at=settings.alternate_icons.location,
                remedy="add the set to a catalog of the target, or take its name out of the setting",
                apple="90032",
            )
            yield doubted(lost, settings.alternate_icons.hidden)
        elif each.kind == "appiconset" and not any(usable(image) or image.pointer for image in each.images):
            yield warning(
                f"the icon set {each.name} has no picture{f': {each.flaw}' if each.flaw else ''}",
                subject=each.name,
                at=Location(each.path),
                remedy="put the pictures into the set, or take its name out of the setting",
                apple="90890",
            )


@check("PROJ057", "the watch app has an icon")
def watch_app_has_an_icon(companions: Companions) -> Iterator[Finding]:
    doubts = Doubts()
    for each in companions.targets:
        if each.kind is not Kind.WATCH_APP:
            continue
        name, icon = each.settings.app_icon, each.icon
        if not name:
            what = f"the watch app {each.target} names no app icon"
        elif icon.kind == "icon" or icon.absent:
            continue
        elif not icon.path:
            what = f"the watch app {each.target} has no icon set {name}"
        elif not any(usable(image) or image.pointer for image in icon.images):
            what = f"the icon set {name} of the watch app {each.target} has no picture"
        else:
            continue
        lacking = error(
            what,
            subject=each.target,
            at=(Location(icon.path) if icon.path else None) or name.location or each.settings.place,
            remedy="give the watch app an icon set with a picture of 1024 by 1024 pixels",
        )
        yield from doubts.of(lacking, name.hidden)
    yield from doubts.told()


@check("PROJ058", "the icon has the layers that the platform wants")
def layered_icon_is_there(settings: TargetSettings, icon: AppIcon, lane: Lane) -> Iterator[Finding]:
    wanted = {Platform.TV_OS: "brandassets", Platform.VISION_OS: "solidimagestack"}.get(lane.platform)
    if wanted is None or icon.kind in (wanted, "icon") or icon.absent:
        return
    what = "brand assets" if wanted == "brandassets" else "an icon stack"
    if not icon.name:
        summary = "the target names no app icon"
    elif icon.path:
        summary = f"{icon.name} is an {icon.kind}, and on {lane.platform.label} an icon is made of {what}"
    else:
        summary = f"there are no {what.removeprefix('an ')} of the name {icon.name}"
    lacking = error(
        summary,
        subject=icon.name or "ASSETCATALOG_COMPILER_APPICON_NAME",
        at=(Location(icon.path) if icon.path else None) or settings.app_icon.location or settings.bundle_id.location,
        remedy=f"add {icon.name or 'AppIcon'}.{wanted} to an asset catalog of the target",
        apple="90704",
    )
    yield doubted(lacking, settings.app_icon.hidden)


@check("PROJ059", "icons that the Info.plist lists are files")
def listed_icons_are_files(settings: TargetSettings, icon: AppIcon, info: TargetInfo, lane: Lane) -> Iterator[Finding]:
    if lane.platform is Platform.MAC_OS:
        return
    for each in icon.loose:
        if not each.exists:
            yield error(
                f"the Info.plist lists the icon {each.name}, and there is no picture of that name",
                subject=each.name,
                at=each.location,
                remedy="add the picture to the target, or take it out of the list",
                apple="90032",
            )
    if lane.platform is Platform.IOS and icon.loose and not icon.name and "CFBundleIconName" not in info.values:
        loose = error(
            "the app's icons are loose files: since the SDK of iOS 11 they have to be in an asset catalog",
            subject="CFBundleIconName",
            at=icon.loose[0].location,
            remedy="put the icons into an icon set, and name it in ASSETCATALOG_COMPILER_APPICON_NAME",
            apple="90713",
        )
        yield doubted(loose, settings.app_icon.hidden, info.hiding("CFBundleIconName"))
