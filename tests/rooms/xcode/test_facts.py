"""Facts of small projects: Info.plist, entitlements, icons, privacy manifests, problems."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.xcode import assets, privacy
from pipeline.apple.xcode.facts import (
    AppIcon,
    IconImage,
    PrivacyManifest,
    ProjectProblems,
    TargetEntitlements,
    TargetInfo,
    TargetSettings,
)
from pipeline.apple.xcode.plists import parse
from pipeline.model import Declaration
from pipeline.ports.files import LiveFiles
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, png, project, write

PHONE = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.$(PRODUCT_NAME:rfc1034identifier:lower)"}


def app(root: Path, extra: dict[str, str], files: dict[str, str | bytes] | None = None, **options: object) -> Look:
    project(root, "My App", {"My App": {"Release": {**PHONE, **extra}}}, **options)  # type: ignore[arg-type]
    write(root, files or {})
    return Look(root)


INFO = plist(
    "<key>CFBundleIdentifier</key>\n<string>$(PRODUCT_BUNDLE_IDENTIFIER)</string>\n"
    "<key>CFBundleShortVersionString</key>\n<string>9.9</string>\n"
    "<key>UIRequiredDeviceCapabilities</key>\n<array><string>arm64</string></array>\n"
    "<key>Host</key>\n<string>$(HOST)</string>"
)


def test_without_generation_the_file_counts(tmp_path: Path) -> None:
    extra = {"INFOPLIST_FILE": "Info.plist", "MARKETING_VERSION": "2.0", "INFOPLIST_KEY_UIStatusBarHidden": "YES"}
    info = app(tmp_path, extra, {"Info.plist": INFO}).value("ios", TargetInfo)
    assert info.text("CFBundleIdentifier") == "com.example.my-app"
    assert info.text("CFBundleShortVersionString") == "9.9"
    assert (info.place("CFBundleShortVersionString").path, info.place("CFBundleShortVersionString").line) == (
        "Info.plist",
        7,
    )
    assert "UIStatusBarHidden" not in info.values
    assert [(each.key, each.names) for each in info.undefined] == [("Host", ("HOST",))]


def test_with_generation_settings_overwrite_append_and_merge(tmp_path: Path) -> None:
    extra = {
        "GENERATE_INFOPLIST_FILE": "YES",
        "INFOPLIST_FILE": "$(SRCROOT)/Info.plist",
        "MARKETING_VERSION": "2.0",
        "INFOPLIST_KEY_UIStatusBarHidden": "YES",
        "INFOPLIST_KEY_UIRequiredDeviceCapabilities": "arm64 metal",
        "INFOPLIST_KEY_UIApplicationSceneManifest_Generation": "YES",
        "INFOPLIST_KEY_Unheard_Of": "YES",
    }
    look = app(tmp_path, extra, {"Info.plist": INFO})
    info = look.value("ios", TargetInfo)
    assert info.text("CFBundleShortVersionString") == "2.0"
    assert info.place("CFBundleShortVersionString").path == "My App.xcodeproj/project.pbxproj"
    assert info.values["UIRequiredDeviceCapabilities"] == ["arm64", "metal"]
    assert info.values["UIStatusBarHidden"] is True
    assert info.values["UIApplicationSceneManifest"]["UIApplicationSupportsMultipleScenes"] is True
    assert info.values["LSRequiresIPhoneOS"] is True
    assert "Unheard_Of" not in info.values
    assert look.value("ios", TargetSettings).infoplist_file.text == "Info.plist"


@pytest.mark.parametrize("content", [None, "<plist><dict>", plist("").replace("dict", "array")])
def test_an_unreadable_info_plist_is_unknown_and_told(tmp_path: Path, content: str | None) -> None:
    look = app(tmp_path, {"INFOPLIST_FILE": "Info.plist"}, {"Info.plist": content} if content else {})
    assert look.facts["ios"][TargetInfo].value is None
    assert "Info.plist" in look.facts["ios"][TargetInfo].why
    rules = {rule for rule, _, _ in look.told("ios", "ERROR")}
    assert ("PROJ064" if content else "PROJ060") in rules
    assert "PROJ005" not in rules


def test_the_sandbox_that_a_setting_adds(tmp_path: Path) -> None:
    extra = {"SDKROOT": "macosx", "ENABLE_APP_SANDBOX": "YES", "ENABLE_USER_SELECTED_FILES": "readonly"}
    look = app(tmp_path, extra)
    held = look.value("macos", TargetEntitlements)
    assert held.values["com.apple.security.app-sandbox"] is True
    assert held.values["com.apple.security.files.user-selected.read-only"] is True
    assert "PROJ023" not in {rule for rule, _, _ in look.told("macos")}


def test_a_missing_base_configuration_is_a_warning_only(tmp_path: Path) -> None:
    look = app(tmp_path, {}, base={"Release": "Secrets/Team.xcconfig"})
    (problem,) = look.value("ios", ProjectProblems).problems
    assert problem.missing == "Secrets/Team.xcconfig"
    assert "PROJ063" in {rule for rule, _, _ in look.told("ios", "WARNING")}
    assert "PROJ020" in {rule for rule, _, _ in look.told("ios", "UNKNOWN")}


def test_project_settings_come_from_the_base_configuration(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"Config/Team.xcconfig": "DEVELOPMENT_TEAM = ABCDE12345\nMARKETING_VERSION = 1.0\n"}
    look = app(tmp_path, {"MARKETING_VERSION": "$(inherited).1"}, files, base={"Release": "Config/Team.xcconfig"})
    found = look.value("ios", TargetSettings)
    assert (found.team_id.text, found.team_id.location.path, found.team_id.location.line) == (
        "ABCDE12345",
        "Config/Team.xcconfig",
        1,
    )
    assert found.marketing_version.text == "1.0.1"


SET = '{\n  "images" : [\n    {\n      "filename" : "i.png",\n      "idiom" : "universal",\n      "platform" : "ios",\n      "size" : "1024x1024"\n    }\n  ]\n}\n'


@pytest.mark.parametrize(
    ("image", "rules"),
    [
        (png(1024, 1024, b"\1\2\3"), set()),
        (png(1024, 1024, b"\1\2\3\xff"), {("PROJ051", "NOTE")}),
        (png(1024, 1024, b"\1\2\3\x7f"), {("PROJ051", "ERROR")}),
        (png(512, 512, b"\1\2\3"), {("PROJ050", "ERROR")}),
        (b"GIF89a", {("PROJ050", "ERROR")}),
        (None, {("PROJ050", "ERROR")}),
    ],
)
def test_the_icon_of_the_store(tmp_path: Path, image: bytes | None, rules: set[tuple[str, str]]) -> None:
    files: dict[str, str | bytes] = {"App/Assets.xcassets/AppIcon.appiconset/Contents.json": SET}
    if image:
        files["App/Assets.xcassets/AppIcon.appiconset/i.png"] = image
    look = app(tmp_path, {"ASSETCATALOG_COMPILER_APPICON_NAME": "AppIcon"}, files, folders={"App": ()})
    assert look.value("ios", AppIcon).images[0].line == 3
    told = {
        (rule, str(finding.severity))
        for rule, finding in look.findings["ios"]
        if rule in ("PROJ050", "PROJ051", "PROJ052")
    }
    assert told == rules


def test_transparency_by_palette() -> None:
    image = IconImage("universal", "1x1")
    assert assets.with_png(image, png(1, 1, b"\0", palette=True)).alpha
    assert not assets.with_png(image, png(1, 1, b"\0\0\0")).alpha


def test_an_icon_composer_file_is_an_icon(tmp_path: Path) -> None:
    look = app(
        tmp_path,
        {"ASSETCATALOG_COMPILER_APPICON_NAME": "AppIcon"},
        {"App/AppIcon.icon/icon.json": "{}"},
        folders={"App": ()},
    )
    assert look.value("ios", AppIcon).kind == "icon"


@pytest.mark.parametrize(
    ("options", "member"),
    [
        ({"resources": ("App/PrivacyInfo.xcprivacy",)}, True),
        ({"folders": {"App": ()}}, True),
        ({"folders": {"App": ("PrivacyInfo.xcprivacy",)}}, False),
        ({}, False),
    ],
)
def test_membership_of_the_privacy_manifest(tmp_path: Path, options: dict[str, object], member: bool) -> None:
    look = app(tmp_path, {}, {"App/PrivacyInfo.xcprivacy": plist("<key>NSPrivacyTracking</key><false/>")}, **options)
    manifest = look.value("ios", PrivacyManifest)
    assert bool(manifest.path) is member
    assert (manifest.strays == ("App/PrivacyInfo.xcprivacy",)) is not member


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("<key>NSPrivacyTracking</key><string>no</string>", ["has to be a boolean"]),
        ("<key>NSPrivacyTrackingDomain</key><array/>", ["is not a key"]),
        ("<key>NSPrivacyTrackingDomains</key><array><string>a.b</string></array>", ["NSPrivacyTracking is not true"]),
        ("<key>NSPrivacyAccessedAPITypes</key><array><string>x</string></array>", ["is no dictionary"]),
        (
            (
                "<key>NSPrivacyAccessedAPITypes</key><array><dict><key>NSPrivacyAccessedAPIType</key>"
                "<string>NSPrivacyAccessedAPICategoryUserDefaults</string><key>NSPrivacyAccessedAPITypeReasons</key>"
                "<array><string>C617.1</string></array></dict></array>"
            ),
            ["is not a reason"],
        ),
        (
            (
                "<key>NSPrivacyCollectedDataTypes</key><array><dict><key>NSPrivacyCollectedDataType</key><string>X</string>"
                "<key>NSPrivacyCollectedDataTypeLinked</key><false/><key>NSPrivacyCollectedDataTypeTracking</key><false/>"
                "<key>NSPrivacyCollectedDataTypePurposes</key><array/></dict></array>"
            ),
            ["is empty"],
        ),
        ("<key>NSPrivacyTracking</key><true/>", []),
    ],
)
def test_flaws_of_privacy_manifests(body: str, texts: list[str]) -> None:
    found = privacy.flaws(parse(plist(body).encode()))
    assert len(found) == len(texts)
    for flaw, text in zip(found, texts, strict=True):
        assert text in flaw.text
        assert flaw.line is not None


def test_each_file_is_read_once_for_all_lanes(tmp_path: Path) -> None:
    both = {"SDKROOT": "auto", "SUPPORTED_PLATFORMS": "iphoneos macosx", "INFOPLIST_FILE": "Info.plist"}
    project(tmp_path, targets={"App": {"Release": {**PHONE, **both}}})
    write(tmp_path, {"Info.plist": INFO})

    class Counting(LiveFiles):
        reads: dict[str, int] = {}  # noqa: RUF012

        def read(self, path: str | Path, limit: int = 1 << 28) -> bytes:
            self.reads[str(path)] = self.reads.get(str(path), 0) + 1
            return super().read(path, limit)

    from pipeline.apple.xcode.discovery import discover
    from pipeline.model import Declaration
    from tests.rooms.xcode.look import readings

    files = Counting(tmp_path)
    for lane in discover(files).lanes:
        readings(files, lane, Declaration())
    assert len(files.reads) == 2
    assert set(files.reads.values()) == {1}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: png(2, 2, b"\1\2\3\4")[:30] + tail))
def test_any_image_is_borne(data: bytes) -> None:
    assets.with_png(IconImage("universal", "1024x1024"), data)


@settings(max_examples=100, deadline=None)
@given(st.text('{}[]:,"images filename\\', max_size=60).map(lambda tail: '{"images": [' + tail))
def test_any_catalog_is_borne(text: str) -> None:
    try:
        assets.icon_images(text.encode())
    except assets.BrokenCatalog as fault:
        assert fault.reason  # noqa: PT017  # whether it is raised depends on the damage


PREPROCESSED = plist(
    "<key>CFBundleShortVersionString</key>\n<string>VERSION</string>\n#ifdef PAID\n<key>Edition</key>\n"
    "<string>paid</string>\n#else\n<key>Edition</key>\n<string>free</string>\n#endif"
)


@pytest.mark.parametrize(("definitions", "edition"), [("PAID VERSION=3.1", "paid"), ("VERSION=3.1", "free")])
def test_an_info_plist_for_the_c_preprocessor(tmp_path: Path, definitions: str, edition: str) -> None:
    extra = {
        "INFOPLIST_FILE": "Info.plist",
        "INFOPLIST_PREPROCESS": "YES",
        "INFOPLIST_PREPROCESSOR_DEFINITIONS": definitions,
    }
    info = app(tmp_path, extra, {"Info.plist": PREPROCESSED}).value("ios", TargetInfo)
    assert (info.text("CFBundleShortVersionString"), info.text("Edition")) == ("3.1", edition)
    assert info.place("Edition").line == (8 if edition == "paid" else 11)


def test_what_the_preprocessor_would_have_to_guess_is_unknown(tmp_path: Path) -> None:
    extra = {"INFOPLIST_FILE": "Info.plist", "INFOPLIST_PREPROCESS": "YES"}
    look = app(tmp_path, extra, {"Info.plist": plist('#include "Shared.h"')})
    assert look.value("ios", TargetInfo) is None
    assert ("PROJ064", "Info.plist", 4) in look.told("ios", "ERROR")


PREFIXED = {"INFOPLIST_FILE": "Info.plist", "INFOPLIST_PREPROCESS": "YES", "INFOPLIST_PREFIX_HEADER": "App/version.h"}


@pytest.mark.parametrize(
    "header",
    [
        "#define VERSION 3.1\n",
        "#pragma once\r\n// Written by hand.\r\n#define OTHER\r\n # define VERSION 3.1 /* a list */ // of numbers\r\n",
    ],
)
def test_a_header_defines_what_an_info_plist_says(tmp_path: Path, header: str) -> None:
    info = app(tmp_path, PREFIXED, {"Info.plist": PREPROCESSED, "App/version.h": header}).value("ios", TargetInfo)
    assert info.text("CFBundleShortVersionString") == "3.1"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "#define VERSION(a) 3.a\n",
        "#ifdef PAID\n#define VERSION 3.1\n#endif\n",
        '#include "other.h"\n',
        "/* of two\n lines */\n",
        "#define VERSION 3. \\\n 1\n",
        "#define VERSION MAJOR.1\n#define MAJOR 3\n",
    ],
)
def test_what_another_header_defines_is_unknown(tmp_path: Path, header: str | None) -> None:
    files = {"Info.plist": PREPROCESSED} | ({} if header is None else {"App/version.h": header})
    look = app(tmp_path, PREFIXED, files)
    assert look.value("ios", TargetInfo) is None
    assert ("PROJ064", "Info.plist", None) in look.told("ios", "NOTE")
    assert "PROJ064" not in {rule for rule, _, _ in look.told("ios", "ERROR")}


TEAM_GIVEN = {
    "fastlane/Fastfile": 'lane :a do\n  build_app(\n    xcargs: "DEVELOPMENT_TEAM=#{team}",\n  )\nend\n',
    "fastlane/lanes/a.rb": "lane :a do\n  # x\n  update_project_team(teamid: team)\nend\n",
    "Makefile": "archive:\n\txcodebuild archive \\\n\t\tDEVELOPMENT_TEAM=$(TEAM)\n",
    "ci/build.sh": '#!/bin/sh\nxcodebuild archive \\\n  DEVELOPMENT_TEAM="$TEAM" \\\n  -scheme A\n',
    ".github/workflows/a.yml": "jobs:\n  - run: >\n      xcodebuild DEVELOPMENT_TEAM=${{ secrets.TEAM }}\n",
}


@pytest.mark.parametrize("path", TEAM_GIVEN)
def test_a_team_that_a_command_gives(tmp_path: Path, path: str) -> None:
    look = app(tmp_path, {}, {path: TEAM_GIVEN[path]})
    (found,) = [finding for rule, finding in look.findings["ios"] if rule == "PROJ020"]
    assert str(found.severity) == "WARNING"
    assert f"({path}:3) may give one" in found.summary


@pytest.mark.parametrize(
    "script",
    [
        "xcodebuild DEVELOPMENT_TEAM= test\n",
        'xcodebuild DEVELOPMENT_TEAM="" test\n',
        "# xcodebuild DEVELOPMENT_TEAM=ABCDE12345\n",
        "xcodebuild test\n\necho DEVELOPMENT_TEAM=ABCDE12345\n",
    ],
)
def test_a_team_that_no_command_gives(tmp_path: Path, script: str) -> None:
    look = app(tmp_path, {}, {"build.sh": script})
    assert "PROJ020" in {rule for rule, _, _ in look.told("ios", "ERROR")}


@pytest.mark.parametrize(
    ("styles", "extra", "style", "told"),
    [
        ({}, {"PROVISIONING_PROFILE_SPECIFIER": "Store"}, "Manual", False),
        ({}, {}, "Automatic", False),
        ({"My App": "Manual"}, {"PROVISIONING_PROFILE_SPECIFIER": "Store"}, "Manual", False),
        ({"My App": "Automatic"}, {"PROVISIONING_PROFILE_SPECIFIER": "Store"}, "Automatic", True),
        ({"My App": "Manual"}, {"CODE_SIGN_STYLE": "Automatic"}, "Automatic", False),
    ],
)
def test_the_style_of_signing(
    tmp_path: Path, styles: dict[str, str], extra: dict[str, str], style: str, told: bool
) -> None:
    look = app(tmp_path, {**extra, "DEVELOPMENT_TEAM": "ABCDE12345"}, styles=styles)
    assert look.value("ios", TargetSettings).code_sign_style.text == style
    assert ("PROJ022" in {rule for rule, _, _ in look.told("ios", "ERROR")}) is told


def test_a_setting_of_another_configuration_is_left_empty_on_purpose(tmp_path: Path) -> None:
    identifier = {"PRODUCT_BUNDLE_IDENTIFIER": "com.example.app$(SUFFIX)$(TYPO)", "SDKROOT": "iphoneos"}
    debug = {**identifier, "SUFFIX": ".dev"}
    project(tmp_path, targets={"App": {"Debug": debug, "Release": identifier}})
    found = Look(tmp_path).value("ios", TargetSettings)
    assert (found.bundle_id.text, found.bundle_id.undefined) == ("com.example.app", ("TYPO",))


def test_settings_that_xcode_gives_are_not_undefined(tmp_path: Path) -> None:
    source = plist("<key>By</key>\n<string>$(XCODE_VERSION_ACTUAL) $(SDK_VERSION) $(BUILT_PRODUCTS_DIR)</string>")
    info = app(tmp_path, {"INFOPLIST_FILE": "Info.plist"}, {"Info.plist": source}).value("ios", TargetInfo)
    assert info.undefined == ()


def test_the_team_that_config_declares_is_built_with(tmp_path: Path) -> None:
    project(
        tmp_path, targets={"App": {"Release": {**PHONE, "PRODUCT_BUNDLE_IDENTIFIER": "com.$(DEVELOPMENT_TEAM).app"}}}
    )
    assert ("PROJ003", "", None) not in Look(tmp_path).told("ios")
    look = Look(tmp_path, Declaration(team_id="ABCDE12345"))
    settings = look.value("ios", TargetSettings)
    assert (settings.bundle_id.text, settings.team_id.text) == ("com.ABCDE12345.app", "")


@pytest.mark.parametrize(
    ("script", "stamped"),
    [
        ('/usr/libexec/PlistBuddy -c "Set :CFBundleVersion $n" "$plist"', True),
        ("plutil -replace CFBundleVersion -string 7 Info.plist", True),
        ('/usr/libexec/PlistBuddy -c "Print CFBundleVersion" "$plist"', False),
    ],
)
def test_versions_that_a_script_writes(tmp_path: Path, script: str, stamped: bool) -> None:
    files: dict[str, str | bytes] = {"Info.plist": plist("<key>CFBundleVersion</key>\n<string>0</string>")}
    extra = {"INFOPLIST_FILE": "Info.plist", "CURRENT_PROJECT_VERSION": "12"}
    look = app(tmp_path, extra, files, scripts=(script,))
    assert look.value("ios", TargetInfo).stamped == (("CFBundleVersion",) if stamped else ())
    assert ("PROJ004", "Info.plist", 5) in look.told("ios", "NOTE" if stamped else "WARNING")


CATALOG = '{"info": {"author": "xcode", "version": 1}}'
ICON = {"ASSETCATALOG_COMPILER_APPICON_NAME": "AppIcon"}


@pytest.mark.parametrize(("scripts", "severity"), [(("make-icons",), "UNKNOWN"), ((), "ERROR")])
def test_a_catalog_that_a_script_may_fill(tmp_path: Path, scripts: tuple[str, ...], severity: str) -> None:
    files: dict[str, str | bytes] = {"A.xcassets/Contents.json": CATALOG}
    look = app(tmp_path, ICON, files, resources=("A.xcassets",), scripts=scripts)
    assert "PROJ050" in {rule for rule, _, _ in look.told("ios", severity)}


def test_a_picture_that_git_lfs_keeps_elsewhere(tmp_path: Path) -> None:
    entry = '{"images": [{"idiom": "universal", "platform": "ios", "size": "1024x1024", "filename": "i.png"}]}'
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1177\n"
    files: dict[str, str | bytes] = {
        "A.xcassets/AppIcon.appiconset/Contents.json": entry,
        "A.xcassets/AppIcon.appiconset/i.png": pointer,
    }
    look = app(tmp_path, ICON, files, resources=("A.xcassets",))
    assert "PROJ050" in {rule for rule, _, _ in look.told("ios", "UNKNOWN")}
    assert "PROJ052" not in {rule for rule, _, _ in look.told("ios")}


@pytest.mark.parametrize(
    ("path", "stray"),
    [
        ("App/PrivacyInfo.xcprivacy", True),
        ("Kit/Sources/Kit/PrivacyInfo.xcprivacy", False),
        ("Sources/Core/PrivacyInfo.xcprivacy", False),
        ("Sources/App/PrivacyInfo.xcprivacy", True),
        ("Pods/Some/PrivacyInfo.xcprivacy", False),
        ("Vendor/Some/PrivacyInfo.xcprivacy", False),
        ("Other/PrivacyInfo.xcprivacy", False),
    ],
)
def test_manifests_of_others_are_not_missed(tmp_path: Path, path: str, stray: bool) -> None:
    project(tmp_path / "Other", "Elsewhere")
    files: dict[str, str | bytes] = {
        path: plist(""),
        "Kit/Package.swift": "",
        "Package.swift": '.target(name: "Core")',
    }
    assert app(
        tmp_path,
        {},
        files,
    ).value("ios", PrivacyManifest).strays == ((path,) if stray else ())
