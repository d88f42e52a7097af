"""Our digest against Apple's own description, and every answer of every route against Apple's own schemas."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.connect.routes import ROUTES
from pipeline.simulator.connect.service import operations
from pipeline.simulator.contract import DIGEST, Contract
from pipeline.simulator.faults import Scenario

from .conftest import BUNDLE_ID, MAPPING, START, Asked, Client, ipa
from .test_portal import CSR, LocalIssuer

SIMULATOR = Path(sys.modules[SimulatedApple.__module__].__file__ or "").parent
NEVER_NULL = {"data", "id", "type", "links", "relationships", "attributes", "errors", "meta", "code", "status"}


def _closed(schema: Any) -> Any:
    """A schema that admits nothing but what it names, and null for attributes.

    Apple's answers hold explicit nulls for attributes that the description does not call nullable (altool traces).
    """
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _closed(value) for key, value in schema.items() if key not in ("discriminator", "nullable")}
    if isinstance(made.get("properties"), dict) and "type" in made:
        made["properties"] = {
            name: value if name in NEVER_NULL else {"anyOf": [value, {"type": "null"}]}
            for name, value in made["properties"].items()
        }
        made.setdefault("additionalProperties", False)
    return made


class Judge:
    """Validates answers against the schemas of the description."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.description = description
        document = {"$id": "urn:apple", "components": _closed(copy.deepcopy(description["components"]))}
        resource = Resource.from_contents(document, default_specification=_draft())
        self.registry: Registry[Any] = Registry().with_resource("urn:apple", resource)
        self.validators: dict[str, Draft202012Validator] = {}

    def faults(self, asked: Asked) -> list[str]:
        method, path = asked.operation.split(" ")
        responses = self.description["paths"][path][method.lower()]["responses"]
        if str(asked.status) not in responses:
            return [f"{asked.operation}: status {asked.status} is not declared"]
        content = responses[str(asked.status)].get("content", {}).get("application/json")
        if content is None:
            return [] if not asked.body else [f"{asked.operation}: a body with {asked.status}"]
        name = content["schema"]["$ref"].rsplit("/", 1)[1]
        if name not in self.validators:
            schema = {"$ref": f"urn:apple#/components/schemas/{name}"}
            self.validators[name] = Draft202012Validator(schema, registry=self.registry)
        found = self.validators[name].iter_errors(asked.document)
        return [f"{asked.operation} {asked.status}: {fault.json_path}: {fault.message[:300]}" for fault in found]


def _draft() -> Any:
    from referencing.jsonschema import DRAFT202012

    return DRAFT202012


@pytest.fixture(scope="module")
def judge(openapi: dict[str, Any]) -> Judge:
    return Judge(openapi)


def journey(client: Client) -> None:
    """A walk that uses every route once at least, with includes, pages and refusals on the way."""
    app = client.app
    client.get("/v1/apps?include=builds,betaGroups,preReleaseVersions,appStoreVersions&limit[builds]=2&limit=1")
    client.get(f"/v1/apps/{app}?include=builds")
    client.get("/v1/apps/0")
    client.get("/v1/apps?filter[bundle]=x&limit=0&fields[apps]=nope")
    upload = client.upload(ipa())
    client.get(f"/v1/buildUploads/{upload}")
    for after in (0, 50, 150, 400):
        client.after = after
        client.get(f"/v1/buildUploads/{upload}?include=build,assetFile")
        client.get(
            "/v1/builds?limit=2&sort=-version&include=preReleaseVersion,app,buildBetaDetail,betaGroups,buildUpload"
        )
    page = client.get("/v1/builds?limit=2")
    client.get(page.document["links"]["next"])
    client.get("/v1/builds?cursor=nonsense")
    build = client.get("/v1/builds?filter[version]=3").data[0]["id"]
    client.get(f"/v1/builds/{build}?include=app,preReleaseVersion,betaGroups,buildBetaDetail,buildUpload")
    client.change("builds", build, {"usesNonExemptEncryption": False})
    client.change("builds", build, {"usesNonExemptEncryption": "no", "color": 1})
    client.ask("PATCH", f"/v1/builds/{build}", {"data": {"type": "apps"}})
    client.ask("PATCH", f"/v1/builds/{build}", {})
    for name in ("app", "preReleaseVersion", "buildBetaDetail", "betaBuildLocalizations"):
        client.get(f"/v1/builds/{build}/{name}")
    for name in ("builds", "buildUploads", "betaGroups", "preReleaseVersions", "appStoreVersions"):
        client.get(f"/v1/apps/{app}/{name}")
    client.get("/v1/buildBetaDetails?include=build")
    client.get(f"/v1/buildBetaDetails/{build}")
    client.change("buildBetaDetails", build, {"autoNotifyEnabled": True})
    notes = client.create(
        "betaBuildLocalizations", {"locale": "en-US", "whatsNew": "All"}, build=("builds", build)
    ).data
    client.create("betaBuildLocalizations", {"locale": "en-US"}, build=("builds", build))
    client.get("/v1/betaBuildLocalizations?filter[locale]=en-US&include=build")
    client.get(f"/v1/betaBuildLocalizations/{notes['id']}")
    client.change("betaBuildLocalizations", notes["id"], {"whatsNew": "More"})
    train = client.get("/v1/preReleaseVersions?include=builds,app").data[0]["id"]
    client.get(f"/v1/preReleaseVersions/{train}?include=builds")
    client.get(f"/v1/preReleaseVersions/{train}/app")
    client.get(f"/v1/preReleaseVersions/{train}/builds")
    version = client.get(f"/v1/apps/{app}/appStoreVersions").data[0]["id"]
    client.get(f"/v1/appStoreVersions/{version}?include=app")
    user = client.get("/v1/users?filter[roles]=ADMIN").data[0]["id"]
    client.get(f"/v1/users/{user}")
    _uploads(client)
    _groups(client, app, build)
    _portal(client)


