"""What Apple asks of every build and since when: dates and numbers that change from year to year, as data."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pipeline.model import Severity
from pipeline.values import dataclass


@dataclass(frozen=True)
class Demand:
    """One demand.

    Attributes:
        platforms: of code, as Mach-O names them.
        least: the lowest version that satisfies it.
        refused: the day from which builds are refused; None while no day is known.
        words: the demand in Apple's words, shortened.
        code: what Apple's mails call it.
        source: where it was announced.
    """

    platforms: tuple[str, ...]
    least: str
    refused: date | None
    words: str
    code: str
    source: str

    def severity(self, at: datetime) -> Severity:
        """WARNING until the day, ERROR from then on."""
        return severity_since(self.refused, at)


def severity_since(day: date | None, at: datetime) -> Severity:
    """ERROR from that day on (UTC), WARNING before, and as long as no day is known."""
    return Severity.ERROR if day and at.astimezone(UTC).date() >= day else Severity.WARNING


SDKS = (
    Demand(
        ("iOS", "tvOS", "visionOS", "watchOS"),
        "26.0",
        date(2026, 4, 28),
        "apps must be built with the 26 SDKs (Xcode 26) or later",
        "ITMS-90725",
        "developer.apple.com/news/?id=ueeok6yw",
    ),
)
"""The SDKs that App Store Connect takes. macOS is not in Apple's list."""

SYSTEMS = (
    Demand(
        ("iOS",),
        "15.0",
        None,
        "from spring 2027 on apps must ask for iOS 15.0 or later",
        "ITMS-90068",
        "thunderbird/thunderbird-ios#466",
    ),
)
"""The lowest minimum versions."""

REASONS_SINCE = date(2024, 5, 1)
"""Required-reason API: developer.apple.com/news/upcoming-requirements/?id=05012024a."""
MANIFESTS_SINCE = date(2025, 2, 12)
"""Privacy manifests of listed SDKs: developer.apple.com/forums/thread/774960."""
QUARANTINE_SINCE = date(2025, 2, 18)
"""com.apple.quarantine in packages: developer.apple.com/news/upcoming-requirements."""

MACS_FOR_MOBILE = {14: 11, 15: 12, 16: 13, 17: 14, 18: 15}
"""The macOS that runs apps for an iOS; from 26 on both have one number."""

LISTED_SDKS = frozenset({
    "Abseil", "AFNetworking", "Alamofire", "AppAuth", "BoringSSL", "openssl_grpc", "Capacitor", "Charts",
    "connectivity_plus", "Cordova", "device_info_plus", "DKImagePickerController", "DKPhotoGallery", "FBAEMKit",
    "FBLPromises", "FBSDKCoreKit", "FBSDKCoreKit_Basics", "FBSDKLoginKit", "FBSDKShareKit", "file_picker",
    "FirebaseABTesting", "FirebaseAuth", "FirebaseCore", "FirebaseCoreDiagnostics", "FirebaseCoreExtension",
    "FirebaseCoreInternal", "FirebaseCrashlytics", "FirebaseDynamicLinks", "FirebaseFirestore",
    "FirebaseInstallations", "FirebaseMessaging", "FirebaseRemoteConfig", "Flutter", "flutter_inappwebview",
    "flutter_local_notifications", "fluttertoast", "FMDB", "geolocator_apple", "GoogleDataTransport",
    "GoogleSignIn", "GoogleToolboxForMac", "GoogleUtilities", "grpcpp", "GTMAppAuth", "GTMSessionFetcher", "hermes",
    "image_picker_ios", "IQKeyboardManager", "IQKeyboardManagerSwift", "Kingfisher", "leveldb", "Lottie",
    "MBProgressHUD", "nanopb", "OneSignal", "OneSignalCore", "OneSignalExtension", "OneSignalOutcomes", "OpenSSL",
    "OrderedSet", "package_info", "package_info_plus", "path_provider", "path_provider_ios", "Promises", "Protobuf",
    "Reachability", "RealmSwift", "RxCocoa", "RxRelay", "RxSwift", "SDWebImage", "share_plus",
    "shared_preferences_ios", "SnapKit", "sqflite", "Starscream", "SVProgressHUD", "SwiftyGif", "SwiftyJSON",
    "Toast", "UnityFramework", "url_launcher", "url_launcher_ios", "video_player_avfoundation", "wakelock",
    "webview_flutter_wkwebview", "openssl",
})  # fmt: skip
"""Frameworks that must bring a manifest and a signature: all names on Apple's page as it stood in October 2026, each as
it is written there, and `openssl`, which Apple's mails call BoringSSL / openssl_grpc (partout-io/openssl-apple#65).

https://developer.apple.com/support/third-party-SDK-requirements
"""


def version(text: str) -> tuple[int, ...]:
    """A version as numbers, without trailing zeros, so that 15 is 15.0; empty for what is none."""
    parts = text.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        return ()
    numbers = [int(part) for part in parts]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def is_older(text: str, than: str) -> bool:
    """Whether one version is older than another; False where one of them is no version."""
    ours, theirs = version(text), version(than)
    return bool(ours and theirs) and ours < theirs
