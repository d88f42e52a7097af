"""Settings as `build.settings` tells them: value, level, place, and what they override."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.apple.xcode.discovery import WORKSPACES, discover
from pipeline.apple.xcode.resolved import ResolvedSettings, SettingsQuery, resolved_settings
from pipeline.apple.xcode.sight import Sight
from pipeline.model import Exhibit, Lane, UsageFault
from pipeline.model.exhibits import Tone
from pipeline.ports.files import LiveFiles
from pipeline.stages.settings import settings as table
from tests.rooms.xcode.make import project, write

RELEASE = {"Release": {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app"}}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write(tmp_path, {"Base.xcconfig": "// base\nMARKETING_VERSION = 1.0\nNAME[sdk=macosx*] = mac\nNAME = any\n"})
    project(
        tmp_path,
        targets={
            "App": {
                "Release": {
                    **RELEASE["Release"],
                    "MARKETING_VERSION": "2.0",
                    "PRODUCT_NAME": "$(inherited)",
                    "OTHER": "$(NOWHERE)-$(NAME)",
                    "CURRENT_PROJECT_VERSION": "$(inherited)",
                }
            },
            "Widget": {"Release": {"PRODUCT_BUNDLE_IDENTIFIER": "com.example.app.widget"}},
        },
        types={"Widget": "com.apple.product-type.app-extension"},
        shared={"Release": {"MARKETING_VERSION": "1.5", "CURRENT_PROJECT_VERSION": "7"}},
        base={"Release": "Base.xcconfig"},
    )
    return tmp_path


def asked(root: Path, keys: tuple[str, ...] = (), targets: tuple[str, ...] = ()) -> tuple[ResolvedSettings, Lane]:
    files = LiveFiles(root)
    (lane,) = discover(files).lanes
    return resolved_settings(Sight(WORKSPACES.of(files), lane), SettingsQuery(keys, targets)), lane


def rows(exhibit: Exhibit) -> dict[str, dict[str, str]]:
    titles = [column.title for column in exhibit.columns]
    told = [dict(zip(titles, (cell.text for cell in row), strict=True)) for row in exhibit.rows]
    return {row["Key"]: row for row in told}


def test_the_usual_settings_are_those_that_something_assigns(app: Path) -> None:
    exhibit = table(*asked(app))
    found = rows(exhibit)
    assert exhibit.title == "Build settings of App, Release, iphoneos"
    assert {"PRODUCT_BUNDLE_IDENTIFIER", "MARKETING_VERSION", "CURRENT_PROJECT_VERSION"} <= set(found)
    assert "SWIFT_VERSION" not in found, "nothing assigns it"
    assert "OTHER" not in found
    assert "SRCROOT" not in found


def test_a_setting_says_where_it_was_decided_and_what_it_overrides(app: Path) -> None:
    row = rows(table(*asked(app)))["MARKETING_VERSION"]
    assert row["Value"] == "2.0"
    assert row["Level"] == "target settings"
    assert row["Where"].startswith("App.xcodeproj/project.pbxproj:")
    assert row["Overrides"] == "1.5 (project settings); 1.0 (project xcconfig)"


def test_what_is_only_inherited_was_decided_where_it_comes_from(app: Path) -> None:
    row = rows(table(*asked(app)))["CURRENT_PROJECT_VERSION"]
    assert (row["Value"], row["Level"], row["Overrides"]) == ("7", "project settings", "")


def test_one_that_xcode_gives_says_so(app: Path) -> None:
    row = rows(table(*asked(app, ("target_name",))))["TARGET_NAME"]
    assert (row["Value"], row["Level"], row["Where"]) == ("App", "platform default", "Xcode's own")


def test_the_team_that_config_declares_is_given_to_xcodebuild(app: Path) -> None:
    files = LiveFiles(app)
    (lane,) = discover(files).lanes
    sight = Sight(WORKSPACES.of(files), lane, "ABCDE12345")
    row = rows(table(resolved_settings(sight, SettingsQuery(("DEVELOPMENT_TEAM",))), lane))["DEVELOPMENT_TEAM"]
    assert (row["Value"], row["Level"], row["Where"]) == ("ABCDE12345", "command line", "xcodebuild's arguments")


def test_one_that_nothing_assigns_is_told_when_it_was_asked_for(app: Path) -> None:
    assert rows(table(*asked(app, ("SWIFT_VERSION",))))["SWIFT_VERSION"]["Value"] == "not set"


def test_conditions_are_those_of_the_lane(app: Path) -> None:
    row = rows(table(*asked(app, ("NAME",))))["NAME"]
    assert (row["Value"], row["Where"]) == ("any", "Base.xcconfig:4")


def test_what_is_undefined_is_marked_and_shown_as_written(app: Path) -> None:
    exhibit = table(*asked(app, ("OTHER",)))
    assert exhibit.rows[0][1].text == "-any"
    assert exhibit.rows[0][1].tone is Tone.CAUTION
    assert rows(exhibit)["OTHER"]["Written"] == "$(NOWHERE)-$(NAME)"


def test_wildcards_and_all(app: Path) -> None:
    assert set(rows(table(*asked(app, ("*_version",))))) == {"CURRENT_PROJECT_VERSION", "MARKETING_VERSION"}
    assert {"OTHER", "SRCROOT", "NAME"} <= set(rows(table(*asked(app, ("*",)))))


def test_other_targets(app: Path) -> None:
    resolved, lane = asked(app, ("PRODUCT_BUNDLE_IDENTIFIER",), ("*",))
    exhibit = table(resolved, lane)
    assert [[cell.text for cell in row[:3]] for row in exhibit.rows] == [
        ["App", "PRODUCT_BUNDLE_IDENTIFIER", "com.example.app"],
        ["Widget", "PRODUCT_BUNDLE_IDENTIFIER", "com.example.app.widget"],
    ]
    assert exhibit.title.startswith("Build settings of 2 targets of App.xcodeproj")
    assert [each.target for each in asked(app, (), ("Wid*",))[0].targets] == ["Widget"]


@pytest.mark.parametrize(
    ("keys", "targets", "remedy"),
    [((), ("Widgt",), "Widget"), ((), ("App", "[z]"), "App"), (("NOSUCH_*",), (), "--key '*'")],
)
def test_what_is_not_there(app: Path, keys: tuple[str, ...], targets: tuple[str, ...], remedy: str) -> None:
    with pytest.raises(UsageFault) as refused:
        asked(app, keys, targets)
    assert remedy in refused.value.remedy


@pytest.mark.parametrize("date", ["2026-02", "2026-04"])
def test_a_real_app(shared_data: Path, date: str) -> None:
    root = shared_data / "isometry" / date
    if not root.is_dir():
        pytest.skip(f"{root} is not here")
    files = LiveFiles(root)
    for lane in discover(files).lanes:
        sight = Sight(WORKSPACES.of(files), lane)
        every = resolved_settings(sight, SettingsQuery(("*",), ("*",)))
        assert every.targets[0].target == lane.target
        for target in every.targets:
            for setting in target.settings:
                place = setting.decided and setting.decided.location
                if place and place.line:
                    line = (root / place.path).read_text(encoding="utf-8").splitlines()[place.line - 1]
                    assert setting.key in line, (setting.key, place)
