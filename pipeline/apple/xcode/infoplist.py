"""Works out the Info.plist of the built app from its source file and the build settings.

Source: swift-build, Sources/SWBTaskExecution/TaskActions/InfoPlistProcessorTaskAction.swift 202, 698-870, 916-1000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pipeline.apple.xcode.facts import ABSENT, ALL, Undefined
from pipeline.apple.xcode.plists import Plist
from pipeline.apple.xcode.settings import Resolved, Settings
from pipeline.model import Location
from pipeline.values import dataclass

PREFIX = "INFOPLIST_KEY_"

_TEXTS = (
    "CFBundleDisplayName CLKComplicationPrincipalClass ITSEncryptionExportComplianceCode LSApplicationCategoryType "
    "NFCReaderUsageDescription NSAccessoryTrackingUsageDescription NSAppDataUsageDescription "
    "NSAppleEventsUsageDescription NSAppleMusicUsageDescription NSBluetoothAlwaysUsageDescription "
    "NSBluetoothPeripheralUsageDescription NSBluetoothWhileInUseUsageDescription "
    "NSCalendarsFullAccessUsageDescription NSCalendarsUsageDescription NSCalendarsWriteOnlyAccessUsageDescription "
    "NSCameraUsageDescription NSContactsUsageDescription NSCriticalMessagingUsageDescription "
    "NSDesktopFolderUsageDescription NSDocumentsFolderUsageDescription NSDownloadsFolderUsageDescription "
    "NSFaceIDUsageDescription NSFallDetectionUsageDescription NSFileProviderDomainUsageDescription "
    "NSFileProviderPresenceUsageDescription NSFinancialDataUsageDescription NSFocusStatusUsageDescription "
    "NSGKFriendListUsageDescription NSHandsTrackingUsageDescription "
    "NSHealthClinicalHealthRecordsShareUsageDescription NSHealthShareUsageDescription NSHealthUpdateUsageDescription "
    "NSHomeKitUsageDescription NSHumanReadableCopyright NSIdentityUsageDescription NSLocalNetworkUsageDescription "
    "NSLocationAlwaysAndWhenInUseUsageDescription NSLocationAlwaysUsageDescription "
    "NSLocationTemporaryUsageDescription NSLocationUsageDescription NSLocationWhenInUseUsageDescription "
    "NSMainCameraUsageDescription NSMainNibFile NSMainStoryboardFile NSMicrophoneUsageDescription "
    "NSMotionUsageDescription NSNearbyInteractionAllowOnceUsageDescription NSNearbyInteractionUsageDescription "
    "NSNetworkVolumesUsageDescription NSPhotoLibraryAddUsageDescription NSPhotoLibraryUsageDescription "
    "NSPrincipalClass NSRemindersFullAccessUsageDescription NSRemindersUsageDescription "
    "NSRemovableVolumesUsageDescription NSSensorKitPrivacyPolicyURL NSSensorKitUsageDescription "
    "NSSiriUsageDescription NSSpeechRecognitionUsageDescription NSStickerSharingLevel "
    "NSSystemAdministrationUsageDescription NSSystemExtensionUsageDescription NSUserTrackingUsageDescription "
    "NSVideoSubscriberAccountUsageDescription NSVoIPUsageDescription NSWorldSensingUsageDescription "
    "OSBundleUsageDescription UILaunchStoryboardName UIMainStoryboardFile UIStatusBarStyle UIUserInterfaceStyle "
    "WKCompanionAppBundleIdentifier WKExtensionDelegateClassName"
)
_FLAGS = (
    "GCSupportsControllerUserInteraction GCSupportsGameMode ITSAppUsesNonExemptEncryption LSBackgroundOnly "
    "LSSupportsOpeningDocumentsInPlace LSUIElement MetalCaptureEnabled NSSupportsLiveActivities "
    "NSSupportsLiveActivitiesFrequentUpdates NSViewGestureRecognizerIsExclusive "
    "UIApplicationSceneManifest_Generation UIApplicationSupportsIndirectInputEvents UILaunchScreen_Generation "
    "UIRequiresFullScreen UIStatusBarHidden UISupportsDocumentBrowser WKApplication "
    "WKRunsIndependentlyOfCompanionApp WKWatchOnly"
)
_LISTS = (
    "UIRequiredDeviceCapabilities UISupportedInterfaceOrientations UISupportedInterfaceOrientations_iPad "
    "UISupportedInterfaceOrientations_iPhone WKSupportsLiveActivityLaunchAttributeTypes"
)
FLAGS = frozenset(_FLAGS.split())
LISTS = frozenset(_LISTS.split())
KNOWN = FLAGS | LISTS | frozenset(_TEXTS.split())
"""The names that may follow INFOPLIST_KEY_; any other has no effect."""

DESCRIPTIONS = frozenset(name for name in _TEXTS.split() if name.endswith("UsageDescription")) | {
    "NSAlarmKitUsageDescription",
    "NSAudioCaptureUsageDescription",
    "NSCrossWebsiteTrackingUsageDescription",
    "NSEnterpriseMCAMUsageDescription",
    "NSScreenCaptureUsageDescription",
}
"""Purpose strings: those that settings can write, and those that only a file can."""

_MADE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "UILaunchScreen_Generation": ("UILaunchScreen", {}),
    "UIApplicationSceneManifest_Generation": (
        "UIApplicationSceneManifest",
        {"UIApplicationSupportsMultipleScenes": True, "UISceneConfigurations": {}},
    ),
}
"""Keys whose value is not the setting's but made up when the setting is on (the same file, 845-862)."""

