"""What Apple refuses and warns of: codes, words, what becomes of the build, and the rules that find it before.

Collected in November 2026 from threads and pages where the code or the text was printed; `source` names one of them.
Texts are told as short phrases, not as Apple's whole sentences, which change from one year to the next.
"""

from __future__ import annotations

from enum import StrEnum

from pipeline.values import dataclass


class Fate(StrEnum):
    """What becomes of a build."""

    REFUSED = "refused at the upload"
    FAILED = "taken, then refused in processing"
    MAILED = "kept, with a warning by mail"
    HIDDEN = "kept, and not to be had in TestFlight"
    UNMADE = "not exported at all"


@dataclass(frozen=True)
class Rejection:
    """One thing that Apple says of a build.

    Attributes:
        title: what is wrong, in our words.
        codes: Apple's numbers for it; none where Apple names none.
        phrases: any of them in Apple's text means this, in lower case with straight quotes; `…` stands for anything.
        rules: ours that find it before the upload, the nearest first.
        fate: what becomes of the build since `since` (ISO date; empty: as long as we know).
        before: what became of it before that day.
        source: a page, or a thread `owner/name#number`, where it was seen.
    """

    title: str
    codes: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    fate: Fate = Fate.REFUSED
    since: str = ""
    before: Fate | None = None
    source: str = ""

    @property
    def code(self) -> str:
        """The code as Apple's mails write it, ITMS-90717; empty where there is none."""
        return f"ITMS-{self.codes[0]}" if self.codes else ""

    @property
    def told(self) -> str:
        """What becomes of the build, with the day since when where that changed."""
        if not self.since:
            return str(self.fate)
        earlier = f" (before: {self.before})" if self.before else ""
        return f"{self.fate} since {self.since}{earlier}"


_TOOLS = (
    Rejection(
        "built with an SDK that is too old",
        ("90725",),
        ("sdk version issue", "apps must be built with the … sdk or later"),
        ("PREF002",),
        since="2026-04-28",
        before=Fate.MAILED,
        source="developer.apple.com/news/?id=ueeok6yw",
    ),
    Rejection(
        "the deployment target is too low; from spring 2027 on such builds are refused",
        ("90068",),
        ("minimumosversion too low", "apps must have a minimumosversion of"),
        ("PROJ062",),
        Fate.MAILED,
        source="thunderbird/thunderbird-ios#466",
    ),
    Rejection(
        "built with a beta, or with a version of Xcode that Apple takes no more",
        ("90534", "90111"),
        ("invalid toolchain", "built with an unsupported version of xcode", "built with an unsupported sdk"),
        ("PREF002",),
        source="apache/cordova-ios#711",
    ),
    Rejection(
        "code says that it was built with an SDK that does not exist",
        ("90512",),
        ("sdk portion of lc_version_min … greater than the maximum allowed",),
        source="dotnet/macios#4680",
    ),
    Rejection(
        "a framework's Info.plist and its code name different minimum versions",
        ("90208",),
        ("does not support the minimum os version specified in the info.plist",),
        fate=Fate.REFUSED,
        source="elias8/libghostty#127",
    ),
    Rejection(
        "a framework's Info.plist lacks MinimumOSVersion",
        ("90360",),
        ("value for the key 'minimumosversion' in bundle … is required",),
        source="Kudo/react-native-v8#209",
    ),
    Rejection(
        "a value of an Info.plist is none that Apple takes",
        ("90362",),
        ("invalid info.plist value",),
        source="0xced/XCDYouTubeKit#223",
    ),
    Rejection(
        "MinimumOSVersion is empty, or too low for 64-bit code alone",
        ("90530",),
        ("invalid minimumosversion", "64-bit devices must specify a deployment target"),
        source="powersync-ja/powersync-sqlite-core#5",
    ),
    Rejection(
        "LSMinimumSystemVersion is no version of macOS",
        ("90265",),
        ("invalid lsminimumsystemversion",),
        ("PROJ036",),
        Fate.FAILED,
        source="sensuikan1973/pedax#682",
    ),
    Rejection(
        "LSMinimumSystemVersion is lower than the iOS app can run on a Mac",
        ("90899",),
        ("macs with apple silicon support issue",),
        ("PROJ036",),
        Fate.MAILED,
        source="breez/misty-breez#236",
    ),
    Rejection(
        "the Mac app has no Intel code, and does not ask for macOS 12 or later",
        (),
        ("bundle supports arm64 but not intel-based mac computers",),
        source="krelltunez/dayGLANCE#1084",
    ),
)

