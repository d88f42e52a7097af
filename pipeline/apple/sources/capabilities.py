"""Which calls need an entitlement.

Source: the keys' pages below developer.apple.com/documentation/bundleresources/entitlements, looked up 2026-11.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline.apple.sources.facts import Topic
from pipeline.apple.sources.purposes import PURPOSES
from pipeline.apple.sources.signs import IOS, MAC, NOT_MAC, PHONES, Sign, asked, imports, made


def _entitlement(key: str, symbol: str, trigger: str, swift: str, objc: str = "", **more: object) -> Sign:
    return Sign(Topic.ENTITLEMENT, key, symbol, trigger, swift, objc, **more)  # type: ignore[arg-type]


_ENTITLEMENTS = (
    _entitlement(
        "com.apple.developer.healthkit",
        "HKHealthStore.requestAuthorization(toShare:read:)",
        "requestAuthorization",
        r"\.\s*requestAuthorization\s*\(\s*toShare\s*:",
        r"\brequestAuthorizationToShareTypes:",
        beside=imports("HealthKit"),
        platforms=PHONES,
    ),
    _entitlement(
        "com.apple.developer.homekit", "HMHomeManager", "HMHomeManager", *made("HMHomeManager"), platforms=NOT_MAC
    ),
    _entitlement(
        "com.apple.developer.applesignin",
        "ASAuthorizationAppleIDProvider().createRequest",
        "ASAuthorizationAppleIDProvider",
        r"(?<![\w.])ASAuthorizationAppleIDProvider\s*\(\s*\)\s*\.\s*createRequest\s*\(",
    ),
    _entitlement(
        "com.apple.developer.applesignin",
        "SignInWithAppleButton",
        "SignInWithAppleButton",
        r"(?<![\w.])SignInWithAppleButton\s*[({]",
        beside=r"\bonRequest\s*:",
    ),
    _entitlement(
        "com.apple.developer.siri",
        "INPreferences.requestSiriAuthorization",
        "INPreferences",
        *asked("INPreferences", "requestSiriAuthorization"),
        platforms=(IOS,),
    ),
    _entitlement(
        "com.apple.developer.weatherkit",
        "WeatherService",
        "WeatherService",
        r"(?<![\w.])WeatherService\s*(?:\.\s*shared\b|\(\s*\))",
        beside=imports("WeatherKit"),
    ),
    *(
        _entitlement("com.apple.developer.nfc.readersession.formats", name, name, *made(name), platforms=(IOS,))
        for name in ("NFCNDEFReaderSession", "NFCTagReaderSession")
    ),
    _entitlement(
        "com.apple.developer.family-controls",
        "AuthorizationCenter.requestAuthorization",
        "AuthorizationCenter",
        r"(?<![\w.])AuthorizationCenter\s*\.\s*shared\s*\.\s*requestAuthorization\s*\(",
        beside=imports("FamilyControls"),
        platforms=(IOS,),
    ),
    _entitlement(
        "com.apple.developer.networking.HotspotConfiguration",
        "NEHotspotConfigurationManager.apply",
        "NEHotspotConfigurationManager",
        r"(?<![\w.])NEHotspotConfigurationManager\s*\.\s*shared\s*\.\s*apply\s*\(",
        r"\bNEHotspotConfigurationManager\s+sharedManager\s*\]\s*applyConfiguration:",
        platforms=PHONES,
    ),
)

_SANDBOXED = (
    ("com.apple.security.personal-information.calendars", "NSCalendarsFullAccessUsageDescription"),
    ("com.apple.security.personal-information.calendars", "NSCalendarsWriteOnlyAccessUsageDescription"),
    ("com.apple.security.personal-information.calendars", "NSRemindersFullAccessUsageDescription"),
    ("com.apple.security.personal-information.calendars", "NSCalendarsUsageDescription"),
    ("com.apple.security.personal-information.calendars", "NSRemindersUsageDescription"),
    ("com.apple.security.personal-information.addressbook", "NSContactsUsageDescription"),
    ("com.apple.security.personal-information.location", "NSLocationWhenInUseUsageDescription"),
    ("com.apple.security.personal-information.location", "NSLocationAlwaysAndWhenInUseUsageDescription"),
    ("com.apple.security.personal-information.photos-library", "NSPhotoLibraryUsageDescription"),
    ("com.apple.security.device.camera", "NSCameraUsageDescription"),
    ("com.apple.security.device.audio-input", "NSMicrophoneUsageDescription"),
    ("com.apple.security.device.bluetooth", "NSBluetoothAlwaysUsageDescription"),
)
"""What a sandboxed Mac app needs beside the purpose string: developer.apple.com/documentation/security/app-sandbox."""

_OF_SANDBOX = tuple(
    replace(sign, topic=Topic.ENTITLEMENT, name=entitlement, platforms=(MAC,))
    for entitlement, purpose in _SANDBOXED
    for sign in PURPOSES
    if sign.name == purpose and (not sign.platforms or MAC in sign.platforms)
)

_PUSH = (
    Sign(
        Topic.PUSH,
        "aps-environment",
        "registerForRemoteNotifications",
        "registerForRemoteNotifications",
        r"(?:\b(?:UI|NS)Application\s*\.\s*shared|\bNSApp|\bapplication)\s*[!?]?\s*\.\s*registerForRemoteNotifications\s*\(\s*\)",
        r"\[\s*(?:application|NSApp|\[\s*(?:UI|NS)Application\s+sharedApplication\s*\]|(?:UI|NS)Application\.sharedApplication)\s+registerForRemoteNotifications\s*\]",
    ),
)

_SUBSCRIPTIONS = tuple(
    Sign(Topic.SUBSCRIPTION, name, name, name, *made(name))
    for name in ("CKDatabaseSubscription", "CKQuerySubscription", "CKRecordZoneSubscription")
)

_WAKE = "remote-notification"
_SILENT = (
    Sign(
        Topic.SILENT,
        _WAKE,
        "CKSubscription.NotificationInfo.shouldSendContentAvailable",
        "shouldSendContentAvailable",
        r"\bshouldSendContentAvailable\s*=\s*true\b",
        r"\bshouldSendContentAvailable\s*=\s*YES\b",
        beside=r"\bCK(?:Database|Query|RecordZone)Subscription\b",
    ),
    Sign(Topic.SILENT, _WAKE, "CKSyncEngine", "CKSyncEngine", *made("CKSyncEngine")),
    Sign(
        Topic.SILENT,
        _WAKE,
        "NSPersistentCloudKitContainer",
        "NSPersistentCloudKitContainer",
        *made("NSPersistentCloudKitContainer"),
    ),
)
"""What lives by silent pushes: the class pages of CKDatabaseNotification ("For background delivery, set only its
shouldSendContentAvailable property") and CKSyncEngine ("requires the CloudKit and Remote notifications entitlements");
for the container of Core Data, "Syncing model data across a person's devices" (SwiftData uses the same class)."""

_SHARES = tuple(
    Sign(Topic.SHARE, name, name, name, rf"\b{name}", rf"\b{name}")
    for name in ("userDidAcceptCloudKitShare", "cloudKitShareMetadata", "CKAcceptSharesOperation")
)
"""How an app takes an invitation: documentation of CKSharingSupported and CKShare.Metadata."""

CAPABILITIES = (*_ENTITLEMENTS, *_OF_SANDBOX, *_PUSH, *_SUBSCRIPTIONS, *_SILENT, *_SHARES)
