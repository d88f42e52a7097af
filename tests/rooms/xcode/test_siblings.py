"""Which apps are judged beside the lanes, and why the others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.apple.xcode.discovery import WORKSPACES, discover
from pipeline.apple.xcode.siblings import MOST, beside, is_example, maker
from pipeline.model import Beside
from pipeline.ports.files import LiveFiles
from tests.rooms.xcode.make import plist, project, scheme, write

IOS = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.app", "DEVELOPMENT_TEAM": "ACME123456"}
MAC = {**IOS, "SDKROOT": "macosx"}


def shared(root: Path, name: str, target: str = "") -> None:
    """A scheme that speaks for a release."""
    path = f"{name}.xcodeproj/xcshareddata/xcschemes/{target or name}.xcscheme"
    write(root, {path: scheme(target or name, f"{name}.xcodeproj")})


def seen(root: Path, *elsewhere: str, most: int = MOST) -> Beside:
    files = LiveFiles(root)
    found = discover(files)
    return beside(WORKSPACES.of(files), found, found.lanes, elsewhere, most)


def told(found: Beside) -> tuple[list[str], dict[str, str]]:
    return [lane.name for lane in found.judged], {f"{each.project}:{each.name}": each.why for each in found.left}


def family(root: Path, **targets: dict[str, dict[str, str]]) -> None:
    """Several apps in one project, of which the first depends on a framework and on no other app."""
    first, *others = targets.items()
    kit = {name: {**IOS, "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.kit"} for name in first[1]}
    types = {"Kit": "com.apple.product-type.framework"}
    project(root, "App", dict([first, ("Kit", kit), *others]), types=types)


def main_app(root: Path, **settings: str) -> None:
    """What is released: an app with a profile and a scheme."""
    project(root, "App", {"App": {"Release": {**IOS, "PROVISIONING_PROFILE_SPECIFIER": "App", **settings}}})
    shared(root, "App")


def test_one_app_has_nothing_beside_it(tmp_path: Path) -> None:
    main_app(tmp_path)
    assert seen(tmp_path) == Beside()


def test_an_older_edition_in_another_project_is_judged_as_the_same_app(tmp_path: Path) -> None:
    main_app(tmp_path)
    project(tmp_path / "old", "App", {"AppiOS": {"Debug": IOS, "Release": IOS}})
    found = seen(tmp_path)
    assert told(found) == (["old/App.xcodeproj:AppiOS"], {})
    assert found.related == {"old/App.xcodeproj:AppiOS"}
    assert found.judged[0].configuration == "Release"


def test_another_app_of_the_maker_is_judged_and_nothing_is_declared_of_it(tmp_path: Path) -> None:
    main_app(tmp_path)
    project(tmp_path, "Reader", {"Reader": {"Release": {**IOS, "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.reader"}}})
    shared(tmp_path, "Reader")
    found = seen(tmp_path)
    assert told(found) == (["Reader.xcodeproj:Reader"], {})
    assert not found.related


def test_an_app_that_another_entry_of_the_configuration_releases_is_judged_there(tmp_path: Path) -> None:
    main_app(tmp_path)
    project(tmp_path, "Reader", {"Reader": {"Release": {**IOS, "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.reader"}}})
    shared(tmp_path, "Reader")
    assert told(seen(tmp_path, "Reader.xcodeproj")) == ([], {})


def test_other_targets_of_the_project_are_judged_in_their_own_configuration(tmp_path: Path) -> None:
    lite = {**IOS, "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.app.lite"}
    app = {**IOS, "PROVISIONING_PROFILE_SPECIFIER": "App"}
    family(tmp_path, **{"App": {"Debug": IOS, "Production": app}, "App Lite": {"Debug": lite, "Production": lite}})
    shared(tmp_path, "App")
    found = seen(tmp_path)
    assert told(found) == (["App.xcodeproj:App Lite"], {})
    assert found.judged[0].configuration == "Production"


def test_a_target_for_several_platforms_says_which(tmp_path: Path) -> None:
    main_app(tmp_path)
    many = {**IOS, "SDKROOT": "auto", "SUPPORTED_PLATFORMS": "iphoneos iphonesimulator macosx xros xrsimulator"}
    project(tmp_path / "old", "App", {"App": {"Release": many}})
    names, left = told(seen(tmp_path))
    assert set(names) <= {"old/App.xcodeproj:App (iOS)", "old/App.xcodeproj:App (macOS)", "old/App.xcodeproj:App"}
    assert "visionOS" not in " ".join(names)
    assert not left


def test_an_app_that_another_carries_is_judged_with_that(tmp_path: Path) -> None:
    helper = {**IOS, "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.app.helper"}
    project(tmp_path, "App", {"App": {"Release": IOS}, "Helper": {"Release": helper}}, carried=("Helper",))
    assert seen(tmp_path) == Beside()


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("AppDemo", {}, "example"),
        ("App Example", {}, "example"),
        ("AppTestHost", {}, "test"),
        ("App Dev", {}, "trials"),
        ("App-Staging", {}, "trials"),
        ("App-UnderDevelopment", {}, "trials"),
        ("Other", {"SKIP_INSTALL": "YES"}, "SKIP_INSTALL"),
        ("Other", {"INFOPLIST_FILE": "$(DERIVED_FILE_DIR)/Info.plist"}, "made while it is built"),
        ("Other", {"PRODUCT_BUNDLE_IDENTIFIER": "com.example.other"}, "identifier of an example"),
    ],
)
def test_what_is_not_made_for_the_store_is_left_out(
    tmp_path: Path, name: str, settings: dict[str, str], why: str
) -> None:
    main_app(tmp_path)
    targets = {
        "App": {"Release": {**IOS, "PROVISIONING_PROFILE_SPECIFIER": "App"}},
        name: {"Release": {**IOS, **settings}},
    }
    family(tmp_path, **targets)
    names, left = told(seen(tmp_path))
    assert not names
    assert why in left[f"App.xcodeproj:{name}"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"CODE_SIGN_IDENTITY": "Developer ID Application"}, "outside the App Store"),
        ({"CODE_SIGN_IDENTITY": "-", "DEVELOPMENT_TEAM": ""}, "the machine that builds it"),
        ({"INFOPLIST_FILE": "Direct.plist"}, "its own updater"),
        ({"CODE_SIGN_IDENTITY": "Developer ID Application", "PROVISIONING_PROFILE_SPECIFIER": "App Store"}, ""),
        ({}, ""),
    ],
)
def test_editions_of_a_mac_app_for_outside_the_store_are_left_out(
    tmp_path: Path, settings: dict[str, str], why: str
) -> None:
    write(tmp_path, {"Direct.plist": plist("<key>SUFeedURL</key><string>https://acme.example/feed</string>")})
    app = {**MAC, "PROVISIONING_PROFILE_SPECIFIER": "App Store", "CODE_SIGN_IDENTITY": "Apple Distribution"}
    family(tmp_path, **{"App": {"Release": app}, "App Direct": {"Release": {**MAC, **settings}}})
    shared(tmp_path, "App")
    names, left = told(seen(tmp_path))
    assert (not names) is bool(why)
    assert why in left.get("App.xcodeproj:App Direct", "")


def test_beside_editions_named_for_the_store_the_others_are_for_elsewhere(tmp_path: Path) -> None:
    store = {**IOS, "PROVISIONING_PROFILE_SPECIFIER": "App"}
    family(tmp_path, **{"App (AppStore)": {"Release": store}, "App": {"Release": IOS}})
    names, left = told(seen(tmp_path))
    assert not names
    assert "say so in their names" in left["App.xcodeproj:App"]


@pytest.mark.parametrize("folder", ["Vendor/App", "third_party/App"])
def test_the_sources_of_others_are_left_out(tmp_path: Path, folder: str) -> None:
    main_app(tmp_path)
    project(tmp_path / folder, "App", {"App": {"Release": IOS}})
    names, left = told(seen(tmp_path))
    assert not names
    assert "sources of others" in left[f"{folder}/App.xcodeproj:App"]


def test_a_submodule_is_another_repository(tmp_path: Path) -> None:
    main_app(tmp_path)
    project(tmp_path / "Kit", "App", {"App": {"Release": IOS}})
    write(tmp_path, {".gitmodules": '[submodule "Kit"]\n\tpath = Kit\n\turl = ../kit\n'})
    names, left = told(seen(tmp_path))
    assert not names
    assert left == {"Kit/App.xcodeproj:App": "the submodule Kit is another repository"}


def test_a_submodule_that_holds_the_app_itself_is_its_own(tmp_path: Path) -> None:
    main_app(tmp_path / "App")
    project(tmp_path / "App" / "old", "App", {"App": {"Release": IOS}})
    write(tmp_path, {".gitmodules": '[submodule "App"]\n\tpath = App\n'})
    assert told(seen(tmp_path)) == (["App/old/App.xcodeproj:App"], {})


def test_a_tool_of_the_maker_for_which_nothing_speaks_is_left_out(tmp_path: Path) -> None:
    main_app(tmp_path)
    project(tmp_path / "tools", "Browser", {"Browser": {"Release": {**IOS, "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.b"}}})
    names, left = told(seen(tmp_path))
    assert not names
    assert left == {"tools/Browser.xcodeproj:Browser": "nothing says that it goes to the App Store"}


def test_two_hundred_apps_are_not_all_judged(tmp_path: Path) -> None:
    main_app(tmp_path)
    for number in range(200):
        project(tmp_path / f"a{number}", "App", {"App": {"Release": IOS}})
    names, left = told(seen(tmp_path))
    assert len(names) == MOST
    assert len(left) == 200 - MOST
    assert set(left.values()) == {f"no more than {MOST} are judged in one run"}


def test_the_choice_is_the_same_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    main_app(tmp_path)
    for name in ("b", "a", "c"):
        project(tmp_path / name, "App", {"App": {"Release": IOS}})
    assert told(seen(tmp_path, most=2))[0] == ["a/App.xcodeproj:App", "b/App.xcodeproj:App"]


@pytest.mark.parametrize("name", ["Contests", "Latest", "Demolition", "Sampler Pro", "Gallery", "App"])
def test_names_that_only_begin_like_an_example_are_none(name: str) -> None:
    assert not is_example(name)


def test_a_maker_is_a_domain() -> None:
    assert maker("com.Acme.app.lite") == "com.acme"
    assert maker("com.acme") == maker("") == ""


@pytest.mark.parametrize(
    ("name", "judged"), [("App Pro", True), ("AppPro", True), ("Backup", False), ("LoginPreview", False)]
)
def test_a_target_for_which_nothing_speaks_but_the_name_of_a_released_app(
    tmp_path: Path, name: str, judged: bool
) -> None:
    main = {"Release": {**IOS, "PROVISIONING_PROFILE_SPECIFIER": "App"}}
    other = {"Release": {**IOS, "PRODUCT_BUNDLE_IDENTIFIER": "com.acme.other"}}
    family(tmp_path, **{"Acme App": main, f"Acme {name}" if judged else name: other})
    assert bool(told(seen(tmp_path))[0]) is judged