def _uploads(client: Client) -> None:
    upload = client.reserve("3.0", "1")
    file = client.announce(upload, 10).data["id"]
    client.get(f"/v1/buildUploadFiles/{file}")
    client.get(f"/v1/buildUploads/{upload}/buildUploadFiles")
    client.ask("DELETE", f"/v1/buildUploads/{upload}")
    client.create("buildUploads", {"platform": "WATCH_OS"}, app=("builds", "x"))


def _groups(client: Client, app: str, build: str) -> None:
    groups = {
        g["attributes"]["name"]: g["id"] for g in client.get("/v1/betaGroups?include=builds,betaTesters,app").data
    }
    made = client.create("betaGroups", {"name": "More", "isInternalGroup": True}, app=("apps", app)).data["id"]
    client.get(f"/v1/betaGroups/{made}")
    client.change("betaGroups", made, {"name": "Most"})
    chosen = groups["Chosen builds"]
    linkage = {"data": [{"type": "builds", "id": build}]}
    for identifier in (chosen, groups["Everyone inside"]):
        client.ask("POST", f"/v1/betaGroups/{identifier}/relationships/builds", linkage)
    client.ask("POST", f"/v1/betaGroups/{chosen}/relationships/builds", {"data": [{"type": "apps", "id": "1"}]})
    for name in ("app", "builds", "betaTesters", "relationships/builds"):
        client.get(f"/v1/betaGroups/{chosen}/{name}")
    client.ask("DELETE", f"/v1/betaGroups/{chosen}/relationships/builds", linkage)
    client.ask("DELETE", f"/v1/betaGroups/{made}")
    client.get("/v1/betaTesters?include=betaGroups&filter[apps]=" + app)


def _portal(client: Client) -> None:
    certificate = client.create("certificates", {"csrContent": CSR, "certificateType": "DISTRIBUTION"}).data["id"]
    client.get(f"/v1/certificates/{certificate}")
    client.get("/v1/certificates?filter[certificateType]=DISTRIBUTION&sort=-displayName")
    made = client.create("bundleIds", {"name": "N", "platform": "IOS", "identifier": "com.example.new"}).data["id"]
    client.get("/v1/bundleIds?filter[identifier]=com.example&include=bundleIdCapabilities,profiles,app")
    old = next(b["id"] for b in client.get("/v1/bundleIds").data if b["attributes"]["identifier"] == BUNDLE_ID)
    client.get(f"/v1/bundleIds/{old}?include=bundleIdCapabilities")
    for name in ("app", "bundleIdCapabilities", "profiles"):
        client.get(f"/v1/bundleIds/{old}/{name}")
    link = ("bundleIds", old)
    capability = client.create("bundleIdCapabilities", {"capabilityType": "APP_GROUPS"}, bundleId=link).data["id"]
    client.ask("DELETE", f"/v1/bundleIdCapabilities/{capability}")
    attributes = {"name": "Store", "profileType": "IOS_APP_STORE"}
    profile = client.create("profiles", attributes, bundleId=link, certificates=("certificates", [certificate])).data[
        "id"
    ]
    client.get(f"/v1/profiles/{profile}?include=bundleId,certificates,devices")
    client.get("/v1/profiles?filter[profileType]=IOS_APP_STORE&filter[profileState]=ACTIVE")
    for name in ("bundleId", "certificates", "devices"):
        client.get(f"/v1/profiles/{profile}/{name}")
    client.get("/v1/devices?filter[status]=ENABLED")
    client.get(f"/v1/devices/{client.get('/v1/devices').data[0]['id']}")
    client.ask("DELETE", f"/v1/profiles/{profile}")
    client.ask("DELETE", f"/v1/certificates/{certificate}")
    client.ask("DELETE", f"/v1/bundleIds/{old}")
    client.ask("DELETE", f"/v1/bundleIds/{made}")