_FROM_SETTINGS = (
    ("CFBundleName", "PRODUCT_NAME"),
    ("CFBundleExecutable", "EXECUTABLE_NAME"),
    ("CFBundleVersion", "CURRENT_PROJECT_VERSION"),
    ("CFBundleDevelopmentRegion", "DEVELOPMENT_LANGUAGE"),
    ("CFBundleIdentifier", "PRODUCT_BUNDLE_IDENTIFIER"),
    ("CFBundlePackageType", "PRODUCT_BUNDLE_PACKAGE_TYPE"),
    ("CFBundleShortVersionString", "MARKETING_VERSION"),
)


@dataclass
class InfoPlist:
    """An Info.plist in the making: values, where each was decided, and what its source refers to in vain."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Location] = field(default_factory=dict)
    undefined: list[Undefined] = field(default_factory=list)
    hidden: dict[str, tuple[str, ...]] = field(default_factory=dict)


def place_of(resolved: Resolved) -> Location | None:
    """Where a setting is assigned; None for Xcode's defaults."""
    return Location(resolved.path, resolved.line) if resolved.path else None


def effective(source: Plist | None, path: str, settings: Settings) -> InfoPlist:
    """The Info.plist as the build will hold it. Raises Overgrown.

    With GENERATE_INFOPLIST_FILE, generated scalars replace those of the file, arrays are appended to and dictionaries
    merged; without it the file alone counts, and INFOPLIST_KEY_ settings do nothing.
    """
    info = InfoPlist()
    if source is not None and isinstance(source.value, dict):
        info.values.update(expanded(source, path, settings, info.undefined, info.hidden))
        info.places.update(places(source, path))
    if settings.flag("GENERATE_INFOPLIST_FILE"):
        for key, value, place, hidden in _generated(settings):
            _merge(info, key, value, place)
            _hide(info, key, hidden)
        _hide(info, ABSENT, settings.get(f"{PREFIX}{ABSENT}").hidden)
    _hide(info, ABSENT, settings.get("GENERATE_INFOPLIST_FILE").hidden)
    _hide(info, ALL, settings.get("INFOPLIST_FILE").hidden)
    info.values = _without_empty(info.values)
    if settings.context.sdk in _FAMILIES:
        _set_families(info, settings)
    return info


def _hide(info: InfoPlist, key: str, files: tuple[str, ...]) -> None:
    if files:
        info.hidden[key] = tuple(dict.fromkeys((*info.hidden.get(key, ()), *files)))


_FAMILIES = {"iphoneos": (1, 2), "appletvos": (3,), "xros": (7,)}
_NEVER_EMPTY_KEYS = (
    "BuildMachineOSBuild CFBundleDevelopmentRegion CFBundleExecutable CFBundleGetInfoString CFBundleIconFile "
    "CFBundleIdentifier CFBundleName CFBundlePackageType CFBundleResourceSpecification CFBundleShortVersionString "
    "CFBundleSignature CFBundleTypeIconFile CFBundleTypeRole CFBundleVersion DTXcode DTXcodeBuild NSDocumentClass "
    "NSHelpFile NSHumanReadableCopyright NSMainNibFile NSPrincipalClass NSStickerSharingLevel"
)
_NEVER_EMPTY = frozenset(_NEVER_EMPTY_KEYS.split())
"""Keys that are left out when their value is empty (the same file, 234-257)."""


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_empty(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value or not isinstance(value, str) or key not in _NEVER_EMPTY
    }


EXPANDED_LIMIT = 4 * 1024 * 1024
"""Characters that the settings of one property list may expand to; real ones have a few thousand."""


