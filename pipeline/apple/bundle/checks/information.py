"""Does the Info.plist say what Apple wants to know of an app?"""

from collections.abc import Iterator
from typing import Any

from pipeline.apple.bundle.facts import Bundle, Executable, ExportedApp
from pipeline.apple.bundle.interfaces import PURPOSES, Purpose, spoken
from pipeline.apple.bundle.requirements import is_older
from pipeline.model import Finding, check, error, warning

ORIENTATIONS = (
    "UIInterfaceOrientationPortrait",
    "UIInterfaceOrientationPortraitUpsideDown",
    "UIInterfaceOrientationLandscapeLeft",
    "UIInterfaceOrientationLandscapeRight",
)
_THIRTY_TWO_BITS = ("armv6", "armv7", "armv7s", "arm")
_LAST_FOR_32_BITS = "11.0"
_COMPLIANCE, _COMPLIANCE_CODE = "ITSAppUsesNonExemptEncryption", "ITSEncryptionExportComplianceCode"
_CATEGORY = "LSApplicationCategoryType"


@check("BUND034", "an app with document types says how it opens them")
def document_opening_is_decided(app: ExportedApp) -> Iterator[Finding]:
    """Either of two keys, with any value."""
    keys = ("LSSupportsOpeningDocumentsInPlace", "UISupportsDocumentBrowser")
    if app.platform == "IOS" and app.info.get("CFBundleDocumentTypes") and not any(key in app.info for key in keys):
        yield warning(
            f"there are document types, and neither {keys[0]} nor {keys[1]}",
            subject=app.place,
            remedy=f"set {keys[0]} to true or false",
            apple="ITMS-90737",
        )


@check("BUND035", "the iPad app turns in all directions")
def ipad_orientations_are_complete(app: ExportedApp) -> Iterator[Finding]:
    """An iPad app that shares the screen has no direction of its own."""
    key = "UISupportedInterfaceOrientations"
    key = f"{key}~ipad" if f"{key}~ipad" in app.info else key
    missing = [each for each in ORIENTATIONS if each not in app.texts(key)] if _multitasks(app) else []
    if missing:
        yield error(
            f"{key} lacks {', '.join(each.removeprefix('UIInterfaceOrientation') for each in missing)}",
            subject=app.place,
            remedy="list all four orientations for iPad, or set UIRequiresFullScreen to true",
            apple="ITMS-90474",
        )


@check("BUND036", "the iPad app has a launch screen")
def launch_screen_is_there(app: ExportedApp) -> Iterator[Finding]:
    """A dictionary in Info.plist, or a storyboard that is in the product."""
    if not _multitasks(app) or any(f"UILaunch{each}" in app.info for each in ("Screen", "Screens", "Storyboards")):
        return
    keys = ("UILaunchStoryboardName", "UILaunchStoryboardName~ipad")
    given = [app.text(key) for key in keys if app.text(key)]
    if any(name.removesuffix(".storyboard") in app.screens for name in given):
        return
    lacks = f"names the launch storyboard {given[0]}, which is not there" if given else "has no launch screen"
    yield error(
        f"the Info.plist {lacks}",
        subject=app.place,
        remedy="add an empty UILaunchScreen dictionary, or a launch storyboard with UILaunchStoryboardName",
        apple="ITMS-90475",
    )


@check("BUND037", "required capabilities and architectures agree")
def capabilities_fit_the_architectures(app: ExportedApp) -> Iterator[Finding]:
    """Matters only where 32-bit devices are in play: their last system was iOS 10."""
    main = next((executable for executable in app.executables if executable.bundle == app.place), None)
    if app.platform != "IOS" or main is None or not main.slices:
        return
    wants = _requires(app.info.get("UIRequiredDeviceCapabilities"), "arm64")
    older = [name for name in main.architectures if name in _THIRTY_TWO_BITS]
    alone = all(name.startswith("arm64") for name in main.architectures)
    if wants and older:
        yield error(
            f"UIRequiredDeviceCapabilities holds arm64, and the code has {', '.join(older)} too",
            subject=app.place,
            remedy="remove arm64 from the capabilities, or build for arm64 alone",
            apple="ITMS-90503",
        )
    elif not wants and alone and is_older(app.text("MinimumOSVersion"), _LAST_FOR_32_BITS):
        yield error(
            "the code is for arm64 alone, and UIRequiredDeviceCapabilities does not hold arm64",
            subject=app.place,
            remedy=f"add arm64 to the capabilities, or raise the deployment target to {_LAST_FOR_32_BITS}",
            apple="ITMS-90502",
        )


