"""What goes wrong on a developer's Mac, in the words of Apple's tools, and never as a success."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.scenario import DEVELOPER_ID_ONLY, NO_IDENTITY, Scenario, Standing
from tests.fidelity.machine.conftest import OPTIONS, PROJECT, Desk

NewDesk = Callable[..., Desk]


def test_unknown_scheme(new_desk: NewDesk) -> None:
    code, _, err = new_desk().archive("iOS", scheme="Nothing")
    assert code == 65
    assert err.startswith(
        'xcodebuild: error: The project named "Isometry" does not contain a scheme named "Nothing". The "-list" option'
    )


def test_wrong_platform(new_desk: NewDesk) -> None:
    code, _, err = new_desk().archive("macOS", scheme="Isometry")
    assert code == 70
    assert "Unable to find a destination matching the provided destination specifier" in err


def test_missing_project(new_desk: NewDesk, tmp_path: Path) -> None:
    code, _, err = new_desk(project=tmp_path / "No.xcodeproj").archive("iOS")
    assert (code, "does not exist" in err) == (66, True)


@pytest.mark.parametrize("text", ["", "{", "{objects = {}; rootObject = X;}", "{a = (1, 2", "\0\0", "(" * 5000])
def test_damaged_project(new_desk: NewDesk, tmp_path: Path, text: str) -> None:
    project = tmp_path / "Bad.xcodeproj"
    project.mkdir()
    (project / "project.pbxproj").write_text(text)
    code, _, err = new_desk(project=project).archive("iOS")
    assert code == 74
    assert "Unable to read project 'Bad.xcodeproj'" in err


def edited(project: Path, name: str, change: Callable[[dict[str, object]], object]) -> None:
    """Change a property list of the project."""
    path = project.parent / name
    values = plistlib.loads(path.read_bytes())
    change(values)
    path.write_bytes(plistlib.dumps(values))


def test_missing_info_plist(new_desk: NewDesk, own_project: Path) -> None:
    (own_project.parent / "iOS/Info.plist").unlink()
    code, out, err = new_desk(project=own_project).archive("iOS")
    assert code == 65
    assert re.search(r"error: Build input file cannot be found: '.*/iOS/Info\.plist'", out)
    assert "** ARCHIVE FAILED **" in err
    assert "ARCHIVE SUCCEEDED" not in out


def test_other_bundle_identifier_in_the_info_plist(new_desk: NewDesk, own_project: Path) -> None:
    edited(own_project, "iOS/Info.plist", lambda values: values.update(CFBundleIdentifier="com.example.other"))
    code, out, _ = new_desk(project=own_project).archive("iOS")
    assert code == 65
    assert (
        "User-supplied CFBundleIdentifier value 'com.example.other' in the Info.plist must be the same as the"
        " PRODUCT_BUNDLE_IDENTIFIER build setting value 'com.mshaler.isometry'"
    ) in out


def test_no_such_icon(new_desk: NewDesk, own_project: Path) -> None:
    base = own_project.parent / "Configurations/Base.xcconfig"
    base.write_text(base.read_text().replace("APPICON_NAME = AppIcon", "APPICON_NAME = Other"))
    code, out, _ = new_desk(project=own_project).archive("iOS")
    assert code == 65
    assert 'app icon set named "Other"' in out


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("DEVELOPMENT_TEAM=",), 'Signing for "Isometry" requires a development team'),
        (("CODE_SIGN_IDENTITY=Apple Distribution",), "a conflicting code signing identity Apple Distribution"),
        (("PROVISIONING_PROFILE_SPECIFIER=Mine",), "provisioning profile Mine has been manually specified"),
        (("CODE_SIGN_STYLE=Manual",), '"Isometry" requires a provisioning profile'),
        (
            ("CODE_SIGN_STYLE=Manual", "PROVISIONING_PROFILE_SPECIFIER=Mine"),
            "No profile for team '77CCZHWQL7' matching 'Mine' found",
        ),
        (("PRODUCT_BUNDLE_IDENTIFIER=com.example.else",), "No profiles for 'com.example.else' were found"),
    ],
)
def test_signing_settings_that_xcode_refuses(new_desk: NewDesk, settings: tuple[str, ...], message: str) -> None:
    code, out, err = new_desk().archive("iOS", *settings)
    assert code == 65
    assert message in out
    assert "** ARCHIVE FAILED **" in err


def test_no_development_identity(new_desk: NewDesk) -> None:
    code, out, _ = new_desk(NO_IDENTITY).archive("iOS")
    assert code == 65
    assert 'No signing certificate "iOS Development" found' in out


def test_the_compiler_complains(new_desk: NewDesk, tmp_path: Path) -> None:
    complaint = "Shared/Node.swift:12:5: error: cannot find 'nodes' in scope"
    code, out, err = new_desk(Scenario(archive_error=complaint)).archive("iOS")
    assert code == 65
    assert f"/{complaint}\n" in out
    assert "** ARCHIVE FAILED **" in err
    assert not (tmp_path / "iOS.xcarchive").exists()


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (Scenario(distribution=Standing.MISSING), 'No signing certificate "iOS Distribution" found'),
        (Scenario(distribution=Standing.EXPIRED), 'No signing certificate "iOS Distribution" found'),
        (Scenario(distribution=Standing.REVOKED), 'No signing certificate "iOS Distribution" found'),
        (Scenario(distribution=Standing.OTHER_TEAM), 'No signing certificate "iOS Distribution" found'),
        (Scenario(profiles=Standing.MISSING), "No profiles for 'com.mshaler.isometry' were found"),
        (Scenario(profiles=Standing.EXPIRED), "No profiles for 'com.mshaler.isometry' were found"),
        (Scenario(profiles=Standing.OTHER_TEAM), "No profiles for 'com.mshaler.isometry' were found"),
        (Scenario(profiles=Standing.OTHER_CERTIFICATE), "doesn't include signing certificate"),
        (Scenario(profiles_lack=("aps-environment",)), "doesn't include the aps-environment entitlement"),
        (Scenario(export_error="Copy failed"), "Copy failed"),
    ],
)
def test_exports_that_fail(new_desk: NewDesk, tmp_path: Path, scenario: Scenario, message: str) -> None:
    desk = new_desk(scenario)
    assert desk.archive("iOS")[0] == 0
    code, out, err = desk.export("iOS")
    assert (code, out) == (70, "")
    assert err.startswith("error: exportArchive ")
    assert message in err
    assert "** EXPORT FAILED **" in err
    assert not (tmp_path / "iOS").exists()


def test_a_package_needs_the_installer_certificate(new_desk: NewDesk) -> None:
    desk = new_desk(Scenario(installer=Standing.MISSING))
    assert desk.archive("macOS")[0] == 0
    code, _, err = desk.export("macOS")
    assert (code, 'No signing certificate "Mac Installer Distribution" found' in err) == (70, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "nonsense"}, 'exportOptionsPlist error for key "method" expected one {app-store-connect'),
        ({"method": "debugging"}, "simulated"),
        ({**OPTIONS, "destination": "upload"}, "simulated"),
        ({**OPTIONS, "teamID": "OTHER12345"}, "No profiles for"),
        ({**OPTIONS, "signingStyle": "manual"}, '"Isometry.app" requires a provisioning profile.'),
        (
            {**OPTIONS, "iCloudContainerEnvironment": "Development"},
            "expected one of {Production}, but found Development",
        ),
        (
            {**OPTIONS, "signingStyle": "manual", "provisioningProfiles": {"com.mshaler.isometry": "Mine"}},
            'No profile for team "77CCZHWQL7" matching "Mine" found',
        ),
    ],
)
def test_export_options_that_xcode_refuses(new_desk: NewDesk, options: dict[str, object], message: str) -> None:
    desk = new_desk()
    assert desk.archive("iOS")[0] == 0
    code, _, err = desk.export("iOS", options)
    assert code == 70
    assert message in err


def test_manual_export_by_profile_name(new_desk: NewDesk) -> None:
    desk = new_desk()
    assert desk.archive("iOS")[0] == 0
    names = [profile.name for profile in desk.machine.keychain.profiles if "iOS App Store" in profile.name]
    profiles = {"com.mshaler.isometry": names[0]}
    assert desk.export("iOS", {**OPTIONS, "signingStyle": "manual", "provisioningProfiles": profiles})[0] == 0


def test_an_archive_that_is_not_there(new_desk: NewDesk) -> None:
    code, _, err = new_desk().export("iOS")
    assert code == 70
    assert err.startswith("error: archive not found at path")


def test_options_that_are_no_property_list(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk()
    assert desk.archive("iOS")[0] == 0
    (tmp_path / "bad.plist").write_text("<plist>")
    argv = ["xcodebuild", "-exportArchive", "-archivePath", "iOS.xcarchive", "-exportPath", "out"]
    code, _, err = desk.machine.run([*argv, "-exportOptionsPlist", "bad.plist"], cwd=tmp_path)
    assert (code, "is not a property list" in err) == (70, True)
    code, _, err = desk.machine.run([*argv, "-exportOptionsPlist", "none.plist"], cwd=tmp_path)
    assert (code, "Couldn't load -exportOptionsPlist" in err) == (70, True)


def test_an_app_that_is_not_installed_cannot_be_exported(new_desk: NewDesk) -> None:
    desk = new_desk()
    assert desk.archive("iOS", "SKIP_INSTALL=YES")[0] == 0
    code, _, err = desk.export("iOS")
    assert code == 70
    assert 'exportOptionsPlist error for key "method" expected one {} but found app-store-connect' in err


def test_an_unsigned_archive_loses_its_entitlements(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk()
    assert desk.archive("iOS", "CODE_SIGNING_ALLOWED=NO")[0] == 0
    about = plistlib.loads((tmp_path / "iOS.xcarchive/Info.plist").read_bytes())
    assert about["ApplicationProperties"]["SigningIdentity"] == ""
    assert desk.export("iOS")[0] == 0
    (summary,) = plistlib.loads((tmp_path / "iOS/DistributionSummary.plist").read_bytes())["Isometry.ipa"]
    assert "aps-environment" not in summary["entitlements"]


@pytest.mark.parametrize(
    "argv",
    [
        ["xcodebuild", "-frobnicate"],
        ["xcodebuild", "archive", "-scheme"],
        ["xcodebuild", "frobnicate"],
        ["xcodebuild", "build", "-project", str(PROJECT), "-scheme", "Isometry"],
        ["xcodebuild", "archive", "-project", str(PROJECT)],
        ["xcodebuild", "-exportArchive", "-archivePath", "x"],
        ["xcodebuild", "archive", "-workspace", str(PROJECT / "none.xcworkspace"), "-scheme", "Isometry"],
        ["xcodebuild", "-showBuildSettings", "-project", str(PROJECT), "-target", "None"],
        ["xcrun", "altool", "--upload-app"],
        ["xcrun", "--find", "nothing"],
        ["xcrun", "nothing"],
        ["xcrun", "--frobnicate"],
        ["xcrun"],
        ["xcode-select", "--switch", "/elsewhere"],
        ["security", "delete-keychain"],
        ["security"],
        ["security", "find-identity", "-x"],
        ["security", "find-identity", "-p", "nonsense"],
        ["security", "find-certificate", "-x"],
        ["security", "cms", "-S"],
        ["security", "cms", "-D", "-i", "/nowhere"],
        ["codesign", "--verify", "/nowhere"],
        ["codesign", "-s", "-", "/nowhere"],
        ["codesign", "-dv", "/nowhere"],
        ["codesign"],
        ["find", ".", "-delete"],
        ["find", ".", "-type", "f", "-exec", "true"],
        ["base64", "-D", "x"],
        ["base64", "-i", "/nowhere"],
        ["sw_vers", "--frobnicate"],
        ["printenv", "NOTHING"],
        ["rm", "-rf", "/"],
        [],
    ],
)
def test_what_it_cannot_do_is_no_success(new_desk: NewDesk, tmp_path: Path, argv: list[str]) -> None:
    code, _, err = new_desk().machine.run(argv, cwd=tmp_path)
    assert code != 0
    assert err or argv[:1] == ["printenv"]


def test_a_tool_that_is_not_there(new_desk: NewDesk) -> None:
    machine = new_desk().machine
    assert machine.run(["notarytool", "submit"])[0] == 127
    assert machine.find("notarytool") is None
    assert machine.find("xcodebuild") == "/usr/bin/xcodebuild"


def test_only_command_line_tools(new_desk: NewDesk) -> None:
    machine = new_desk(Scenario(xcode=False)).machine
    code, _, err = machine.run(["xcodebuild", "-version"])
    assert (code, "requires Xcode" in err) == (1, True)
    assert machine.run(["xcode-select", "-p"])[1] == "/Library/Developer/CommandLineTools\n"


def test_developer_id_only(new_desk: NewDesk) -> None:
    machine: Machine = new_desk(DEVELOPER_ID_ONLY).machine
    out = machine.run(["security", "find-identity", "-v", "-p", "codesigning"])[1]
    assert re.findall(r'"(.*?):', out) == ["Developer ID Application"]
