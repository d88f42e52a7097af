"""What travels inside an app: each embedded target with its own settings, Info.plist and entitlements."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.apple.xcode.facts import Companions, Kind, TargetEntitlements, TargetSettings
from pipeline.apple.xcode.settings import words
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, png, write

HEAD = "// !$*UTF8*$!\n{\nobjects = {\n"


def release(identifier: str, settings: str) -> str:
    return (
        f"{identifier}L = {{isa = XCConfigurationList; buildConfigurations = ({identifier}C); "
        "defaultConfigurationName = Release;};\n"
        f"{identifier}C = {{isa = XCBuildConfiguration; name = Release; buildSettings = {{{settings}}};}};\n"
    )


def target(name: str, kind: str, settings: str, phases: str = "", extra: str = "") -> str:
    return (
        f'{name} = {{isa = PBXNativeTarget; name = {name}; productType = "com.apple.product-type.{kind}"; '
        f"buildConfigurationList = {name}L; buildPhases = ({phases}); productReference = {name}P; {extra}}};\n"
        f"{name}P = {{isa = PBXFileReference; path = {name}.product; sourceTree = BUILT_PRODUCTS_DIR;}};\n"
        + release(name, settings)
    )


def copy(identifier: str, *products: str, folder: str = "13", filters: str = "") -> str:
    files = "".join(f"{identifier}{one}," for one in products)
    built = "".join(f"{identifier}{one} = {{isa = PBXBuildFile; fileRef = {one}P; {filters}}};\n" for one in products)
    return f"{identifier} = {{isa = PBXCopyFilesBuildPhase; dstSubfolderSpec = {folder}; files = ({files});}};\n{built}"


def project(root: Path, *objects: str, targets: str, name: str = "App", settings: str = "SDKROOT = iphoneos;") -> None:
    body = "".join(objects) + release("root", settings)
    body += f"root = {{isa = PBXProject; buildConfigurationList = rootL; targets = ({targets});}};\n"
    write(root, {f"{name}.xcodeproj/project.pbxproj": f"{HEAD}{body}}};\nrootObject = root;\n}}\n"})


def held(root: Path, lane: str = "ios") -> dict[str, object]:
    found = Look(root).value(lane, Companions)
    return {each.target: each for each in found.targets}


APP = "PRODUCT_BUNDLE_IDENTIFIER = com.example.app; MARKETING_VERSION = 1.0; CURRENT_PROJECT_VERSION = 1; GENERATE_INFOPLIST_FILE = YES;"


def inner(name: str, more: str = "") -> str:
    return f"PRODUCT_BUNDLE_IDENTIFIER = com.example.app.{name}; {more}"


def test_everything_that_is_copied_travels_however_deep(tmp_path: Path) -> None:
    project(
        tmp_path,
        target("App", "application", APP, "E,W"),
        target("Share", "app-extension", inner("share", "CODE_SIGN_ENTITLEMENTS = Share.entitlements;")),
        target("Watch", "application.watchapp2", inner("watch", "SDKROOT = watchos;"), "I"),
        target("Inner", "watchkit2-extension", inner("watch.inner", "SDKROOT = watchos;")),
        target("Kit", "framework", inner("kit")),
        target("Alone", "app-extension", inner("alone")),
        copy("E", "Share", "Kit"),
        copy("W", "Watch", folder="16"),
        copy("I", "Inner"),
        targets="App,Share,Watch,Inner,Kit,Alone",
    )
    write(tmp_path, {"Share.entitlements": plist("<key>a</key><string>$(PRODUCT_BUNDLE_IDENTIFIER)</string>")})
    look = Look(tmp_path)
    found = look.value("ios", Companions).targets
    assert [(each.target, each.kind, each.within, each.sdk) for each in found] == [
        ("Share", Kind.EXTENSION, "App", "iphoneos"),
        ("Kit", Kind.FRAMEWORK, "App", "iphoneos"),
        ("Watch", Kind.WATCH_APP, "App", "watchos"),
        ("Inner", Kind.WATCH_EXTENSION, "Watch", "watchos"),
    ], "a target that nobody copies does not travel"
    assert found[0].entitlements.values == {"a": "com.example.app.share"}
    assert found[0].entitlements.places["a"].line == 4
    assert [each.target for each in look.value("ios", TargetSettings).extensions] == ["Share", "Watch", "Inner"]


def test_the_missing_entitlements_of_an_extension_are_seen(tmp_path: Path) -> None:
    project(
        tmp_path,
        target("App", "application", APP, "E"),
        target("Share", "app-extension", inner("share", "CODE_SIGN_ENTITLEMENTS = Gone.entitlements;")),
        copy("E", "Share"),
        targets="App,Share",
    )
    look = Look(tmp_path)
    (told,) = [finding for rule, finding in look.findings["ios"] if rule == "PROJ060"]
    assert "CODE_SIGN_ENTITLEMENTS of the app extension Share names Gone.entitlements" in told.summary
    assert look.value("ios", Companions).targets[0].unread == ("entitlements",)
    assert look.value("ios", TargetEntitlements) is not None, "the app's own are known all the same"


def test_platform_filters_decide_what_travels_where(tmp_path: Path) -> None:
    mac = "INFOPLIST_KEY_LSApplicationCategoryType = public.app-category.utilities;"
    both = f'SDKROOT = auto; SUPPORTED_PLATFORMS = "iphoneos macosx"; {mac}'
    project(
        tmp_path,
        target("App", "application", APP, "E,M"),
        target("Phone", "app-extension", inner("phone")),
        target("Mac", "app-extension", inner("mac")),
        copy("E", "Phone", filters="platformFilter = ios;"),
        copy("M", "Mac", filters="platformFilters = (macos);"),
        targets="App,Phone,Mac",
        settings=both,
    )
    assert list(held(tmp_path)) == ["Phone"]
    assert list(held(tmp_path, "macos")) == ["Mac"]


def test_a_product_of_another_project_travels_too(tmp_path: Path) -> None:
    project(
        tmp_path / "Lib",
        target("Share", "app-extension", inner("share", "INFOPLIST_FILE = Info.plist;")),
        targets="Share",
        name="Lib",
    )
    write(tmp_path, {"Lib/Info.plist": plist("<key>CFBundleIdentifier</key><string>com.example.other</string>")})
    project(
        tmp_path,
        target("App", "application", APP, "E"),
        "E = {isa = PBXCopyFilesBuildPhase; dstSubfolderSpec = 13; files = (EB);};\n",
        "EB = {isa = PBXBuildFile; fileRef = EP;};\n",
        "EP = {isa = PBXReferenceProxy; path = Share.appex; remoteRef = EC; sourceTree = BUILT_PRODUCTS_DIR;};\n",
        "EC = {isa = PBXContainerItemProxy; containerPortal = EF; remoteGlobalIDString = ShareP;};\n",
        'EF = {isa = PBXFileReference; path = Lib/Lib.xcodeproj; sourceTree = "<group>";};\n',
        targets="App",
    )
    look = Look(tmp_path, project="App.xcodeproj")
    (found,) = look.value("ios", Companions).targets
    assert (found.bundle_id.text, found.info.path) == ("com.example.other", "Lib/Info.plist")
    assert "PROJ008" in {rule for rule, _ in look.findings["ios"]}


def test_targets_that_carry_each_other_end(tmp_path: Path) -> None:
    project(
        tmp_path,
        target("App", "application", APP, "E"),
        target("One", "app-extension", inner("one"), "F"),
        target("Two", "app-extension", inner("two"), "G"),
        copy("E", "One"),
        copy("F", "Two"),
        copy("G", "One", "App"),
        targets="App,One,Two",
    )
    assert list(held(tmp_path)) == ["One", "Two"]


def test_frameworks_inside_an_extension_and_libraries_among_resources(tmp_path: Path) -> None:
    project(
        tmp_path,
        target("App", "application", APP, "E,R"),
        target("Share", "app-extension", inner("share"), "F"),
        target("Kit", "framework", inner("kit")),
        target("Still", "framework", inner("still", "MACH_O_TYPE = staticlib;")),
        copy("E", "Share"),
        copy("F", "Kit", "Still", folder="10"),
        "R = {isa = PBXResourcesBuildPhase; files = (RB,RS);};\n",
        "RB = {isa = PBXBuildFile; fileRef = RF;};\nRF = {isa = PBXFileReference; path = libx.a; sourceTree = SOURCE_ROOT;};\n",
        "RS = {isa = PBXBuildFile; fileRef = SF;};\nSF = {isa = PBXFileReference; path = A.storekit; sourceTree = SOURCE_ROOT;};\n",
        targets="App,Share,Kit,Still",
    )
    write(tmp_path, {"libx.a": "", "A.storekit": "{}"})
    look = Look(tmp_path)
    told = {(rule, finding.subject) for rule, finding in look.findings["ios"]}
    assert {("PROJ068", "Share"), ("PROJ069", "libx.a"), ("PROJ076", "A.storekit")} <= told
    assert [each.name for each in look.value("ios", Companions).targets[0].enclosed] == ["Kit.product"]


def test_a_bundle_of_resources_names_no_program(tmp_path: Path) -> None:
    project(
        tmp_path,
        target("App", "application", APP, "R"),
        target("Themes", "bundle", inner("themes", "INFOPLIST_FILE = Themes.plist;")),
        "R = {isa = PBXResourcesBuildPhase; files = (RB);};\nRB = {isa = PBXBuildFile; fileRef = ThemesP;};\n",
        targets="App,Themes",
    )
    write(tmp_path, {"Themes.plist": plist("<key>CFBundleExecutable</key><string>$(EXECUTABLE_NAME)</string>")})
    assert ("PROJ013", "Themes.plist", 4) in Look(tmp_path).told("ios", "ERROR")


def test_names_that_differ_in_capitals_are_found_as_on_a_mac(tmp_path: Path) -> None:
    project(tmp_path, target("App", "application", APP + "INFOPLIST_FILE = app/INFO.plist;"), targets="App")
    write(tmp_path, {"App/Info.plist": plist("<key>CFBundleName</key><string>x</string>")})
    look = Look(tmp_path)
    assert look.value("ios", TargetSettings).infoplist_file.text == "App/Info.plist"
    assert [str(f.severity) for rule, f in look.findings["ios"] if rule == "PROJ064"] == ["NOTE"]
    assert "PROJ060" not in {rule for rule, _ in look.findings["ios"]}


def test_excluded_files_are_no_members(tmp_path: Path) -> None:
    project(
        tmp_path,
        target("App", "application", APP + r'EXCLUDED_SOURCE_FILE_NAMES = "App/Preview\\ A.storekit B*";', "R"),
        "R = {isa = PBXResourcesBuildPhase; files = (R1,R2,R3);};\n",
        *(
            f'R{n} = {{isa = PBXBuildFile; fileRef = F{n};}};\nF{n} = {{isa = PBXFileReference; path = "{path}"; sourceTree = SOURCE_ROOT;}};\n'
            for n, path in ((1, "App/Preview A.storekit"), (2, "App/B.storekit"), (3, "App/A.storekit"))
        ),
        targets="App",
    )
    write(tmp_path, {"App/Preview A.storekit": "", "App/B.storekit": "", "App/A.storekit": ""})
    assert [each.name for each in Look(tmp_path).value("ios", Companions).development] == ["A.storekit"]


def test_lists_are_quoted_as_for_a_shell() -> None:
    assert words("a b") == ("a", "b")
    assert words(r'a\ b "c d" e"f g"h') == ("a b", "c d", "ef gh")
    assert words("") == ()


def test_the_watch_app_has_an_icon_of_its_own(tmp_path: Path) -> None:
    icon = '{"images": [{"filename": "i.png", "idiom": "universal", "platform": "watchos", "size": "1024x1024"}]}'
    settings = inner("watch", "SDKROOT = watchos; ASSETCATALOG_COMPILER_APPICON_NAME = AppIcon;")
    project(
        tmp_path,
        target("App", "application", APP, "W"),
        target("Watch", "application.watchapp2", settings, "R"),
        copy("W", "Watch", folder="16"),
        "R = {isa = PBXResourcesBuildPhase; files = (RB);};\nRB = {isa = PBXBuildFile; fileRef = RF;};\n",
        "RF = {isa = PBXFileReference; path = W.xcassets; sourceTree = SOURCE_ROOT;};\n",
        targets="App,Watch",
    )
    write(tmp_path, {"W.xcassets/AppIcon.appiconset/Contents.json": icon})
    assert "PROJ057" in {rule for rule, _ in Look(tmp_path).findings["ios"]}, "the picture is not there"
    write(tmp_path, {"W.xcassets/AppIcon.appiconset/i.png": png(1024, 1024, b"\1\2\3")})
    assert "PROJ057" not in {rule for rule, _ in Look(tmp_path).findings["ios"]}


@pytest.mark.parametrize(("more", "told"), [("", False), ("CREATE_INFOPLIST_SECTION_IN_BINARY = YES;", True)])
def test_a_tool_needs_no_info_plist_unless_its_program_holds_one(tmp_path: Path, more: str, *, told: bool) -> None:
    project(
        tmp_path,
        target("App", "application", APP, "E"),
        target("smc", "tool", inner("smc", f"INFOPLIST_FILE = smc/Info.plist; {more}")),
        copy("E", "smc", folder="6"),
        targets="App, smc",
        settings="SDKROOT = macosx;",
    )
    assert ("PROJ060" in {rule for rule, _, _ in Look(tmp_path).told("macos", "ERROR")}) is told
