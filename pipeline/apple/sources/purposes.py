"""Which calls need a purpose string in the Info.plist.

Source: the keys' pages below developer.apple.com/documentation/bundleresources/information-property-list, which say for
which API each is required; developer.apple.com/documentation/technotes/tn3153 for calendars. Looked up 2026-11.
"""

from __future__ import annotations

from pipeline.apple.sources.facts import Topic
from pipeline.apple.sources.signs import CALL, IOS, MAC, NOT_MAC, PHONES, Sign, asked, imports, made

_ASKED = r"\.\s*requestAccess\s*\(\s*"
_DEVICE = r"(?<![\w.])AVCaptureDevice\s*\.\s*requestAccess\s*\(\s*for\s*:\s*(?:AVMediaType)?"
_STORE = rf"(?:\w*[sS]tore\w*|\))\s*[?!]?\s*{_ASKED}"
_FOREIGN = r"\A(?![\s\S]*\bfunc\s+requestAccess\b)[\s\S]*?"
"""Of a file that has no function of its own of that name."""


def _purpose(key: str, symbol: str, trigger: str, swift: str = "", objc: str = "", **more: object) -> Sign:
    return Sign(Topic.PURPOSE, key, symbol, trigger, swift, objc, **more)  # type: ignore[arg-type]


def _of_store(key: str, symbol: str, swift: str, objc: str, modules: str) -> tuple[Sign, ...]:
    """A store of Apple's that is asked for access: it is called so, or the file has no such function of its own."""
    return (
        _purpose(key, symbol, "requestAccess", _STORE + swift, objc, beside=imports(modules)),
        _purpose(key, symbol, "requestAccess", _ASKED + swift, beside=_FOREIGN + imports(modules)),
    )


_CAMERA, _MICROPHONE = "NSCameraUsageDescription", "NSMicrophoneUsageDescription"
_PHOTOS, _PHOTOS_ADD = "NSPhotoLibraryUsageDescription", "NSPhotoLibraryAddUsageDescription"
_CONTACTS, _CALENDARS, _REMINDERS = (
    "NSContactsUsageDescription",
    "NSCalendarsUsageDescription",
    "NSRemindersUsageDescription",
)
_CALENDARS_FULL = "NSCalendarsFullAccessUsageDescription"
_CALENDARS_WRITE = "NSCalendarsWriteOnlyAccessUsageDescription"
_REMINDERS_FULL = "NSRemindersFullAccessUsageDescription"
_WHEN_IN_USE, _ALWAYS = "NSLocationWhenInUseUsageDescription", "NSLocationAlwaysAndWhenInUseUsageDescription"
_BLUETOOTH, _MOTION = "NSBluetoothAlwaysUsageDescription", "NSMotionUsageDescription"
_HEALTH_SHARE, _HEALTH_UPDATE = "NSHealthShareUsageDescription", "NSHealthUpdateUsageDescription"
_MUSIC, _FACE = "NSAppleMusicUsageDescription", "NSFaceIDUsageDescription"
_NONE = r"(?:nil\b|\[\s*\]|Set\s*(?:<\w+>)?\s*\(\s*\))"

