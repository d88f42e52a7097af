"""Releases as people perform them: real sockets, real signatures, a simulated Apple, and everything exactly once."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.connect import records
from pipeline.apple.connect.client import HOST, Connect
from pipeline.apple.connect.documents import resource
from pipeline.engine.runs import find
from pipeline.engine.walk import walk
from pipeline.model import Outcome, Source
from pipeline.model.run import Run, State
from pipeline.ports import live_http
from pipeline.ports.clock import BriskClock
from pipeline.ports.secrets import EnvironmentSecrets
from pipeline.simulator.connect.service import template
from pipeline.stages import RELEASE
from pipeline.wishes import Wishes
from pipeline.world import open_world, reopen
from tests.rehearsals.premises import BUNDLE_ID, CREDENTIALS, EVERYTHING_ONCE, Premises, ended, until
from tests.rehearsals.theatre import Told

Making = Callable[..., Premises]


def run_of(premises: Premises, name: str = "") -> Run:
    return find(premises.runs, name or premises.newest()).run()


def parts(premises: Premises) -> list[str]:
    return [each["subject"] for each in premises.server.apple.effects() if each["effect"].startswith("PUT ")]


# As it is meant --------------------------------------------------------------------------------------------------------


def test_plan_approve_release(premises: Making) -> None:
    """Plan in the shadow, approve, release what was built elsewhere: on a machine without Xcode, waits included."""
    here = premises(part_size=3_000, processing={"seconds": 1, "builds_invisible": 1, "validating": 0})
    plan = here.approved()
    assert here.writes() == []
    assert run_of(here, plan).theatre == "shadow"
    told = here.release("--approved", plan, "--report", f"json={here.folder / 'report.json'}")
    assert told.code == 0, told.out + told.err
    assert sorted(here.writes()) == EVERYTHING_ONCE
    sent = parts(here)
    assert len(sent) == len(set(sent)) > 4
    run = run_of(here)
    states = {step.stage: step.state for step in run.steps}
    assert set(states.values()) == {State.PASSED}
    acted = [(step.stage, action.outcome) for step in run.steps for action in step.actions]
    assert sorted(acted) == [("distribute", Outcome.DONE)] * 2 + [("upload", Outcome.DONE)] * 2
    assert all(step.waited >= 1 for step in run.steps if step.stage == "processing")
    assert "xcodebuild" not in told.out + told.err
    again = here.tell("resume")
    assert again.code == 0, again.out + again.err
    assert sorted(here.writes()) == EVERYTHING_ONCE


def test_what_stands_in_for_apple_is_never_called_live(premises: Making) -> None:
    here = premises()
    told = here.release("--approved", here.approved())
    assert told.code == 0, told.out + told.err
    run = run_of(here)
    seen = {step.stage: {j.source for j in step.judgements} for step in run.steps if step.judgements}
    assert seen["upload"] == seen["processing"] == seen["distribute"] == {Source.SIMULATED}
    assert seen["schema"] == {Source.LIVE, Source.SIMULATED}, "the file was read, the containers were not Apple's"
    assert seen["bundle"] == seen["project"] == {Source.LIVE}
    assert {action.source for step in run.steps for action in step.actions} == {Source.SIMULATED}
    assert here.server.url in " ".join(told.out.split())
    assert "stood in for Apple" in " ".join(told.out.split())
    assert run.verdict == "everything went through, but not at Apple"


def test_an_artifact_of_a_rehearsal_is_never_released(premises: Making) -> None:
    here = premises()
    plan = here.approved()
    here.configure(waived=())
    told = here.release("--approved", plan)
    assert told.code == 1
    assert here.writes() == []
    blocking = [finding for finding in run_of(here).findings if finding.blocks]
    assert {finding.rule for finding in blocking} == {"BUND006", "BUND007", "BUND015"}
    assert all(finding.source is Source.LIVE for finding in blocking)


def test_a_waiver_says_why_and_ends(premises: Making) -> None:
    here = premises()
    plan = here.approved()
    here.config.write_text(here.config.read_text().replace("2099-12-31", "2020-01-31"))
    told = here.release("--approved", plan)
    assert told.code == 1
    assert "its waiver ran out on 2020-01-31" in " ".join(told.out.split())
    assert here.writes() == []
    here.configure()
    assert here.release("--approved", plan).code == 0
    waived = [finding for finding in run_of(here).findings if finding.waived]
    assert {finding.rule for finding in waived} == {"BUND006", "BUND007", "BUND015"}
    assert all(finding.waived == "signed by a test authority (until 2099-12-31)" for finding in waived)


def test_an_approval_may_be_needless(premises: Making) -> None:
    here = premises()
    here.configure(policy="  approval: never\n")
    assert here.release().code == 0
    assert sorted(here.writes()) == EVERYTHING_ONCE


@pytest.mark.skipif(shutil.which("xcodebuild") is not None, reason="this machine could build it")
def test_building_needs_a_mac_and_says_so(premises: Making) -> None:
    here = premises()
    told = here.tell("release", "--approved", here.approved())
    said = " ".join(told.out.split())
    assert told.code == 1, said
    assert "run on a Mac with Xcode, or give the finished artifact of this lane" in said
    assert here.writes() == []


# Refusals --------------------------------------------------------------------------------------------------------------


def refused(told: Told, *words: str) -> None:
    said = " ".join((told.out + told.err).split())
    assert told.code == 3, said
    assert all(word in said for word in words), said


def test_nothing_is_done_without_an_approval(premises: Making) -> None:
    here = premises()
    refused(here.release(), "not approved: upload build 2.5.0 (250)", "invoke approve")
    assert here.writes() == []


def test_a_plan_is_not_an_approval(premises: Making) -> None:
    here = premises()
    assert here.tell("plan").code == 0
    refused(here.release("--approved", here.newest()), "is not approved", "invoke approve")
    assert here.writes() == []


def test_another_plans_approval_does_not_help(premises: Making) -> None:
    here = premises()
    text = here.config.read_text()
    base = here.app / "Configurations/Base.xcconfig"
    before = base.read_text()
    assert "250" in before
    base.write_text(before.replace("250", "251"))
    here.config.write_text(text.replace('"250"', '"251"'))
    subprocess.run(
        ["git", "-C", here.app, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qam", "251"],
        check=True,
    )
    plan = here.approved()
    base.write_text(before)
    here.config.write_text(text)
    refused(here.release("--approved", plan), "the approved plan does not name: upload build 2.5.0 (250)")
    assert here.writes() == []


@pytest.mark.parametrize("careful", [False, True])
def test_a_plan_that_was_changed_by_hand_is_refused(premises: Making, careful: bool) -> None:
    here = premises()
    plan = here.approved()
    path = here.runs / plan / "plan.json"
    told = json.loads(path.read_text())
    told["promises"][-1]["describe"] = "nothing much"
    told["promises"][-1]["promise"] = "0" * 64
    if careful:
        from pipeline.engine.approval import Promise, Risk
        from pipeline.model import Plan

        promises = tuple(
            Promise(p["stage"], p["lane"], p["describe"], Risk(p["risk"]), p["promise"]) for p in told["promises"]
        )
        told["digest"] = Plan(told["run"], told["app"], told["theatre"], promises, complete=True).digest
    path.write_text(json.dumps(told))
    said = here.release("--approved", plan)
    assert said.code == (3 if careful else 2), said.err
    assert ("is not the one that was approved" if careful else "does not have the digest") in said.err
    assert here.writes() == []


def other_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_a_key_that_apple_does_not_know(premises: Making) -> None:
    here = premises()
    plan = here.approved()
    told = here.release("--approved", plan, env={"ASC_PRIVATE_KEY": other_key()})
    said = " ".join(told.out.split())
    assert told.code == 4, said
    assert "NOT_AUTHORIZED" in said
    assert "check ASC_KEY_ID, ASC_ISSUER_ID and ASC_PRIVATE_KEY" in said
    assert here.writes() == []


def test_a_key_that_is_none(premises: Making) -> None:
    here = premises()
    told = here.release("--approved", here.approved(), env={"ASC_PRIVATE_KEY": "-----BEGIN nonsense"})
    assert told.code == 1, told.out
    assert "ASC_PRIVATE_KEY is not an App Store Connect API key" in " ".join(told.out.split())
    assert here.writes() == []


def test_no_credentials_at_all(premises: Making) -> None:
    here = premises()
    plan = here.approved()
    here.env = {}
    before = len(here.gate.asked)
    told = here.release("--approved", plan)
    said = " ".join(told.out.split())
    assert told.code == 1, said
    assert all(name in said for name in ("ASC_KEY_ID", "ASC_PRIVATE_KEY", "CLOUDKIT_MANAGEMENT_TOKEN"))
    assert len(here.gate.asked) == before
    assert run_of(here).checks_on(Source.UNKNOWN) > 0


def test_credentials_from_files(premises: Making, tmp_path: Path) -> None:
    here = premises()
    env = {}
    for name, value in CREDENTIALS.items():
        (tmp_path / name).write_text(value + "\n")
        env[f"{name}_FILE"] = str(tmp_path / name)
    here.env = env
    assert here.release("--approved", here.approved()).code == 0
    assert sorted(here.writes()) == EVERYTHING_ONCE


# Unfinished uploads of the same build ------------------------------------------------------------------------------------


def begin_elsewhere(here: Premises, name: str, size: int) -> str:
    """Another machine with the same key reserves an upload of the same build, and has sent nothing of it yet."""
    api = Connect(
        live_http.LiveHttp({HOST: live_http.ConnectKey(EnvironmentSecrets(CREDENTIALS))}, {HOST: here.server.url})
    )

    def create(kind: str, attributes: dict[str, Any], link: str, parent: str, of: str) -> str:
        links = {link: {"data": {"type": parent, "id": of}}}
        told = api.post(f"/v1/{kind}", {"data": {"type": kind, "attributes": attributes, "relationships": links}})
        return resource(told).id

    app = records.app_record(api, BUNDLE_ID).id
    numbers = {"cfBundleShortVersionString": "2.5.0", "cfBundleVersion": "250", "platform": "IOS"}
    upload = create("buildUploads", numbers, "app", "apps", app)
    file = {"assetType": "ASSET", "fileName": name, "fileSize": size, "uti": "com.apple.ipa"}
    create("buildUploadFiles", file, "buildUpload", "buildUploads", upload)
    return upload


def uploads_at(here: Premises) -> set[str]:
    return set(here.server.apple._state.table("buildUploads"))


DISCARD = "discard the unfinished upload of build 2.5.0 (250) for iOS, begun "


def test_what_the_plan_did_not_name_is_not_discarded(premises: Making) -> None:
    """Begun after the approval: refused, planned anew with the discard in sight, approved, released."""
    here = premises()
    plan = here.approved()
    theirs = begin_elsewhere(here, "Theirs.ipa", 12_345)
    refused(here.release("--approved", plan), f"the approved plan does not name: {DISCARD}", "plan anew")
    assert theirs in uploads_at(here)
    assert "DELETE /v1/buildUploads/{id}" not in here.writes()
    warned = [finding for finding in run_of(here).findings if finding.rule == "CONN006"]
    assert [(finding.lane, finding.blocks) for finding in warned] == [("ios", False)]
    assert "is not finished: it is for Theirs.ipa, 12,345 bytes" in warned[0].summary

    planned = here.tell("plan", *here.artifacts())
    assert planned.code == 0, planned.out + planned.err
    named = [promise.describe for promise in run_of(here).plan.promises if promise.stage == "upload"]
    assert [text.partition("begun")[0] + "begun " for text in named[:1]] == [DISCARD]
    assert named[1:] == ["upload build 2.5.0 (250) for iOS"], "the Mac's went through before"
    assert theirs in uploads_at(here), "a plan is only a plan"
    assert here.tell("approve", "--by", "Ann", "--yes").code == 0
    told = here.release("--approved", here.newest())
    assert told.code == 0, told.out + told.err
    assert theirs not in uploads_at(here)
    once = [*EVERYTHING_ONCE, "DELETE /v1/buildUploads/{id}", "POST /v1/buildUploads", "POST /v1/buildUploadFiles"]
    assert sorted(here.writes()) == sorted(once)


def test_an_upload_of_the_same_file_is_gone_on_with(premises: Making) -> None:
    """It needs no discard, and a plan made with the very file shows so."""
    here = premises(part_size=3_000)
    theirs = begin_elsewhere(here, here.ipa.name, here.ipa.stat().st_size)
    planned = here.tell("plan", *here.artifacts())
    assert planned.code == 0, planned.out + planned.err
    run = run_of(here)
    assert not any("discard" in promise.describe for promise in run.plan.promises)
    kept = (here.runs / run.id / "account.json").read_text()
    assert here.ipa.name in kept
    assert "/uploads/" not in kept, "the addresses of the parts are nobody's business"
    assert here.tell("approve", "--by", "Ann", "--yes").code == 0
    assert here.release("--approved", here.newest()).code == 0
    assert theirs in uploads_at(here)
    assert len(uploads_at(here)) == 2
    assert sorted(here.writes()) == EVERYTHING_ONCE


def test_a_plan_made_without_the_file_permits_more_than_is_done(premises: Making) -> None:
    """The rehearsal's own artifact cannot go on with it, so the plan names a discard; the real one can, and does."""
    here = premises()
    theirs = begin_elsewhere(here, here.ipa.name, here.ipa.stat().st_size)
    told = here.release("--approved", here.approved())
    assert told.code == 0, told.out + told.err
    assert theirs in uploads_at(here)
    assert sorted(here.writes()) == EVERYTHING_ONCE


