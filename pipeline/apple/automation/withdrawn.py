"""What was withdrawn, and when: tools, options, runner images, versions of Xcode. Data, each with its source."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.values import dataclass


@dataclass(frozen=True)
class Withdrawal:
    """Something that no longer works since a day, how sure that is, and what takes its place."""

    what: str
    since: datetime
    instead: str
    fails: bool = True
    source: str = ""


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


TOOLS = {
    "altool --notarize-app": Withdrawal(
        "Apple's notary service takes nothing from altool since 2023-11-01",
        _day("2023-11-01"),
        "use `xcrun notarytool submit … --wait`, or leave it out: what goes to the App Store needs no notarization",
        source="TN3147; github.com/ddev/signing_tools/issues/17",
    ),
    "altool --notarization-info": Withdrawal(
        "Apple's notary service takes nothing from altool since 2023-11-01",
        _day("2023-11-01"),
        "use `xcrun notarytool info` or `xcrun notarytool submit … --wait`",
        source="TN3147; github.com/ddev/signing_tools/issues/17",
    ),
    "altool --notarization-history": Withdrawal(
        "Apple's notary service takes nothing from altool since 2023-11-01",
        _day("2023-11-01"),
        "use `xcrun notarytool history`",
        source="TN3147; github.com/ddev/signing_tools/issues/17",
    ),
    "instruments": Withdrawal(
        "the command-line tool instruments is not part of Xcode since version 13",
        _day("2021-09-20"),
        "use `xcrun xctrace`",
        source="github.com/actions/runner-images/issues/4157",
    ),
    "xcresulttool": Withdrawal(
        "this form of xcresulttool is refused without --legacy since Xcode 16",
        _day("2024-09-16"),
        "use `xcresulttool get test-results …` and its kin, or add --legacy",
        source="github.com/google/xctestrunner/issues/65",
    ),
    "PackageApplication": Withdrawal(
        "PackageApplication is not part of Xcode since version 8.3",
        _day("2017-03-27"),
        "use `xcodebuild -exportArchive -exportOptionsPlist …`",
        source="github.com/nomad-cli/shenzhen/issues/348",
    ),
    "altool --upload-app": Withdrawal(
        "--upload-app is deprecated since Xcode 26; it still works",
        _day("2025-09-15"),
        "use `xcrun altool --upload-package … --apple-id … --bundle-id …`, which names the app it is for",
        fails=False,
        source="github.com/bitrise-steplib/steps-deploy-to-itunesconnect-application-loader/pull/55",
    ),
    "altool --type osx": Withdrawal(
        "altool's platform is called macos; whether the old name osx is still taken is written nowhere",
        _day("2025-09-15"),
        "write --type macos",
        fails=False,
        source="github.com/Apple-Actions/upload-testflight-build/issues/53, xcrun altool --help",
    ),
    "altool --password": Withdrawal(
        "a password among the arguments can be read by everybody on the machine while altool runs",
        _day("2019-09-20"),
        "write @env:NAME, @keychain:NAME, or use an API key",
        fails=False,
        source="xcrun altool --help",
    ),
    "altool --apiKeyFile": Withdrawal(
        "altool has no option --apiKeyFile: it looks for AuthKey_<key id>.p8 in a few folders",
        _day("2019-09-20"),
        "write the key to ~/.appstoreconnect/private_keys/AuthKey_<key id>.p8, or, from Xcode 26 on, give "
        "--p8-file-path",
        source="xcrun altool --help of Xcode 26.6 in github.com/fastlane/fastlane/pull/30061",
    ),
}

DEPRECATED_METHODS = {
    "app-store": "app-store-connect",
    "ad-hoc": "release-testing",
    "development": "debugging",
}
"""Export methods that Xcode 15.3 renamed; it still takes the old names and says so (`xcodebuild -help`)."""

METHODS = frozenset(
    {
        "app-store-connect",
        "release-testing",
        "enterprise",
        "debugging",
        "developer-id",
        "mac-application",
        "validation",
        "package",
        *DEPRECATED_METHODS,
    }
)
"""All that `xcodebuild -help` lists for the key `method`."""

STORE_METHODS = frozenset({"app-store", "app-store-connect"})

WITHOUT_EFFECT = {
    "uploadBitcode": "Xcode makes no bitcode since version 14",
    "compileBitcode": "Xcode makes no bitcode since version 14",
}
"""Keys of export options that decide nothing any more (Xcode 14 release notes, Build System)."""

OLDEST_XCODE = 26
FLOOR_SINCE = _day("2026-04-28")
"""For apps on iOS, iPadOS, tvOS, visionOS and watchOS; macOS is not in Apple's list (Apple, news, id=ueeok6yw)."""

_ISSUES = "github.com/actions/runner-images/issues"

IMAGES = {
    "macos-10.15": Withdrawal("macos-10.15", _day("2022-12-01"), "", source=f"{_ISSUES}/5583"),
    "macos-11": Withdrawal("macos-11", _day("2024-06-28"), "", source=f"{_ISSUES}/9255"),
    "macos-12": Withdrawal("macos-12", _day("2024-12-03"), "", source=f"{_ISSUES}/10721"),
    "macos-13": Withdrawal("macos-13", _day("2025-12-08"), "", source=f"{_ISSUES}/13046"),
    "macos-14": Withdrawal("macos-14", _day("2026-11-02"), "", source=f"{_ISSUES}/13518"),
}
"""GitHub's images of macOS, with the day from which they are fully unsupported."""


@dataclass(frozen=True)
class Image:
    """The Xcodes of a runner image, as its list of software has them, and the one that is chosen at the start."""

    versions: tuple[str, ...]
    default: str


XCODES = {
    "macos-14": Image(("15.0.1", "15.0", "15.1", "15.2", "15.3", "15.4", "16.1", "16.2"), "15.4"),
    "macos-15": Image(
        ("16.0", "16.1", "16.2", "16.3", "16.4", "26.0.1", "26.0", "26.1.1", "26.1", "26.2", "26.3"), "16.4"
    ),
    "macos-26": Image(("26.0.1", "26.0", "26.1.1", "26.1", "26.2", "26.3", "26.4.1", "26.4", "26.5", "26.6"), "26.6"),
}
"""github.com/actions/runner-images, images/macos/macos-*-Readme.md, as of 2026-08-21."""

XCODES_AS_OF = "2026-08-21"


def image_of(label: str) -> str:
    """The image that a label of GitHub's or Microsoft's runners stands for: macos-13 for macOS-13-xlarge."""
    plain = label.lower()
    for suffix in ("-xlarge", "-large", "-intel", "-arm64"):
        plain = plain.removesuffix(suffix)
    return "macos-11" if plain == "macos-11.0" else plain
