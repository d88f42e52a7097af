"""Apple's own words, as tools, services and mails have printed them, find the rule that would have found it before."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.rejections.catalogue import REJECTIONS, Fate, Rejection
from pipeline.apple.rejections.matching import TEXT_LIMIT, advice, codes_in, explain_rejection, rules_for

PAGES = Path(__file__).resolve().parents[3] / "docs" / "rules"

UPLOADER = "ERROR: [ContentDelivery.Uploader] "

SAID = [
    # Transporter.
    (
        (
            'ERROR ITMS-90087: "Unsupported Architectures. The executable for Sportube.app/Frameworks/GoogleCast.framework'
            " contains unsupported architectures '[x86_64, i386]'.\""
        ),
        ["90087"],
        "acj/OpenCast#1",
    ),
    (
        (
            "ERROR ITMS-90717: \"Invalid App Store Icon. The App Store Icon in the asset catalog in 'Runner.app' can't be"
            ' transparent nor contain an alpha channel."'
        ),
        ["90717"],
        "fluttercommunity/flutter_launcher_icons#216",
    ),
    (
        (
            '[09:00:40]: [Transporter Error Output]: ERROR ITMS-90474: "Invalid Bundle. iPad Multitasking support requires'
            " these orientations: 'UIInterfaceOrientationPortrait'.\""
        ),
        ["90474"],
        "expo/eas-cli#179",
    ),
    (
        (
            'WARNING ITMS-90889: ""Cannot be used with TestFlight because the bundle at “Whalebird.app” is missing a'
            ' provisioning profile.""'
        ),
        ["90889"],
        "h3poteto/whalebird-desktop#2814",
    ),
    (
        (
            "[Transporter Error Output]: ERROR ITMS-90186: Invalid Pre-Release Train. The train version '3.5.2' is closed"
            " for new build submissions\n[Transporter Error Output]: ERROR ITMS-90062: This bundle is invalid. The value"
            " for key CFBundleShortVersionString [3.5.2] in the Info.plist file must contain a higher version than that of"
            " the previously approved version [3.5.2]."
        ),
        ["90186", "90062"],
        "openfoodfacts/smooth-app#2745",
    ),
    # altool, with the code in front, at the end, and in lists.
    (
        (
            "Asset validation failed (90206)\nInvalid Bundle. The bundle at 'Runner.app/PlugIns/One.appex' contains"
            " disallowed file 'Frameworks'. (ID: 53a5c750-38f5-4b2b-ab38-ab2a435d49ed)\n\nAsset validation failed (90205)\n"
            "Invalid Bundle. The bundle at 'Runner.app/PlugIns/One.appex' contains disallowed nested bundles. (ID:"
            " 0506a1cf-0cb0-4ffb-ba90-0fc8dcdd8362)"
        ),
        ["90206", "90205"],
        "OneSignal/OneSignal-iOS-SDK#1437",
    ),
    (
        (
            "2024-01-28 18:45:33.968 *** Error: Asset validation failed Invalid Bundle. The bundle Balance.app/Frameworks/"
            "powersync-sqlite-core.framework does not support the minimum OS Version specified in the Info.plist. (ID:"
            " 0e66e9b9-a7e2-4cd8-a592-6c644f447519) (90208)"
        ),
        ["90208"],
        "powersync-ja/powersync-sqlite-core#4",
    ),
    (
        (
            f"{UPLOADER}Asset validation failed (90530) Invalid MinimumOSVersion. Apps that only support 64-bit devices must"
            f" specify a deployment target of 8.0 or later.\n{UPLOADER}Asset validation failed (90360) Missing Info.plist"
            " value. A value for the key 'MinimumOSVersion' in bundle Shuttle.app/Frameworks/v8.framework is required."
        ),
        ["90530", "90360"],
        "Kudo/react-native-v8#209",
    ),
    (
        (
            "it gives 300 errors of Asset validation failed (90285, 90287, 90237, 90266, ) Invalid Code Signing"
            " Entitlements."
        ),
        ["90285", "90287", "90237"],
        "electron/osx-sign#279",
    ),
    # Xcode and fastlane.
    (
        (
            "Asset validation failed - Invalid Pre-Release Train. The train version '4.2.1' is closed for new build"
            " submissions - STATE_ERROR.VALIDATION_ERROR.90186"
        ),
        ["90186"],
        "openfoodfacts/smooth-app#3608",
    ),
    ("iris-code = STATE_ERROR.VALIDATION_ERROR.90208", ["90208"], "dotnet/macios#21361"),
    ("Error 90725: SDK version issue. This app was built with the iOS 18.5 SDK.", ["90725"], "vexl-it/vexl#2222"),
    (
        (
            "Error 2: ITMS-90022 - Missing required icon file\nThe bundle does not contain an app icon for iPhone / iPod"
            " Touch of exactly '120x120' pixels"
        ),
        ["90022"],
        "bamlab/generator-rn-toolbox#129",
    ),
    # The service's JSON.
    (
        (
            '{\n    "code" : "90035",\n    "description" : "Invalid Signature. The binary with bundle identifier com.example'
            ' at path “A.framework” contains an invalid signature."\n}'
        ),
        ["90035"],
        "zhlynn/zsign#409",
    ),
    # Without a code.
    (
        (
            "Validation failed (409) Invalid Code Signing Entitlements. Your application bundle's signature contains\ncode"
            " signing entitlements that are not supported on macOS. Specifically, key\n'com.apple.security.in-app-payments'"
            " in 'A' is not supported. (ID: 7ade678b-a25c-4906-a5ff-a41d7cf13ed9)"
        ),
        ["90285"],
        "krelltunez/dayGLANCE#1082",
    ),
    (
        (
            "Asset validation failed\nInvalid bundle. The “UIInterfaceOrientationPortrait” orientations were provided for"
            " the UISupportedInterfaceOrientations Info.plist key in the com.pergoladreambuilder.app bundle, but you need"
            " to include all of the “UIInterfaceOrientationPortrait,UIInterfaceOrientationPortraitUpsideDown,"
            "UIInterfaceOrientationLandscapeLeft,UIInterfaceOrientationLandscapeRight” orientations to support iPad"
            " multitasking. (ID: 1f627170-9a75-47cd-9190-663980c709a4)"
        ),
        ["90474"],
        "tedbarnett/DreamBuilder#9",
    ),
    (
        (
            "Invalid bundle. Because your app supports Multitasking on iPad, you need to include the"
            " LaunchScreenStorypad.storyboard launch storyboard file in your com.tc.writestory bundle."
        ),
        ["90475"],
        "theachoem/storypad#351",
    ),
    (
        (
            "SDK version issue. This app was built with the iOS 17.4 SDK. All iOS and iPadOS apps must be built with the"
            " iOS 18 SDK or later, included in Xcode 16 or later"
        ),
        ["90725"],
        "mlcommons/mobile_app_open#989",
    ),
    (
        (
            "*** Error: Validation failed for 'NewNode VPN.ipa'.\n*** Error: Missing Info.plist value. A value for the"
            " Info.plist key 'CFBundleIconName' is missing in the bundle 'com.newnode.vpn'."
        ),
        ["90713"],
        "clostra/newnode#128",
    ),
    (
        (
            "Invalid Swift Support. The SwiftSupport folder is missing. Rebuild your app using the current public (GM)"
            " version of Xcode and resubmit it."
        ),
        ["90426"],
        "airsdk/Adobe-Runtime-Support#3655",
    ),
    (
        (
            "Invalid Code Signing Entitlements. Your application bundle's signature contains code signing entitlements that"
            " are not supported on iOS. Specifically, value 'A.b' for key 'application-identifier' is not supported."
        ),
        ["90046"],
        "wrobins/cordova-plugin-msal#95",
    ),
    (
        (
            "Upload failed: the Info.plist key 'BGTaskSchedulerPermittedIdentifiers' must contain a list of identifiers"
            " used to submit and handle tasks when 'UIBackgroundModes' has a value of 'processing'."
        ),
        ["90771"],
        "fluttercommunity/flutter_workmanager#105",
    ),
    # Mails.
    (
        (
            "ITMS-91053: Missing API declaration - Your app’s code in the “Client” file references one or more APIs that"
            " require reasons, including: NSPrivacyAccessedAPICategoryFileTimestamp."
        ),
        ["91053"],
        "mozilla-mobile/firefox-ios#19250",
    ),
    (
        (
            "TMS-91061: Missing privacy manifest - Your app includes “Frameworks/FBLPromises.framework/FBLPromises”, an SDK"
            " that was identified. If a new app includes it, the SDK must include a privacy manifest file."
        ),
        ["91061"],
        "dotnet/maui#28262",
    ),
    (
        (
            "ITMS-91109: Invalid package contents - The package contains one or more files with the com.apple.quarantine"
            " extended file attribute, \nsuch as “my.app.pkg”."
        ),
        ["91109"],
        "RevenueCat/purchases-ios#4806",
    ),
    (
        "ITMS-90482: Invalid Executable - The executable 'A.app/Frameworks/B.framework/B' contains bitcode.",
        ["90482"],
        "krzyzanowskim/OpenSSL#191",
    ),
    (
        "Your app references non-public selectors in Frameworks/a.framework/a: allowsResizing",
        ["90338"],
        "pichillilorenzo/flutter_inappwebview#1213",
    ),
]


def codes_of(text: str) -> list[str]:
    return [next(iter(rejection.codes), "") for rejection in explain_rejection(text)]


@pytest.mark.parametrize(("text", "codes", "source"), SAID, ids=[source for _, _, source in SAID])
def test_what_apple_has_said(text: str, codes: list[str], source: str) -> None:
    assert codes_of(text) == codes, source


def test_the_words_of_a_mail_in_which_lines_are_broken() -> None:
    mail = "Your app’s code in the\n“Integreat” file references one or more\nAPIs that require reasons"
    assert codes_of(mail) == ["91053"]


def test_an_unexpanded_macro_is_told_with_the_entitlement_that_the_profile_lacks() -> None:
    # krelltunez/dayGLANCE#1083
    found = explain_rejection(
        "Validation failed (409)\nInvalid Code Signing Entitlements. The entitlements in your app bundle signature do"
        " not match the ones contained in the provisioning profile ... the bundle contains a key value that is not"
        " allowed: '$[TeamIdentifierPrefix]com.dayglance' for the key 'com.apple.developer.ubiquity-kvstore-identifier'"
    )
    assert {"BUND009", "PROJ028"} <= {rule for rejection in found for rule in rejection.rules}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "** ARCHIVE SUCCEEDED **",
        "uploaded build 2.5.0 (90206)",
        "build 1.0 (90189) was accepted",
        "No errors uploading 'App.ipa'.",
        "ITMS-99999: something new",
        "The executable 'A' does not contain bitcode.",
        "part 90087 of 90206 was sent",
    ],
)
def test_what_is_no_rejection_that_we_know(text: str) -> None:
    assert explain_rejection(text) == ()
    assert advice(text) == ""


def test_a_code_decides_over_words_of_its_own_statement_alone() -> None:
    text = 'ERROR ITMS-90164: "contains bitcode"\nerror: The SwiftSupport folder is missing.'
    assert codes_of(text) == ["90164", "90426"]


def test_a_code_alone() -> None:
    for text in ("90717", "ITMS-90717", "itms-90717", " 90717\n"):
        assert codes_in(text) == ("90717",)


def test_advice_names_the_nearest_rules_and_not_all() -> None:
    assert advice("ITMS-90717", "") == "`build.explain PROJ051` tells how to mend it"
    assert advice("ITMS-90034") == "`build.explain BUND004 SIGN001 SIGN005` tells how to mend it"
    assert rules_for(["ITMS-90034", "90717"])[-1] == "PROJ051"


def test_what_apple_changed_is_told_with_its_day() -> None:
    found = {rejection.code: rejection for rejection in REJECTIONS}
    assert found["ITMS-90725"].told == "refused at the upload since 2026-04-28 (before: kept, with a warning by mail)"
    assert found["ITMS-90890"].told == str(Fate.MAILED)


@pytest.mark.parametrize("rejection", REJECTIONS, ids=lambda rejection: rejection.title)
def test_a_row_of_the_catalogue(rejection: Rejection) -> None:
    assert rejection.codes or rejection.phrases, "nothing would ever find it"
    assert rejection.source
    assert all(re.fullmatch(r"9[01]\d{3}", code) for code in rejection.codes)
    assert all(phrase == phrase.lower() and not set(phrase) & set("“”‘’\n") for phrase in rejection.phrases)
    for phrase in rejection.phrases:
        assert rejection in explain_rejection(phrase.replace("…", "one two"))
    for rule in rejection.rules:
        assert (PAGES / f"{rule}.md").is_file(), rule


def test_a_code_has_one_row() -> None:
    codes = [code for rejection in REJECTIONS for code in rejection.codes]
    assert len(codes) == len(set(codes))


def test_every_code_that_a_page_says_is_in_the_catalogue() -> None:
    known = {code for rejection in REJECTIONS for code in rejection.codes}
    said = {
        (page.stem, code)
        for page in PAGES.glob("*.md")
        for code in re.findall(r"(?<![\d./#-])(?:ITMS-)?(9[01]\d{3})(?!\d)", page.read_text(encoding="utf-8"))
    }
    assert {each for each in said if each[1] not in known} == set()


@settings(max_examples=60)
@given(st.text(max_size=400), st.sampled_from([text for text, _, _ in SAID]), st.integers(0, 60))
def test_any_text_is_read(noise: str, said: str, cut: int) -> None:
    for text in (noise, noise + said[cut:], said[:-cut] + noise):
        assert len(explain_rejection(text)) <= len(REJECTIONS)


def test_of_a_long_log_the_end_is_read() -> None:
    log = "CompileSwift normal arm64 (in target 'A')\n" * 60_000
    assert len(log) > TEXT_LIMIT
    assert codes_of(log + "ITMS-90717: no") == ["90717"]
    assert codes_of("ITMS-90717: no" + log) == []
