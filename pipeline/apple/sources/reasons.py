"""Which API needs a declared reason, by category.

Source: developer.apple.com/documentation/bundleresources/describing-use-of-required-reason-api, looked up 2026-11.
"""

from __future__ import annotations

from pipeline.apple.sources.facts import Topic
from pipeline.apple.sources.signs import NOT_MAC, Sign

_TIMESTAMP = "NSPrivacyAccessedAPICategoryFileTimestamp"
_BOOT = "NSPrivacyAccessedAPICategorySystemBootTime"
_DISK = "NSPrivacyAccessedAPICategoryDiskSpace"
_KEYBOARDS = "NSPrivacyAccessedAPICategoryActiveKeyboards"
_DEFAULTS = "NSPrivacyAccessedAPICategoryUserDefaults"


def _reason(category: str, symbol: str, trigger: str, swift: str = "", objc: str = "", **more: object) -> Sign:
    return Sign(Topic.REASON, category, symbol, trigger, swift, objc, platforms=NOT_MAC, **more)  # type: ignore[arg-type]


def _function(category: str, name: str) -> Sign:
    """A C function that fills a buffer: something of one's own that is called alike takes no address."""
    return _reason(
        category,
        f"{name}()",
        f"{name}(",
        rf"(?<![\w.])(?<!func )(?:Darwin\s*\.\s*)?{name}\s*\((?=[^;\n]{{0,300}}&)",
        rf"(?<![\w.>])(?<!struct ){name}\s*\((?=[^;]{{0,300}}&)",
    )


_ATTRIBUTES = r"\b(?:attributesOfItem|setAttributes|FileAttributeKey|attributesOfFileSystem)\b"

REASONS = (
    *(
        _reason(
            _TIMESTAMP,
            f"FileAttributeKey.{name}",
            name,
            rf"(?:\[\s*(?:FileAttributeKey)?|\bFileAttributeKey)\s*\.{name}\b",
            beside=_ATTRIBUTES,
        )
        for name in ("creationDate", "modificationDate")
    ),
    *(
        _reason(_TIMESTAMP, f"URLResourceKey.{name}", name, rf"\.{name}\b")
        for name in ("contentModificationDateKey", "creationDateKey")
    ),
    *(
        _reason(_TIMESTAMP, name, name, objc=rf"\b{name}\b")
        for name in (
            "NSFileCreationDate",
            "NSFileModificationDate",
            "NSURLContentModificationDateKey",
            "NSURLCreationDateKey",
        )
    ),
    *(_function(_TIMESTAMP, name) for name in ("stat", "fstat", "fstatat", "lstat", "getattrlistbulk")),
    _reason(
        _BOOT,
        "ProcessInfo.systemUptime",
        "systemUptime",
        r"(?<![\w.])ProcessInfo\s*(?:\.\s*processInfo|\(\s*\))\s*\.\s*systemUptime\b",
        r"\bprocessInfo\s*\]?\s*\.?\s*systemUptime\b",
    ),
    _reason(
        _BOOT,
        "mach_absolute_time()",
        "mach_absolute_time",
        r"(?<![\w.])(?:Darwin\s*\.\s*)?mach_absolute_time\s*\(\s*\)",
        r"\bmach_absolute_time\s*\(\s*\)",
    ),
    *(
        _reason(_DISK, f"URLResourceKey.{name}", name, rf"\.{name}\b", rf"\bNSURL{name[0].upper()}{name[1:]}\b")
        for name in (
            "volumeAvailableCapacityKey",
            "volumeAvailableCapacityForImportantUsageKey",
            "volumeAvailableCapacityForOpportunisticUsageKey",
            "volumeTotalCapacityKey",
        )
    ),
    *(
        _reason(_DISK, f"NSURL{name}", f"NSURL{name}", objc=rf"\bNSURL{name}\b")
        for name in (
            "VolumeAvailableCapacityKey",
            "VolumeAvailableCapacityForImportantUsageKey",
            "VolumeAvailableCapacityForOpportunisticUsageKey",
            "VolumeTotalCapacityKey",
        )
    ),
    *(
        _reason(
            _DISK,
            f"FileAttributeKey.{name}",
            name,
            rf"(?:\[\s*(?:FileAttributeKey)?|\bFileAttributeKey)\s*\.{name}\b",
            beside=_ATTRIBUTES,
        )
        for name in ("systemFreeSize", "systemSize")
    ),
    *(_reason(_DISK, name, name, objc=rf"\b{name}\b") for name in ("NSFileSystemFreeSize", "NSFileSystemSize")),
    *(_function(_DISK, name) for name in ("statfs", "statvfs", "fstatfs", "fstatvfs")),
    _reason(
        _KEYBOARDS,
        "UITextInputMode.activeInputModes",
        "UITextInputMode",
        r"(?<![\w.])UITextInputMode\s*\.\s*activeInputModes\b",
        r"\bUITextInputMode\s*[.\s]\s*activeInputModes\b",
    ),
    _reason(
        _DEFAULTS,
        "UserDefaults",
        "UserDefaults",
        r"(?<![\w.])(?:Foundation\s*\.\s*)?UserDefaults\s*(?:\.\s*standard\b|\(\s*(?:suiteName\s*:|\)))",
    ),
    _reason(
        _DEFAULTS,
        "NSUserDefaults",
        "NSUserDefaults",
        objc=r"\bNSUserDefaults\s*(?:\.\s*standardUserDefaults|\s(?:standardUserDefaults|alloc|new))\b",
    ),
    _reason(_DEFAULTS, "@AppStorage", "AppStorage", r"@AppStorage\s*\(", certain=False),
)
