"""`build.check` judges everything of the checkout that could go to the store; a release judges what it releases."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.apple.xcode.discovery import WORKSPACES
from pipeline.committed import MOST, committed
from pipeline.model import Finding, Severity
from pipeline.model.run import State
from pipeline.ports.files import LiveFiles
from pipeline.ports.git import LiveGit
from pipeline.reports import render
from tests.menu.shell import sample_at
from tests.rehearsals.theatre import menu, play
from tests.rooms.bundle import foundry
from tests.rooms.xcode.make import plist, project, write

OLD = "old/Isometry.xcodeproj:IsometryiOS"
TEAM = {"SDKROOT": "iphoneos", "DEVELOPMENT_TEAM": "TEAM000000", "GENERATE_INFOPLIST_FILE": "YES"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The sample app, with an older edition of it in another project."""
    root = sample_at(tmp_path / "app")
    settings = {**TEAM, "PRODUCT_BUNDLE_IDENTIFIER": "com.mshaler.isometry.old", "MARKETING_VERSION": "1.0"}
    project(root / "old", "Isometry", {"IsometryiOS": {"Release": settings}})
    return root


def archive(root: Path, path: str = "Build/Old.xcarchive", bundle_id: str = "com.mshaler.isometry") -> str:
    """An archive of something that was an app once."""
    told = plist(
        "<key>ApplicationProperties</key><dict><key>CFBundleIdentifier</key>"
        f"<string>{bundle_id}</string><key>ApplicationPath</key><string>Applications/A.app</string></dict>"
    )
    app = plist(
        f"<key>CFBundleIdentifier</key><string>{bundle_id}</string><key>CFBundleExecutable</key><string>A</string>"
    )
    write(root, {f"{path}/Info.plist": told, f"{path}/Products/Applications/A.app/Info.plist": app})
    return path


def identifier(root: Path) -> str:
    run, _ = play(root.parent / "look", app=str(root), table="build")
    return str(run.lanes[0]["project"])


def of(lane: str, findings: tuple[Finding, ...]) -> set[str]:
    return {each.rule for each in findings if each.lane == lane}


def test_another_project_of_the_app_is_judged(checkout: Path, tmp_path: Path) -> None:
    run, _ = play(tmp_path / "runs", app=str(checkout), table="build")
    assert [step.name for step in run.apart] == [f"project/{OLD}"]
    assert {"PROJ050", "PROJ065"} <= of(OLD, run.findings)
    said = [each.summary for each in run.findings if each.rule == "PROJ072"]
    assert len(said) == 1
    assert said[0].startswith("judged, not released: iOS app IsometryiOS in old/Isometry.xcodeproj")


def test_the_report_keeps_what_is_released_apart(checkout: Path, tmp_path: Path) -> None:
    run, _ = play(tmp_path / "runs", app=str(checkout), table="build")
    told = render("terminal", run)
    assert f"judged, not released:\n✗ BLOCKED {OLD}\n" in told
    assert "project    ✓ passed  ✓ passed" in told
    assert max(map(len, told.split("\n\n")[1].splitlines())) <= 80
    assert f"| {OLD} |" in render("markdown", run)


def test_a_release_neither_judges_it_nor_is_held_up(checkout: Path, tmp_path: Path) -> None:
    archive(checkout)
    run, _ = play(tmp_path / "runs", app=str(checkout), table="release")
    assert not run.apart
    assert {step.lane for step in run.steps} == {"", "ios", "macos"}
    assert not [each for each in run.findings if OLD in each.summary or each.stage == "committed"]
    assert [each.summary[:13] for each in run.findings if each.rule == "PROJ072"] == ["not rehearsed"]


@pytest.mark.parametrize("asked", [{"lanes": ("ios",)}, {"project": "Isometry.xcodeproj"}])
def test_who_names_a_lane_or_a_project_asks_for_that_alone(
    checkout: Path, tmp_path: Path, asked: dict[str, str]
) -> None:
    archive(checkout)
    if "project" in asked:
        asked = {"project": identifier(checkout)}
    run, _ = play(tmp_path / "runs", app=str(checkout), table="build", **asked)
    assert not run.apart