_IDENTITY = (
    Rejection(
        "App Store Connect has no app with this bundle identifier",
        (),
        ("cannot determine the apple id from bundle id", "no suitable application records were found"),
        ("CONN001",),
        source="App Store Connect Help, Create an app record",
    ),
    Rejection(
        "the bundle identifier belongs to another app",
        ("90053",),
        ("bundle identifier … already in use",),
        ("BUND002",),
        source="fastlane-old/deliver#347",
    ),
    Rejection(
        "the bundle identifier is not the app's",
        ("90055", "90054"),
        ("bundle identifier cannot be changed from",),
        ("BUND002", "PROJ001"),
        source="fastlane/fastlane#5623",
    ),
    Rejection(
        "an Info.plist lacks CFBundleVersion",
        ("90056",),
        ("missing the required key: cfbundleversion",),
        ("PROJ005", "BUND003"),
        source="iosphere/ISHPermissionKit#102",
    ),
    Rejection(
        "an Info.plist lacks CFBundleShortVersionString",
        ("90057",),
        ("missing the required key: cfbundleshortversionstring",),
        ("PROJ005", "BUND003"),
        source="lukaskubanek/OrderedDictionary#62",
    ),
    Rejection(
        "the version or the build number is not well formed",
        ("90060", "90058"),
        (),
        ("PREF005",),
        source="getsentry/sentry-cocoa#3786",
    ),
    Rejection(
        "the version is not higher than the one that was approved last",
        ("90062",),
        ("must contain a higher version than that of the previously approved version",),
        ("CONN003", "CONN002"),
        source="openfoodfacts/smooth-app#2745",
    ),
    Rejection(
        "the version takes no more builds",
        ("90186",),
        ("invalid pre-release train", "' is closed for new build submissions"),
        ("CONN002", "PROJ004"),
        source="openfoodfacts/smooth-app#3608",
    ),
    Rejection(
        "a later version is closed already",
        ("90478",),
        ("cannot be imported because a later version", "can't be imported because a later version"),
        ("CONN003",),
        source="seen in answers to uploads, without a page",
    ),
    Rejection(
        "App Store Connect has a build of this version and number",
        ("90189",),
        (
            "redundant binary upload",
            "already exists a binary upload with build",
            "already uploaded a build with build number",
        ),
        ("CONN004", "BUND003", "PROJ004"),
        source="fastlane/fastlane#18154",
    ),
    Rejection(
        "the build number is not higher than those before it",
        ("90061",),
        ("bundle version must be higher than the previously uploaded version",),
        ("CONN005", "CONN004"),
        source="rorkai/App-Store-Connect-CLI#974",
    ),
    Rejection(
        "an extension's version or build number is not the app's",
        ("90473",),
        ("cfbundleversion mismatch", "cfbundleshortversionstring mismatch"),
        ("PROJ008",),
        Fate.MAILED,
        source="woocommerce/woocommerce-ios#16636",
    ),
    Rejection(
        "two bundles have one identifier",
        ("90685", "90806"),
        ("cfbundleidentifier collision", "more than one bundle with the cfbundleidentifier value"),
        source="iziz/libPhoneNumber-iOS#336",
    ),
    Rejection(
        "CFBundlePackageType is not the one for its kind of bundle",
        ("90183",),
        ("invalid bundle os type code",),
        source="prasanna91/quikapp-1, APP_STORE_CONNECT_FIX_GUIDE.md",
    ),
    Rejection(
        "a bundle names an executable that it does not have, or need not name one",
        ("90535",),
        ("unexpected cfbundleexecutable key",),
        source="itinance/react-native-fs#967",
    ),
)

