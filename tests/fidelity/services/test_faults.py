"""Scenarios: how they are read, and what their faults do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.evening import evening
from pipeline.simulator.faults import DEEDS, Dropped, Fault, Scenario, ScenarioFault

from .conftest import MAPPING, START, TEAM, Client

NAMES = {
    "green",
    "throttled",
    "flaky",
    "slow-processing",
    "invalid-build",
    "redundant-build",
    "lost-answer",
    "schema-behind",
}


def faulty(tmp_path: Path, *faults: dict[str, Any]) -> Client:
    scenario = Scenario.load({**MAPPING, "faults": list(faults)})
    return Client(SimulatedApple(tmp_path / "apple", scenario, now=lambda: START))


def test_the_scenarios_that_come_along_are_sound() -> None:
    folder = Path(__import__("pipeline.simulator", fromlist=["x"]).__file__ or "").parent / "scenarios"
    assert {path.stem for path in folder.glob("*.yaml")} == NAMES
    for name in NAMES:
        scenario = evening(name)[0]
        assert scenario.name == name
        assert scenario.about


def test_an_account_in_good_order(tmp_path: Path) -> None:
    scenario = Scenario.for_apps(TEAM, [("com.a", "A", ("IOS", "MAC_OS"))])
    client = Client(SimulatedApple(tmp_path, scenario, now=lambda: START))
    app = client.get("/v1/apps?include=betaGroups")
    assert [entry["attributes"]["bundleId"] for entry in app.data] == ["com.a"]
    group = app.document["included"][0]["attributes"]
    assert (group["isInternalGroup"], group["hasAccessToAllBuilds"]) == (True, True)
    bundle_id = client.get("/v1/bundleIds?include=bundleIdCapabilities")
    held = {entry["attributes"]["capabilityType"] for entry in bundle_id.document["included"]}
    assert held == {"ICLOUD", "PUSH_NOTIFICATIONS"}
    assert client.apple.effects() == []


def test_a_named_scenario_keeps_what_it_says_of_an_app() -> None:
    own = Scenario.load({"apps": [{"bundle_id": "com.a", "record": False}]})
    joined = own.with_apps(TEAM, [("com.a", "A", ["IOS"]), ("com.b", "B", ["IOS"])])
    assert [(app.bundle_id, app.record) for app in joined.apps] == [("com.a", False), ("com.b", True)]


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"proccessing": {}}, "'proccessing' (did you mean 'processing'?)"),
        ({"processing": {"second": 1}}, "(did you mean 'seconds'?)"),
        ({"processing": "invlaid"}, "(did you mean 'invalid'?)"),
        ({"processing": {"seconds": "long"}}, "must be float"),
        ({"processing": {"seconds": -1}}, "number from 0"),
        ({"apps": {}}, "must be a list"),
        ({"apps": [{}]}, "bundle_id"),
        ({"apps": [{"bundle_id": "a", "platforms": ["IPHONE"]}]}, "IPHONE"),
        ({"apps": [{"bundle_id": "a", "groups": [{"inside": True}]}]}, "unknown key 'inside'"),
        ({"faults": [{"on": "GET /v1/apps", "do": "explode"}]}, "explode"),
        ({"faults": [{"on": "/v1/apps", "do": "500"}]}, "must read like"),
        ({"faults": [{"on": "GET /v1/apps", "do": 500, "nth": 1.5}]}, "nth"),
        ({"roles": "ADMIN"}, "list of words"),
        ({"part_size": 0}, "part_size"),
    ],
)
def test_what_is_not_understood_is_named(mapping: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioFault) as told:
        Scenario.load(mapping)
    assert words in str(told.value)


def test_a_scenario_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ScenarioFault, match="did you mean 'flaky'"):
        evening("flakey")
    with pytest.raises(ScenarioFault, match="cannot be read"):
        evening("../green")


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioFault):
        evening(str(path))[0]


@pytest.mark.parametrize("deed", [deed for deed in DEEDS if deed.isdigit()])
def test_a_status_is_answered_without_an_effect(tmp_path: Path, deed: str) -> None:
    client = faulty(tmp_path, {"on": "POST /v1/buildUploads", "do": deed, "nth": 1, "times": 2, "retry_after": 7})
    attributes = {"cfBundleShortVersionString": "1", "cfBundleVersion": "1", "platform": "IOS"}
    app = client.app
    answers = [client.create("buildUploads", attributes, app=("apps", app)) for _ in range(3)]
    assert [answer.status for answer in answers] == [int(deed), int(deed), 201]
    assert answers[0].headers["retry-after"] == "7"
    assert len(client.apple.effects()) == 1


def test_a_later_request_meets_the_fault(tmp_path: Path) -> None:
    client = faulty(tmp_path, {"on": "GET /v1/apps", "do": 503, "nth": 2})
    assert [client.get("/v1/apps").status for _ in range(4)] == [200, 503, 200, 200]


@pytest.mark.parametrize(
    ("deed", "applied", "hung"), [("reset", 0, False), ("reset-after", 1, False), ("hang", 0, True)]
)
def test_a_connection_fails_before_or_after_the_effect(tmp_path: Path, deed: str, applied: int, hung: bool) -> None:
    client = faulty(tmp_path, {"on": "POST /v1/buildUploads", "do": deed})
    with pytest.raises(Dropped) as dropped:
        client.reserve()
    assert (dropped.value.applied, dropped.value.hung) == (bool(applied), hung)
    assert len(client.apple.effects()) == applied
    client.reserve()
    assert len(client.apple.effects()) == applied + 1


def test_faults_are_counted_across_restarts(tmp_path: Path) -> None:
    fault = {"on": "GET /v1/apps", "do": 500, "nth": 2, "times": 2}
    seen = [faulty(tmp_path, fault).get("/v1/apps").status for _ in range(5)]
    assert seen == [200, 500, 500, 200, 200]


@pytest.mark.parametrize(
    ("on", "method", "path", "expected"),
    [
        ("GET /v1/apps", "GET", "/v1/apps", True),
        ("GET /v1/apps", "POST", "/v1/apps", False),
        ("* /v1/apps", "POST", "/v1/apps", True),
        ("GET /v1/*", "GET", "/v1/builds/{id}", True),
        ("GET *", "GET", "/uploads/{id}", True),
        ("GET /v1/builds", "GET", "/v1/builds/{id}", False),
    ],
)
def test_where_a_fault_applies(on: str, method: str, path: str, expected: bool) -> None:
    assert Fault(on, "500").matches(method, path) is expected


def test_faults_reach_the_other_hosts_in_their_own_form(tmp_path: Path) -> None:
    client = faulty(
        tmp_path,
        {"on": "PUT /uploads/{id}", "do": 503},
        {"on": "GET /v1/database/*", "do": 429, "retry_after": 3},
    )
    file = client.announce(client.reserve(), 10).data
    url = file["attributes"]["uploadOperations"][0]["url"]
    assert [client.put_part(url, bytes(10)).status for _ in range(2)] == [503, 200]
    path = f"/v1/database/teams/{TEAM}/containers/iCloud.com.example.app/environments/PRODUCTION/schema/export"
    headers = {"X-Apple-CloudKit-Management-Token": "t"}
    status, _, body = client.apple.handle("GET", "https://api.icloud.apple.com" + path, headers, b"", now=START)
    assert (status, b'"retryAfterSeconds":3' in body) == (429, True)


def test_a_host_that_is_not_played_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="no simulated host"):
        client.apple.handle("GET", "https://example.com/v1/apps", {}, b"")
