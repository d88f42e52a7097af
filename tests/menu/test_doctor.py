"""`doctor` and `status` tell in one list, and in order, what to mend and what to do next."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from pipeline.engine.runs import runs_in
from tests.menu.shell import command, environment, refused, run, sample_at
from tests.rehearsals.theatre import Told, menu


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return sample_at(tmp_path / "My App")


def things(told: Told) -> list[str]:
    """The numbered things, each on one line."""
    body = told.out.partition("\n\n")[2].rpartition("\n\nnext:")[0]
    return [" ".join(each.split()) for each in re.split(r"^ ?\d+\. ", body, flags=re.MULTILINE)[1:]]


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has what is missing here")
def test_what_is_missing_is_told_in_order_with_remedies(app: Path, tmp_path: Path) -> None:
    told = menu("doctor", "--app", str(app), "--quiet", cwd=tmp_path)
    assert told.code == 1
    assert "4 things missing for a live release" in told.out
    assert "no Mac" in told.out
    assert "upload a finished" in " ".join(told.out.split())
    found = things(told)
    for thing, words in zip(
        found,
        (
            ("xcodebuild", "Mac with Xcode"),
            ("keychain",),
            ("CLOUDKIT_MANAGEMENT_TOKEN",),
            ("ASC_KEY_ID", "ASC_PRIVATE_KEY"),
        ),
        strict=True,
    ):
        assert "-> " in thing, "each has a remedy"
        assert all(word in thing for word in words), thing
    assert "nothing was changed" in told.out
    assert not list((tmp_path / ".runs").rglob("*.ipa"))


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has what is missing here")
def test_what_an_upload_needs_is_less(app: Path, tmp_path: Path) -> None:
    for name in ("a.ipa", "a.pkg"):
        (tmp_path / name).write_bytes(b"PK")
    more = ("--ipa", "a.ipa", "--pkg", "a.pkg")
    found = things(menu("doctor", "--app", str(app), "--quiet", *more, cwd=tmp_path))
    assert len(found) == 2
    assert not any("xcodebuild" in thing or "keychain" in thing for thing in found)


def test_in_a_rehearsal_nothing_is_missing(tmp_path: Path) -> None:
    told = menu("doctor", "--dry-run", "--quiet", cwd=tmp_path)
    assert told.code == 0
    assert "nothing is wrong with the app" in told.out
    assert "next: `invoke doctor" in told.out


def test_the_sample_has_no_doctor_in_earnest(tmp_path: Path) -> None:
    refused(menu("doctor", cwd=tmp_path), 3, "--dry-run")


@pytest.mark.parametrize("configured", [False, True])
def test_the_next_command_can_be_copied(app: Path, tmp_path: Path, configured: bool) -> None:
    """From the rehearsal to the approval to the release, whose own refusal is that nobody has credentials here."""
    here = tmp_path / "elsewhere"
    here.mkdir()
    more = ["--lane", "ios"]
    if configured:
        assert menu("init", "--app", str(app), "--config", "other.yaml", cwd=here).code == 0
        more += ["--config", "other.yaml"]
    else:
        more += ["--app", str(app)]
    assert menu("plan", *more, "--quiet", cwd=here).code == 0
    for expected in ("approve", "release"):
        told = menu("status", cwd=here)
        assert told.code == 0, told.err
        line = told.out.partition("next: `")[2].partition("`")[0]
        program, task, *arguments = shlex.split(line)
        assert (program, task) == ("invoke", expected)
        if task == "approve":
            approved = menu(task, *arguments, "--yes", "--by", "Ann", cwd=here)
            assert approved.code == 0, approved.err
            assert "--approved" in approved.out
    live = menu("release", *arguments, "--quiet", cwd=here)
    assert live.code == 1, live.out + live.err
    run_ = runs_in(here / ".runs")[0].run()
    assert (run_.theatre, [lane["name"] for lane in run_.lanes]) == ("live", ["ios"])
    assert "`invoke resume --run" in menu("status", cwd=here).out


def test_other_runs_do_not_stand_between_a_plan_and_its_approval(app: Path, tmp_path: Path) -> None:
    menu("plan", "--app", str(app), "--quiet", cwd=tmp_path)
    planned = runs_in(tmp_path / ".runs")[0]
    for task in ("doctor", "schema.check"):
        assert menu(task, "--app", str(app), "--dry-run", "--quiet", cwd=tmp_path).code == 0
    assert menu("approve", "--yes", "--by", "Ann", cwd=tmp_path).code == 0
    assert (planned.path / "approval.json").is_file()
    assert menu("resume", "--quiet", cwd=tmp_path).code == 0
    assert planned.run().resumed == 1


def test_a_status_is_shorter_than_its_report(tmp_path: Path) -> None:
    menu("release", "--dry-run", "--scenario", "schema-behind", "--quiet", cwd=tmp_path)
    brief, whole = menu("status", cwd=tmp_path), menu("runs.show", cwd=tmp_path)
    assert (brief.code, whole.code) == (1, 1)
    assert len(brief.out.splitlines()) < len(whole.out.splitlines()) / 1.5
    assert menu("status", "--json", cwd=tmp_path).json()["exit_code"] == 1
    narrow = run(command("status"), cwd=tmp_path, env=environment(COLUMNS="40"))
    wide = [line for line in narrow.out.splitlines() if len(line) > 40]
    assert all("next: " in line or "/" in line or " on live facts" in line for line in wide), wide
