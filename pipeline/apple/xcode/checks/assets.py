"""Judges the app's icon and its privacy manifest."""

from collections.abc import Iterator

from pipeline.apple.xcode.checks.doubts import doubted
from pipeline.apple.xcode.facts import AppIcon, Companions, IconImage, PrivacyManifest, TargetInfo, TargetSettings
from pipeline.model import Finding, Lane, Location, Platform, check, error, note, unseen, warning

STORE_PIXELS = 1024
_LEGACY = ("CFBundleIconFile", "CFBundleIconFiles", "CFBundleIcons", "CFBundleIconName")


def _store_images(icon: AppIcon) -> list[IconImage]:
    """The entries that may become the App Store's icon of an iOS app."""
    return [
        image
        for image in icon.images
        if not image.appearance
        and image.pixels == STORE_PIXELS
        and (image.idiom == "ios-marketing" or (image.idiom == "universal" and image.platform in ("ios", "")))
    ]


def _mac_images(icon: AppIcon) -> dict[str, list[IconImage]]:
    """The entries that become the 512-point representations, by scale; a single size serves for both."""
    single = [image for image in icon.images if image.idiom == "universal" and image.platform == "macos"]
    return {
        scale: single + [i for i in icon.images if i.idiom == "mac" and i.size == "512x512" and i.scale == scale]
        for scale in ("1x", "2x")
    }


def usable(image: IconImage) -> bool:
    """Whether a picture is there that serves for an entry."""
    return image.exists and not image.flaw and image.width in (0, image.pixels)


def is_single(icon: AppIcon) -> bool:
    """Whether one picture stands for all sizes: a universal entry for the store makes the others needless."""
    return any(image.idiom == "universal" and image.pixels == STORE_PIXELS for image in icon.images)


@check("PROJ050", "the app has an icon for the store")
def app_icon_is_there(settings: TargetSettings, info: TargetInfo, icon: AppIcon, lane: Lane) -> Iterator[Finding]:
    if lane.platform not in (Platform.IOS, Platform.MAC_OS):
        return
    code = "90704" if lane.platform is Platform.IOS else "90236"
    if not icon.path:
        codes = f"{code}, {_codes_without(settings)}" if lane.platform is Platform.IOS else code
        yield from _no_icon(settings, info, icon, codes)
        return
    if icon.flaw:
        yield error(
            f"the icon set cannot be read: {icon.flaw}",
            subject=icon.name,
            at=Location(icon.path),
            remedy="open the catalog in Xcode and save it anew",
            apple=code,
        )
        return
    if icon.kind != "appiconset":
        return
    if lane.platform is Platform.IOS:
        wanted = {"1024 by 1024 pixels": _store_images(icon)}
    else:
        wanted = {f"512x512@{scale}": images for scale, images in _mac_images(icon).items()}
    lacking = [size for size, images in wanted.items() if not any(map(usable, images))]
    if lacking:
        entry = next((image for images in wanted.values() for image in images if not usable(image)), None)
        if entry and entry.pointer:
            yield unseen(
                f"{entry.filename} is a Git LFS pointer in this checkout: the picture was not looked at",
                subject=icon.name,
                at=Location(icon.path, entry.line),
                remedy="run `git lfs pull` and try again",
            )
            return
        empty = lane.platform is Platform.IOS and not any(usable(image) or image.pointer for image in icon.images)
        yield error(
            f"{icon.name} has no image of {' and '.join(lacking)}{_why(entry)}"
            + (", nor any other: the app is built without CFBundleIconName" if empty else ""),
            subject=icon.name,
            at=Location(icon.path, entry.line if entry else None),
            remedy="put the image into the icon set",
            apple=f"{code}, {_NAMELESS}" if empty else code,
        )


_NAMELESS = "90713"
"""Apple's code for an app without CFBundleIconName, which actool writes where it has compiled an icon."""


def _codes_without(settings: TargetSettings) -> str:
    """What Apple says besides of an iOS app that has no icon at all."""
    of_devices = [code for family, code in (("1", "90022"), ("2", "90023")) if family in settings.device_families]
    return ", ".join((*of_devices, _NAMELESS))


def _why(entry: IconImage | None) -> str:
    if entry is None or not entry.filename:
        return ""
    if not entry.exists:
        return f": {entry.filename} is not there"
    return f": {entry.filename} {entry.flaw or f'is {entry.width} by {entry.height} pixels'}"