@check("BUND038", "the export compliance code is given")
def compliance_code_is_given(app: ExportedApp) -> Iterator[Finding]:
    """Only encryption that is not exempt has a code."""
    if app.info.get(_COMPLIANCE) is not True or app.info.get(_COMPLIANCE_CODE):
        return
    empty = _COMPLIANCE_CODE in app.info
    say = error if empty else warning
    yield say(
        f"{_COMPLIANCE} is true, and {_COMPLIANCE_CODE} is {'empty' if empty else 'missing'}",
        subject=app.place,
        remedy=f"set {_COMPLIANCE_CODE} to the code that App Store Connect gave for the documents",
        apple="ITMS-90592",
    )


@check("BUND039", "the question about encryption is answered")
def encryption_is_answered(app: ExportedApp) -> Iterator[Finding]:
    """Without the key somebody has to answer for every build before testers get it."""
    if app.info and _COMPLIANCE not in app.info:
        yield warning(
            f"{_COMPLIANCE} is missing: no tester gets the build until somebody answers in App Store Connect",
            subject=app.place,
            remedy=f"set {_COMPLIANCE} to false, or to true with {_COMPLIANCE_CODE}",
            apple="Missing Compliance",
        )


@check("BUND040", "protected things are asked for with a reason")
def purposes_are_told(app: ExportedApp) -> Iterator[Finding]:
    """What the code of the app and of its frameworks refers to needs a purpose string, used or not."""
    owners = {bundle.place: bundle for bundle in app.bundles if bundle.is_app and not bundle.is_watch}
    for bundle in owners.values():
        empty = [key for key, value in bundle.info.items() if key.endswith("UsageDescription") and value == ""]
        if empty and key_is_purpose(empty[0]):
            yield error(
                f"{', '.join(sorted(empty))} is empty",
                subject=bundle.place,
                remedy="say to people why the app wants it",
                apple="ITMS-90683",
            )
    if not app.on_mobile:
        return
    for purpose in PURPOSES:
        if app.platform in purpose.platforms:
            yield from _untold(app, owners, purpose)


def key_is_purpose(key: str) -> bool:
    """Whether an Info.plist key holds a purpose string."""
    return key.startswith("NS") and key.endswith("UsageDescription")


def _untold(app: ExportedApp, owners: dict[str, Bundle], purpose: Purpose) -> Iterator[Finding]:
    shown: dict[str, tuple[str, Executable]] = {}
    for executable in app.executables:
        where = _process(executable.path, owners)
        symbol = next((each for each in purpose.symbols if _imports(executable, each)), "")
        told = where and any(key in owner.info for key in purpose.keys for owner in (owners[where], app))
        if symbol and where and not told:
            shown.setdefault(where, (symbol, executable))
    for where, (symbol, executable) in shown.items():
        key = purpose.keys[0]
        yield warning(
            f"{executable.path} refers to {spoken(symbol)} ({purpose.words}), and the Info.plist has no {key}",
            subject=where,
            remedy=f"add {key} with a sentence for people, or remove the code that refers to it",
            apple="ITMS-90683",
        )


def _process(path: str, owners: dict[str, Bundle]) -> str:
    """The app or app extension in which code runs: the innermost that holds it."""
    return max((where for where in owners if path.startswith(f"{where}/")), key=len, default="")


def _imports(executable: Executable, symbol: str) -> bool:
    return any(symbol in part.imports for part in executable.slices)


@check("BUND041", "the Mac app has a category")
def mac_category_is_set(app: ExportedApp) -> Iterator[Finding]:
    """One of Apple's identifiers."""
    category = app.text(_CATEGORY)
    if app.on_mac and app.info and not category.startswith("public.app-category."):
        yield error(
            f"{_CATEGORY} is {category!r}, which is no category" if category else f"{_CATEGORY} is missing",
            subject=app.place,
            remedy=f"set {_CATEGORY} to public.app-category.…",
            apple="ITMS-90242",
        )


def _multitasks(app: ExportedApp) -> bool:
    """Whether the app runs on iPad beside others."""
    families = app.info.get("UIDeviceFamily")
    on_ipad = isinstance(families, (list, tuple)) and any(str(family) == "2" for family in families)
    full = app.info.get("UIRequiresFullScreen~ipad", app.info.get("UIRequiresFullScreen"))
    return app.platform == "IOS" and on_ipad and full is not True


def _requires(capabilities: Any, name: str) -> bool:
    if isinstance(capabilities, dict):
        return capabilities.get(name) is True
    return isinstance(capabilities, (list, tuple)) and name in capabilities
