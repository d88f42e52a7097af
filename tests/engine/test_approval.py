"""Approval: bound to a digest, refused when anything changed, and never given to half a plan."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.engine.approval import approve, approved, plan_from, plan_told
from pipeline.engine.journal import Journal
from pipeline.model import PipelineError, Plan, Promise, Refused, Risk, UsageFault

PLAN = Plan("r1", "toy", "rehearsal", (Promise("fill", "left", "pour", Risk.GUARDED, "p1"),), complete=True)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def kept(folder: Path, plan: Plan = PLAN) -> Path:
    (folder / "plan.json").write_text(json.dumps(plan_told(plan)))
    return folder


def test_an_approval_travels_with_its_plan(tmp_path: Path) -> None:
    given = approve(kept(tmp_path), PLAN, "Ann", NOW)
    assert approved(tmp_path) == given
    assert given.promises == {("fill", "left", "p1")}


def test_a_plan_comes_back_as_it_was() -> None:
    assert plan_from(plan_told(PLAN), "here") == PLAN


def test_nobody_approves_half_a_plan(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="cannot be approved"):
        approve(tmp_path, replace(PLAN, complete=False), "Ann", NOW)


def test_an_approval_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageFault):
        approve(tmp_path, PLAN, "  ", NOW)


def test_an_unapproved_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not approved"):
        approved(kept(tmp_path))


def test_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no plan"):
        approved(tmp_path)


def test_a_plan_made_after_the_approval_is_not_approved(tmp_path: Path) -> None:
    approve(kept(tmp_path), PLAN, "Ann", NOW)
    kept(tmp_path, replace(PLAN, promises=(*PLAN.promises, Promise("x", "", "y", Risk.GUARDED, "p2"))))
    with pytest.raises(Refused, match="not the one that was approved"):
        approved(tmp_path)


def test_a_plan_changed_by_hand_is_refused(tmp_path: Path) -> None:
    approve(kept(tmp_path), PLAN, "Ann", NOW)
    told = plan_told(PLAN)
    told["promises"][0]["promise"] = "p9"
    (tmp_path / "plan.json").write_text(json.dumps(told))
    with pytest.raises(UsageFault, match="digest"):
        approved(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"promises": 3}', "nonsense"])
def test_nonsense_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UsageFault):
        approved(tmp_path)


@pytest.mark.parametrize("name", ["plan.json", "approval.json"])
def test_only_files_of_the_runs_own_are_read(tmp_path: Path, name: str) -> None:
    approve(kept(tmp_path), PLAN, "Ann", NOW)
    genuine = (tmp_path / name).rename(tmp_path / "elsewhere")
    (tmp_path / name).symlink_to(genuine)
    with pytest.raises(PipelineError):
        approved(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)  # who reads it plainly waits for ever
    with pytest.raises(PipelineError):
        approved(tmp_path)
    (tmp_path / name).unlink()
    genuine.rename(tmp_path / name)
    assert approved(tmp_path).by == "Ann"


def test_the_digest_depends_on_promises_and_not_on_the_run() -> None:
    assert replace(PLAN, run="r2", theatre="shadow").digest == PLAN.digest
    assert replace(PLAN, promises=()).digest != PLAN.digest


def test_what_a_person_reads_is_bound_by_the_digest(tmp_path: Path) -> None:
    approve(kept(tmp_path), PLAN, "Ann", NOW)
    for change in ({"describe": "look, and change nothing"}, {"risk": "REVERSIBLE"}):
        told = plan_told(PLAN)
        told["promises"][0].update(change)
        (tmp_path / "plan.json").write_text(json.dumps(told))
        with pytest.raises(UsageFault, match="digest"):
            approved(tmp_path)
    told = plan_told(PLAN) | {"complete": False}
    (tmp_path / "plan.json").write_text(json.dumps(told))
    with pytest.raises(UsageFault, match="digest"):
        approved(tmp_path)


def test_an_incomplete_plan_is_never_approved_even_with_an_approval_beside_it(tmp_path: Path) -> None:
    half = replace(PLAN, complete=False)
    kept(tmp_path, half)
    (tmp_path / "approval.json").write_text(json.dumps({"digest": half.digest, "by": "Ann", "at": ""}))
    with pytest.raises(Refused, match="not complete"):
        approved(tmp_path)


def test_a_plan_that_its_run_did_not_rehearse_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append("run", run="r1", app="toy", theatre="rehearsal", steps=[{"stage": "fill", "lane": "left"}])
    action = {"key": "k", "promise": "p1", "describe": "pour", "risk": "GUARDED"}
    journal.append("plan", step="fill/left", actions=[action])
    journal.append("done", exit_code=0, verdict="", digest=PLAN.digest, complete=True)
    journal.close()
    approve(kept(tmp_path), PLAN, "Ann", NOW)
    other = replace(PLAN, promises=(replace(PLAN.promises[0], describe="pour nothing"),))
    with pytest.raises(UsageFault, match="not what the run rehearsed"):
        approve(kept(tmp_path, other), other, "Ann", NOW)