_INFORMATION = (
    Rejection(
        "UIBackgroundModes has a value that Apple does not know",
        ("90112",),
        ("uibackgroundmodes … invalid value",),
        ("PROJ030", "BUND017"),
        source="VitalysRDT/rclone-gui-ios#91",
    ),
    Rejection(
        "background processing without the names of its tasks",
        ("90771",),
        ("'bgtaskschedulerpermittedidentifiers' must contain a list of identifiers",),
        ("PROJ031", "BUND017"),
        source="fluttercommunity/flutter_uploader#59",
    ),
    Rejection(
        "document types without a word on how documents are opened",
        ("90737",),
        ("missing document configuration", "by declaring the cfbundledocumenttypes key in your app"),
        ("PROJ035",),
        Fate.MAILED,
        source="element-hq/element-ios#6159",
    ),
    Rejection(
        "a document type without LSHandlerRank",
        ("90788",),
        ("should contain an lshandlerrank value",),
        ("PROJ034",),
        Fate.MAILED,
        source="electron-userland/electron-builder#4052",
    ),
    Rejection(
        "an iPad app that does not turn in all directions",
        ("90474",),
        ("ipad multitasking support requires these orientations", "orientations to support ipad multitasking"),
        ("PROJ032",),
        source="expo/eas-cli#179",
    ),
    Rejection(
        "an iPad app without a launch screen",
        ("90475",),
        (
            "ipad multitasking support requires launch storyboard",
            "supports multitasking on ipad … launch storyboard",
        ),
        ("PROJ033",),
        source="rhomobile/rhodes#818",
    ),
    Rejection(
        "a required device capability that goes with no such minimum version",
        ("90098",),
        source="leverdeterre/ApplicationLoader-Error",
    ),
    Rejection(
        "UIRequiredDeviceCapabilities would take the app away from devices that have it",
        ("90109",),
        fate=Fate.MAILED,
        source="keymanapp/keyman#10495",
    ),
    Rejection(
        "UIRequiredDeviceCapabilities and the architectures do not agree on arm64",
        ("90502", "90503"),
        source="dotnet/macios#3581",
    ),
    Rejection(
        "the export compliance code is not the documents'",
        ("90592",),
        ("invalid export compliance code",),
        ("PROJ038",),
        source="expo/eas-cli#1590",
    ),
    Rejection(
        "the question about encryption is not answered",
        (),
        ("missing compliance",),
        ("PROJ038", "TFLT002"),
        Fate.HIDDEN,
        source="Syntraksoftware/Snowtrak#61",
    ),
    Rejection(
        "code that reads what is private, without a text that says why",
        ("90683",),
        ("missing purpose string in info.plist",),
        ("PROJ039",),
        Fate.FAILED,
        source="digitalfabrik/entitlementcard#1219",
    ),
    Rejection(
        "a Mac app without a category",
        ("90242",),
        ("must contain a lsapplicationcategorytype key",),
        ("PROJ037",),
        source="godotengine/godot#49590",
    ),
    Rejection(
        "an intent without a description in every language",
        ("90626",),
        ("invalid siri support",),
        fate=Fate.MAILED,
        source="asiliuk/BsuirScheduleApp#95",
    ),
)

_ICONS = (
    Rejection(
        "no icon for the iPhone",
        ("90022",),
        ("does not contain an app icon for iphone",),
        ("PROJ052",),
        source="NativeScript/NativeScript#9234",
    ),
    Rejection(
        "no icon for the iPad",
        ("90023",),
        ("does not contain an app icon for ipad",),
        ("PROJ052",),
        source="NativeScript/NativeScript#9234",
    ),
    Rejection(
        "an icon that Info.plist names is not there",
        ("90032",),
        ("no image found at the path referenced under key",),
        source="phonegap/build#614",
    ),
    Rejection(
        "no icon for the store",
        ("90704",),
        ("an app icon measuring 1024 by 1024 pixels",),
        ("PROJ050",),
        source="phonegap/build#662",
    ),
    Rejection(
        "an Info.plist without CFBundleIconName",
        ("90713",),
        ("key 'cfbundleiconname' is missing",),
        source="clostra/newnode#128",
    ),
    Rejection(
        "the store's icon is transparent",
        ("90717",),
        ("can't be transparent … contain an alpha channel",),
        ("PROJ051",),
        source="fluttercommunity/flutter_launcher_icons#216",
    ),
    Rejection(
        "an alternate icon lacks a size",
        ("90890", "90892"),
        fate=Fate.MAILED,
        source="asiliuk/BsuirScheduleApp#95",
    ),
    Rejection(
        "a Mac app without an icon of 512 points at 2x",
        ("90236",),
        ("does not contain an icon in icns format",),
        ("PROJ050",),
        source="electron-userland/electron-builder#7720",
    ),
)

