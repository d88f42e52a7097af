"""The Info.plist that ends up in a bundle (swift-build InfoPlistProcessorTaskAction.swift)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.simulator.machine.entitlements import expanded, read_plist
from pipeline.simulator.machine.project import BuildError, Sdk, Settings, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

XCODE = "26.2"
XCODE_BUILD = "17C52"
SYSTEM_BUILD = "25C56"

_PREFIX = "INFOPLIST_KEY_"
_LISTS = frozenset(
    {
        "UIRequiredDeviceCapabilities",
        "UISupportedInterfaceOrientations",
        "UISupportedInterfaceOrientations_iPad",
        "UISupportedInterfaceOrientations_iPhone",
        "WKSupportsLiveActivityLaunchAttributeTypes",
    }
)
_BOOLEANS = frozenset(
    {
        "GCSupportsControllerUserInteraction",
        "GCSupportsGameMode",
        "ITSAppUsesNonExemptEncryption",
        "LSBackgroundOnly",
        "LSSupportsOpeningDocumentsInPlace",
        "LSUIElement",
        "MetalCaptureEnabled",
        "NSSupportsLiveActivities",
        "NSSupportsLiveActivitiesFrequentUpdates",
        "NSViewGestureRecognizerIsExclusive",
        "UIApplicationSupportsIndirectInputEvents",
        "UIRequiresFullScreen",
        "UIStatusBarHidden",
        "UISupportsDocumentBrowser",
        "WKApplication",
        "WKRunsIndependentlyOfCompanionApp",
        "WKWatchOnly",
    }
)
_TEXTS = frozenset(
    {
        "CFBundleDisplayName",
        "CLKComplicationPrincipalClass",
        "ITSEncryptionExportComplianceCode",
        "LSApplicationCategoryType",
        "NSHumanReadableCopyright",
        "NSLocationTemporaryUsageDescription",
        "NSMainNibFile",
        "NSMainStoryboardFile",
        "NSPrincipalClass",
        "NSSensorKitPrivacyPolicyURL",
        "NSStickerSharingLevel",
        "UILaunchStoryboardName",
        "UIMainStoryboardFile",
        "UIStatusBarStyle",
        "UIUserInterfaceStyle",
        "WKCompanionAppBundleIdentifier",
        "WKExtensionDelegateClassName",
    }
)
_FAMILIES = {"iphoneos": (1, 2), "appletvos": (3,), "xros": (7,)}
_OVERWRITTEN = {
    "CFBundleDevelopmentRegion": "DEVELOPMENT_LANGUAGE",
    "CFBundleExecutable": "EXECUTABLE_NAME",
    "CFBundleName": "PRODUCT_NAME",
    "CFBundlePackageType": "PRODUCT_BUNDLE_PACKAGE_TYPE",
    "CFBundleVersion": "CURRENT_PROJECT_VERSION",
    "CFBundleShortVersionString": "MARKETING_VERSION",
    "CFBundleIdentifier": "PRODUCT_BUNDLE_IDENTIFIER",
}


def effective(target: Target, settings: Settings, *, icon: str) -> dict[str, Any]:
    """The bundle's Info.plist. `icon` is the name of the app icon that was compiled, "" when there is none.

    Raises:
        BuildError: there is no Info.plist, or it names another bundle identifier than the settings.
    """
    generate = settings.flag("GENERATE_INFOPLIST_FILE")
    path = settings["INFOPLIST_FILE"]
    within = f"(in target '{target.name}' from project '{target.project.name}')"
    if not path and not generate:
        raise BuildError(
            "error: Cannot code sign because the target does not have an Info.plist file and one is not being generated"
            " automatically. Apply an Info.plist file to the target using the INFOPLIST_FILE build setting or generate"
            f" one automatically by setting the GENERATE_INFOPLIST_FILE build setting to YES (recommended). {within}"
        )
    macros = settings["INFOPLIST_PREPROCESSOR_DEFINITIONS"] if settings.flag("INFOPLIST_PREPROCESS") else None
    values: dict[str, Any] = read_plist(target.project.folder / path, target, macros) if path else {}
    if generate:
        _generate(values, settings)
    values = _stripped(expanded(values, settings))
    identifier = settings["PRODUCT_BUNDLE_IDENTIFIER"]
    if "CFBundleIdentifier" in values and identifier and values["CFBundleIdentifier"] != identifier:
        raise BuildError(
            f"error: User-supplied CFBundleIdentifier value '{values['CFBundleIdentifier']}' in the Info.plist must be"
            f" the same as the PRODUCT_BUNDLE_IDENTIFIER build setting value '{identifier}'. {within}"
        )
    values.update(_of_platform(settings, values))
    if icon:
        _icons(values, settings.sdk, icon)
    return values


_MAY_NOT_BE_EMPTY = (
    *("CFBundleDevelopmentRegion", "CFBundleExecutable", "CFBundleGetInfoString", "CFBundleIconFile"),
    *("CFBundleIdentifier", "CFBundleName", "CFBundlePackageType", "CFBundleResourceSpecification"),
    *("CFBundleShortVersionString", "CFBundleSignature", "CFBundleTypeIconFile", "CFBundleTypeRole"),
    *("CFBundleVersion", "NSDocumentClass", "NSHelpFile", "NSHumanReadableCopyright", "NSMainNibFile"),
    *("NSPrincipalClass", "NSStickerSharingLevel"),
)


def _stripped(values: dict[str, Any]) -> dict[str, Any]:
    """Without those keys that harm when they are empty (234-257)."""
    found = {}
    for key, value in values.items():
        if value == "" and key in _MAY_NOT_BE_EMPTY:
            continue
        found[key] = _stripped(value) if isinstance(value, dict) else value
    return found


def _generate(values: dict[str, Any], settings: Settings) -> None:
    """Lay what settings decide upon what the file says (InfoPlistProcessorTaskAction.swift 698-870)."""
    generated = dict(_from_settings(settings))
    assigned = set(settings.names())
    generated |= {key: settings[setting] for key, setting in _OVERWRITTEN.items() if setting in assigned}
    generated["CFBundleInfoDictionaryVersion"] = "6.0"
    if settings.sdk.name in ("iphoneos", "appletvos"):
        generated["LSRequiresIPhoneOS"] = True
    for key, value in generated.items():
        before = values.get(key)
        if isinstance(value, list) and isinstance(before, list):
            values[key] = [*before, *(item for item in value if item not in before)]
        elif isinstance(value, dict) and isinstance(before, dict):
            values[key] = {**before, **value}
        else:
            values[key] = value


def _from_settings(settings: Settings) -> Iterator[tuple[str, Any]]:
    for setting in settings.names():
        key = setting.removeprefix(_PREFIX)
        value = settings[setting]
        if key == setting:
            continue
        if key in _LISTS:
            name, _, device = key.partition("_")
            yield (f"{name}~{device.lower()}" if device else name), value.split()
        elif key in _BOOLEANS:
            yield key, value == "YES"
        elif key in _TEXTS or key.endswith("UsageDescription"):
            yield key, value
        elif key == "UIApplicationSceneManifest_Generation" and value == "YES":
            manifest = {"UIApplicationSupportsMultipleScenes": True, "UISceneConfigurations": {}}
            yield "UIApplicationSceneManifest", manifest
        elif key == "UILaunchScreen_Generation" and value == "YES":
            yield "UILaunchScreen", {}


def _of_platform(settings: Settings, values: dict[str, Any]) -> dict[str, Any]:
    sdk = settings.sdk
    minimum = settings[sdk.deployment]
    major, _, minor = XCODE.partition(".")
    added: dict[str, Any] = {
        "BuildMachineOSBuild": SYSTEM_BUILD,
        "CFBundleSupportedPlatforms": [sdk.platform],
        "DTCompiler": "com.apple.compilers.llvm.clang.1_0",
        "DTPlatformBuild": sdk.build,
        "DTPlatformName": sdk.name,
        "DTPlatformVersion": sdk.version,
        "DTSDKBuild": sdk.build,
        "DTSDKName": sdk.canonical,
        "DTXcode": f"{major}{minor}0",
        "DTXcodeBuild": XCODE_BUILD,
    }
    if sdk.name == "macosx":
        added["LSMinimumSystemVersion"] = values.get("LSMinimumSystemVersion", minimum)
        return added
    listed = settings["TARGETED_DEVICE_FAMILY"].replace(",", " ").split()
    families = [int(family) for family in listed if family.isdecimal()]
    added["MinimumOSVersion"] = minimum
    if listed:
        known = _FAMILIES[sdk.name]
        added["UIDeviceFamily"] = [family for family in known if family in families] or list(known)
    added["UIRequiredDeviceCapabilities"] = values.get("UIRequiredDeviceCapabilities") or ["arm64"]
    return added


def _icons(values: dict[str, Any], sdk: Sdk, icon: str) -> None:
    if sdk.name == "macosx":
        values["CFBundleIconFile"] = icon
        values["CFBundleIconName"] = icon
        return
    phone = {"CFBundleIconFiles": [f"{icon}60x60"], "CFBundleIconName": icon}
    tablet = {"CFBundleIconFiles": [f"{icon}60x60", f"{icon}76x76"], "CFBundleIconName": icon}
    values["CFBundleIcons"] = {"CFBundlePrimaryIcon": phone}
    if 2 in values.get("UIDeviceFamily", ()):
        values["CFBundleIcons~ipad"] = {"CFBundlePrimaryIcon": tablet}