def _no_icon(settings: TargetSettings, info: TargetInfo, icon: AppIcon, code: str) -> Iterator[Finding]:
    if any(key in info.values for key in _LEGACY):
        return
    hidden = (settings.app_icon.hidden, info.hiding("CFBundleIcons"))
    if not icon.name:
        nameless = error(
            "the target names no app icon",
            subject="ASSETCATALOG_COMPILER_APPICON_NAME",
            at=settings.bundle_id.location,
            remedy="set ASSETCATALOG_COMPILER_APPICON_NAME to the icon set's name",
            apple=code,
        )
        yield doubted(nameless, *hidden)
    elif icon.absent:
        yield unseen(
            f"the icon {icon.name} may be in {', '.join(icon.absent)}, which is not in the checkout",
            subject=icon.name,
            at=settings.app_icon.location,
            remedy="run this where the catalog has been made",
        )
    else:
        where = f"in {', '.join(icon.catalogs)}" if icon.catalogs else "because the target has no asset catalog"
        lost = error(
            f"there is no icon set {icon.name} {where}",
            subject=icon.name,
            at=settings.app_icon.location,
            remedy="add the icon set to a catalog that is a member of the target",
            apple=code,
        )
        yield doubted(lost, *hidden)


@check("PROJ051", "the store's icon is opaque")
def store_icon_is_opaque(icon: AppIcon, lane: Lane) -> Iterator[Finding]:
    if lane.platform is not Platform.IOS:
        return
    for image in _store_images(icon):
        if image.clear:
            yield error(
                f"{image.filename} is transparent in places; the App Store's icon may not be",
                subject=image.filename,
                at=Location(icon.path, image.line),
                remedy="save it as PNG without transparency",
                apple="90717",
            )
        elif image.alpha:
            # Apps in the store have such icons today, and refusals of opaque ones were reported too.
            use = "what it holds was not looked at" if image.undecided else "no pixel makes use of it"
            yield note(
                f"{image.filename} has an alpha channel, and {use}",
                subject=image.filename,
                at=Location(icon.path, image.line),
                remedy="save it without the channel: Apple's text for 90717 forbids even that",
                apple="90717",
            )


_TOLD = {("1024x1024", "1x"), ("60x60", "2x"), ("76x76", "2x"), ("83.5x83.5", "2x")}
"""Of these PROJ050 and PROJ055 speak."""


@check("PROJ052", "icon files are there and have their size")
def icon_files_fit(icon: AppIcon, lane: Lane) -> Iterator[Finding]:
    idioms = {Platform.IOS: ("iphone", "ipad", "ios-marketing", "universal"), Platform.MAC_OS: ("mac", "universal")}
    told: set[str] = set()
    for image in icon.images:
        if (
            not image.filename
            or image.pointer
            or image.filename in told
            or image.idiom not in idioms.get(lane.platform, ())
            or (lane.platform is Platform.IOS and (image.size, image.scale) in _TOLD)
        ):
            continue
        if not usable(image):
            told.add(image.filename)
            wanted = f" and should be {image.pixels}" if image.exists and not image.flaw else ""
            yield warning(
                f"the icon {image.size}@{image.scale} is left out{_why(image)}{wanted}",
                subject=image.filename,
                at=Location(icon.path, image.line),
                remedy="put an image of the right size in its place",
            )


@check("PROJ053", "the privacy manifest is a member of the target")
def privacy_manifest_is_a_member(manifest: PrivacyManifest, lane: Lane) -> Iterator[Finding]:
    if manifest.path:
        return
    # Apple asks for reasons on every platform but the Mac.
    wanted = lane.platform is not Platform.MAC_OS
    if manifest.strays:
        say = warning if wanted else note
        yield say(
            f"{manifest.strays[0]} is no member of the target {lane.target}, so the app is built without it",
            subject="PrivacyInfo.xcprivacy",
            at=Location(manifest.strays[0]),
            remedy="add the file to the target's resources",
            apple="91053" if wanted else "",
        )
    elif wanted:
        yield note(
            f"{lane.target} has no privacy manifest; Apple wants one as soon as the app calls required-reason API",
            subject="PrivacyInfo.xcprivacy",
            at=Location(lane.project),
            remedy="add PrivacyInfo.xcprivacy to the target",
            apple="91053",
        )


@check("PROJ054", "privacy manifests are valid")
def privacy_manifest_is_valid(manifest: PrivacyManifest, companions: Companions) -> Iterator[Finding]:
    told: set[str] = set()
    for held in (manifest, *(each.manifest for each in companions.targets)):
        for flaw in () if held.path in told else held.flaws:
            yield error(
                flaw.text,
                subject="PrivacyInfo.xcprivacy",
                at=Location(held.path, flaw.line),
                remedy="write the keys and values that Apple lists for privacy manifests",
                apple=flaw.apple.removeprefix("ITMS-"),
            )
        told.add(held.path)