_SIGNING = (
    Rejection(
        "signed by a certificate that is not for the App Store",
        ("90034",),
        ("is not signed using an apple submission certificate",),
        ("BUND004", "SIGN001", "SIGN005", "BUND006", "SIGN014", "PROJ021"),
        source="airsdk/Adobe-Runtime-Support#866",
    ),
    Rejection(
        "the signature does not hold, or is none for distribution",
        ("90035",),
        ("contains an invalid signature", "a sealed resource is missing or invalid"),
        ("BUND005", "BUND004"),
        source="microsoft/app-store-vsts-extension#283",
    ),
    Rejection(
        "a signed entitlement has a value that iOS does not know, or code signs what only the app may",
        ("90046",),
        ("code signing entitlements that are not supported on ios",),
        ("BUND009",),
        source="RichardBronosky/ota-tools#20",
    ),
    Rejection(
        "the profile is none for the App Store",
        ("90161",),
        ("distribution provisioning profile should be used", "invalid provisioning profile … is invalid"),
        ("BUND007", "SIGN018", "SIGN009"),
        source="simonnilsson/ios-uploader#18",
    ),
    Rejection(
        "the profile does not grant what is signed",
        ("90164", "90288"),
        ("bundle contains a key value that is not allowed",),
        ("BUND009", "BUND010", "SIGN011"),
        source="airsdk/Adobe-Runtime-Support#389",
    ),
    Rejection(
        "a signed entitlement still holds the name of a build setting",
        (),
        ("not allowed: '$",),
        ("PROJ028",),
        source="krelltunez/dayGLANCE#1083",
    ),
    Rejection(
        "the profile is not as Apple signed it, or its authority has expired",
        ("90165",),
        ("invalid provisioning profile signature",),
        ("BUND007", "SIGN013"),
        source="fastlane/fastlane#20164",
    ),
    Rejection(
        "no profile is embedded",
        ("90174",),
        ("must contain a provisioning profile named embedded.mobileprovision",),
        ("BUND007",),
        source="microsoft/app-store-vsts-extension#118",
    ),
    Rejection(
        "signed by a certificate that the profile does not name",
        ("90179",),
        ("must be signed with the certificate that is contained in the provisioning profile",),
        ("BUND008", "SIGN010"),
        source="airsdk/Adobe-Runtime-Support#389",
    ),
    Rejection(
        "no beta entitlement: the profile is none for the App Store",
        ("90191",),
        ("missing beta entitlement", "does not include the beta-reports-active entitlement"),
        ("BUND007",),
        Fate.HIDDEN,
        source="consento-org/mobile#49",
    ),
    Rejection(
        "code that asks for push notifications, and no entitlement for them",
        ("90078",),
        ("missing push notification entitlement", "missing potentially required entitlement"),
        ("BUND012",),
        Fate.MAILED,
        source="digitalfabrik/entitlementcard#1218",
    ),
    Rejection(
        "a signed entitlement that macOS does not know",
        ("90285",),
        ("code signing entitlements that are not supported on macos … specifically, key",),
        source="krelltunez/dayGLANCE#1082",
    ),
    Rejection(
        "a signed application identifier that is not team and bundle identifier",
        ("90286",),
        ("code signing entitlements that are not supported on macos … specifically, value",),
        source="videokit-ai/videokit#148",
    ),
    Rejection(
        "a signed entitlement that the profile does not have",
        ("90287",),
        ("bundle contains a key that is not included in the provisioning profile",),
        ("BUND009", "SIGN011"),
        source="electron/osx-sign#114",
    ),
    Rejection(
        "the signature of a Mac app, or of code in it, does not hold",
        ("90238",),
        ("has following signing error(s)", "has the following signing error(s)"),
        ("BUND005",),
        Fate.FAILED,
        source="contentauth/c2pa-swift#122",
    ),
    Rejection(
        "the package is not signed by an installer certificate",
        ("90237",),
        ("product archive package's signature is invalid",),
        ("BUND015", "SIGN012"),
        source="electron/electron#24871",
    ),
    Rejection(
        "the package holds files that only root may read",
        ("90255",),
        ("only readable by the root user",),
        source="dotnet/macios#7314",
    ),
    Rejection(
        "a program of the Mac app is not sandboxed",
        ("90296",),
        ("app sandbox not enabled",),
        ("BUND014", "PROJ023"),
        source="electron/osx-sign#121",
    ),
    Rejection(
        "the signature lacks the application identifier that the profile has",
        ("90886",),
        ("is missing an application identifier but has an application identifier in the provisioning profile",),
        fate=Fate.HIDDEN,
        source="lyskouski/app-finance#537",
    ),
    Rejection(
        "the Mac app has no profile",
        ("90889",),
        ("cannot be used with testflight because the bundle … is missing a provisioning profile",),
        ("BUND007", "SIGN008"),
        Fate.HIDDEN,
        source="h3poteto/whalebird-desktop#2814",
    ),
    Rejection(
        "a program in the Mac app has an application identifier and no profile",
        ("90885",),
        ("cannot be used with testflight because the executable … is missing a provisioning profile",),
        fate=Fate.HIDDEN,
        source="tauri-apps/tauri#13952",
    ),
    Rejection(
        "a file in the package is marked as downloaded",
        ("91109",),
        ("com.apple.quarantine extended file attribute",),
        fate=Fate.FAILED,
        since="2025-02-18",
        before=Fate.MAILED,
        source="RevenueCat/purchases-ios#4806",
    ),
)