PURPOSES = (
    _purpose(
        _CAMERA,
        "AVCaptureDevice.requestAccess(for: .video)",
        "requestAccess",
        rf"{_DEVICE}\.video\b",
        r"\brequestAccessForMediaType:\s*AVMediaTypeVideo\b",
    ),
    _purpose(
        _CAMERA,
        "UIImagePickerController with the source type camera",
        "UIImagePickerController",
        r"\bsourceType\s*=\s*(?:UIImagePickerController\.SourceType)?\.camera\b",
        r"\bs(?:etS)?ourceType(?:\s*=|:)\s*UIImagePickerControllerSourceTypeCamera\b",
        beside=r"\bUIImagePickerController\s*(?:\(|alloc\b|new\b)",
        platforms=PHONES,
    ),
    _purpose(
        _CAMERA,
        "DataScannerViewController",
        "DataScannerViewController",
        made("DataScannerViewController")[0],
        beside=imports("VisionKit"),
    ),
    _purpose(
        _CAMERA,
        "VNDocumentCameraViewController",
        "VNDocumentCameraViewController",
        *made("VNDocumentCameraViewController"),
    ),
    _purpose(
        _CAMERA,
        "ARWorldTrackingConfiguration",
        "ARWorldTrackingConfiguration",
        *made("ARWorldTrackingConfiguration"),
        platforms=(IOS,),
    ),
    _purpose(
        _MICROPHONE,
        "AVCaptureDevice.requestAccess(for: .audio)",
        "requestAccess",
        rf"{_DEVICE}\.audio\b",
        r"\brequestAccessForMediaType:\s*AVMediaTypeAudio\b",
    ),
    _purpose(
        _MICROPHONE,
        "requestRecordPermission",
        "requestRecordPermission",
        rf"\bAVAudio(?:Session\s*\.\s*sharedInstance\s*\(\s*\)|Application(?:\s*\.\s*shared)?)\s*\.\s*requestRecordPermission{CALL}",
        r"\brequestRecordPermission(?:WithCompletionHandler)?:",
        platforms=PHONES,
    ),
    _purpose(
        _PHOTOS,
        "PHPhotoLibrary.requestAuthorization",
        "requestAuthorization",
        r"\bPHPhotoLibrary\s*\.\s*requestAuthorization(?:\s*\{|\s*\(\s*(?:\)|\{|for\s*:\s*(?:PHAccessLevel)?\.readWrite\b))",
        r"\[\s*PHPhotoLibrary\s+requestAuthorization(?::|ForAccessLevel:\s*PHAccessLevelReadWrite\b)",
    ),
    _purpose(
        _PHOTOS_ADD,
        "PHPhotoLibrary.requestAuthorization(for: .addOnly)",
        "requestAuthorization",
        r"\bPHPhotoLibrary\s*\.\s*requestAuthorization\s*\(\s*for\s*:\s*(?:PHAccessLevel)?\.addOnly\b",
        r"\[\s*PHPhotoLibrary\s+requestAuthorizationForAccessLevel:\s*PHAccessLevelAddOnly\b",
    ),
    _purpose(
        _PHOTOS_ADD,
        "UIImageWriteToSavedPhotosAlbum",
        "UIImageWriteToSavedPhotosAlbum",
        r"(?<![\w.])UIImageWriteToSavedPhotosAlbum\s*\(",
        r"\bUIImageWriteToSavedPhotosAlbum\s*\(",
        platforms=PHONES,
    ),
    _purpose(
        _PHOTOS_ADD,
        "UISaveVideoAtPathToSavedPhotosAlbum",
        "UISaveVideoAtPathToSavedPhotosAlbum",
        r"(?<![\w.])UISaveVideoAtPathToSavedPhotosAlbum\s*\(",
        r"\bUISaveVideoAtPathToSavedPhotosAlbum\s*\(",
        platforms=(IOS,),
    ),
    *_of_store(
        _CONTACTS,
        "CNContactStore.requestAccess(for: .contacts)",
        r"for\s*:\s*(?:CNEntityType)?\.contacts\b",
        r"\brequestAccessForEntityType:\s*CNEntityTypeContacts\b",
        "Contacts|ContactsUI",
    ),
    _purpose(
        _CALENDARS_FULL,
        "EKEventStore.requestFullAccessToEvents",
        "requestFullAccessToEvents",
        rf"\.\s*requestFullAccessToEvents{CALL}",
        r"\brequestFullAccessToEventsWithCompletion:",
        beside=imports("EventKit|EventKitUI"),
    ),
    _purpose(
        _CALENDARS_WRITE,
        "EKEventStore.requestWriteOnlyAccessToEvents",
        "requestWriteOnlyAccessToEvents",
        rf"\.\s*requestWriteOnlyAccessToEvents{CALL}",
        r"\brequestWriteOnlyAccessToEventsWithCompletion:",
        beside=imports("EventKit|EventKitUI"),
    ),
    *_of_store(
        _CALENDARS,
        "EKEventStore.requestAccess(to: .event)",
        r"to\s*:\s*(?:EKEntityType)?\.event\b",
        r"\brequestAccessToEntityType:\s*EKEntityTypeEvent\b",
        "EventKit|EventKitUI",
    ),
    _purpose(
        _REMINDERS_FULL,
        "EKEventStore.requestFullAccessToReminders",
        "requestFullAccessToReminders",
        rf"\.\s*requestFullAccessToReminders{CALL}",
        r"\brequestFullAccessToRemindersWithCompletion:",
        beside=imports("EventKit|EventKitUI"),
    ),
    *_of_store(
        _REMINDERS,
        "EKEventStore.requestAccess(to: .reminder)",
        r"to\s*:\s*(?:EKEntityType)?\.reminder\b",
        r"\brequestAccessToEntityType:\s*EKEntityTypeReminder\b",
        "EventKit|EventKitUI",
    ),
    _purpose(
        _WHEN_IN_USE,
        "CLLocationManager.requestWhenInUseAuthorization",
        "requestWhenInUseAuthorization",
        r"\.\s*requestWhenInUseAuthorization\s*\(\s*\)",
        r"\brequestWhenInUseAuthorization\s*\]",
        beside=imports("CoreLocation|MapKit"),
    ),
    _purpose(
        _ALWAYS,
        "CLLocationManager.requestAlwaysAuthorization",
        "requestAlwaysAuthorization",
        r"\.\s*requestAlwaysAuthorization\s*\(\s*\)",
        r"\brequestAlwaysAuthorization\s*\]",
        beside=imports("CoreLocation|MapKit"),
        platforms=(IOS, MAC),
    ),
    _purpose(_BLUETOOTH, "CBCentralManager", "CBCentralManager", *made("CBCentralManager")),
    _purpose(_BLUETOOTH, "CBPeripheralManager", "CBPeripheralManager", *made("CBPeripheralManager")),
    _purpose(_MOTION, "CMPedometer", "CMPedometer", *made("CMPedometer"), platforms=(IOS,)),
    _purpose(
        _MOTION,
        "CMMotionActivityManager",
        "CMMotionActivityManager",
        *made("CMMotionActivityManager"),
        platforms=(IOS,),
    ),
    _purpose(_MOTION, "CMSensorRecorder", "CMSensorRecorder", *made("CMSensorRecorder"), platforms=(IOS,)),
    _purpose(
        "NSSpeechRecognitionUsageDescription",
        "SFSpeechRecognizer.requestAuthorization",
        "SFSpeechRecognizer",
        *asked("SFSpeechRecognizer", "requestAuthorization"),
    ),
    _purpose(
        _FACE,
        "LAContext.evaluatePolicy with biometrics",
        "deviceOwnerAuthentication",
        r"\.deviceOwnerAuthenticationWithBiometrics\b",
        beside=r"\.\s*evaluatePolicy\s*\(",
        platforms=(IOS,),
    ),
    _purpose(
        _FACE,
        "LAContext.evaluatePolicy with biometrics",
        "LAPolicyDeviceOwnerAuthentication",
        objc=r"\bevaluatePolicy:\s*LAPolicyDeviceOwnerAuthenticationWithBiometrics\b",
        platforms=(IOS,),
    ),
    _purpose(
        _HEALTH_SHARE,
        "HKHealthStore.requestAuthorization(toShare:read:)",
        "requestAuthorization",
        rf"\.\s*requestAuthorization\s*\(\s*toShare\s*:[^{{}};]{{0,600}}?\bread\s*:\s*(?!{_NONE})",
        r"\brequestAuthorizationToShareTypes:[^;]{0,600}?\breadTypes:\s*(?!nil\b)",
        beside=imports("HealthKit"),
        platforms=PHONES,
    ),
    _purpose(
        _HEALTH_UPDATE,
        "HKHealthStore.requestAuthorization(toShare:read:)",
        "requestAuthorization",
        rf"\.\s*requestAuthorization\s*\(\s*toShare\s*:\s*(?!{_NONE})",
        r"\brequestAuthorizationToShareTypes:\s*(?!nil\b)",
        beside=imports("HealthKit"),
        platforms=PHONES,
    ),
    _purpose("NSHomeKitUsageDescription", "HMHomeManager", "HMHomeManager", *made("HMHomeManager"), platforms=NOT_MAC),
    _purpose(
        "NSSiriUsageDescription",
        "INPreferences.requestSiriAuthorization",
        "INPreferences",
        *asked("INPreferences", "requestSiriAuthorization"),
        platforms=(IOS,),
    ),
    _purpose(
        _MUSIC,
        "MPMediaLibrary.requestAuthorization",
        "MPMediaLibrary",
        *asked("MPMediaLibrary", "requestAuthorization"),
        platforms=PHONES,
    ),
    _purpose(
        _MUSIC,
        "SKCloudServiceController.requestAuthorization",
        "SKCloudServiceController",
        *asked("SKCloudServiceController", "requestAuthorization"),
        platforms=NOT_MAC,
    ),
    _purpose(
        _MUSIC,
        "MusicAuthorization.request",
        "MusicAuthorization",
        r"(?<![\w.])MusicAuthorization\s*\.\s*request\s*\(",
        beside=imports("MusicKit"),
    ),
    _purpose(
        "NSUserTrackingUsageDescription",
        "ATTrackingManager.requestTrackingAuthorization",
        "ATTrackingManager",
        *asked("ATTrackingManager", "requestTrackingAuthorization"),
        platforms=NOT_MAC,
    ),
    _purpose(
        "NSNearbyInteractionUsageDescription",
        "NISession",
        "NISession",
        *made("NISession"),
        beside=imports("NearbyInteraction"),
        platforms=(IOS,),
    ),
    _purpose(
        "NSFocusStatusUsageDescription",
        "INFocusStatusCenter.requestAuthorization",
        "INFocusStatusCenter",
        rf"\bINFocusStatusCenter\s*\.\s*default\s*\.\s*requestAuthorization{CALL}",
        r"\bINFocusStatusCenter\s+defaultCenter\s*\]\s*requestAuthorization",
    ),
    *(
        _purpose("NFCReaderUsageDescription", name, name, *made(name), platforms=(IOS,))
        for name in ("NFCNDEFReaderSession", "NFCTagReaderSession", "NFCVASReaderSession")
    ),
)

ALTERNATIVES = {
    _PHOTOS_ADD: (_PHOTOS,),
    _CALENDARS: (_CALENDARS_FULL, _CALENDARS_WRITE),
    _CALENDARS_WRITE: (_CALENDARS_FULL,),
    _REMINDERS: (_REMINDERS_FULL,),
    _WHEN_IN_USE: ("NSLocationUsageDescription",),
    _ALWAYS: ("NSLocationUsageDescription",),
}
"""Keys that a system may take in place of another; where one of them is there, nothing is certainly wrong.

NSLocationUsageDescription is the Mac's key, see `MAC_ONLY`.
"""

MAC_ONLY = frozenset({"NSLocationUsageDescription"})
"""Alternatives that count on macOS alone."""
