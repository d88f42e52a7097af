"""Where sources name things that have to agree with other files: containers, groups, tasks, types; and UIWebView."""

from __future__ import annotations

from pipeline.apple.sources.facts import CONTAINER, MIRROR, STORE, Topic
from pipeline.apple.sources.signs import IOS, MAC, MARKER, NOT_MAC, Sign, imports, made

_QUOTE = r'(?=@?#*")'

OPENED = (
    Sign(
        Topic.OPENED,
        CONTAINER,
        "CKContainer.default()",
        "CKContainer",
        r"(?<![\w.])CKContainer\s*\.\s*`?default`?\s*\(\s*\)",
        r"\[\s*CKContainer\s+defaultContainer\s*\]",
    ),
    Sign(
        Topic.OPENED,
        CONTAINER,
        "CKContainer(identifier:)",
        "CKContainer",
        r"(?<![\w.])CKContainer\s*\(\s*identifier\s*:",
        r"\[\s*CKContainer\s+containerWithIdentifier:",
    ),
    Sign(Topic.OPENED, CONTAINER, "CKSyncEngine", "CKSyncEngine", *made("CKSyncEngine")),
    Sign(
        Topic.OPENED,
        STORE,
        "NSPersistentCloudKitContainerOptions(containerIdentifier:)",
        "NSPersistentCloudKitContainerOptions",
        r"\bNSPersistentCloudKitContainerOptions\s*\(\s*containerIdentifier\s*:",
        r"\bNSPersistentCloudKitContainerOptions\s+alloc\s*\]\s*initWithContainerIdentifier:",
    ),
    Sign(
        Topic.OPENED,
        STORE,
        "ModelConfiguration(cloudKitDatabase: .private)",
        "cloudKitDatabase",
        r"\bcloudKitDatabase\s*:\s*\.private\s*\(",
        beside=imports("SwiftData"),
    ),
    Sign(Topic.OPENED, MIRROR, MIRROR, MIRROR, *made(MIRROR)),
)
"""Who asks CloudKit for a container, by how: itself, by a store that is told which one, by a store that looks for one.
Source: the class pages of CKContainer, CKSyncEngine and NSPersistentCloudKitContainer ("a
single store description, which Core Data assigns to the first CloudKit container identifier in an app's entitlements"),
and of ModelConfiguration.CloudKitDatabase."""

CONFLICTS = (Sign(Topic.CONFLICT, "", "", MARKER),)
"""Found by its lines: `Scan` looks for them."""