_STRUCTURE = (
    Rejection(
        "code for the simulator, or for Intel, in an app for devices",
        ("90087",),
        ("contains unsupported architectures",),
        ("BUND016",),
        source="acj/OpenCast#1",
    ),
    Rejection("32-bit Intel code in a Mac app", ("90240",), (), ("BUND016",), source="dotnet/macios#3367"),
    Rejection("no 64-bit code", ("90086",), ("missing 64-bit support",), source="lionheart/openradar-mirror#17"),
    Rejection(
        "the code's encryption record is missing or wrong",
        ("90125",),
        ("encryption info in the lc_encryption_info load command",),
        source="dnschneid/crouton#3156",
    ),
    Rejection(
        "the code's segments are not aligned",
        ("90209",),
        ("does not have proper segment alignment",),
        source="dnschneid/crouton#3156",
    ),
    Rejection(
        "a program or library that is no bundle's own",
        ("90171",),
        ("can't contain standalone executables or libraries",),
        source="EMALLStudio/appmetrica_sdk#2",
    ),
    Rejection(
        "a bundle in a bundle that may hold none",
        ("90205",),
        ("contains disallowed nested bundle",),
        source="OneSignal/OneSignal-iOS-SDK#1437",
    ),
    Rejection(
        "a folder Frameworks where none may be",
        ("90206",),
        ("contains disallowed file 'frameworks'",),
        source="OneSignal/OneSignal-iOS-SDK#1437",
    ),
    Rejection(
        "a bundle in the wrong folder",
        ("90680",),
        ("is not contained in a correctly named directory",),
        source="openwebf/webf#466",
    ),
    Rejection(
        "code that uses what is Apple's own",
        ("90338",),
        ("non-public api usage", "references non-public selectors"),
        fate=Fate.FAILED,
        source="pichillilorenzo/flutter_inappwebview#1213",
    ),
    Rejection(
        "code that uses UIWebView",
        ("90809",),
        ("that use uiwebview",),
        fate=Fate.FAILED,
        source="HeroWqb/HWDownloadDemo#15",
    ),
    Rejection(
        "code with bitcode",
        ("90482", "90668"),
        ("contains bitcode", "contains incomplete bitcode"),
        ("PROJ061",),
        Fate.FAILED,
        source="arthenica/ffmpeg-kit#614",
    ),
    Rejection(
        "Swift's libraries are not beside the app",
        ("90426", "90424"),
        ("swiftsupport folder is missing", "swiftsupport folder is empty"),
        fate=Fate.FAILED,
        source="vladlenskiy/react-native-tdlib#5",
    ),
    Rejection(
        "Swift's libraries are not the ones that Apple signed",
        ("90428", "90433"),
        ("make sure the files are correct, rebuild your app, and resubmit it",),
        fate=Fate.FAILED,
        source="Flash3001/Xamarin.Swift#47",
    ),
    Rejection("a widget without Swift's entry point", ("90896",), source="seen in answers to uploads, without a page"),
    Rejection(
        "no debug symbols for some of the code",
        (),
        ("upload symbols failed", "did not include a dsym for"),
        fate=Fate.MAILED,
        source="spotify/ios-sdk#439",
    ),
)

