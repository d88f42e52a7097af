"""Does the product have the icons that Apple asks for, beside its Info.plist or in its asset catalog?"""

from collections.abc import Iterator

from pipeline.apple.bundle.contents import icon_files
from pipeline.apple.bundle.facts import Bundle, ExportedApp
from pipeline.model import Finding, check, error, unseen

CATALOG = "add the icon to an asset catalog, and name it in ASSETCATALOG_COMPILER_APPICON_NAME"
_PHONE, _TABLET = 1, 2
_STORE = 1024
"""Pixels of the App Store's icon."""
_ICNS_SMALL, _ICNS_LARGE = ("ic09", "512×512"), ("ic10", "512×512@2x")


@check("BUND042", "icons that are named are there")
def named_icons_are_there(app: ExportedApp) -> Iterator[Finding]:
    """A name stands for all pictures that begin with it: AppIcon60x60 for AppIcon60x60@2x.png."""
    for bundle in _phone_apps(app):
        if bundle.catalog:
            continue
        stems = [name.removesuffix(".png") for name in icon_files(bundle.info)]
        absent = [stem for stem in stems if not any(each.name.startswith(stem) for each in bundle.pictures)]
        if absent:
            yield error(
                f"the Info.plist names icons that are not there: {', '.join(absent[:5])}",
                subject=bundle.place,
                remedy=f"add the pictures, or remove their names; better {CATALOG}",
                apple="ITMS-90032",
            )


@check("BUND043", "there is an icon for iPhone")
def icon_for_iphone_is_there(app: ExportedApp) -> Iterator[Finding]:
    """120 pixels wide, in the asset catalog or beside it."""
    yield from _lacking(app, _PHONE, "iPhone", (120,), "ITMS-90022")


@check("BUND044", "there are icons for iPad")
def icons_for_ipad_are_there(app: ExportedApp) -> Iterator[Finding]:
    """152 pixels, in the asset catalog or beside it; without a catalog 167 for iPad Pro as well."""
    yield from _lacking(app, _TABLET, "iPad", (152, 167), "ITMS-90023")


def _lacking(app: ExportedApp, family: int, device: str, sizes: tuple[int, ...], code: str) -> Iterator[Finding]:
    families = app.info.get("UIDeviceFamily")
    listed = [str(each) for each in families] if isinstance(families, (list, tuple)) else []
    if app.platform != "IOS" or str(family) not in listed or not _every_size_is_seen(app):
        return
    if any(not each.width for each in app.pictures):
        return  # A picture whose size cannot be read may be the one.
    have = {(each.width, each.height) for each in app.pictures} | _sizes_in_catalog(app)
    # What actool makes of a single picture is known for the first size alone.
    asked = sizes[:1] if app.catalog else sizes
    if missing := [f"{size}×{size}" for size in asked if (size, size) not in have]:
        yield error(
            f"there is no icon for {device} of {' and '.join(missing)} pixels",
            subject=app.place,
            remedy=CATALOG,
            apple=code,
        )


@check("BUND045", "the app icon is named")
def app_icon_is_named(app: ExportedApp) -> Iterator[Finding]:
    """CFBundleIconName, on its own or inside CFBundleIcons, where Xcode writes it."""
    if app.platform == "IOS" and app.info and not _icon_name(app):
        yield error(
            "CFBundleIconName is missing: the app icon must come from an asset catalog",
            subject=app.place,
            remedy=CATALOG,
            apple="ITMS-90713",
        )


@check("BUND046", "the Mac app's icon has its large sizes")
def mac_icon_is_large_enough(app: ExportedApp) -> Iterator[Finding]:
    """In the .icns that CFBundleIconFile names, or in the asset catalog."""
    if not app.on_mac or not app.info or not _every_size_is_seen(app):
        return
    catalogued = _sizes_in_catalog(app)
    wanted = ((*_ICNS_SMALL, 512), (*_ICNS_LARGE, 1024))
    lacking = [size for kind, size, side in wanted if kind not in (app.icns or ()) and (side, side) not in catalogued]
    if lacking:
        where = ("the .icns" if app.icns else "", "the asset catalog" if app.catalog else "")
        told = " and ".join(each for each in where if each)
        what = f"no picture of {' and '.join(lacking)} in {told}" if told else "there is no .icns"
        yield error(what, subject=app.place, remedy="make the .icns with all sizes (iconutil)", apple="ITMS-90236")


@check("BUND047", "the watch app has an icon")
def watch_icon_is_there(app: ExportedApp) -> Iterator[Finding]:
    """Name and catalog, or pictures."""
    for bundle in app.nested:
        if bundle.is_watch and bundle.place.endswith(".app") and not bundle.catalog and not bundle.pictures:
            yield error(
                "the watch app has no icon: no asset catalog, and no picture that Info.plist names",
                subject=bundle.place,
                remedy=CATALOG,
            )


@check("BUND076", "the asset catalog holds the App Store's icon")
def store_icon_is_in_the_catalog(app: ExportedApp) -> Iterator[Finding]:
    """1024 pixels under the name that Info.plist gives, or layers that the system draws at any size."""
    name, found = _icon_name(app), app.catalogued
    if app.platform == "IOS" and app.info and not app.catalog:
        yield error(
            "there is no asset catalog, and so no icon of 1024×1024 pixels for the App Store",
            subject=app.place,
            remedy=CATALOG,
            apple="ITMS-90704",
        )
    if app.platform != "IOS" or not name or found is None or found.thinned:
        return
    if found.problem:
        yield unseen(
            f"the asset catalog cannot be read, so whether it holds the App Store's icon is not known: {found.problem}",
            subject=app.place,
        )
    elif name not in found.icons:
        others = f" (it has {', '.join(found.icons[:5])})" if found.icons else ""
        yield error(
            f"the asset catalog has no app icon {name!r}, which Info.plist names{others}",
            subject=app.place,
            remedy=CATALOG,
            apple="ITMS-90704",
        )
    elif name not in found.scaled and (_STORE, _STORE) not in _sizes_in_catalog(app):
        yield error(
            f"the icon {name!r} in the asset catalog has no picture of 1024×1024 pixels for the App Store",
            subject=app.place,
            remedy="add the picture “App Store iOS 1024pt” to the app icon, or make it a single size",
            apple="ITMS-90704",
        )


def _icon_name(app: Bundle) -> str:
    """CFBundleIconName, on its own or where Xcode writes it."""
    icons = app.info.get("CFBundleIcons")
    primary = icons.get("CFBundlePrimaryIcon") if isinstance(icons, dict) else None
    inner = primary.get("CFBundleIconName") if isinstance(primary, dict) else None
    return app.text("CFBundleIconName") or (inner if isinstance(inner, str) else "")


def _every_size_is_seen(app: Bundle) -> bool:
    """Whether all sizes of the icon are known: there is no catalog, or one that was read and holds them as they are."""
    if not app.catalog:
        return True
    found, name = app.catalogued, _icon_name(app)
    if not name or found is None or found.problem or found.thinned or name in found.scaled:
        return False
    return any(width < _STORE for width, _ in _sizes_in_catalog(app)) or name not in found.icons


def _sizes_in_catalog(app: Bundle) -> set[tuple[int, int]]:
    name = _icon_name(app)
    pictures = app.catalogued.pictures if app.catalogued and name else ()
    return {(each.width, each.height) for each in pictures if each.name == name}


def _phone_apps(app: ExportedApp) -> Iterator[Bundle]:
    if app.platform == "IOS":
        yield from (each for each in app.bundles if each.place.endswith(".app") and not each.is_watch)
