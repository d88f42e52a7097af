"""The real app at two dates: what a strict reviewer finds by hand, and nothing else that would stop a release."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.apple.xcode.facts import TargetEntitlements, TargetInfo, TargetSettings
from pipeline.model import Declaration
from tests.rooms.xcode.look import Look

PHONE = "native/IsometryiOS/IsometryiOS"
PHONE_PROJECT = "native/IsometryiOS/IsometryiOS.xcodeproj/project.pbxproj"
MAC = "native/IsometrymacOS/IsometrymacOS"
MAC_PROJECT = "native/IsometrymacOS/IsometrymacOS.xcodeproj/project.pbxproj"
RELEASE = "native/Configurations/Production.xcconfig"
ICON = "Assets.xcassets/AppIcon.appiconset/Contents.json"
LATER = "native/Isometry/Isometry"
LATER_PROJECT = "native/Isometry/Isometry.xcodeproj/project.pbxproj"


def tree(shared_data: Path, date: str) -> Path:
    folder = shared_data / "isometry" / date
    if not folder.is_dir():
        pytest.skip(f"the real app's files of {date} are not here")
    return folder


@pytest.fixture(scope="module")
def february(shared_data: Path) -> Look:
    return Look(tree(shared_data, "2026-02"))


@pytest.fixture(scope="module")
def april(shared_data: Path) -> Look:
    return Look(tree(shared_data, "2026-04"))


def test_february_lanes(february: Look) -> None:
    lanes = [(lane.name, lane.project, lane.target, lane.configuration) for lane in february.found.lanes]
    assert lanes == [
        ("ios", "native/IsometryiOS/IsometryiOS.xcodeproj", "IsometryiOS", "Production"),
        ("macos", "native/IsometrymacOS/IsometrymacOS.xcodeproj", "IsometrymacOS", "Production"),
    ]


def test_february_ios_errors(february: Look) -> None:
    assert february.told("ios", "ERROR") == {
        ("PROJ001", f"{PHONE}/Info.plist", 12),
        ("PROJ020", RELEASE, 22),
        ("PROJ030", f"{PHONE}/Info.plist", 39),
        ("PROJ030", f"{PHONE}/Info.plist", 40),
        ("PROJ033", f"{PHONE}/Info.plist", None),
        ("PROJ050", f"{PHONE}/{ICON}", 83),
        ("PROJ055", f"{PHONE}/{ICON}", 33),
        ("PROJ055", f"{PHONE}/{ICON}", 73),
        ("PROJ055", f"{PHONE}/{ICON}", 78),
    }


def test_february_rivals_can_be_judged_too(february: Look) -> None:
    assert [(lane.platform.value, lane.project, lane.configuration) for lane in february.found.rivals] == [
        ("IOS", "ios/Isometry.xcodeproj", "Release"),
        ("MAC_OS", "macos/Isometry.xcodeproj", "Release"),
    ]


def test_february_names_both_identifiers(february: Look) -> None:
    (finding,) = [finding for rule, finding in february.findings["ios"] if rule == "PROJ001"]
    assert "com.mshaler.isometry" in finding.summary
    assert f"com.cardboard.isometry ({RELEASE}:16)" in finding.summary


def test_february_ios_warnings(february: Look) -> None:
    assert february.told("ios", "WARNING") == {
        ("PROJ002", RELEASE, 16),
        ("PROJ004", f"{PHONE}/Info.plist", 20),
        ("PROJ004", f"{PHONE}/Info.plist", 22),
        ("PROJ034", f"{PHONE}/Info.plist", 82),
        ("PROJ035", f"{PHONE}/Info.plist", 80),
        ("PROJ036", f"{PHONE}/Info.plist", 24),
        ("PROJ038", f"{PHONE}/Info.plist", None),
        ("PROJ040", PHONE_PROJECT, 423),
        ("PROJ042", f"{PHONE}/Info.plist", 89),
        ("PROJ053", f"{PHONE}/PrivacyInfo.xcprivacy", None),
        ("PROJ061", RELEASE, 65),
        ("PROJ077", RELEASE, 12),
    }


def test_february_macos_errors(february: Look) -> None:
    assert february.told("macos", "ERROR") == {
        ("PROJ021", RELEASE, 29),
        ("PROJ022", MAC_PROJECT, 401),
        ("PROJ050", f"{MAC}/{ICON}", 43),
    }


def test_february_macos_warnings(february: Look) -> None:
    assert february.told("macos", "WARNING") == {
        ("PROJ007", RELEASE, 18),
        ("PROJ007", RELEASE, 21),
        ("PROJ007", RELEASE, 80),
        ("PROJ007", RELEASE, 81),
        ("PROJ038", f"{MAC}/Info.plist", None),
        ("PROJ042", f"{MAC}/Info.plist", 54),
        ("PROJ077", RELEASE, 12),
    }


def test_february_as_a_whole(february: Look) -> None:
    assert february.told("", "ERROR") == set()
    assert february.told("", "WARNING") == {
        ("PROJ071", "ios/Isometry/Isometry.entitlements", 9),
        ("PROJ072", "ios/Isometry.xcodeproj/project.pbxproj", 76),
        ("PROJ072", "macos/Isometry.xcodeproj/project.pbxproj", 76),
    }
    stray = next(finding for rule, finding in february.findings[""] if rule == "PROJ071")
    old, new = "iCloud.com.cardboard.app", "iCloud.com.mshaler.isometry"
    assert f"{old} (ios/Isometry/Isometry.entitlements:9, macos/Isometry/Isometry.entitlements:7)" in stray.summary
    assert f"{new} ({PHONE}/IsometryiOS.entitlements:8, {MAC}/IsometrymacOS.entitlements:20)" in stray.summary


def test_february_settings_that_nothing_reads(february: Look) -> None:
    (finding,) = [finding for rule, finding in february.findings[""] if rule == "PROJ078"]
    assert finding.summary.partition(":")[0].removeprefix("nothing reads ").split(", ") == [
        *("ENABLE_NOTARIZATION", "NOTARIZE_BUNDLE"),
        *("CLOUDKIT_CONTAINER_IDENTIFIER", "CLOUDKIT_ENVIRONMENT", "CLOUDKIT_ZONE_NAME"),
        *("ISOMETRY_PRODUCTION_BUILD", "ISOMETRY_DEBUG_LOGGING", "ISOMETRY_PERFORMANCE_MONITORING"),
        *("ISOMETRY_CRASH_REPORTING", "ISOMETRY_ANALYTICS_ENABLED"),
        *("CLOUDKIT_BATCH_SIZE", "CLOUDKIT_SYNC_INTERVAL", "CLOUDKIT_RETRY_MAX_ATTEMPTS"),
    ]


def test_february_icons_by_their_codes(february: Look) -> None:
    told = [finding.apple for rule, finding in february.findings["ios"] if rule in ("PROJ050", "PROJ055")]
    assert sorted(told) == ["90022", "90023", "90023", "90704, 90713"]


def test_february_resolution(february: Look) -> None:
    phone, mac = february.value("ios", TargetSettings), february.value("macos", TargetSettings)
    assert phone.bundle_id.text == "com.cardboard.isometry"
    assert phone.marketing_version.text == "2.5.0"
    assert phone.code_sign_style.text == "Manual"
    assert phone.profile_specifier.text == "Isometry App Store Distribution"
    assert phone.product_name.text == "IsometryiOS"
    assert mac.bundle_id.text == "com.mshaler.isometry"
    assert (mac.team_id.text, mac.team_id.location.line) == ("77CCZHWQL7", 404)
    assert february.value("ios", TargetInfo).text("CFBundleShortVersionString") == "1.0.0"
    assert february.value("macos", TargetEntitlements).containers == ("iCloud.com.mshaler.isometry",)


def test_february_the_other_project_on_request(shared_data: Path) -> None:
    look = Look(tree(shared_data, "2026-02"), projects={"ios": "ios/Isometry.xcodeproj"})
    lanes = {lane.name: (lane.project, lane.configuration) for lane in look.found.lanes}
    assert lanes["ios"] == ("ios/Isometry.xcodeproj", "Release")
    assert lanes["macos"][0] == "native/IsometrymacOS/IsometrymacOS.xcodeproj"


def test_february_config_gives_the_team(shared_data: Path) -> None:
    look = Look(tree(shared_data, "2026-02"), Declaration(team_id="77CCZHWQL7", bundle_id="com.mshaler.isometry"))
    assert "PROJ020" not in {rule for rule, _, _ in look.told("ios", "ERROR")}
    assert ("PROJ001", RELEASE, 16) in look.told("ios", "ERROR"), "the setting is not the declared identifier"


def test_april_lanes(april: Look) -> None:
    assert [(lane.name, lane.configuration, lane.scheme) for lane in april.found.lanes] == [
        ("ios", "Release", "Isometry"),
        ("macos", "Release", "Isometry"),
    ]
    assert april.told("") == {("PROJ072", LATER_PROJECT, 116)}
    assert "visionOS" in april.findings[""][0][1].summary


def test_april_ios(april: Look) -> None:
    assert april.told("ios") == {
        ("PROJ038", LATER_PROJECT, 516),
        ("PROJ040", LATER_PROJECT, 503),
    }
    assert april.told("ios", "ERROR") == set()


def test_april_macos(april: Look) -> None:
    assert april.told("macos", "ERROR") == {("PROJ023", LATER_PROJECT, 494), ("PROJ037", LATER_PROJECT, 516)}
    assert april.told("macos", "WARNING") == {
        ("PROJ038", LATER_PROJECT, 516),
    }


def test_april_generated_information(april: Look) -> None:
    info = april.value("ios", TargetInfo)
    assert info.path == ""
    assert info.text("CFBundleIdentifier") == "works.isometry.Isometry"
    assert info.text("CFBundleShortVersionString") == "1.0"
    assert info.values["UILaunchScreen"] == {}
    assert info.values["UIDeviceFamily"] == [1, 2]
    assert len(info.values["UISupportedInterfaceOrientations~ipad"]) == 4
    assert "UILaunchScreen" not in april.value("macos", TargetInfo).values


def test_april_visionos_on_request(shared_data: Path) -> None:
    look = Look(tree(shared_data, "2026-04"), platforms=("visionos",))
    assert [lane.platform.value for lane in look.found.lanes] == ["VISION_OS"]
    assert look.told("visionos", "ERROR") == {("PROJ058", f"{LATER}/{ICON}", None)}


NOTES = {
    "ios": {
        ("PROJ021", RELEASE, 25),
        ("PROJ040", PHONE_PROJECT, 421),
        ("PROJ043", f"{PHONE}/Info.plist", 34),
        ("PROJ043", f"{PHONE}/Info.plist", 71),
        ("PROJ065", PHONE_PROJECT, None),
    },
    "macos": {
        ("PROJ040", MAC_PROJECT, 409),
        ("PROJ043", f"{MAC}/Info.plist", 34),
        ("PROJ053", f"{MAC}/PrivacyInfo.xcprivacy", None),
        ("PROJ065", MAC_PROJECT, None),
    },
    "": {
        ("PROJ074", "ios/Isometry.xcodeproj/project.pbxproj", 311),
        ("PROJ074", "macos/Isometry.xcodeproj/project.pbxproj", 305),
        ("PROJ075", "native/IsometryApp/Info.plist", None),
        ("PROJ078", RELEASE, 55),
    },
}


@pytest.mark.parametrize("lane", NOTES)
def test_february_notes(february: Look, lane: str) -> None:
    assert february.told(lane, "NOTE") == NOTES[lane]


def test_february_the_older_projects_have_defects_of_their_own(shared_data: Path) -> None:
    older = {"ios": "ios/Isometry.xcodeproj", "macos": "macos/Isometry.xcodeproj"}
    declared = Declaration(bundle_id="com.mshaler.isometry", containers=("iCloud.com.mshaler.isometry",))
    look = Look(tree(shared_data, "2026-02"), declared, projects=older)
    phone, mac = "ios/Isometry.xcodeproj/project.pbxproj", "macos/Isometry.xcodeproj/project.pbxproj"
    assert look.told("ios", "ERROR") == {
        ("PROJ001", phone, 312),
        ("PROJ024", "ios/Isometry/Isometry.entitlements", 7),
        ("PROJ050", phone, 294),
    }
    assert {("PROJ038", phone, 312)} < look.told("ios", "WARNING")
    assert look.told("macos", "ERROR") == {
        ("PROJ001", mac, 306),
        ("PROJ024", "macos/Isometry/Isometry.entitlements", 5),
        ("PROJ037", mac, 306),
        ("PROJ050", mac, 290),
    }