def test_an_app_with_one_project_looks_as_ever(tmp_path: Path) -> None:
    run, world = play(tmp_path / "runs", app=str(sample_at(tmp_path / "app")), table="build")
    assert not run.apart
    assert [step.name for step in run.steps] == ["project/ios", "project/macos", "alignment"]
    assert "beside" not in next(iter(world.cast((), None).journal.entries()))
    assert "judged, not released" not in render("terminal", run)


def configured(root: Path, more: str = "") -> str:
    path = root.parent / "pipeline.yaml"
    path.write_text(f"apps:\n  isometry:\n    path: {root}\n    bundle_id: com.mshaler.other\n{more}", encoding="utf-8")
    return str(path)


def test_what_is_declared_of_the_app_holds_for_its_other_edition(checkout: Path, tmp_path: Path) -> None:
    run, _ = play(tmp_path / "runs", config=configured(checkout), table="build")
    assert "PROJ001" in of(OLD, run.findings)


def test_what_is_declared_of_the_app_does_not_hold_for_another_one(tmp_path: Path) -> None:
    root = sample_at(tmp_path / "app")
    reader = {
        **TEAM,
        "PRODUCT_BUNDLE_IDENTIFIER": "com.mshaler.reader",
        "PROVISIONING_PROFILE_SPECIFIER": "Reader",
    }
    project(root / "reader", "Isometry", {"Isometry Reader": {"Release": {**reader, "CODE_SIGN_ENTITLEMENTS": "a"}}})
    run, _ = play(tmp_path / "runs", config=configured(root), table="build")
    (lane,) = {step.lane for step in run.apart}
    assert lane == "reader/Isometry.xcodeproj:Isometry Reader"
    assert not [each for each in run.findings if each.lane == lane and "config declares" in each.summary]


def test_a_waiver_by_path_covers_the_other_project_and_the_product(checkout: Path, tmp_path: Path) -> None:
    path = archive(checkout)
    day = date(2999, 1, 1) - timedelta(days=1)
    rules = ("PROJ050", "BUND001")
    waivers = "".join(
        f"    - {{rule: {rule}, path: '{place}*', reason: old, until: {day}}}\n"
        for rule, place in zip(rules, ("old/", path), strict=True)
    )
    more = f"policy:\n  waivers:\n{waivers}"
    run, _ = play(tmp_path / "runs", config=configured(checkout, more), table="build")
    waived = {each.rule for each in run.findings if each.waived}
    assert waived == set(rules)


# Products that lie among the sources ----------------------------------------------------------------------------------


def test_an_archive_among_the_sources_is_a_step_of_its_own(checkout: Path, tmp_path: Path) -> None:
    path = archive(checkout)
    run, _ = play(tmp_path / "runs", app=str(checkout), table="build")
    step = next(step for step in run.steps if step.stage == "committed")
    assert (step.lane, step.state) == (path, State.BLOCKED)
    assert {"BUND001", "BUND039"} <= {each.rule for each in step.findings}
    assert not {"BUND002", "BUND003"} & {each.rule for each in step.judgements}
    assert {each.location.path for each in step.findings if each.location} == {path}
    assert all(each.location for each in step.findings)
    assert not [each for each in step.findings if str(tmp_path) in each.subject]


def found(root: Path, *bundle_ids: str) -> tuple[list[str], dict[str, str]]:
    files = LiveFiles(root)
    lanes, left = committed(files, WORKSPACES.of(files), LiveGit(root), bundle_ids or ("com.acme.app",))
    assert not any(lane.project for lane in lanes)
    return [lane.name for lane in lanes], {each.name: each.why for each in left}


def git(root: Path, *arguments: str) -> None:
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, env=quiet)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_was_only_built_here_is_not_judged(tmp_path: Path) -> None:
    archive(tmp_path, "Kept [1].xcarchive", "com.acme.app")
    archive(tmp_path, "build/New.xcarchive", "com.acme.app")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", "Kept [1].xcarchive")
    assert found(tmp_path) == (["Kept [1].xcarchive"], {})


def test_outside_of_a_repository_everything_counts(tmp_path: Path) -> None:
    archive(tmp_path, "A.xcarchive", "com.acme.app")
    write(tmp_path, {"B.app/Contents/Info.plist": plist("<key>CFBundleIdentifier</key><string>com.acme.b</string>")})
    assert found(tmp_path) == (["A.xcarchive", "B.app"], {})


