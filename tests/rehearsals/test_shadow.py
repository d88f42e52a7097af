"""A rehearsal on a copy of the account: only read, faithfully copied, and honest when there was nothing to copy."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.walk import walk
from pipeline.model import AppleFailure, Source
from pipeline.model.run import Run, State
from pipeline.shadowing import KEPT
from pipeline.simulator.faults import DEEDS
from pipeline.stages import table as stages_of
from pipeline.wishes import Wishes
from pipeline.world import World, open_world, reopen
from tests.rehearsals.premises import AT_ONCE, BUNDLE_ID, CONTAINER, CREDENTIALS, EVERYTHING_ONCE, TEAM, Premises
from tests.rehearsals.test_live import begin_elsewhere, other_key
from tests.rehearsals.theatre import effects

Making = Callable[..., Premises]

BUILD = {"version": "2.4.0", "build": "240"}


def app(**described: Any) -> dict[str, Any]:
    """The app at Apple, otherwise than in good order."""
    groups = [{"name": "Internal Testers", "all_builds": False}]
    return {
        "apps": [
            {"bundle_id": BUNDLE_ID, "name": "Isometry", "platforms": ["IOS", "MAC_OS"], "groups": groups, **described}
        ]
    }


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pipeline.world.SHADOW_SECONDS", 1)


def dry(here: Premises, table: str = "release", **wished: Any) -> tuple[Run, World]:
    """A dry run in this process."""
    world = open_world(Wishes(config=str(here.config), table=table, **wished), dry_run=True, runs=here.runs)
    with world.lease():
        return walk(world.cast(stages_of(table), None)), world


def rules(run: Run) -> set[str]:
    return {finding.rule for finding in run.findings if finding.blocks}


def own_writes(world: World) -> list[str]:
    return sorted(each["effect"] for each in effects(world.folder.path) if not each["effect"].startswith("PUT "))


# Only read -------------------------------------------------------------------------------------------------------------


def test_only_reading_reaches_apple(premises: Making) -> None:
    here = premises()
    told = here.tell("release", "--dry-run")
    assert told.code == 0, told.out + told.err
    assert {method for method, _ in here.gate.asked} == {"GET"}
    assert here.server.apple.effects() == []
    (run,) = here.runs.iterdir()
    assert json.loads((run / "wishes.json").read_text())["theatre"] == "shadow"
    assert sorted(each["effect"] for each in effects(run) if not each["effect"].startswith("PUT ")) == EVERYTHING_ONCE
    said = " ".join(told.out.split())
    assert "only GET requests were made" in said
    assert here.server.url in said


@pytest.mark.parametrize("table", ["certs", "build", "bundle"])
def test_a_table_that_asks_apple_nothing_has_no_shadow(premises: Making, table: str) -> None:
    here = premises()
    run, _ = dry(here, table, ipa=str(here.ipa), pkg=str(here.pkg))
    assert run.theatre == "rehearsal"
    assert here.gate.asked == []


def test_every_judgement_about_apple_is_simulated(premises: Making) -> None:
    run, _ = dry(premises())
    seen = {step.stage: {j.source for j in step.judgements} for step in run.steps if step.judgements}
    assert seen["upload"] == seen["processing"] == seen["distribute"] == {Source.SIMULATED}


# Faithfully copied -----------------------------------------------------------------------------------------------------


def test_a_build_that_is_there_is_found(premises: Making) -> None:
    run, _ = dry(premises(**app(builds=[{"version": "2.5.0", "build": "250"}])))
    assert run.exit_code == 1
    found = [finding for finding in run.findings if finding.rule == "CONN004"]
    assert [(finding.lane, finding.blocks) for finding in found] == [("ios", True)]
    assert "which does not say what file it was made from" in found[0].summary


@pytest.mark.parametrize(
    ("described", "rule"),
    [
        ({"builds": [{"version": "2.5.0", "build": "300"}]}, "CONN005"),
        ({"versions": [{"version": "2.5.0", "state": "READY_FOR_DISTRIBUTION"}]}, "CONN002"),
        ({"versions": [{"version": "3.0", "state": "READY_FOR_DISTRIBUTION"}]}, "CONN003"),
        ({"record": False}, "CONN001"),
        ({"groups": [{"name": "Family", "internal": False}]}, "TFLT001"),
    ],
)
def test_what_apple_holds_decides(premises: Making, described: dict[str, Any], rule: str) -> None:
    here = premises(**app(**described))
    run, _ = dry(here)
    assert run.exit_code == 1, run.verdict
    assert rule in rules(run), [str(finding) for finding in run.findings]
    plain, _ = dry(here, theatre="rehearsal")
    assert plain.exit_code == 0, "without looking at Apple nobody would have known"


def test_productions_schema_decides(premises: Making) -> None:
    here = premises(production_schema="behind", containers=[{"identifier": CONTAINER}])
    run, _ = dry(here)
    assert "SCHM002" in rules(run)


def test_the_copy_answers_like_the_original(premises: Making) -> None:
    """Whatever a release asks, the copy answers as Apple did: resources, attributes and what they are linked to."""
    builds = [BUILD, {**BUILD, "platform": "MAC_OS"}, {"version": "2.3.0", "build": "230", "state": "INVALID"}]
    groups = [
        {"name": "Internal Testers", "all_builds": False},
        {"name": "Everyone", "all_builds": True},
        {"name": "Friends", "internal": False},
    ]
    here = premises(**app(builds=builds, versions=[{"version": "2.4.0"}], groups=groups))
    original = here.server.apple
    group = next(iter(original._state.table("betaGroups")))
    build = next(iter(original._state.table("builds")))
    original._state.change("", "", [original._state.table("betaGroups")[group].altered(links={"builds": [build]})])
    # Two uploads through the front door, so that there are uploads and files to copy.
    here.configure(policy="  approval: never\n")
    told = here.release()
    assert told.code == 0, told.out
    asked = [
        f"/v1/{path}"
        for path in (
            f"apps?filter[bundleId]={BUNDLE_ID}",
            "betaGroups?include=builds&sort=createdDate",
            "builds?include=preReleaseVersion,buildBetaDetail,betaGroups&sort=-uploadedDate",
            *(f"builds/{identifier}/buildBetaDetail" for identifier in original._state.table("builds")),
            *(f"apps/{a}/buildUploads?include=build,assetFile" for a in original._state.table("apps")),
            *(f"apps/{a}/appStoreVersions" for a in original._state.table("apps")),
            *(f"apps/{a}/preReleaseVersions" for a in original._state.table("apps")),
        )
    ]
    assert len(asked) >= 10
    _, world = dry(here, until="schema")
    from pipeline.ports.http import Http, Request

    http = world.ports(None)[Http]
    for path in asked:
        url = f"https://api.appstoreconnect.apple.com{path}"
        copied = http.send(Request("GET", url)).json()
        status, _, body = original.handle("GET", url, {"Authorization": "Bearer rehearsal"})
        assert status == 200, body
        assert plain(copied) == plain(json.loads(body)), path
    schema = f"/v1/database/teams/{TEAM}/containers/{CONTAINER}/environments/PRODUCTION/schema/export"
    token = {"X-Apple-CloudKit-Management-Token": "t"}
    shown = original.handle("GET", f"https://api.icloud.apple.com{schema}", token)[2]
    assert http.send(Request("GET", f"https://api.icloud.apple.com{schema}")).body == shown


def plain(document: Any) -> Any:
    """A document without what names its server, its lists in one order."""
    if isinstance(document, dict):
        return {key: plain(value) for key, value in document.items() if key not in ("links", "meta")}
    if isinstance(document, list):
        return sorted((plain(each) for each in document), key=lambda each: json.dumps(each, sort_keys=True))
    return document


def test_a_longer_bundle_id_is_another_app(premises: Making) -> None:
    other = {"bundle_id": f"{BUNDLE_ID}.beta", "builds": [{"version": "2.5.0", "build": "999"}]}
    run, world = dry(premises(apps=[*app()["apps"], other]))
    assert run.exit_code == 0
    kept = json.loads((world.folder.path / KEPT).read_text())
    assert {one["attributes"]["bundleId"] for one in kept["resources"] if one["type"] == "apps"} == {BUNDLE_ID}


def test_a_long_list_is_copied_to_its_end(premises: Making) -> None:
    builds = [{"version": "2.4.0", "build": str(number)} for number in range(1, 231)]
    _, world = dry(premises(**app(builds=builds)), until="schema")
    kept = json.loads((world.folder.path / KEPT).read_text())
    assert sum(one["type"] == "builds" for one in kept["resources"]) == 230


def test_a_build_that_was_uploaded_is_recognised_by_its_content(premises: Making) -> None:
    """What the live service already has of this very file, the shadow does not upload again."""
    here = premises()
    here.configure(policy="  approval: never\n")
    assert here.release().code == 0
    run, world = dry(here, ipa=str(here.ipa), pkg=str(here.pkg))
    assert run.exit_code == 0, [str(finding) for finding in run.findings]
    assert own_writes(world) == []
    assert all(not step.actions for step in run.steps)


@pytest.mark.parametrize("shown", [True, False])
def test_an_unfinished_upload_is_copied_with_its_file(premises: Making, shown: bool) -> None:
    """Also where the list of uploads does not show the file: a live run would see it, so the plan has to."""
    here = premises()
    begin_elsewhere(here, "Theirs.ipa", 12_345)
    handle = here.server.apple.handle

    def shy(method: str, url: str, *rest: Any, **named: Any) -> Any:
        return handle(method, url if shown else url.replace("build%2CassetFile", "build"), *rest, **named)

    here.server.apple.handle = shy  # type: ignore[method-assign]
    run, world = dry(here)
    assert run.exit_code == 0, run.verdict
    upload = next(step for step in run.steps if step.name == "upload/ios")
    discard = upload.actions[0].describe
    assert "it is for Theirs.ipa, 12,345 bytes" in discard
    assert own_writes(world) == sorted([*EVERYTHING_ONCE, "DELETE /v1/buildUploads/{id}"])
    assert "/uploads/" not in (world.folder.path / KEPT).read_text(), "whoever has the addresses could send to them"


# Resumed ---------------------------------------------------------------------------------------------------------------


def test_a_resumed_shadow_starts_from_its_own_copy(premises: Making) -> None:
    here = premises()
    _, world = dry(here)
    asked, done = len(here.gate.asked), effects(world.folder.path)
    again = reopen(world.folder, world.runs)
    with again.lease():
        run = walk(again.cast(stages_of("release"), None, resumed=True))
    assert run.exit_code == 0
    assert run.theatre == "shadow"
    assert len(here.gate.asked) == asked
    assert effects(world.folder.path) == done


# When there is nothing to copy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["401", "403"])
def test_a_refused_key_stops_it(premises: Making, deed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.world.SHADOW_SECONDS", 10)
    here = premises(faults=[{"on": "GET /v1/apps", "do": deed, "times": 1000}])
    with pytest.raises(AppleFailure) as raised:
        dry(here)
    assert not list(here.runs.glob("*/*")), "a run that could not begin leaves nothing behind"
    assert raised.value.remedy


def test_a_key_that_apple_does_not_know_stops_it(premises: Making) -> None:
    here = premises()
    told = here.tell("plan", env={"ASC_PRIVATE_KEY": other_key()})
    assert told.code == 4, told.out + told.err
    assert "NOT_AUTHORIZED" in told.err
    assert "check ASC_KEY_ID, ASC_ISSUER_ID and ASC_PRIVATE_KEY" in told.err
    assert "Traceback" not in told.err


def test_a_key_that_is_none_stops_it(premises: Making) -> None:
    told = premises().tell("plan", env={"ASC_PRIVATE_KEY": "nonsense"})
    assert told.code == 2
    assert "ASC_PRIVATE_KEY is not an App Store Connect API key" in told.err
    assert "nonsense" not in told.out + told.err


class Answering:
    """Says the same to every request whose path begins so; the others are played as ever."""

    def __init__(self, here: Premises, beginning: str, said: tuple[int, dict[str, str], bytes]) -> None:
        self.asked = 0
        self._handle = here.server.apple.handle
        self._beginning, self._said = beginning, said
        here.server.apple.handle = self  # type: ignore[method-assign]

    def __call__(self, method: str, url: str, *rest: Any, **named: Any) -> Any:
        if not f"/{url.split('/', 3)[3]}".startswith(self._beginning):
            return self._handle(method, url, *rest, **named)
        self.asked += 1
        return self._said


BOMB = gzip.compress(b" " * 3_000_000)
JSON = {"content-type": "application/json"}
HTML = b"<html><body>Welcome to the hotel. Sign in.</body></html>"


@pytest.mark.parametrize(
    ("beginning", "said"),
    [
        ("/v1/apps", (200, JSON, b"{}")),
        ("/v1/apps", (200, JSON, b"")),
        ("/v1/apps", (204, {}, b"")),
        ("/v1/apps", (200, JSON, b'{"data": null}')),
        ("/v1/apps", (200, JSON, b'{"data": {"type": "apps", "id": "1"}}')),
        ("/v1/apps", (200, JSON, b'{"data": [1, 2]}')),
        ("/v1/apps", (200, JSON, b'{"data": [{"type": "apps", "id": 5}]}')),
        ("/v1/builds", (200, JSON, b'{"data": [], "included": "x"}')),
        ("/v1/builds", (200, JSON, b"{}")),
        ("/v1/apps", (200, JSON, b"[]")),
        ("/v1/apps", (200, {}, HTML)),
        ("/v1/apps", (200, JSON, b" " * 3_000_000)),
        ("/v1/apps", (200, {**JSON, "content-encoding": "gzip"}, BOMB)),
        ("/v1/apps", (200, {**JSON, "content-encoding": "gzip"}, b"{}")),
        ("/v1/database", (200, {}, HTML)),
        ("/v1/database", (200, {}, b"\xff\xfe")),
        ("/v1/database", (200, JSON, b"{}")),
        ("/v1/database", (200, {}, b" " * 3_000_000)),
        ("/v1/database", (200, {"content-encoding": "gzip"}, b"{}")),
    ],
)
def test_nonsense_stops_it(
    premises: Making, monkeypatch: pytest.MonkeyPatch, beginning: str, *, said: tuple[int, dict[str, str], bytes]
) -> None:
    """Who answers nonsense is not out of reach: something else answers in Apple's place."""
    monkeypatch.setattr("pipeline.ports.live_http.ANSWER_LIMIT", 2_000_000)
    here = premises()
    answering = Answering(here, beginning, said)
    with pytest.raises(AppleFailure) as raised:
        dry(here)
    assert raised.value.exit_code == 4
    assert raised.value.why
    assert "proxy" in raised.value.remedy or "cktool" in raised.value.remedy
    assert answering.asked == 1, "another try would bring the same"
    assert not list(here.runs.glob("*/*"))


