"""Configuration files that were not read: what they might have said is not known, whichever rule asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.apple.xcode.checks.doubts import Doubts, doubted
from pipeline.apple.xcode.facts import ProjectProblems, TargetEntitlements, TargetInfo, TargetSettings
from pipeline.apple.xcode.settings import Context, Gap, Level, Settings
from pipeline.apple.xcode.xcconfig import Assignment
from pipeline.model import Severity, error, note, warning
from tests.rooms.xcode.look import Look
from tests.rooms.xcode.make import plist, project, write


def given(key: str, value: str) -> Assignment:
    return Assignment(key, (), value, "a", 1)


def beside(*gaps: Gap, file: str = "low", **settings: str) -> Settings:
    """Settings of the target, over one of its configuration file: KEY = low."""
    levels = [
        (Level.TARGET_FILE, [given("KEY", file)]),
        (Level.TARGET, [given(key, value) for key, value in settings.items()]),
    ]
    return Settings(levels, Context("iphoneos"), {"PRODUCT_NAME": "$(TARGET_NAME)", "TARGET_NAME": "App"}, gaps=gaps)


def test_what_is_decided_above_an_unread_file_is_certain() -> None:
    gap = Gap("Gone.xcconfig", Level.TARGET_FILE, after=1)
    found = beside(gap, KEY="high", OWN="x")
    assert found.get("KEY").hidden == ()
    assert found.get("OWN").hidden == ()
    assert beside(gap).get("KEY").hidden == ("Gone.xcconfig",)
    assert beside(gap).get("NOWHERE").hidden == ("Gone.xcconfig",)


def test_what_follows_an_include_wins_over_it() -> None:
    assert beside(Gap("Gone.xcconfig", Level.TARGET_FILE, after=0)).get("KEY").hidden == ()
    assert beside(Gap("Gone.xcconfig", Level.PROJECT_FILE)).get("KEY").hidden == ()


def test_doubt_goes_with_references_and_inheritance() -> None:
    gap = Gap("Gone.xcconfig", Level.TARGET_FILE, after=1)
    assert beside(gap, OTHER="a $(KEY)").get("OTHER").hidden == ("Gone.xcconfig",)
    assert beside(gap, KEY="$(inherited) b").get("KEY").hidden == ("Gone.xcconfig",)
    assert beside(gap).expand("$(NOWHERE)").hidden == ("Gone.xcconfig",)
    assert beside(gap, KEY="high").expand("$(KEY) $(TARGET_NAME)").hidden == ()
    assert beside(gap).with_value("KEY", "c").get("KEY").hidden == ()


def test_a_file_that_need_not_be_there_hides_only_what_is_empty() -> None:
    gap = Gap("Mine.xcconfig", Level.TARGET_FILE, after=1, optional=True)
    assert beside(gap).get("KEY").hidden == ()
    assert beside(gap).get("PRODUCT_NAME").hidden == ()
    assert beside(gap, file="").get("KEY").hidden == ("Mine.xcconfig",)
    assert beside(gap).get("NOWHERE").hidden == ("Mine.xcconfig",)


def test_the_pods_say_nothing_of_what_the_product_is() -> None:
    gap = Gap("Pods/Target Support Files/Pods-App/Pods-App.release.xcconfig", Level.TARGET_FILE)
    found = beside(gap)
    assert found.get("DEVELOPMENT_TEAM").hidden == ()
    assert found.get("INFOPLIST_KEY_UILaunchScreen_Generation").hidden == ()
    assert found.get("PODS_ROOT").hidden == (gap.path,)


def test_what_only_xcode_knows_is_hidden_by_no_file() -> None:
    found = beside(Gap("Gone.xcconfig", Level.TARGET_FILE))
    assert found.expand("$(BUILT_PRODUCTS_DIR)/$(TARGET_NAME)").hidden == ()
    assert found.get("IPHONEOS_DEPLOYMENT_TARGET").hidden == ("Gone.xcconfig",)


def test_a_finding_in_doubt_is_told_once_for_each_cause() -> None:
    doubts = Doubts()
    sure = list(doubts.of(error("one", remedy="mend it", subject="A"), ()))
    kept = [
        *doubts.of(warning("two", remedy="r", subject="B"), ("x",)),
        *doubts.of(error("three", remedy="r", subject="C", apple="1"), ("x",)),
        *doubts.of(warning("four", remedy="r", subject="D"), ("y", "z")),
    ]
    told = list(doubts.told())
    assert [each.severity for each in sure] == [Severity.ERROR]
    assert kept == []
    assert [(each.severity, each.apple) for each in told] == [(Severity.UNKNOWN, ""), (Severity.NOTE, "")]
    assert told[0].summary == "three (likewise B); not certain, because x was not read"
    assert told[1].summary == "four; not certain, because y, z were not read"
    assert doubted(note("five"), ("x",)).severity is Severity.NOTE


MAC = {"SDKROOT": "macosx", "INFOPLIST_FILE": "Info.plist", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}
PHONE = {**MAC, "SDKROOT": "iphoneos", "TARGETED_DEVICE_FAMILY": "1,2", "CODE_SIGN_STYLE": "Manual"}
INFO = plist(
    "<key>CFBundleShortVersionString</key><string>$(MARKETING_VERSION)</string>\n"
    "<key>CFBundleVersion</key><string>$(CURRENT_PROJECT_VERSION)</string>\n"
    "<key>LSMinimumSystemVersion</key><string>$(MACOSX_DEPLOYMENT_TARGET)</string>"
)


def look(root: Path, settings: dict[str, str], **files: str) -> Look:
    other = {"MARKETING_VERSION": "1", "CURRENT_PROJECT_VERSION": "1"}
    targets = {"App": {"Release": settings}, "Other": {"Release": {**settings, **other}}}
    kinds = {"Other": "com.apple.product-type.bundle.unit-test"}
    project(root, targets=targets, base={"Release": "Config/Secret.xcconfig"}, types=kinds)
    write(root, {"Info.plist": INFO, **files})
    return Look(root)


def rules(seen: Look, lane: str, severity: str) -> set[str]:
    return {rule for rule, _, _ in seen.told(lane, severity)}


def nothing(_: Path) -> None:
    """No such file."""


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_link_to_nowhere(path: Path) -> None:
    path.symlink_to("gone")


@pytest.mark.parametrize("made", [nothing, Path.mkdir, os.mkfifo, a_loop, a_link_to_nowhere])
def test_no_error_rests_on_a_file_that_could_not_be_read(tmp_path: Path, made: Callable[[Path], None]) -> None:
    (tmp_path / "Config").mkdir()
    made(tmp_path / "Config/Secret.xcconfig")
    seen = look(tmp_path, MAC)
    assert seen.told("macos", "ERROR") == set()
    assert {"PROJ005", "PROJ020", "PROJ023", "PROJ037", "PROJ041", "PROJ050"} <= rules(seen, "macos", "UNKNOWN")
    assert "PROJ038" in rules(seen, "macos", "NOTE")
    assert rules(seen, "macos", "WARNING") & {"PROJ063", "PROJ064"}, "the cause is told"


def test_nor_on_a_phone(tmp_path: Path) -> None:
    seen = look(tmp_path, PHONE)
    assert seen.told("ios", "ERROR") == set()
    assert {"PROJ005", "PROJ020", "PROJ022", "PROJ033", "PROJ050"} <= rules(seen, "ios", "UNKNOWN")


def test_with_the_file_the_same_are_errors(tmp_path: Path) -> None:
    seen = look(tmp_path, MAC, **{"Config/Secret.xcconfig": "// nothing\n"})
    assert rules(seen, "macos", "UNKNOWN") == set()
    assert {"PROJ005", "PROJ020", "PROJ023", "PROJ037", "PROJ050"} <= rules(seen, "macos", "ERROR")


def test_one_cause_is_told_once_by_a_rule(tmp_path: Path) -> None:
    seen = look(tmp_path, MAC)
    (told,) = [finding for rule, finding in seen.findings["macos"] if rule == "PROJ005"]
    assert "CFBundleShortVersionString" in told.summary
    assert "CFBundleVersion" in told.summary
    assert "Config/Secret.xcconfig" in told.summary
    assert any(each.missing for each in seen.value("macos", ProjectProblems).problems)


def test_facts_name_the_file(tmp_path: Path) -> None:
    seen = look(tmp_path, {**PHONE, "CODE_SIGN_ENTITLEMENTS": "App.entitlements"}, **{"App.entitlements": plist("")})
    file = ("Config/Secret.xcconfig",)
    info, settings = seen.value("ios", TargetInfo), seen.value("ios", TargetSettings)
    assert settings.team_id.hidden == file
    assert settings.bundle_id.hidden == (), "the target's own setting wins over any file"
    assert info.hiding("CFBundleVersion") == info.hiding("UILaunchScreen") == file
    assert seen.value("ios", TargetEntitlements).hiding("com.apple.developer.icloud-services") == ()


@pytest.mark.parametrize("name", ["Nowhere", "Launch", "Launch.storyboard"])
def test_a_launch_screen_that_is_nowhere(tmp_path: Path, name: str) -> None:
    body = f"<key>UILaunchStoryboardName</key>\n<string>{name}</string>"
    project(tmp_path, targets={"App": {"Release": PHONE}})
    write(tmp_path, {"Info.plist": plist(body), "Views/Launch.storyboard": "<document/>"})
    seen = Look(tmp_path)
    assert ("PROJ033" in rules(seen, "ios", "ERROR")) is (name == "Nowhere")
    assert seen.value("ios", TargetInfo).lost == (("UILaunchStoryboardName",) if name == "Nowhere" else ())