_PRIVACY = (
    Rejection(
        "an API that needs a reason, and none declared",
        ("91053",),
        ("apis that require reasons",),
        ("PROJ053",),
        since="2024-05-01",
        before=Fate.MAILED,
        source="OneSignal/react-native-onesignal#1699",
    ),
    Rejection(
        "a reason that is none for its API",
        ("91055",),
        ("invalid api reason declaration",),
        ("PROJ054",),
        since="2024-05-01",
        before=Fate.MAILED,
        source="developer.apple.com/news/upcoming-requirements/?id=05012024a",
    ),
    Rejection(
        "a privacy manifest that is not valid",
        ("91056", "91108"),
        ("privacyinfo.xcprivacy file from the following path is invalid", "invalid privacy manifest"),
        ("PROJ054",),
        Fate.FAILED,
        source="tonymillion/Reachability#196",
    ),
    Rejection(
        "a well known SDK without a privacy manifest",
        ("91061",),
        ("the sdk must include a privacy manifest",),
        fate=Fate.FAILED,
        since="2025-02-12",
        before=Fate.MAILED,
        source="Alamofire/Alamofire#3935",
    ),
    Rejection(
        "tracking domains, and no word that the app tracks",
        ("91064",),
        ("invalid tracking information",),
        ("PROJ054",),
        Fate.FAILED,
        source="klarna/klarna-mobile-sdk#238",
    ),
    Rejection(
        "a well known SDK without a signature",
        ("91065",),
        ("the sdk must include a signature file",),
        fate=Fate.FAILED,
        source="daltoniam/Starscream#1019",
    ),
)

_EXPORT = (
    Rejection(
        "ExportOptions.plist does not say which CloudKit environment",
        (),
        ("icloudcontainerenvironment … expected one of",),
        fate=Fate.UNMADE,
        source="microsoft/appcenter#1075",
    ),
    Rejection(
        "Xcode knows no account of the team, and no API key was given",
        (),
        ("no account for team", "cloud signing permission error"),
        ("SIGN001",),
        Fate.UNMADE,
        source="pathorsAI/parley#257",
    ),
    Rejection(
        "no profile for a bundle identifier",
        (),
        ("no profiles for '",),
        ("SIGN008", "SIGN021"),
        Fate.UNMADE,
        source="pathorsAI/parley#257",
    ),
    Rejection(
        "the profile does not grant an entitlement",
        (),
        ("profile … doesn't include the … entitlement", "profile … doesn't support the"),
        ("SIGN011",),
        Fate.UNMADE,
        source="react-native-documents/document-picker#323",
    ),
    Rejection(
        "the profile does not name the certificate",
        (),
        ("profile … doesn't include signing certificate",),
        ("SIGN010",),
        Fate.UNMADE,
        source="Apple, TN3125: Inside Code Signing: Provisioning Profiles",
    ),
    Rejection(
        "the app has no executable",
        (),
        ("app bundle is missing a mach-o executable",),
        fate=Fate.UNMADE,
        source="xcodebuild -exportArchive",
    ),
)

REJECTIONS: tuple[Rejection, ...] = (
    *_TOOLS,
    *_IDENTITY,
    *_INFORMATION,
    *_ICONS,
    *_SIGNING,
    *_STRUCTURE,
    *_PRIVACY,
    *_EXPORT,
)
"""All of them; where two could be meant, both are told."""
