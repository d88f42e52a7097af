"""Projects of other shapes than the sample's: what real Xcode archives, the simulated one archives too."""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest

from pipeline.simulator.machine.mac import Machine
from tests.rooms.xcode.make import plist, project, scheme, write

BASE = {
    "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app",
    "DEVELOPMENT_TEAM": "ABCDE12345",
    "GENERATE_INFOPLIST_FILE": "YES",
    "MARKETING_VERSION": "1.0",
    "CURRENT_PROJECT_VERSION": "1",
}


def archived(root: Path, platform: str, scheme_name: str = "App", *more: str) -> tuple[int, str]:
    """Exit status and output of `xcodebuild archive` in that folder."""
    machine = Machine(root / "home", projects=[root / "App.xcodeproj"])
    argv = ["xcodebuild", "archive", "-project", "App.xcodeproj", "-scheme", scheme_name, "-configuration", "Release"]
    argv += ["-destination", f"generic/platform={platform}", "-archivePath", str(root / "App.xcarchive"), *more]
    status, told, complaints = machine.run(argv, cwd=root)
    return status, told + complaints


def information(root: Path) -> dict[str, object]:
    (path,) = (root / "App.xcarchive/Products/Applications").glob("*.app")
    return dict(plistlib.loads((path / "Info.plist").read_bytes()))


@pytest.mark.parametrize(
    ("sdk", "platform", "families"), [("appletvos", "tvOS", [3]), ("xros", "visionOS", [7]), ("iphoneos", "iOS", [1])]
)
def test_every_platform_of_the_store(tmp_path: Path, sdk: str, platform: str, families: list[int]) -> None:
    project(tmp_path, targets={"App": {"Release": {**BASE, "SDKROOT": sdk}}})
    status, told = archived(tmp_path, platform)
    assert status == 0, told
    assert information(tmp_path)["UIDeviceFamily"] == families


def test_layered_icons_of_tvos(tmp_path: Path) -> None:
    settings = {**BASE, "SDKROOT": "appletvos", "ASSETCATALOG_COMPILER_APPICON_NAME": "Icon"}
    project(tmp_path, targets={"App": {"Release": settings}}, resources=("A.xcassets",))
    write(tmp_path, {"A.xcassets/Icon.brandassets/Contents.json": "{}"})
    status, told = archived(tmp_path, "tvOS")
    assert status == 0, told


def test_a_profile_grants_what_any_target_of_its_app_id_asks_for(tmp_path: Path) -> None:
    manual = {**BASE, "SDKROOT": "iphoneos", "CODE_SIGN_STYLE": "Manual", "PROVISIONING_PROFILE_SPECIFIER": "Store"}
    manual |= {"CODE_SIGN_IDENTITY": "Apple Distribution: Somebody (ABCDE12345)"}
    targets = {
        "Lite": {"Release": {**manual, "CODE_SIGN_ENTITLEMENTS": "Lite.entitlements"}},
        "App": {"Release": {**manual, "CODE_SIGN_ENTITLEMENTS": "App.entitlements"}},
        "Gone": {"Release": {**manual, "CODE_SIGN_ENTITLEMENTS": "Gone.entitlements"}},
    }
    project(tmp_path, targets=targets)
    groups = "<key>com.apple.security.application-groups</key><array><string>group.{}</string></array>"
    names = {"Lite": "com.example.lite", "App": "com.example.app"}
    write(tmp_path, {f"{name}.entitlements": plist(groups.format(group)) for name, group in names.items()})
    status, told = archived(tmp_path, "iOS")
    assert status == 0, told
    machine = Machine(tmp_path / "home", projects=[tmp_path / "App.xcodeproj"])
    (store,) = [profile for profile in machine.keychain.profiles if profile.name == "Store"]
    granted = store.values["Entitlements"]["com.apple.security.application-groups"]
    assert granted == ["group.com.example.lite", "group.com.example.app"]


