"""The walk's promises: causes and not consequences, exactly once, and nothing that was not approved."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.engine.approval import Approval
from pipeline.engine.leases import Lease, Leases
from pipeline.engine.perform import Rights
from pipeline.engine.walk import steps_told, walk
from pipeline.engine.wiring import Probe, Registry, needs_of, registry_of, verify_wiring
from pipeline.model import AppleFailure, Finding, Lane, Outcome, Platform, Refused, Risk, Scope, Severity, Source, Stage
from pipeline.model.run import State, replay
from pipeline.ports.tenure import Tenure
from tests.engine import toy


def test_a_clean_walk_fills_both_jugs_once(tmp_path: Path) -> None:
    jug = toy.Jug()
    run = walk(toy.cast(tmp_path, jug))
    assert toy.states(run) == dict.fromkeys(["look", "fill/left", "fill/right", "taste/left", "taste/right"], "PASSED")
    assert sorted(jug.poured) == ["left", "right"]
    assert run.exit_code == 0
    assert run.complete
    assert run.checks_on(Source.SIMULATED) == len(run.judgements) == 7
    assert run.last_line == "0 checks on live facts, 7 simulated"


def test_a_blocked_step_holds_back_actions_and_skips_what_rests_on_them(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.crack = True
    run = walk(toy.cast(tmp_path, jug))
    assert toy.states(run) == {
        "look": "BLOCKED",
        "fill/left": "HELD",
        "fill/right": "HELD",
        "taste/left": "SKIPPED",
        "taste/right": "SKIPPED",
    }
    assert jug.poured == []
    assert run.exit_code == 1
    assert [f.rule for f in run.findings] == ["TOY001"], "a consequence was reported as a cause"
    held = next(step for step in run.steps if step.name == "fill/left")
    assert held.because == ("look",)
    assert [a.describe for a in held.actions] == ["pour 3 pints into the jug of left"], "the plan is shown all the same"


def test_an_obstructed_step_with_nothing_to_do_passes(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.crack = True
    jug.level = {"left": 3}
    run = walk(toy.cast(tmp_path, jug))
    assert toy.states(run)["fill/left"] == "PASSED"
    assert toy.states(run)["taste/left"] == "PASSED"
    assert toy.states(run)["fill/right"] == "HELD"
    assert run.exit_code == 1


def test_one_lane_blocked_does_not_stop_the_other(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.level = {"left": 9}
    run = walk(toy.cast(tmp_path, jug))
    assert toy.states(run)["fill/left"] == "BLOCKED"
    assert toy.states(run)["taste/right"] == "PASSED"
    assert jug.poured == ["right"]


def test_patience_waits_for_pending_proofs_without_taking_time(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.settling = {"left": 6}
    run = walk(toy.cast(tmp_path, jug))
    step = next(step for step in run.steps if step.name == "fill/left")
    assert step.state is State.PASSED
    assert step.attempts > 3
    assert 15 < step.waited < 600
    assert step.proofs == ()


def test_patience_ends_and_says_how_long_it_waited(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.settling = {"left": 10_000}
    run = walk(toy.cast(tmp_path, jug))
    step = next(step for step in run.steps if step.name == "fill/left")
    assert step.state is State.BLOCKED
    assert "after waiting 10 min" in step.proofs[0].summary
    assert toy.states(run)["taste/left"] == "SKIPPED"
    assert toy.states(run)["taste/right"] == "PASSED"


def test_a_proof_without_patience_does_not_say_that_it_waited(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.settling = {"left": 10_000}
    impatient = tuple(replace(stage, patience=timedelta(milliseconds=300)) for stage in toy.TABLE)
    run = walk(toy.cast(tmp_path, jug, stages=impatient))
    step = next(step for step in run.steps if step.name == "fill/left")
    assert step.state is State.BLOCKED
    assert step.proofs
    assert "waiting" not in step.proofs[0].summary


def test_a_proof_that_waiting_cannot_mend_ends_at_once(tmp_path: Path) -> None:
    jug = toy.Jug()
    stages = (replace(toy.FILL, after=(), plan=lambda: (), checks=()),)
    run = walk(toy.cast(tmp_path, jug, stages=stages))
    assert {step.waited for step in run.steps} == {0.0}
    assert {step.attempts for step in run.steps} == {1}


def test_a_lost_answer_is_settled_by_looking_and_not_by_doing_it_again(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.lost = {"left"}
    run = walk(toy.cast(tmp_path, jug))
    assert jug.poured.count("left") == 1
    assert run.exit_code == 0
    action = next(step for step in run.steps if step.name == "fill/left").actions[0]
    assert action.outcome == "DONE"
    assert action.result == {"settled": "seen at Apple"}


def test_what_cannot_be_seen_is_unknown_once_and_no_pass(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.broken = {"left": AppleFailure("no answer", remedy="try later")}
    run = walk(toy.cast(tmp_path, jug))
    step = next(step for step in run.steps if step.name == "fill/left")
    assert step.state is State.BLOCKED
    assert [(f.rule, f.severity, f.source) for f in step.findings] == [("OBS001", Severity.UNKNOWN, Source.UNKNOWN)]
    assert step.findings[0].summary == "level could not be observed: no answer"
    assert step.findings[0].remedy == "try later; until then TOY002 is not judged"
    assert run.exit_code == 4
    assert run.checks_on(Source.UNKNOWN) == 2
    assert jug.poured == ["right"]


def test_resuming_a_finished_run_does_nothing_twice(tmp_path: Path) -> None:
    jug = toy.Jug()
    first = walk(toy.cast(tmp_path, jug))
    again = walk(toy.cast(tmp_path, jug, resume=True))
    assert sorted(jug.poured) == ["left", "right"]
    assert again.resumed == 1
    assert again.exit_code == 0
    assert again.plan.digest == first.plan.digest


def test_an_irreversible_action_with_a_receipt_is_never_repeated(tmp_path: Path) -> None:
    jug = toy.Jug()
    walk(toy.cast(tmp_path, jug))
    jug.level = {"left": 0, "right": 3}  # Apple's side is slow to show it
    run = walk(toy.cast(tmp_path, jug, resume=True))
    assert sorted(jug.poured) == ["left", "right"]
    assert run.exit_code == 1, "the proof still has to hold"


def test_nothing_is_performed_that_the_approved_plan_does_not_name(tmp_path: Path) -> None:
    rehearsal = walk(toy.cast(tmp_path / "a", toy.Jug()))
    promises = frozenset((p.stage, p.lane, p.promise) for p in rehearsal.plan.promises if p.lane == "left")
    approval = Approval(rehearsal.plan.digest, "Ann", "", promises)
    jug = toy.Jug()
    rights = Rights(Leases(tmp_path / "leases", "me"), approval, approval_needed=True)
    run = walk(toy.cast(tmp_path / "b", jug, rights=rights))
    assert jug.poured == ["left"]
    assert run.exit_code == 3
    assert "does not name: pour 3 pints into the jug of right" in run.verdict


def test_without_any_approval_a_live_run_is_refused(tmp_path: Path) -> None:
    jug = toy.Jug()
    rights = Rights(Leases(tmp_path / "leases", "me"), None, approval_needed=True)
    run = walk(toy.cast(tmp_path, jug, rights=rights))
    assert jug.poured == []
    assert run.exit_code == 3


def test_late_fields_are_not_promised_but_are_in_the_key() -> None:
    one, other = toy.Pour("left", 3, 0), toy.Pour("left", 3, 1)
    assert one.promise == other.promise
    assert one.key != other.key
    assert one.promise != toy.Pour("left", 4, 0).promise
    assert one.risk is Risk.IRREVERSIBLE


def test_a_lease_held_by_somebody_else_refuses_the_action(tmp_path: Path) -> None:
    jug = toy.Jug()
    with Leases(tmp_path / "leases", "somebody else").hold("jug of left"):
        run = walk(toy.cast(tmp_path, jug, rights=Rights(Leases(tmp_path / "leases", "me"))))
    assert jug.poured == ["right"]
    assert run.exit_code == 3
    assert "somebody else" in run.verdict


def test_policy_waives_and_softens(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.crack = True

    def waive(finding: Finding) -> Finding:
        return replace(finding, waived="we know") if finding.rule == "TOY001" else finding

    run = walk(toy.cast(tmp_path, jug, policy=waive))
    assert run.exit_code == 0
    assert [f.waived for f in run.findings if f.rule == "TOY001"] == ["we know"]


def test_zero_checks_is_never_green(tmp_path: Path) -> None:
    run = walk(toy.cast(tmp_path, toy.Jug(), stages=(Stage("empty"),)))
    assert run.exit_code == 1
    assert run.last_line == "0 checks: nothing was judged"
    assert not run.complete


def test_stopping_holds_what_is_left_and_resume_goes_on(tmp_path: Path) -> None:
    jug, stop = toy.Jug(), threading.Event()
    stop.set()
    run = walk(toy.cast(tmp_path, jug, stop=stop))
    assert run.exit_code == 130
    assert jug.poured == []
    run = walk(toy.cast(tmp_path, jug, resume=True))
    assert run.exit_code == 0
    assert sorted(jug.poured) == ["left", "right"]


def test_the_journal_of_a_run_tells_the_same_run_at_every_length(tmp_path: Path) -> None:
    cast = toy.cast(tmp_path, toy.Jug())
    run = walk(cast)
    entries = list(cast.journal.entries())
    for length in range(len(entries)):
        replay(entries[:length])
    assert replay(entries) == run


def test_wiring_names_what_nobody_answers() -> None:
    assert verify_wiring(toy.TABLE, toy.registry(), [toy.Jug], [toy.Mark]) == []
    wrong = verify_wiring(toy.TABLE, registry_of([]), [toy.Jug], [toy.Mark])
    assert any("Level, which no probe observes" in each for each in wrong)
    astray = (replace(toy.LOOK, after=("nowhere",)),)
    assert verify_wiring(astray, toy.registry(), [toy.Jug], [toy.Mark]) == [
        "look comes after nowhere, which is not before it"
    ]
    app_wide = (replace(toy.FILL, after=(), scope=toy.Scope.APP),)
    assert any("belongs to a lane" in each for each in verify_wiring(app_wide, toy.registry(), [toy.Jug], [toy.Mark]))


def test_a_check_may_not_ask_for_a_port() -> None:
    def nosy(jug: toy.Jug) -> None: ...

    nosy.__annotations__["jug"] = toy.Jug
    nosy.check_mark = toy.jug_is_full.check_mark  # type: ignore[attr-defined]
    assert needs_of(nosy)[0].wanted is toy.Jug
    wrong = verify_wiring((Stage("x", checks=(nosy,)),), toy.registry(), [toy.Jug], [toy.Mark])
    assert any("asks for the port Jug" in each for each in wrong)


@pytest.mark.parametrize("minutes", [0, 10])
def test_lanes_walk_side_by_side(tmp_path: Path, minutes: int) -> None:
    """Each lane's action waits until the other lane's has begun: only lanes that run side by side get past it."""
    both = threading.Barrier(2, timeout=20)
    jug = toy.Jug()

    class Met(dict[str, int]):
        def get(self, key: str, default: int = 0) -> int:  # type: ignore[override]
            if not self.__dict__.get("met"):
                both.wait()
                self.__dict__["met"] = True
            return super().get(key, default)

    jug.level = Met()
    stages = (toy.LOOK, replace(toy.FILL, patience=timedelta(minutes=minutes)), toy.TASTE)
    assert walk(toy.cast(tmp_path, jug, stages=stages)).exit_code == 0


def test_a_lane_is_a_fact() -> None:
    assert needs_of(toy.plan)[2].wanted is Lane


def test_what_cannot_be_seen_is_said_once_a_lane(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.broken = {"left": AppleFailure("no answer")}
    stages = (
        toy.LOOK,
        replace(toy.TASTE, checks=(toy.jug_is_not_too_full,), after=("look",)),
        replace(toy.FILL, after=("taste",)),
    )
    run = walk(toy.cast(tmp_path, jug, stages=stages))
    assert [f.lane for f in run.findings if f.rule == "OBS001"] == ["left"]
    fill = next(step for step in run.steps if step.name == "fill/left")
    assert fill.state is State.BLOCKED
    assert fill.because == ("level could not be observed: no answer",)
    assert jug.poured == ["right"]


def test_what_cannot_be_looked_for_is_not_begun_again(tmp_path: Path) -> None:
    """The answer is lost, and then Apple cannot be seen: one pour, an uncertain end, and a resume that looks first."""
    jug = toy.Jug()
    jug.lost = {"left", "right"}

    class Blind(dict[str, int]):
        def __setitem__(self, lane: str, pints: int) -> None:
            super().__setitem__(lane, pints)
            jug.broken[lane] = AppleFailure("no answer")

    jug.level = Blind()
    run = walk(toy.cast(tmp_path, jug))
    assert sorted(jug.poured) == ["left", "right"]
    assert run.exit_code == 4
    fill = next(step for step in run.steps if step.name == "fill/left")
    assert (fill.state, fill.actions[0].outcome) == (State.FAILED, "UNCERTAIN")
    jug.broken.clear()
    assert walk(toy.cast(tmp_path, jug, resume=True)).exit_code == 0
    assert sorted(jug.poured) == ["left", "right"]


def test_a_receipt_of_another_source_is_no_receipt(tmp_path: Path) -> None:
    jug = toy.Jug()
    walk(toy.cast(tmp_path, jug))
    jug.level = {}
    jug.source = Source.LIVE  # type: ignore[misc]
    run = walk(toy.cast(tmp_path, jug, resume=True))
    assert sorted(jug.poured) == ["left", "left", "right", "right"]
    assert run.exit_code == 0


class Usurped(Leases):
    """Leases that somebody else takes over while, or before, they are used."""

    def __init__(self, folder: Path, when: int) -> None:
        super().__init__(folder, "me")
        self.folder, self.when, self.asked = folder, when, 0

    def confirm(self, lease: Lease) -> None:
        self.asked += 1
        if self.asked == self.when:
            taken_over(self.folder)
        super().confirm(lease)


def taken_over(folder: Path) -> None:
    """What another runner leaves that found the lease run out."""
    for path in folder.glob("*.json"):
        told = json.loads(path.read_text())
        path.write_text(json.dumps({**told, "owner": "somebody else", "epoch": told["epoch"] + 1}))


@pytest.mark.parametrize(("when", "poured"), [(1, []), (2, ["left"])])
def test_a_lost_lease_stops_the_walk(tmp_path: Path, when: int, poured: list[str]) -> None:
    jug = toy.Jug()
    rights = Rights(Usurped(tmp_path / "leases", when))
    run = walk(toy.cast(tmp_path, jug, lanes=toy.LANES[:1], rights=rights))
    assert jug.poured == poured
    assert run.exit_code == 3
    assert "lost" in run.verdict


def test_of_two_runners_the_loser_stops_before_what_cannot_be_taken_back(tmp_path: Path) -> None:
    jug = toy.Jug()
    jug.before_pouring = lambda: taken_over(tmp_path / "leases")  # it slept for longer than its lease
    run = walk(toy.cast(tmp_path, jug, lanes=toy.LANES[:1]))
    assert jug.poured == []
    assert run.exit_code == 3
    assert "lost" in run.verdict
    (pour,) = next(step for step in run.steps if step.name == "fill/left").actions
    assert pour.outcome is Outcome.FAILED, "it is known that nothing was poured"


def test_asking_for_the_lease_keeps_it_for_another_term(tmp_path: Path) -> None:
    leases = Leases(tmp_path, "me", term=1000)
    lease = leases.acquire("x")
    path = next(tmp_path.glob("*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "expires": 0.0}))
    leases.renew(lease)
    with pytest.raises(Refused):
        Leases(tmp_path, "somebody else").acquire("x")


def test_a_probe_may_not_ask_for_the_right_to_change() -> None:
    def greedy(tenure: Tenure) -> toy.Shelf: ...

    greedy.__annotations__.update({"tenure": Tenure, "return": toy.Shelf})
    probes = {toy.Shelf: Probe(toy.Shelf, greedy, needs_of(greedy), lasting=True, scope=toy.Scope.APP)}
    wrong = verify_wiring((toy.LOOK,), Registry(probes), [toy.Jug], [toy.Mark])
    assert any("Tenure, which no probe observes" in each for each in wrong)


def test_a_wider_approval_permits_and_a_narrower_one_does_not() -> None:
    narrow = toy.Pour("left", 3)

    class Poured(toy.Pour):
        @property
        def wider(self) -> tuple[str, ...]:
            return (narrow.promise,)

    approval = Approval("d", "Ann", "", frozenset({("fill", "left", narrow.promise)}))
    assert approval.permits("fill", "left", Poured("left", 4))
    assert not approval.permits("fill", "left", toy.Pour("left", 4))
    assert not approval.permits("fill", "right", narrow)


PRODUCTS = (Lane("kept/Old.xcarchive", Platform.IOS, "", "Old", ""),)
LOOK_INTO = Stage("committed", after=("look",), scope=Scope.PRODUCT, checks=(toy.somebody_drank,))


def test_a_stage_for_products_has_a_step_for_each_and_none_where_there_are_none(tmp_path: Path) -> None:
    table = (*toy.TABLE, LOOK_INTO)
    names = [told["stage"] + "/" + told["lane"] for told in steps_told(table, toy.LANES, PRODUCTS)]
    assert names[-1] == "committed/kept/Old.xcarchive"
    assert len(steps_told(table, toy.LANES)) == len(names) - 1
    assert steps_told(table, toy.LANES, PRODUCTS)[-1]["after"] == ["look"]


def test_stages_wait_for_all_products_or_for_their_own() -> None:
    after = Stage("after", after=("committed",), scope=Scope.APP)
    own = Stage("own", after=("committed", "fill"), scope=Scope.PRODUCT)
    told = {
        each["stage"]: each["after"] for each in steps_told((*toy.TABLE, LOOK_INTO, after, own), toy.LANES, PRODUCTS)
    }
    assert told["after"] == ["committed/kept/Old.xcarchive"]
    assert told["own"] == ["committed/kept/Old.xcarchive", "fill/left", "fill/right"]


def test_what_is_said_of_a_product_has_its_place_before_the_policy_sees_it(tmp_path: Path) -> None:
    seen: list[Finding] = []

    def policy(finding: Finding) -> Finding:
        seen.append(finding)
        return finding

    stages = (toy.LOOK, LOOK_INTO)
    entries = toy.cast(tmp_path, toy.Jug(), stages=stages, lanes=())
    entries.journal.append("run", run="r", lanes=[], steps=steps_told(stages, (), PRODUCTS))
    run = walk(replace(entries, products=PRODUCTS, policy=policy))
    assert [str(each.location) for each in run.findings] == ["kept/Old.xcarchive"]
    assert [str(each.location) for each in seen] == ["kept/Old.xcarchive"]