def test_every_answer_of_every_route_is_as_apple_describes_it(tmp_path: Path, judge: Judge) -> None:
    apple = SimulatedApple(tmp_path, Scenario.load(MAPPING), now=lambda: START, issuer=LocalIssuer())
    device = {
        "type": "devices",
        "id": "D1",
        "attributes": {"name": "P", "platform": "IOS", "udid": "1", "status": "ENABLED"},
    }
    apple.plant([device])
    client = Client(apple)
    journey(client)
    assert [fault for asked in client.heard for fault in judge.faults(asked)] == []
    succeeded = {asked.operation for asked in client.heard if asked.status < 300}
    assert succeeded == set(ROUTES)


def test_errors_of_the_front_desk_are_as_apple_describes_them(client: Client, judge: Judge) -> None:
    client.ask("GET", "/v1/apps", Authorization="Bearer no.such.token")
    client.ask("POST", "/v1/buildUploads", b"{", Content_Type="application/json")
    client.create("buildUploads", {"platform": 1, "cfBundleVersion": None}, app=("apps", "x"))
    assert [asked.status for asked in client.heard] == [401, 400, 409]
    assert [fault for asked in client.heard for fault in judge.faults(asked)] == []


def test_the_judge_can_fail(judge: Judge, client: Client) -> None:
    good = client.get("/v1/apps")
    assert judge.faults(good) == []
    bad = Asked(good.operation, 200, good.headers, good.body.replace(b'"bundleId"', b'"bundle_id"'))
    assert judge.faults(bad)
    assert judge.faults(Asked(good.operation, 418, good.headers, good.body))


def test_the_digest_is_what_the_script_makes_of_the_description(shared_data: Path, root: Path, openapi: Any) -> None:
    path = shared_data / "app-store-connect" / "openapi-4.4.1.json"
    argv = [sys.executable, str(root / "scripts" / "contract_digest"), str(path)]
    made = subprocess.run(argv, capture_output=True, check=True, timeout=60)
    kept = (SIMULATOR / DIGEST).read_bytes()
    assert json.loads(made.stdout) == json.loads(kept)
    assert len(kept) < 60_000


def test_the_digest_says_of_each_operation_what_the_description_says(openapi: dict[str, Any]) -> None:
    contract = Contract.load()
    assert contract.version == openapi["info"]["version"]
    assert sorted(contract.operations) == operations()
    for name, entry in contract.operations.items():
        method, path = name.split(" ")
        real = openapi["paths"][path][method.lower()]
        assert entry["id"] == real["operationId"]
        assert set(entry["codes"]) == {int(code) for code in real["responses"]}
        assert set(entry.get("query", {})) == {parameter["name"] for parameter in real.get("parameters", [])}
        for parameter in real.get("parameters", []):
            values = parameter["schema"].get("items", {}).get("enum")
            if values:
                _, allowed = contract._parameters_of(name)[parameter["name"]]
                assert allowed == set(values), (name, parameter["name"])


def test_every_route_cites_apples_operation(openapi: dict[str, Any]) -> None:
    for name, function in ROUTES.items():
        method, path = name.split(" ")
        operation = openapi["paths"][path][method.lower()]["operationId"]
        assert f"Apple: {operation}" in (function.__doc__ or ""), name


def test_checking_a_request_is_cheap(client: Client) -> None:
    """Not by the clock: by the number of steps, which a slow machine does not change."""
    steps = 0

    def count(*_: Any) -> None:
        nonlocal steps
        steps += 1

    contract = Contract.load()
    query = [("filter[app]", "1"), ("filter[version]", "7"), ("include", "app,preReleaseVersion"), ("limit", "5")]
    contract.query_objections("GET /v1/builds", query)
    sys.setprofile(count)
    try:
        contract.query_objections("GET /v1/builds", query)
    finally:
        sys.setprofile(None)
    assert steps < 200
