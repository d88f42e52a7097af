"""Which lanes an app has, what is left out and why, and what is said where there is no app."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.apple.xcode import workspace as workspaces
from pipeline.apple.xcode.discovery import discover
from pipeline.apple.xcode.facts import TargetSettings
from pipeline.model import Platform, UsageFault
from pipeline.ports.files import LiveFiles
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, project, scheme, write

PHONE = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}
CATEGORY = "INFOPLIST_KEY_LSApplicationCategoryType"
BOTH = {"SDKROOT": "auto", "SUPPORTED_PLATFORMS": "iphoneos iphonesimulator macosx xros appletvos"}


def lanes(root: Path, **options: object) -> list[tuple[str, str, str, str, str]]:
    found = discover(LiveFiles(root), **options)  # type: ignore[arg-type]
    return [(lane.name, lane.project, lane.target, lane.configuration, lane.scheme) for lane in found.lanes]


def test_one_project(tmp_path: Path) -> None:
    project(tmp_path, targets={"App": {"Debug": PHONE, "Release": PHONE}})
    assert lanes(tmp_path) == [("ios", "App.xcodeproj", "App", "Release", "App")]


def test_a_target_for_several_platforms(tmp_path: Path) -> None:
    project(tmp_path, targets={"App": {"Release": {**BOTH, CATEGORY: "public.app-category.utilities"}}})
    assert [lane[0] for lane in lanes(tmp_path)] == ["ios", "macos", "tvos"]
    assert [lane[0] for lane in lanes(tmp_path, platforms=("visionos", "macos"))] == ["macos", "visionos"]
    left_out = discover(LiveFiles(tmp_path)).others
    assert [each.remedy for each in left_out] == ["ask for the platform visionos"]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("Debug", "Release", "Production"), "Production"),
        (("Debug", "Release", "AppStore"), "Release"),
        (("Debug", "App Store"), "App Store"),
        (("Debug", "Beta"), "Beta"),
    ],
)
def test_preferred_configuration(tmp_path: Path, names: tuple[str, ...], wanted: str) -> None:
    project(tmp_path, targets={"App": dict.fromkeys(names, PHONE)})
    assert lanes(tmp_path)[0][3] == wanted
    assert lanes(tmp_path, configuration="Debug")[0][3] == "Debug"


def test_a_shared_scheme_decides_the_configuration(tmp_path: Path) -> None:
    folder = project(tmp_path, targets={"App": dict.fromkeys(("Debug", "Release", "Store"), PHONE)})
    write(folder, {"xcshareddata/xcschemes/Ship.xcscheme": scheme("App", "App.xcodeproj", "Store")})
    assert lanes(tmp_path) == [("ios", "App.xcodeproj", "App", "Store", "Ship")]
    assert lanes(tmp_path, scheme="Ship")[0][4] == "Ship"


def test_tests_extensions_and_examples_are_no_lanes(tmp_path: Path) -> None:
    kinds = {"Share": "com.apple.product-type.app-extension", "Tests": "com.apple.product-type.bundle.unit-test"}
    targets = {key: {"Release": PHONE} for key in ("App", "Share", "Tests")}
    project(tmp_path, targets=targets, types=kinds, carried=("Share",))
    project(tmp_path / "Examples" / "Small", "Demo")
    look = Look(tmp_path)
    assert [lane.target for lane in look.found.lanes] == ["App"]
    assert [(each.what, each.rival) for each in look.found.others] == [
        ("iOS app Demo in Examples/Small/Demo.xcodeproj", False)
    ]
    assert [each.target for each in look.value("ios", TargetSettings).extensions] == ["Share"]


def test_an_example_is_better_than_nothing(tmp_path: Path) -> None:
    project(tmp_path / "Example", "Demo")
    assert lanes(tmp_path)[0][1] == "Example/Demo.xcodeproj"


def test_rivals_say_why(tmp_path: Path) -> None:
    project(tmp_path / "old", "App")
    release = {**PHONE, "PROVISIONING_PROFILE_SPECIFIER": "Store", "CODE_SIGN_STYLE": "Manual"}
    project(tmp_path / "zz-new", "App", {"App": {"Release": release}})
    found = discover(LiveFiles(tmp_path))
    assert found.lanes[0].project == "zz-new/App.xcodeproj"
    (other,) = found.others
    assert other.rival
    assert "name a provisioning profile" in other.reason
    assert "old/App.xcodeproj" in other.remedy
    assert lanes(tmp_path, project="old/App.xcodeproj")[0][1] == "old/App.xcodeproj"
    assert lanes(tmp_path, project="./old/App.xcodeproj/")[0][1] == "old/App.xcodeproj"
    assert lanes(tmp_path, projects={"ios": "old/App.xcodeproj"})[0][1] == "old/App.xcodeproj"


def test_a_broken_project_beside_a_whole_one(tmp_path: Path) -> None:
    project(tmp_path)
    write(tmp_path, {"Other.xcodeproj/project.pbxproj": "// !$*UTF8*$!\n{\n<<<<<<< HEAD\n"})
    found = discover(LiveFiles(tmp_path))
    assert len(found.lanes) == 1
    (problem,) = found.problems
    assert (problem.location.path, problem.location.line) == ("Other.xcodeproj/project.pbxproj", 3)  # type: ignore[union-attr]
    assert ("PROJ073", "Other.xcodeproj/project.pbxproj", 3) in Look(tmp_path).told("", "ERROR")


@pytest.mark.parametrize(
    ("files", "options", "what", "remedy"),
    [
        ({}, {}, "is empty", "--app"),
        ({"README.md": "x"}, {}, "no Xcode project", "--app"),
        ({"Package.swift": "x"}, {}, "no Xcode project", "add an Xcode project"),
        ({"App/project.yml": "x"}, {}, "no Xcode project", "xcodegen"),
        ({"A.xcodeproj/project.pbxproj": "{"}, {}, "A.xcodeproj/project.pbxproj:1", "mend"),
        ({"+": ""}, {"project": "B.xcodeproj"}, "B.xcodeproj names no Xcode project", "App.xcodeproj"),
        ({"+": ""}, {"target": "Nope"}, "nothing to archive for target Nope", "name one"),
        ({"+": ""}, {"configuration": "Nope"}, "nothing to archive for configuration Nope", "name one"),
        ({"+": ""}, {"scheme": "Nope"}, "nothing to archive for scheme Nope", "name one"),
        ({"+": ""}, {"platforms": ("beos",)}, "unknown platform beos", "ios"),
        ({"+": ""}, {"platforms": ("macos",)}, "no target for macos", "name one"),
    ],
)
def test_faults_name_a_remedy(
    tmp_path: Path, files: dict[str, str], options: dict[str, object], what: str, remedy: str
) -> None:
    if "+" in files:
        project(tmp_path)
    else:
        write(tmp_path, files)
    with pytest.raises(UsageFault) as caught:
        lanes(tmp_path, **options)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="there is no folder"):
        discover(LiveFiles(tmp_path / "gone"))


def test_watch_apps_are_not_taken_for_phone_apps(tmp_path: Path) -> None:
    project(tmp_path, targets={"Watch": {"Release": {"SDKROOT": "watchos"}}})
    with pytest.raises(UsageFault):
        lanes(tmp_path)


def test_platform_spelling_of_app_store_connect(tmp_path: Path) -> None:
    project(tmp_path)
    assert discover(LiveFiles(tmp_path), platforms=("IOS",)).lanes[0].platform is Platform.IOS


MAC = {"SDKROOT": "macosx", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}
NONE = "com.apple.product-type.framework"


def test_a_helper_is_no_lane_where_there_is_an_app(tmp_path: Path) -> None:
    targets = {"App": {"Release": PHONE}, "Unused": {"Release": PHONE}, "LoginItem": {"Release": MAC}}
    project(tmp_path, targets=targets, types={"Unused": NONE}, carried=("LoginItem",))
    found = discover(LiveFiles(tmp_path))
    assert [lane.target for lane in found.lanes] == ["App"]
    (left_out,) = found.others
    assert "another app carries it" in left_out.reason
    assert not left_out.rival
    assert lanes(tmp_path, target="LoginItem")[0][2] == "LoginItem"
    assert [lane[0] for lane in lanes(tmp_path, platforms=("macos",))] == ["macos"]


def test_a_dependency_of_an_app_is_a_helper(tmp_path: Path) -> None:
    project(tmp_path, targets={"App": {"Release": PHONE}, "Helper": {"Release": PHONE}})
    found = discover(LiveFiles(tmp_path))
    assert [lane.target for lane in found.lanes] == ["App"]
    assert found.others == ()


def test_supported_platforms_of_the_project_do_not_make_every_target_a_mac_app(tmp_path: Path) -> None:
    shared = {"Release": {"SUPPORTED_PLATFORMS": "iphoneos macosx"}}
    targets = {"Phone": {"Release": PHONE}, "Unused": {"Release": PHONE}, "Desk": {"Release": MAC}}
    project(tmp_path, targets=targets, types={"Unused": NONE}, shared=shared)
    assert [lane[::2][:2] for lane in lanes(tmp_path)] == [("ios", "Phone"), ("macos", "Desk")]


OUTSIDE = [
    ({"CODE_SIGN_IDENTITY": "Developer ID Application"}, "signed for distribution outside the App Store"),
    ({"CODE_SIGN_IDENTITY": "-"}, "signed to run on the machine that builds it"),
    ({"INFOPLIST_FILE": "Direct.plist"}, "brings its own updater"),
]
FEED = plist("<key>SUFeedURL</key><string>https://acme.example/feed</string>")


@pytest.mark.parametrize(("settings", "why"), OUTSIDE)
def test_a_mac_app_for_outside_the_store_is_no_lane_unless_asked_for(
    tmp_path: Path, settings: dict[str, str], why: str
) -> None:
    write(tmp_path, {"Direct.plist": FEED})
    project(tmp_path, targets={"App": {"Release": {**MAC, **settings}}})
    with pytest.raises(UsageFault, match="no app here is made for the App Store") as raised:
        discover(LiveFiles(tmp_path))
    assert raised.value.why.startswith("App in App.xcodeproj: it ")
    assert why in raised.value.why
    assert "--project App.xcodeproj" in raised.value.remedy
    for asked in ({"project": "App.xcodeproj"}, {"platforms": ("macos",)}, {"target": "App"}):
        assert [lane[0] for lane in lanes(tmp_path, **asked)] == ["macos"]


@pytest.mark.parametrize(("settings", "why"), OUTSIDE)
def test_beside_an_app_for_the_store_it_is_noted(tmp_path: Path, settings: dict[str, str], why: str) -> None:
    write(tmp_path, {"Direct.plist": FEED})
    targets = {"App": {"Release": PHONE}, "Unused": {"Release": PHONE}, "Desk": {"Release": {**MAC, **settings}}}
    project(tmp_path, targets=targets, types={"Unused": NONE})
    look = Look(tmp_path)
    assert [lane.name for lane in look.found.lanes] == ["ios"]
    (told,) = [finding for rule, finding in look.findings[""] if rule == "PROJ072"]
    assert (str(told.severity), why in told.summary) == ("NOTE", True)
    assert "ask for the platform macos" in told.remedy


def test_the_store_s_own_profile_outweighs_a_developer_id(tmp_path: Path) -> None:
    settings = {
        "CODE_SIGN_IDENTITY": "Developer ID Application",
        "PROVISIONING_PROFILE_SPECIFIER": "App Mac App Store Distribution",
    }
    project(tmp_path, targets={"App": {"Release": {**MAC, **settings}}})
    assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]


@pytest.mark.parametrize(
    ("settings", "is_lane"),
    [
        ({"INFOPLIST_FILE": "Direct.plist", "CODE_SIGN_ENTITLEMENTS": "In.entitlements"}, True),
        ({"INFOPLIST_FILE": "Direct.plist", "CODE_SIGN_ENTITLEMENTS": "Out.entitlements"}, False),
        ({"INFOPLIST_FILE": "Direct.plist", "CODE_SIGN_ENTITLEMENTS": "Absent.entitlements"}, True),
        ({"INFOPLIST_FILE": "Direct.plist", "ENABLE_APP_SANDBOX": "YES"}, True),
        ({"CODE_SIGN_IDENTITY": "-", "ENABLE_APP_SANDBOX": "YES"}, True),
        ({"CODE_SIGN_IDENTITY": "Developer ID Application", "ENABLE_APP_SANDBOX": "YES"}, False),
    ],
)
def test_a_sandboxed_app_may_go_to_the_store_whatever_its_settings_say_here(
    tmp_path: Path, settings: dict[str, str], is_lane: bool
) -> None:
    """CotEditor, Maccy and SwiftFormat are sold there, and sign or update themselves elsewhere too."""
    sandbox = "<key>com.apple.security.app-sandbox</key><{}/>"
    files = {"In.entitlements": plist(sandbox.format("true")), "Out.entitlements": plist(sandbox.format("false"))}
    write(tmp_path, {"Direct.plist": FEED, **files})
    project(tmp_path, targets={"App": {"Release": {**MAC, **settings}}})
    if is_lane:
        assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]
    else:
        with pytest.raises(UsageFault, match="made for the App Store"):
            lanes(tmp_path)


def test_settings_that_are_not_known_say_nothing(tmp_path: Path) -> None:
    """UTM keeps its team in a file of its own."""
    settings = {**MAC, "CODE_SIGN_IDENTITY": "-"}
    project(tmp_path, targets={"App": {"Release": settings}}, base={"Release": "Team.xcconfig"})
    assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]


def test_a_helper_does_not_take_the_place_of_an_app_for_outside_the_store(tmp_path: Path) -> None:
    write(tmp_path, {"Direct.plist": FEED})
    targets = {"App": {"Release": {**MAC, "INFOPLIST_FILE": "Direct.plist"}}, "Launcher": {"Release": MAC}}
    project(tmp_path, targets=targets, carried=("Launcher",))
    with pytest.raises(UsageFault, match="made for the App Store"):
        discover(LiveFiles(tmp_path))


def test_of_two_mac_apps_the_one_for_the_store_is_the_lane(tmp_path: Path) -> None:
    """However much speaks for the other one."""
    write(tmp_path, {"Direct.plist": FEED})
    direct = {**MAC, "INFOPLIST_FILE": "Direct.plist", "PROVISIONING_PROFILE_SPECIFIER": "Direct"}
    targets = {"App": {"Release": direct}, "Unused": {"Release": MAC}, "Desk": {"Release": MAC}}
    folder = project(tmp_path, targets=targets, types={"Unused": NONE})
    write(folder, {"xcshareddata/xcschemes/App.xcscheme": scheme("App", "App.xcodeproj")})
    assert [lane[2] for lane in lanes(tmp_path)] == ["Desk"]


MAC_ICON = '{"images": [{"idiom": "mac", "size": "512x512", "scale": "2x"%s}]}'


@pytest.mark.parametrize(
    ("settings", "icon", "names"),
    [
        ({}, MAC_ICON % "", ["ios"]),
        ({}, MAC_ICON % ', "filename": "a.png"', ["ios", "macos"]),
        ({CATEGORY: "public.app-category.news"}, MAC_ICON % "", ["ios", "macos"]),
        ({"PROVISIONING_PROFILE_SPECIFIER": "App"}, MAC_ICON % "", ["ios", "macos"]),
    ],
)
def test_a_mac_edition_that_only_a_template_made_is_no_lane(
    tmp_path: Path, settings: dict[str, str], icon: str, names: list[str]
) -> None:
    both = {"SDKROOT": "auto", "SUPPORTED_PLATFORMS": "iphoneos macosx", "DEVELOPMENT_TEAM": "ABCDE12345"}
    app = {**both, "ASSETCATALOG_COMPILER_APPICON_NAME": "AppIcon", **settings}
    project(tmp_path, targets={"App": {"Release": app}}, resources=("Assets.xcassets",))
    write(tmp_path, {"Assets.xcassets/AppIcon.appiconset/Contents.json": icon})
    found = discover(LiveFiles(tmp_path))
    assert [lane.name for lane in found.lanes] == names
    assert [each.reason.split(":")[0] for each in found.others] == ["nothing shows a Mac edition"] * (len(names) == 1)
    assert [lane[0] for lane in lanes(tmp_path, platforms=("macos",))] == ["macos"]


def test_what_speaks_against_the_chosen_app_is_no_reason_for_it(tmp_path: Path) -> None:
    direct = {
        **MAC,
        "CODE_SIGN_IDENTITY": "Developer ID Application",
        "PROVISIONING_PROFILE_SPECIFIER": "Mac App Store",
    }
    targets = {"App": {"Release": direct}, "Unused": {"Release": MAC}, "Desk": {"Release": MAC}}
    folder = project(tmp_path, targets=targets, types={"Unused": NONE})
    write(folder, {"xcshareddata/xcschemes/App.xcscheme": scheme("App", "App.xcodeproj")})
    found = discover(LiveFiles(tmp_path))
    assert [lane.target for lane in found.lanes] == ["App"]
    (other,) = [each for each in found.others if "Desk" in each.what]
    assert "a shared scheme archives it" in other.reason
    assert "outside the App Store" not in other.reason


def test_a_project_file_that_is_not_read_is_not_called_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, targets={"App": {"Release": PHONE}})
    monkeypatch.setattr(workspaces, "PROJECT_LIMIT", 10)
    with pytest.raises(UsageFault) as raised:
        discover(LiveFiles(tmp_path))
    assert raised.value.what == (
        "App.xcodeproj/project.pbxproj: the project cannot be read: it is larger than 10 bytes"
    )
    assert "Xcode could not open it" not in raised.value.remedy
    monkeypatch.undo()
    project(tmp_path / "Vendor", "Other")
    other = tmp_path / "Vendor/Other.xcodeproj/project.pbxproj"
    other.unlink()
    other.symlink_to("/etc/passwd")
    told = [finding for rule, finding in Look(tmp_path).findings[""] if rule == "PROJ073"]
    assert [str(each.severity) for each in told] == ["UNKNOWN"]
    assert "it lies outside of the checkout, and is not read" in told[0].summary


def test_the_edition_for_the_app_store_is_chosen(tmp_path: Path) -> None:
    outside = {**MAC, "CODE_SIGN_IDENTITY": "Developer ID Application"}
    targets = {"App": {"Release": outside}, "Unused": {"Release": MAC}, "Desk": {"Release": MAC}}
    project(tmp_path, targets=targets, types={"Unused": NONE})
    assert lanes(tmp_path)[0][2] == "Desk"


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("App-Debug", "App-Release"), "App-Release"),
        (("App", "App Beta"), "App"),
        (("Aaa Staging", "Ship"), "Ship"),
        (("Screenshot Automation", "ap p"), "ap p"),
        (("Debug - App", "Release - App"), "Release - App"),
    ],
)
def test_the_scheme_of_a_release_is_chosen(tmp_path: Path, names: tuple[str, ...], wanted: str) -> None:
    folder = project(tmp_path)
    write(folder, {f"xcshareddata/xcschemes/{name}.xcscheme": scheme("App", "App.xcodeproj") for name in names})
    assert lanes(tmp_path)[0][4] == wanted


def test_schemes_of_extensions_come_last(tmp_path: Path) -> None:
    folder = project(tmp_path)
    extension = scheme("App", "App.xcodeproj").replace("<Scheme>", '<Scheme wasCreatedForAppExtension = "YES">')
    shared = {"App.xcscheme": extension, "Zzz.xcscheme": scheme("App", "App.xcodeproj")}
    write(folder, {f"xcshareddata/xcschemes/{name}": text for name, text in shared.items()})
    assert lanes(tmp_path)[0][4] == "Zzz"


def test_dependencies_with_apps_of_their_own_are_told_once_and_quietly(tmp_path: Path) -> None:
    project(tmp_path, targets={"App": {"Release": {**PHONE, "DEVELOPMENT_TEAM": "ABCDE12345"}}})
    foreign = {
        "SDKROOT": "iphoneos",
        "PRODUCT_BUNDLE_IDENTIFIER": "org.elsewhere.tool",
        "DEVELOPMENT_TEAM": "FGHIJ67890",
    }
    tools = {name: {"Release": foreign} for name in ("One", "Two", "Three", "Four", "Five", "Six")}
    project(tmp_path / "Cores" / "Emulator", "Emulator", tools)
    project(tmp_path / "Cores" / "Desk", "Desk", {"Desk": {"Release": {**foreign, "SDKROOT": "macosx"}}})
    look = Look(tmp_path)
    assert [lane.name for lane in look.found.lanes] == ["ios"]
    assert look.told("", "WARNING") == set()
    told = [each.what for each in look.found.others]
    assert told[0].startswith("macOS build of Desk")
    assert told[1] == "iOS apps One, Three, Four, Five and 1 more in Cores/Emulator/Emulator.xcodeproj"
    assert len(told) == 2


def test_mac_catalyst_is_named(tmp_path: Path) -> None:
    project(tmp_path, targets={"App": {"Release": {**PHONE, "SUPPORTS_MACCATALYST": "YES"}}})
    (other,) = discover(LiveFiles(tmp_path)).others
    assert other.what.startswith("Mac Catalyst build of App")
    assert not other.rival


WATCH = {"SDKROOT": "watchos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app.watch"}
WATCH_STUB = "com.apple.product-type.application.watchapp2-container"


@pytest.mark.parametrize(
    ("settings", "kind", "word"),
    [
        (WATCH, "com.apple.product-type.application", "watch-only app Alone"),
        (PHONE, WATCH_STUB, "watch-only app Alone"),
        (PHONE, "com.apple.product-type.application.messages", "iMessage app Alone"),
    ],
)
def test_apps_of_kinds_that_are_not_judged_are_named(
    tmp_path: Path, settings: dict[str, str], kind: str, word: str
) -> None:
    project(tmp_path, "Alone", {"Alone": {"Release": settings}}, types={"Alone": kind})
    with pytest.raises(UsageFault, match="no app that can be judged") as raised:
        discover(LiveFiles(tmp_path))
    assert word in raised.value.why
    both = {"App": {"Release": PHONE}, "Other": {"Release": PHONE}, "Alone": {"Release": settings}}
    folder = tmp_path / "both"
    project(folder, targets=both, types={"Alone": kind})
    told = [finding for rule, finding in Look(folder).findings[""] if rule == "PROJ072" and word in finding.summary]
    assert [str(finding.severity) for finding in told] == ["NOTE"]


def test_a_watch_app_that_an_app_carries_is_judged_with_it(tmp_path: Path) -> None:
    both = {"App": {"Release": PHONE}, "Watch": {"Release": WATCH}}
    project(tmp_path, targets=both, carried=("Watch",))
    assert not [each.what for each in discover(LiveFiles(tmp_path)).others if "watch-only" in each.what]


LANES = "lane :release do\n  sigh\n  {}update_project_provisioning(\n    profile: './A.mobileprovision'\n  )\nend\n"


@pytest.mark.parametrize(
    ("path", "text", "severity"),
    [
        ("fastlane/Fastfile", LANES.format(""), "WARNING"),
        ("ios/fastlane/Fastfile+Build", LANES.format(""), "WARNING"),
        (
            "fastlane/lanes/build.rb",
            LANES.format("").replace("project_provisioning", "code_signing_settings"),
            "WARNING",
        ),
        ("fastlane/Fastfile", LANES.format("# "), "ERROR"),
        ("docs/Fastfile.md", "", "ERROR"),
        ("scripts/build.rb", LANES.format(""), "ERROR"),
    ],
)
def test_a_profile_that_fastlane_names_is_not_certainly_missing(
    tmp_path: Path, path: str, text: str, severity: str
) -> None:
    project(tmp_path, targets={"App": {"Release": {**PHONE, "CODE_SIGN_STYLE": "Manual"}}})
    write(tmp_path, {path: text})
    (provisioning,) = [finding for rule, finding in Look(tmp_path).findings["ios"] if rule == "PROJ022"]
    assert str(provisioning.severity) == severity
    assert (f"({path}:3) may name one first" in provisioning.summary) is (severity == "WARNING")


def test_without_an_sdk_it_is_built_for_macs(tmp_path: Path) -> None:
    """As alt-tab-macos is, which includes a file that only its makers have."""
    settings = {"PRODUCT_BUNDLE_IDENTIFIER": "com.acme.app"}
    project(tmp_path, targets={"App": {"Release": settings}}, base={"Release": "Base.xcconfig"})
    write(tmp_path, {"Base.xcconfig": '#include? "local.xcconfig"\n'})
    assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]


@pytest.mark.parametrize("text", ["", '#include "Phone.xcconfig"\n'])
def test_an_sdk_in_a_file_that_is_not_here_is_not_guessed(tmp_path: Path, text: str) -> None:
    settings = {"PRODUCT_BUNDLE_IDENTIFIER": "com.acme.app"}
    project(tmp_path, targets={"App": {"Release": settings}}, base={"Release": "Base.xcconfig"})
    write(tmp_path, {"Base.xcconfig": text} if text else {})
    with pytest.raises(UsageFault, match="the platform of App is not known") as raised:
        discover(LiveFiles(tmp_path))
    assert ("Phone.xcconfig" if text else "Base.xcconfig") in raised.value.why


SANDBOXED = plist("<key>com.apple.security.app-sandbox</key><true/>")
INPUT = "$(LOCAL_LIBRARY_DIR)/Input Methods"


@pytest.mark.parametrize(("place", "is_lane"), [(INPUT, False), ("$(LOCAL_APPS_DIR)", True), ("/Applications", True)])
def test_what_is_installed_elsewhere_is_not_for_the_store(tmp_path: Path, place: str, is_lane: bool) -> None:
    """As macSKK, which is sandboxed all the same."""
    write(tmp_path, {"In.entitlements": SANDBOXED})
    settings = {**MAC, "CODE_SIGN_ENTITLEMENTS": "In.entitlements", "INSTALL_PATH": place}
    project(tmp_path, targets={"App": {"Release": settings}})
    if is_lane:
        assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]
    else:
        with pytest.raises(UsageFault, match="made for the App Store") as raised:
            lanes(tmp_path)
        assert "Input Methods" in raised.value.why


@pytest.mark.parametrize(("methods", "is_lane"), [(("developer-id",), False), (("developer-id", "app-store"), True)])
def test_exports_for_outside_the_store_alone(tmp_path: Path, methods: tuple[str, ...], is_lane: bool) -> None:
    body = "<key>method</key><string>{}</string>"
    write(tmp_path, {f"{each}/ExportOptions.plist": plist(body.format(each)) for each in methods})
    project(tmp_path, targets={"App": {"Release": MAC}})
    if is_lane:
        assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]
    else:
        with pytest.raises(UsageFault, match="made for the App Store"):
            lanes(tmp_path)


@pytest.mark.parametrize(
    ("package", "tool", "is_lane"), [(True, "NO", False), (True, "YES", True), (False, "NO", True)]
)
def test_an_updater_from_a_package_and_a_tool_outside_of_the_sandbox(
    tmp_path: Path, package: bool, tool: str, is_lane: bool
) -> None:
    """As QLMarkdown; the tool alone is a mistake in an app for the store."""
    targets = {
        "App": {"Release": {**MAC, "ENABLE_APP_SANDBOX": "YES"}},
        "cli": {"Release": {**MAC, "ENABLE_APP_SANDBOX": tool}},
    }
    folder = project(tmp_path, targets=targets, types={"cli": "com.apple.product-type.tool"})
    file = folder / "project.pbxproj"
    if package:
        text = file.read_text(encoding="utf-8")
        text = text.replace('name = "App";', 'name = "App"; packageProductDependencies = (SPK);', 1)
        text = text.replace(
            "objects = {", "objects = {\nSPK = {isa = XCSwiftPackageProductDependency; productName = Sparkle;};", 1
        )
        file.write_text(text, encoding="utf-8")
    if is_lane:
        assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]
    else:
        with pytest.raises(UsageFault, match="made for the App Store") as raised:
            lanes(tmp_path)
        assert "own updater" in raised.value.why


EVENTS = "<key>com.apple.security.automation.apple-events</key><true/>"
MUSIC = {CATEGORY: "public.app-category.music"}


@pytest.mark.parametrize(
    ("settings", "asked", "is_lane"),
    [
        (MUSIC, EVENTS, False),
        ({}, "<key>com.apple.security.network.client</key><true/>", False),
        (MUSIC, "<key>com.apple.security.network.client</key><true/>", True),
        ({"PROVISIONING_PROFILE_SPECIFIER": "Store"}, EVENTS, True),
        ({"ENABLE_APP_SANDBOX": "YES"}, EVENTS, True),
        ({"ENABLE_HARDENED_RUNTIME": "NO"}, EVENTS, True),
    ],
)
def test_the_only_app_without_anything_of_the_store(
    tmp_path: Path, settings: dict[str, str], asked: str, is_lane: bool
) -> None:
    """As LosslessSwitcher, which is notarized."""
    write(tmp_path, {"A.entitlements": plist(asked)})
    hardened = {**MAC, "ENABLE_HARDENED_RUNTIME": "YES", "CODE_SIGN_ENTITLEMENTS": "A.entitlements"}
    project(tmp_path, targets={"App": {"Release": {**hardened, **settings}}})
    assert [lane[0] for lane in lanes(tmp_path, platforms=("macos",))] == ["macos"]
    assert [lane[0] for lane in lanes(tmp_path, project="App.xcodeproj")] == ["macos"]
    if is_lane:
        assert [lane[0] for lane in lanes(tmp_path)] == ["macos"]
    else:
        with pytest.raises(UsageFault, match="made for the App Store") as raised:
            lanes(tmp_path)
        assert "the sandbox" in raised.value.why


@pytest.mark.parametrize("name", ["KinBaseTestsHost", "AcmeTests", "ListViewDemo"])
def test_a_host_of_tests_does_not_take_the_place_of_the_app(tmp_path: Path, name: str) -> None:
    host = {**PHONE, "PROVISIONING_PROFILE_SPECIFIER": "Store"}
    targets = {"App": {"Release": PHONE}, "Unused": {"Release": PHONE}, name: {"Release": host}}
    project(tmp_path, targets=targets, types={"Unused": NONE})
    assert [lane[2] for lane in lanes(tmp_path)] == ["App"]