NAMED = (
    Sign(
        Topic.GROUP_DEFAULTS,
        "",
        "UserDefaults(suiteName:)",
        "UserDefaults",
        rf"(?<![\w.])UserDefaults\s*\(\s*suiteName\s*:\s*{_QUOTE}",
        shape=r"group\..+",
    ),
    Sign(
        Topic.GROUP_DEFAULTS,
        "",
        "-[NSUserDefaults initWithSuiteName:]",
        "initWithSuiteName",
        objc=rf"\binitWithSuiteName:\s*{_QUOTE}",
        shape=r"group\..+",
    ),
    Sign(
        Topic.GROUP,
        "",
        "containerURL(forSecurityApplicationGroupIdentifier:)",
        "containerURL",
        rf"\bcontainerURL\s*\(\s*forSecurityApplicationGroupIdentifier\s*:\s*{_QUOTE}",
        rf"\bcontainerURLForSecurityApplicationGroupIdentifier:\s*{_QUOTE}",
    ),
    Sign(
        Topic.KEYCHAIN,
        "",
        "kSecAttrAccessGroup",
        "kSecAttrAccessGroup",
        rf"\bkSecAttrAccessGroup(?:\s+as\s+\w+)?\s*\]?\s*[:=]\s*{_QUOTE}",
    ),
    Sign(
        Topic.CONTAINER,
        "",
        "CKContainer(identifier:)",
        "CKContainer",
        rf"(?<![\w.])CKContainer\s*\(\s*identifier\s*:\s*{_QUOTE}",
        rf"\bCKContainer\s+containerWithIdentifier:\s*{_QUOTE}",
    ),
    Sign(
        Topic.CONTAINER,
        "",
        "NSPersistentCloudKitContainerOptions(containerIdentifier:)",
        "NSPersistentCloudKitContainerOptions",
        rf"\bNSPersistentCloudKitContainerOptions\s*\(\s*containerIdentifier\s*:\s*{_QUOTE}",
        rf"\bNSPersistentCloudKitContainerOptions\s+alloc\s*\]\s*initWithContainerIdentifier:\s*{_QUOTE}",
    ),
    Sign(
        Topic.CONTAINER,
        "",
        "ModelConfiguration(cloudKitDatabase:)",
        "cloudKitDatabase",
        rf"\bcloudKitDatabase\s*:\s*\.private\s*\(\s*{_QUOTE}",
    ),
    *OPENED,
    Sign(
        Topic.ZONE,
        "",
        "CKRecordZone",
        "CKRecordZone",
        rf"\bCKRecordZone(?:\s*\.\s*ID)?\s*\(\s*zoneName\s*:\s*{_QUOTE}",
        rf"\binitWithZoneName:\s*{_QUOTE}",
    ),
    *(
        Sign(
            Topic.RECORD_TYPE,
            "",
            f"{name}(recordType:)",
            name,
            rf"(?<![\w.]){name}\s*\(\s*recordType\s*:\s*{_QUOTE}",
            rf"\b{name}\s+alloc\s*\]\s*initWithRecordType:\s*{_QUOTE}",
        )
        for name in ("CKRecord", "CKQuery", "CKQuerySubscription")
    ),
    Sign(
        Topic.TYPE,
        "",
        "UTType(exportedAs:)",
        "UTType",
        rf"(?<![\w.])UTType\s*\(\s*exportedAs\s*:\s*{_QUOTE}",
        shape=r"[\w-]+(?:\.[\w-]+)+",
    ),
    Sign(
        Topic.TASK,
        "",
        "BGTaskScheduler.register(forTaskWithIdentifier:)",
        "BGTaskScheduler",
        rf"\bBGTaskScheduler\s*\.\s*shared\s*\.\s*register\s*\(\s*forTaskWithIdentifier\s*:\s*{_QUOTE}",
        rf"\bregisterForTaskWithIdentifier:\s*{_QUOTE}",
        platforms=NOT_MAC,
    ),
)

_OWN = r"(?<![\w.])Bundle\s*\.\s*main\s*\.\s*bundleIdentifier"
_METHODS = ("contains", "hasPrefix", "hasSuffix")
COMPARISONS = ("==", *_METHODS)


def _compared(how: str) -> Sign:
    """A comparison of the app's own identifier with a text, at once or by a name that the same statement gives it."""
    test = r"[=!]=\s*" if how == "==" else rf"\.\s*{how}\s*\(\s*"
    # Where two optional spaces meet, they are bounded: together they would take time by the square.
    return Sign(
        Topic.COMPARED,
        "",
        f"Bundle.main.bundleIdentifier {how}",
        "bundleIdentifier",
        rf"(?:{_OWN}[?!]?|\blet\s+(\w+)\s*=\s*{_OWN}\s*,\s*\1)\s{{0,80}}{test}{_QUOTE}",
        shape=r"(?!com\.apple\.)[A-Za-z][\w-]*(?:\.[\w-]+){2,}",
    )


COMPARED = tuple(_compared(how) for how in COMPARISONS)
"""Shorter texts (".beta", "debug") tell editions apart that are built elsewhere; nothing can be said of them."""

OTHERS_GROUPS = (Sign(Topic.OTHERS_GROUP, "", "", "group.com.apple.", platforms=(MAC,)),)
"""Found in texts, not in code: `Scan` looks for it."""

WEB = (
    Sign(
        Topic.WEB_VIEW,
        "UIWebView",
        "UIWebView",
        "UIWebView",
        r"(?<![\w.])UIWebView\b(?!\s*[:,{=]?\s*//)",
        r"(?<!@class )\bUIWebView\b(?!\s*;)",
        platforms=(IOS,),
    ),
)