@pytest.mark.parametrize("beginning", ["/v1/apps", "/v1/database"])
def test_a_redirect_is_told_as_what_it_is(premises: Making, beginning: str) -> None:
    here = premises()
    Answering(here, beginning, (302, {"location": "https://portal.example.com/"}, b""))
    with pytest.raises(AppleFailure, match="something between you and Apple redirects") as raised:
        dry(here)
    assert "proxy" in raised.value.remedy


def test_an_account_that_takes_too_long_is_out_of_reach(premises: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.shadowing.ACCOUNT_SECONDS", 0.0)
    run, _ = dry(premises())
    assert run.theatre == "rehearsal"
    assert "could not be read within" in run.note


@pytest.mark.parametrize("deed", sorted({*DEEDS} - {"401", "403", "404", "reset-after", "hang"}))
def test_out_of_reach_is_a_rehearsal_that_says_so(premises: Making, deed: str) -> None:
    here = premises(faults=[{"on": "GET /v1/apps", "do": deed, "times": 1000}])
    run, world = dry(here)
    assert run.exit_code == 0, run.verdict
    assert run.theatre == "rehearsal"
    assert "Apple was out of reach" in run.note
    again = reopen(world.folder, world.runs)
    assert again.theatre == "rehearsal"


def test_without_a_network_it_is_a_rehearsal_that_says_so(premises: Making) -> None:
    here = premises()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    here.configure(url=f"http://127.0.0.1:{port}")
    run, _ = dry(here)
    assert run.theatre == "rehearsal"
    assert "nothing was compared with the account" in run.note
    assert "no connection came about" in run.note


def test_silence_is_a_rehearsal_that_says_so(premises: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.ports.live_http.ANSWER_SECONDS", 0.3)
    run, _ = dry(premises(faults=[{"on": "GET /v1/*", "do": "hang", "times": 1000}]))
    assert run.theatre == "rehearsal"
    assert "no whole answer within" in run.note


def test_a_fault_that_passes_is_waited_out(premises: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.world.SHADOW_SECONDS", 10)
    run, _ = dry(premises(faults=[{"on": "GET /v1/builds", "do": "503", "times": 1}]))
    assert run.theatre == "shadow"


def test_without_a_token_the_schemas_are_assumed(premises: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDKIT_MANAGEMENT_TOKEN")
    run, _ = dry(premises(production_schema="behind", containers=[{"identifier": CONTAINER}]))
    assert run.theatre == "shadow"
    assert "CLOUDKIT_MANAGEMENT_TOKEN not set" in run.note
    assert "assumed" in run.note
    assert "SCHM002" not in rules(run)


def test_a_refused_container_is_a_finding_among_the_others(premises: Making) -> None:
    refusing = [{"on": "GET /v1/database/*", "do": "403", "times": 1000}]
    run, _ = dry(premises(faults=refusing, **app(builds=[{"version": "2.5.0", "build": "300"}])))
    assert run.theatre == "shadow"
    assert run.exit_code == 1
    assert {"OBS001", "CONN005"} <= rules(run)
    schema = next(step for step in run.steps if step.stage == "schema")
    assert schema.state is State.BLOCKED


def test_the_scenario_is_played_on_the_copy(premises: Making, tmp_path: Path) -> None:
    scenario = tmp_path / "refused.yaml"
    scenario.write_text("processing: {outcome: failed, code: '90189'}\n")
    run, _ = dry(premises(processing=AT_ONCE), scenario=str(scenario))
    assert "CONN010" in rules(run)