def test_a_developer_of_two_teams(tmp_path: Path) -> None:
    other = {**BASE, "DEVELOPMENT_TEAM": "FGHIJ67890", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.desk"}
    targets = {"App": {"Release": {**BASE, "SDKROOT": "iphoneos"}}, "Desk": {"Release": {**other, "SDKROOT": "macosx"}}}
    project(tmp_path, targets=targets)
    for platform, name in (("iOS", "App"), ("macOS", "Desk")):
        status, told = archived(tmp_path, platform, name)
        assert status == 0, told


def test_identifiers_that_are_made_of_the_team_on_the_command_line(tmp_path: Path) -> None:
    settings = {**BASE, "DEVELOPMENT_TEAM": "", "PRODUCT_BUNDLE_IDENTIFIER": "com.$(DEVELOPMENT_TEAM).app"}
    project(tmp_path, targets={"App": {"Release": {**settings, "SDKROOT": "iphoneos"}}})
    machine = Machine(tmp_path / "home", team_id="ABCDE12345", projects=[tmp_path / "App.xcodeproj"])
    argv = ["xcodebuild", "archive", "-project", "App.xcodeproj", "-scheme", "App", "DEVELOPMENT_TEAM=ABCDE12345"]
    argv += ["-destination", "generic/platform=iOS", "-archivePath", str(tmp_path / "App.xcarchive")]
    status, told, complaints = machine.run(argv, cwd=tmp_path)
    assert status == 0, told + complaints
    assert information(tmp_path)["CFBundleIdentifier"] == "com.ABCDE12345.app"


@pytest.mark.parametrize(
    ("styles", "status"),
    [({"App": "Manual"}, 0), ({}, 0), ({"App": "Automatic"}, 65)],
    ids=["manual", "none", "automatic"],
)
def test_the_style_of_signing_where_no_setting_tells_it(tmp_path: Path, styles: dict[str, str], status: int) -> None:
    named = {"PROVISIONING_PROFILE_SPECIFIER": "Store", "CODE_SIGN_IDENTITY": "Apple Distribution"}
    project(tmp_path, targets={"App": {"Release": {**BASE, **named, "SDKROOT": "iphoneos"}}}, styles=styles)
    assert archived(tmp_path, "iOS")[0] == status


def test_a_scheme_with_an_extension_before_the_app(tmp_path: Path) -> None:
    settings = {"Release": {**BASE, "SDKROOT": "iphoneos"}}
    kinds = {"Share": "com.apple.product-type.app-extension"}
    folder = project(tmp_path, targets={"App": settings, "Share": settings}, types=kinds)
    entry = scheme("Share", "App.xcodeproj").replace('"T0"', '"T1"')
    both = entry.replace("</BuildActionEntry>", "</BuildActionEntry>" + _entry(scheme("App", "App.xcodeproj")), 1)
    write(folder, {"xcshareddata/xcschemes/Both.xcscheme": both})
    status, told = archived(tmp_path, "iOS", "Both")
    assert status == 0, told


def _entry(text: str) -> str:
    return text[text.index("<BuildActionEntry ") : text.index("</BuildActionEntries>")]


def test_conditions_of_the_c_preprocessor(tmp_path: Path) -> None:
    settings = {**BASE, "SDKROOT": "iphoneos", "INFOPLIST_FILE": "Info.plist", "INFOPLIST_PREPROCESS": "YES"}
    settings |= {"INFOPLIST_PREPROCESSOR_DEFINITIONS": "PAID"}
    project(tmp_path, targets={"App": {"Release": settings}})
    body = (
        "#ifdef PAID\n<key>Edition</key><string>paid</string>\n#else\n<key>Edition</key><string>free</string>\n#endif"
    )
    write(tmp_path, {"Info.plist": plist(body)})
    status, told = archived(tmp_path, "iOS")
    assert status == 0, told
    assert information(tmp_path)["Edition"] == "paid"
