"""Does the product have the icons that Apple asks for? What is in a compiled asset catalog is not seen here."""

from collections.abc import Iterator

from pipeline.apple.bundle.contents import icon_files
from pipeline.apple.bundle.facts import Bundle, ExportedApp
from pipeline.model import Finding, check, error

CATALOG = "add the icon to an asset catalog, and name it in ASSETCATALOG_COMPILER_APPICON_NAME"
_PHONE, _TABLET = 1, 2
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
    """120 pixels wide, where no asset catalog may hold it."""
    yield from _lacking(app, _PHONE, "iPhone", (120,), "ITMS-90022")


@check("BUND044", "there are icons for iPad")
def icons_for_ipad_are_there(app: ExportedApp) -> Iterator[Finding]:
    """152 pixels, and 167 for iPad Pro, where no asset catalog may hold them."""
    yield from _lacking(app, _TABLET, "iPad", (152, 167), "ITMS-90023")


def _lacking(app: ExportedApp, family: int, device: str, sizes: tuple[int, ...], code: str) -> Iterator[Finding]:
    families = app.info.get("UIDeviceFamily")
    listed = [str(each) for each in families] if isinstance(families, (list, tuple)) else []
    if app.platform != "IOS" or app.catalog or str(family) not in listed:
        return
    if any(not each.width for each in app.pictures):
        return  # A picture whose size cannot be read may be the one.
    have = {(each.width, each.height) for each in app.pictures}
    if missing := [f"{size}×{size}" for size in sizes if (size, size) not in have]:
        yield error(
            f"there is no icon for {device} of {' and '.join(missing)} pixels",
            subject=app.place,
            remedy=CATALOG,
            apple=code,
        )


@check("BUND045", "the app icon is named")
def app_icon_is_named(app: ExportedApp) -> Iterator[Finding]:
    """CFBundleIconName, on its own or inside CFBundleIcons, where Xcode writes it."""
    if app.platform != "IOS":
        return
    icons = app.info.get("CFBundleIcons")
    primary = icons.get("CFBundlePrimaryIcon") if isinstance(icons, dict) else None
    inner = primary.get("CFBundleIconName") if isinstance(primary, dict) else None
    if not app.text("CFBundleIconName") and not (isinstance(inner, str) and inner):
        yield error(
            "CFBundleIconName is missing: the app icon must come from an asset catalog",
            subject=app.place,
            remedy=CATALOG,
            apple="ITMS-90713",
        )


@check("BUND046", "the Mac app's icon has its large sizes")
def mac_icon_is_large_enough(app: ExportedApp) -> Iterator[Finding]:
    """In the .icns that CFBundleIconFile names, where there is no asset catalog."""
    if not app.on_mac or app.catalog or not app.info:
        return
    lacking = [size for kind, size in (_ICNS_SMALL, _ICNS_LARGE) if kind not in (app.icns or ())]
    if lacking:
        what = f"the .icns has no picture of {' and '.join(lacking)}" if app.icns else "there is no .icns"
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


def _phone_apps(app: ExportedApp) -> Iterator[Bundle]:
    if app.platform == "IOS":
        yield from (each for each in app.bundles if each.place.endswith(".app") and not each.is_watch)
