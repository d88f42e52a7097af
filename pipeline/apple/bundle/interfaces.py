"""What imported names mean to Apple: a category of required-reason API, a purpose string, or an API that is refused.

Required reasons: developer.apple.com/documentation/bundleresources/describing-use-of-required-reason-api, 2026-11.
Purpose strings: an app needs one for what its code refers to, used or not; so say Apple's mails (ITMS-90683), and the
pages of the keys below developer.apple.com/documentation/bundleresources/information-property-list, 2026-11.
Only names are listed that stand for the protected thing alone: AVCaptureDevice, which also is the torch, is not.
"""

from __future__ import annotations

from functools import cache

from pipeline.apple.bundle.symbols import Wanted
from pipeline.values import dataclass

_CATEGORY = "NSPrivacyAccessedAPICategory"

REASONED = {
    f"{_CATEGORY}FileTimestamp": (
        *("_stat", "_fstat", "_lstat", "_fstatat", "_stat64", "_fstat64", "_lstat64", "_fstatat64"),
        *("_stat$INODE64", "_fstat$INODE64", "_lstat$INODE64", "_fstatat$INODE64"),
        *("_getattrlist", "_fgetattrlist", "_getattrlistat", "_getattrlistbulk"),
        *("_NSFileCreationDate", "_NSFileModificationDate"),
        *("_NSURLCreationDateKey", "_NSURLContentModificationDateKey"),
    ),
    f"{_CATEGORY}SystemBootTime": ("_mach_absolute_time",),
    f"{_CATEGORY}DiskSpace": (
        *("_statfs", "_fstatfs", "_statvfs", "_fstatvfs", "_statfs64", "_fstatfs64", "_statfs$INODE64"),
        *("_fstatfs$INODE64", "_NSFileSystemFreeSize", "_NSFileSystemSize"),
        *("_NSURLVolumeAvailableCapacityKey", "_NSURLVolumeAvailableCapacityForImportantUsageKey"),
        *("_NSURLVolumeAvailableCapacityForOpportunisticUsageKey", "_NSURLVolumeTotalCapacityKey"),
    ),
    f"{_CATEGORY}UserDefaults": ("_OBJC_CLASS_$_NSUserDefaults",),
}
"""Imported symbols of each category. `getattrlist` and its kin count to disk space too, but not certainly."""

REASONED_MESSAGES = {
    "activeInputModes": (f"{_CATEGORY}ActiveKeyboards", "_OBJC_CLASS_$_UITextInputMode"),
    "systemUptime": (f"{_CATEGORY}SystemBootTime", "_OBJC_CLASS_$_NSProcessInfo"),
}
"""Messages of each category, each with the class that must be imported for the message to be its."""


@dataclass(frozen=True)
class Purpose:
    """One protected thing: what refers to it, and the keys of which any one says why. `words` names it in prose."""

    words: str
    symbols: tuple[str, ...]
    keys: tuple[str, ...]
    platforms: tuple[str, ...] = ("IOS", "VISION_OS")


def _class(*names: str) -> tuple[str, ...]:
    return tuple(f"_OBJC_CLASS_$_{name}" for name in names)


PURPOSES = (
    Purpose("contacts", _class("CNContactStore"), ("NSContactsUsageDescription",)),
    Purpose(
        "calendars",
        _class("EKEventStore"),
        (
            "NSCalendarsUsageDescription",
            "NSCalendarsFullAccessUsageDescription",
            "NSCalendarsWriteOnlyAccessUsageDescription",
            "NSRemindersUsageDescription",
            "NSRemindersFullAccessUsageDescription",
        ),
    ),
    Purpose(
        "the photo library",
        _class("PHPhotoLibrary"),
        ("NSPhotoLibraryUsageDescription", "NSPhotoLibraryAddUsageDescription"),
    ),
    Purpose("speech recognition", _class("SFSpeechRecognizer"), ("NSSpeechRecognitionUsageDescription",)),
    Purpose(
        "Bluetooth",
        _class("CBCentralManager", "CBPeripheralManager"),
        ("NSBluetoothAlwaysUsageDescription",),
    ),
    Purpose(
        "motion and fitness",
        _class("CMPedometer", "CMMotionActivityManager", "CMSensorRecorder"),
        ("NSMotionUsageDescription",),
        ("IOS",),
    ),
    Purpose("HomeKit", _class("HMHomeManager"), ("NSHomeKitUsageDescription",)),
    Purpose(
        "health data", _class("HKHealthStore"), ("NSHealthShareUsageDescription", "NSHealthUpdateUsageDescription")
    ),
    Purpose(
        "the location",
        _class("CLLocationManager"),
        (
            "NSLocationWhenInUseUsageDescription",
            "NSLocationAlwaysAndWhenInUseUsageDescription",
            "NSLocationAlwaysUsageDescription",
            "NSLocationUsageDescription",
        ),
    ),
)

PUSH = ("registerForRemoteNotifications", "_OBJC_CLASS_$_UIApplication")
"""The message by which an app registers for push notifications, and the class that gets it."""
WEB_VIEW = "_OBJC_CLASS_$_UIWebView"


@cache
def wanted() -> Wanted:
    """Everything that a rule asks of a symbol table."""
    names = {WEB_VIEW, PUSH[1], *(needed for _, needed in REASONED_MESSAGES.values())}
    for symbols in REASONED.values():
        names.update(symbols)
    for purpose in PURPOSES:
        names.update(purpose.symbols)
    return Wanted(
        frozenset(name.encode() for name in names),
        frozenset(message.encode() for message in (*REASONED_MESSAGES, PUSH[0])),
    )


def categories_of(imports: frozenset[str], messages: frozenset[str]) -> dict[str, str]:
    """The categories of required-reason API that code uses, each with one name that shows it."""
    found: dict[str, str] = {}
    for category, symbols in REASONED.items():
        if used := next((symbol for symbol in symbols if symbol in imports), ""):
            found[category] = spoken(used)
    for message, (category, needed) in REASONED_MESSAGES.items():
        if message in messages and needed in imports:
            found.setdefault(category, message)
    return found


def spoken(symbol: str) -> str:
    """A symbol as a person knows it: `_stat` is stat, `_OBJC_CLASS_$_NSUserDefaults` is NSUserDefaults."""
    return symbol.removeprefix("_OBJC_CLASS_$_").removeprefix("_").partition("$")[0]