class Overgrown(LookupError):  # reads as what happened
    """A property list whose settings expand beyond all measure, so that what it holds is not known."""


def expanded(
    source: Plist, path: str, settings: Settings, undefined: list[Undefined], hidden: dict[str, tuple[str, ...]]
) -> dict[str, Any]:
    """The dictionary of a property list with every `$(SETTING)` in its values replaced.

    What a value refers to in vain is added to `undefined`, and to `hidden` the files that were not read and may say.

    Raises:
        Overgrown: the settings expand to more than EXPANDED_LIMIT characters.

    """
    left = EXPANDED_LIMIT

    def walk(value: Any, key: str) -> Any:
        nonlocal left
        if isinstance(value, str):
            if "$" not in value:
                return value
            resolved = settings.expand(value)
            left -= len(resolved.text)
            if left < 0:
                raise Overgrown(f"{path} refers to settings that expand to more than {EXPANDED_LIMIT:,} characters")
            if resolved.undefined:
                undefined.append(Undefined(key, resolved.undefined, where.get(key), resolved.text, resolved.hidden))
            if resolved.hidden:
                hidden[key] = resolved.hidden
            return resolved.text
        if isinstance(value, dict):
            return {name: walk(inner, f"{key}/{name}" if key else str(name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, f"{key}/{position}") for position, inner in enumerate(value)]
        return value

    where = places(source, path)
    result: dict[str, Any] = walk(source.value, "")
    return result


def places(source: Plist, path: str) -> dict[str, Location]:
    """The lines of a property list's keys, with key paths written "UIBackgroundModes/0"."""
    return {"/".join(map(str, key)): Location(path, line) for key, line in source.lines.items() if key}


def texts(source: Plist | None) -> Mapping[str, str]:
    """The top-level strings of a property list as they are written."""
    if source is None or not isinstance(source.value, dict):
        return {}
    return {key: value for key, value in source.value.items() if isinstance(value, str)}


Generated = tuple[str, Any, Location | None, tuple[str, ...]]


def _generated(settings: Settings) -> list[Generated]:
    """What GENERATE_INFOPLIST_FILE adds: key, value, the place of the setting, and the files that hide another one."""
    found: list[Generated | None] = [
        _from_key(name, settings)
        for setting in settings
        if (name := setting.removeprefix(PREFIX)) != setting and name in KNOWN
    ]
    found += [
        (key, (resolved := settings.get(setting)).text, place_of(resolved), resolved.hidden)
        for key, setting in _FROM_SETTINGS
        if setting in settings
    ]
    found.append(("CFBundleInfoDictionaryVersion", "6.0", None, ()))
    if settings.context.sdk in ("iphoneos", "appletvos"):
        found.append(("LSRequiresIPhoneOS", True, None, ()))
    return [each for each in found if each is not None]


def _from_key(name: str, settings: Settings) -> Generated | None:
    resolved = settings.get(PREFIX + name)
    if name in _MADE:
        key, value = _MADE[name]
        return (key, dict(value), place_of(resolved), resolved.hidden) if settings.flag(PREFIX + name) else None
    key = name.replace("_iPhone", "~iphone").replace("_iPad", "~ipad")
    if name in FLAGS:
        return key, settings.flag(PREFIX + name), place_of(resolved), resolved.hidden
    return key, resolved.text.split() if name in LISTS else resolved.text, place_of(resolved), resolved.hidden


def _merge(info: InfoPlist, key: str, value: Any, place: Location | None) -> None:
    held = info.values.get(key)
    if isinstance(held, list) and isinstance(value, list):
        info.values[key] = held + [item for item in value if item not in held]
        return
    if isinstance(held, dict) and isinstance(value, dict):
        info.values[key] = {**held, **value}
        return
    info.values[key] = value
    if place:
        info.places[key] = place
    else:
        info.places.pop(key, None)


def _set_families(info: InfoPlist, settings: Settings) -> None:
    """UIDeviceFamily is the setting's, whatever the file says; of a setting for other devices, the platform's own."""
    resolved = settings.get("TARGETED_DEVICE_FAMILY")
    _hide(info, "UIDeviceFamily", resolved.hidden)
    known = _FAMILIES[settings.context.sdk]
    asked = {int(item) for item in resolved.text.replace(",", " ").split() if item.isdecimal() and len(item) < 3}
    if resolved.text:
        info.values["UIDeviceFamily"] = sorted(asked.intersection(known)) or list(known)
        if place := place_of(resolved):
            info.places["UIDeviceFamily"] = place