def test_an_ipa_of_the_maker_is_judged_and_what_is_none_is_named(tmp_path: Path) -> None:
    info = plist("<key>CFBundleIdentifier</key><string>com.acme.app</string>").encode()
    write(
        tmp_path,
        {
            "A.ipa": foundry.ipa({"Info.plist": info, "Example": b""}),
            "B.ipa": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "C.pkg": b"not a package",
            "D.ipa": b"PK\x03\x04 cut",
            "E.ipa": b"",
        },
    )
    names, left = found(tmp_path)
    assert set(names) <= {"A.ipa"}
    assert left["B.ipa"] == "its content is not here, Git LFS keeps it"
    assert left["C.pkg"] == "it is no .pkg"
    assert left["E.ipa"] == "it is no .ipa"
    assert left["D.ipa"]


def test_apps_of_others_and_those_of_tests_are_left_out(tmp_path: Path) -> None:
    archive(tmp_path, "Other.xcarchive", "org.else.app")
    archive(tmp_path, "Silent.xcarchive", "")
    archive(tmp_path, "Tests/Own.xcarchive", "com.acme.app")
    assert found(tmp_path) == (
        [],
        {
            "Other.xcarchive": "it is org.else.app, an app of somebody else",
            "Silent.xcarchive": "it does not say whose it is",
            "Tests/Own.xcarchive": "its folder is one of examples or tests",
        },
    )


@pytest.mark.parametrize(
    "path",
    ["Pods/A.app", "X.framework/Helper.app", "vendor/A.app", "plain.app", "X.xcodeproj/A.app", "A.app.txt"],
)
def test_what_is_part_of_something_else_or_no_product_is_passed_over(tmp_path: Path, path: str) -> None:
    name = "readme.txt" if path == "plain.app" else "Info.plist"
    write(tmp_path, {f"{path}/{name}": plist("<key>CFBundleIdentifier</key><string>com.acme.b</string>")})
    assert found(tmp_path) == ([], {})


def test_what_a_project_names_is_a_part_of_its_app(tmp_path: Path) -> None:
    project(tmp_path, "App", resources=("Helper.app",))
    write(tmp_path, {"Helper.app/Info.plist": plist("<key>CFBundleIdentifier</key><string>com.acme.b</string>")})
    assert found(tmp_path) == ([], {})


def test_number_and_size_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MOST + 2):
        archive(tmp_path, f"{number}.xcarchive", "com.acme.app")
    names, left = found(tmp_path)
    assert len(names) == MOST
    assert set(left.values()) == {f"no more than {MOST} are judged in one run"}
    monkeypatch.setattr("pipeline.committed.LARGEST", 1)
    names, left = found(tmp_path)
    assert not names
    assert set(left.values()) == {"no more than 0 MB are read in one run"}


def test_a_pipe_that_is_called_like_a_package_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "A.ipa")
    (tmp_path / "B.ipa").symlink_to("/dev/zero")
    names, left = found(tmp_path)
    assert not names
    assert all("cannot be opened" in why for why in left.values())
    assert set(left) == {"A.ipa", "B.ipa"}


def test_what_is_not_judged_is_said_once_for_each_reason(checkout: Path, tmp_path: Path) -> None:
    for name in ("X", "Y"):
        archive(checkout, f"{name}.xcarchive", "org.else.app")
    run, _ = play(tmp_path / "runs", app=str(checkout), table="build")
    said = [each for each in run.findings if each.rule == "PROJ072" and each.summary.startswith("not judged")]
    assert [each.summary for each in said] == [
        "not judged: X.xcarchive, Y.xcarchive: it is org.else.app, an app of somebody else"
    ]
    assert said[0].severity is Severity.NOTE


def test_the_apps_own_numbers_are_judged(tmp_path: Path) -> None:
    numbers = {"GENERATE_INFOPLIST_FILE": "YES", "MARKETING_VERSION": "2.5.0", "CURRENT_PROJECT_VERSION": "2.5b1"}
    phone = {"SDKROOT": "iphoneos", "PRODUCT_BUNDLE_IDENTIFIER": "com.example.app", **numbers}
    project(tmp_path / "app", targets={"App": {"Release": phone}})
    told = menu("build.check", "--app", str(tmp_path / "app"), "--json", cwd=tmp_path)
    assert "PREF005" in told.out
