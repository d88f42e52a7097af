"""The promises of a rehearsal, kept on the sample app and on the real one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.model import Outcome, Source
from pipeline.model.run import State
from pipeline.subject import SAMPLE
from tests.rehearsals.theatre import ROOT, effects, menu, play, play_on
from tests.rooms.xcode.make import workspace


def test_the_sample_app_rehearses_green(tmp_path: Path) -> None:
    run, world = play(tmp_path)
    assert run.exit_code == 0, [str(f) for f in run.findings]
    assert {step.state for step in run.steps} == {State.PASSED}
    assert run.findings == (), "the sample is a model: nothing at all is to be said about it"
    assert [a.outcome for step in run.steps for a in step.actions] == [Outcome.DONE] * 8
    assert run.checks_on(Source.LIVE) > 50
    assert run.checks_on(Source.SIMULATED) > 30
    assert run.checks_on(Source.UNKNOWN) == 0
    assert all(action.source is Source.SIMULATED for step in run.steps for action in step.actions)
    once = [effect["effect"] for effect in effects(world.folder.path)]
    for platform_effect in ("POST /v1/buildUploads", "POST /v1/buildUploadFiles", "PATCH /v1/buildUploadFiles"):
        assert sum(each.startswith(platform_effect) and "/relationships/" not in each for each in once) >= 2, once


def test_an_app_in_a_workspace_is_archived_there(tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(SAMPLE, app)
    workspace(app, "All", "group:Isometry.xcodeproj", "group:Pods/Pods.xcodeproj")
    run, _ = play(tmp_path / "runs", app=str(app))
    assert run.exit_code == 0, [str(f) for f in run.findings]
    told = [a.describe for step in run.steps if step.stage == "archive" for a in step.actions]
    assert len(told) == 2
    assert all(each.endswith(" of All.xcworkspace") for each in told)
    assert {finding.rule for finding in run.findings} >= {"PROJ066"}


def test_resuming_a_green_rehearsal_changes_nothing_at_apple(tmp_path: Path) -> None:
    _, world = play(tmp_path)
    before = effects(world.folder.path)
    run, world = play_on(world)
    assert run.exit_code == 0
    assert run.resumed == 1
    assert effects(world.folder.path) == before


def test_two_rehearsals_promise_the_same(tmp_path: Path) -> None:
    one, _ = play(tmp_path / "a")
    other, _ = play(tmp_path / "b")
    assert one.plan.digest == other.plan.digest
    assert one.plan.complete


def test_the_real_app_is_blocked_by_its_real_blockers(tmp_path: Path, shared_data: Path) -> None:
    report = tmp_path / "report.json"
    told = menu(
        "release",
        "--dry-run",
        "--app",
        str(shared_data / "isometry/2026-02"),
        "--runs",
        str(tmp_path / "runs"),
        "--report",
        f"json={report}",
    )
    assert told.code == 1
    assert "Traceback" not in told.out + told.err
    findings = json.loads(report.read_text())["findings"]
    blocking = [f for f in findings if f["severity"] == "ERROR"]
    text = json.dumps(blocking)
    assert "com.mshaler.isometry" in text
    assert "com.cardboard.isometry" in text
    literals = [f for f in findings if f["subject"] in ("CFBundleShortVersionString", "CFBundleVersion")]
    assert {(f["path"], f["line"]) for f in literals if f["severity"] == "WARNING"} >= {
        ("native/IsometryiOS/IsometryiOS/Info.plist", 20),
        ("native/IsometryiOS/IsometryiOS/Info.plist", 22),
    }
    assert any(
        "Developer ID Application" in f["summary"] and f["path"].endswith("Production.xcconfig") for f in blocking
    )
    assert {f["subject"] for f in blocking if f["apple"] == "90112"} == {
        "background-app-refresh",
        "background-processing",
    }
    assert all(f["source"] == "LIVE" for f in blocking if f["stage"] == "project")
    assert told.out.rstrip().splitlines()[-1].startswith(tuple("0123456789"))


def test_the_later_real_app_has_true_findings(tmp_path: Path, shared_data: Path) -> None:
    run, _ = play(tmp_path, app=str(shared_data / "isometry/2026-04"))
    assert run.exit_code == 1
    rules = {f.rule for f in run.findings if f.blocks}
    assert rules, "macOS without the app sandbox cannot go to the App Store"
    assert any("sandbox" in f.summary.lower() for f in run.findings if f.blocks)
    assert {lane["name"] for lane in run.lanes} == {"ios", "macos"}


@pytest.mark.parametrize("scenario", ["throttled", "flaky", "slow-processing", "lost-answer"])
def test_patience_and_retries_get_through(tmp_path: Path, scenario: str) -> None:
    run, world = play(tmp_path, scenario=scenario)
    assert run.exit_code == 0, (run.verdict, [f.summary for f in run.findings])
    created = [e for e in effects(world.folder.path) if e["effect"] == "POST /v1/buildUploads"]
    assert len(created) == 2, "each lane's upload was made once"


@pytest.mark.parametrize(
    ("scenario", "says"), [("invalid-build", "INVALID"), ("redundant-build", ""), ("schema-behind", "production")]
)
def test_what_apple_would_refuse_blocks(tmp_path: Path, scenario: str, says: str) -> None:
    run, _ = play(tmp_path, scenario=scenario)
    assert run.exit_code == 1, run.verdict
    blocking = [f for f in run.findings if f.blocks]
    assert any(says in f.summary for f in blocking), [f.summary for f in blocking]
    assert all(f.source is Source.SIMULATED for f in blocking)


def test_a_given_artifact_is_judged_live(tmp_path: Path) -> None:
    _, made = play(tmp_path / "made")
    ipa = next(made.folder.path.glob("lanes/ios/export/*.ipa"))
    run, _ = play(tmp_path / "judged", ipa=str(ipa), lanes=("ios",))
    bundle = next(step for step in run.steps if step.stage == "bundle")
    assert {j.source for j in bundle.judgements} == {Source.LIVE}
    # It was signed by another rehearsal's authority, which nobody else trusts.
    assert any("trust" in f.summary or "root" in f.summary or "chain" in f.summary for f in bundle.findings)
    archive = next(step for step in run.steps if step.stage == "archive")
    assert archive.state is State.PASSED
    assert "was given" in archive.because[0]


def test_the_menu_reads_the_same_without_a_checkout_of_git(tmp_path: Path) -> None:
    """The installed package lies in no repository; its sample must still be green but for the remark about it."""
    copied = tmp_path / "sample"
    shutil.copytree(ROOT / "pipeline/simulator/sample", copied)
    run, _ = play(tmp_path / "runs", app=str(copied))
    assert run.exit_code == 0
    assert {f.rule for f in run.findings} <= {"PREF006"}