# Side by side, and cut off -----------------------------------------------------------------------------------------------


def test_two_people_release_at_the_same_time(premises: Making) -> None:
    here = premises()
    plan = here.approved()
    here.gate.shut("POST", "/v1/buildUploads")
    first = here.start("release", *here.artifacts(), "--approved", plan)
    until(lambda: here.gate.held, first)
    holder = here.newest()
    second = here.release("--approved", plan)
    refused(second, "the release of isometry is being changed by another run", holder, f"process {first.pid}")
    here.gate.open()
    told = ended(first)
    assert told.code == 0, told.out + told.err
    assert sorted(here.writes()) == EVERYTHING_ONCE


def cut_off(here: Premises, number: signal.Signals) -> Told:
    """A release that gets a signal while the gate holds some of its requests back; they are let through after it."""
    process = here.start("release", *here.artifacts(), "--approved", here.approved())
    until(lambda: here.gate.held, process)
    process.send_signal(number)
    if number == signal.SIGKILL:
        process.wait(10)
    else:
        assert process.stderr is not None
        for line in process.stderr:
            if "stopping at the next safe place" in line:
                break
    here.gate.open()
    return ended(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_middle_of_an_upload(premises: Making, number: signal.Signals) -> None:
    here = premises(part_size=1_500)
    here.gate.shut("PUT", "/uploads/", after=3)
    told = cut_off(here, number)
    assert told.code == 130, told.out + told.err
    assert "invoke resume" in told.out + told.err
    sent = parts(here)
    assert 3 <= len(sent) < 20, "what was in flight was finished, and nothing new was begun"
    assert "PATCH /v1/buildUploadFiles/{id}" not in here.writes()
    again = here.tell("resume")
    assert again.code == 0, again.out + again.err
    assert sorted(here.writes()) == EVERYTHING_ONCE


def test_a_stop_while_apple_is_asked(premises: Making) -> None:
    """A question that was not put any more is no fact that Apple withheld."""
    here = premises()
    plan = here.approved()
    here.gate.shut("GET", "/v1/apps", after=here.gate.asked.count(("GET", "/v1/apps")))
    process = here.start("release", *here.artifacts(), "--approved", plan)
    until(lambda: here.gate.held, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    until(lambda: "stopping" in process.stderr.readline())
    here.gate.open()
    told = ended(process, 10)
    assert told.code == 130, told.out
    assert "OBS001" not in told.out
    assert here.writes() == []
    assert here.tell("resume").code == 0
    assert sorted(here.writes()) == EVERYTHING_ONCE


def test_a_stop_while_apple_processes(premises: Making) -> None:
    here = premises(processing={"seconds": 3, "builds_invisible": 0, "validating": 0})
    process = here.start("release", *here.artifacts(), "--approved", here.approved())
    until(lambda: here.writes().count("PATCH /v1/buildUploadFiles/{id}") == 2, process)
    process.send_signal(signal.SIGINT)
    told = ended(process, 10)
    assert told.code == 130, told.out + told.err
    again = here.tell("resume")
    assert again.code == 0, again.out + again.err
    assert sorted(here.writes()) == EVERYTHING_ONCE
    assert run_of(here).resumed == 1


def test_a_second_stop_waits_for_nothing(premises: Making) -> None:
    here = premises()
    here.gate.shut("POST", "/v1/buildUploads")
    process = here.start("release", *here.artifacts(), "--approved", here.approved())
    until(lambda: here.gate.held == 2, process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    until(lambda: "stopping" in process.stderr.readline())
    process.send_signal(signal.SIGINT)
    told = ended(process, 10)
    assert told.code == 130, told.out + told.err
    here.gate.open()
    until(lambda: here.writes().count("POST /v1/buildUploads") == 2)
    again = here.tell("resume")
    assert again.code == 0, again.out + again.err
    assert sorted(here.writes()) == EVERYTHING_ONCE


@pytest.mark.parametrize(
    ("method", "path", "after"),
    [("PUT", "/uploads/", 3), ("POST", "/v1/buildUploads", 0), ("PATCH", "/v1/buildUploadFiles", 0)],
)
def test_a_kill_in_the_middle_of_an_upload(premises: Making, method: str, path: str, after: int) -> None:
    here = premises(part_size=3_000)
    here.gate.shut(method, path, after=after)
    told = cut_off(here, signal.SIGKILL)
    assert told.code == -signal.SIGKILL
    again = here.tell("resume")
    assert again.code == 0, again.out + again.err
    assert sorted(here.writes()) == EVERYTHING_ONCE


# Faults, at every route --------------------------------------------------------------------------------------------------

ROUTES = (
    "GET /v1/apps",
    "GET /v1/apps/{id}/buildUploads",
    "GET /v1/apps/{id}/appStoreVersions",
    "GET /v1/builds",
    "GET /v1/betaGroups",
    "GET /v1/builds/{id}/buildBetaDetail",
    "GET /v1/buildUploads/{id}/buildUploadFiles",
    "GET /v1/database/*",
    "POST /v1/buildUploads",
    "POST /v1/buildUploadFiles",
    "PUT /uploads/{id}",
    "PATCH /v1/buildUploadFiles/{id}",
    "POST /v1/betaGroups/{id}/relationships/builds",
)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in this process, hands that are moved instead of waited for, and little patience with silence."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pipeline.world.LiveClock", lambda _stop=None: BriskClock())
    monkeypatch.setattr(live_http, "ANSWER_SECONDS", 0.4)


def released(here: Premises) -> Run:
    """A live release of the iOS lane in this process."""
    wishes = Wishes(config=str(here.config), lanes=("ios",), ipa=str(here.ipa))
    world = open_world(wishes, dry_run=False, runs=here.runs)
    with world.lease():
        return walk(world.cast(RELEASE, None))


def route_of(method: str, path: str) -> str:
    if path.startswith("/v1/database/"):
        return f"{method} /v1/database/*"
    return f"{method} /uploads/{{id}}" if path.startswith("/uploads/") else f"{method} {template(path)}"


@pytest.mark.usefixtures("hasty")
def test_every_route_of_a_release_is_tried_below(premises: Making) -> None:
    here = premises()
    here.configure(policy="  approval: never\n")
    assert released(here).exit_code == 0
    assert {route_of(*asked) for asked in here.gate.asked} == set(ROUTES)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("deed", ["429", "500", "503", "reset", "reset-after", "hang"])
def test_a_fault_at_every_route(premises: Making, route: str, deed: str) -> None:
    here = premises(faults=[{"on": route, "do": deed, "nth": 1, "times": 1}], part_size=6_000)
    here.configure(policy="  approval: never\n")
    run = released(here)
    met = here.server.apple._state.find("faults", "0")
    assert met is not None
    assert met.attributes["met"] == 1
    assert run.exit_code == 0, (run.verdict, [finding.summary for finding in run.findings])
    writes = here.writes()
    if deed == "reset-after" and "relationships" in route:
        writes.remove(route)  # Giving a build to a group twice changes nothing, so it is simply said again.
    assert sorted(writes) == EVERYTHING_ONCE[::2]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("deed", ["401", "403", "500", "reset"])
@pytest.mark.parametrize("route", ["GET /v1/apps", "POST /v1/buildUploads", "PATCH /v1/buildUploadFiles/{id}"])
def test_a_fault_that_stays(premises: Making, route: str, deed: str) -> None:
    here = premises(faults=[{"on": route, "do": deed, "nth": 1, "times": 10_000}])
    here.configure(policy="  approval: never\n")
    run = released(here)
    assert run.exit_code == 4, (run.verdict, [str(finding) for finding in run.findings])
    assert route not in here.writes()
    assert not any(step.state is State.PASSED for step in run.steps if step.stage in ("upload", "distribute"))
    here.server.apple.scenario = replace(here.server.apple.scenario, faults=())
    world = reopen(find(here.runs, ""), here.runs)
    with world.lease():
        healed = walk(world.cast(RELEASE, None, resumed=True))
    assert healed.exit_code == 0, (healed.verdict, [str(finding) for finding in healed.findings])
    assert sorted(here.writes()) == EVERYTHING_ONCE[::2]
