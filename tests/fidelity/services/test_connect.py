"""The front desk: tokens, budgets, lists with pages, and what is said to a request that is wrong."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.faults import Scenario

from .conftest import BUNDLE_ID, CONNECT, MAPPING, START, Client, ipa

NOW = int(START.timestamp())
CLAIMS = {"iss": "57246542-96fe-1a63-e053-0824d011072a", "iat": NOW - 10, "exp": NOW + 600, "aud": "appstoreconnect-v1"}
HEADER = {"alg": "ES256", "kid": "2X9R4HXF34", "typ": "JWT"}


def token(header: dict[str, Any], claims: dict[str, Any], key: ec.EllipticCurvePrivateKey | None = None) -> str:
    pieces = [_encoded(json.dumps(part).encode()) for part in (header, claims)]
    message = ".".join(pieces).encode()
    if key is None:
        return ".".join([*pieces, "c2ln"])
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return ".".join([*pieces, _encoded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def status(apple: SimulatedApple, bearer: str, *, remote: bool = True) -> int:
    headers = {"Authorization": f"Bearer {bearer}"}
    return apple.handle("GET", f"{CONNECT}/v1/apps", headers, b"", now=START, remote=remote)[0]


def test_a_proper_token_is_taken(apple: SimulatedApple) -> None:
    assert status(apple, token(HEADER, CLAIMS)) == 200
    individual = {**CLAIMS, "sub": "user"}
    del individual["iss"]
    assert status(apple, token(HEADER, individual)) == 200


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"alg": "HS256"}, {}),
        ({"kid": None}, {}),
        ({}, {"aud": "appstoreconnect-v2"}),
        ({}, {"iss": None}),
        ({}, {"exp": NOW}),
        ({}, {"iat": NOW + 30}),
        ({}, {"iat": NOW - 10, "exp": NOW + 1191}),
        ({}, {"iat": None}),
        ({}, {"exp": "soon"}),
    ],
)
def test_a_token_that_breaks_a_rule_is_refused(
    apple: SimulatedApple, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    assert status(apple, token({**HEADER, **header}, {**CLAIMS, **claims})) == 401


@pytest.mark.parametrize("bearer", ["", "a.b", "a.b.c", "....", "e30.e30.e30", "é.é.é", "W10.W10.W10", "x" * 9000])
def test_nonsense_is_refused_in_apples_words(apple: SimulatedApple, bearer: str) -> None:
    answer = apple.handle("GET", f"{CONNECT}/v1/apps", {"Authorization": f"Bearer {bearer}"}, b"", now=START)
    error = json.loads(answer[2])["errors"][0]
    assert answer[0] == 401
    assert error["code"] == "NOT_AUTHORIZED"
    assert error["title"] == "Authentication credentials are missing or invalid."
    assert "id" not in error


def test_the_rehearsal_token_is_good_in_the_process_only(apple: SimulatedApple) -> None:
    assert status(apple, "rehearsal", remote=False) == 200
    assert status(apple, "rehearsal", remote=True) == 401


def test_signatures_are_verified_where_keys_are_given(tmp_path: Path) -> None:
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    apple = SimulatedApple(tmp_path, Scenario.load(MAPPING), now=lambda: START, keys={HEADER["kid"]: pem})
    assert status(apple, token(HEADER, CLAIMS, key)) == 200
    assert status(apple, token(HEADER, CLAIMS, other)) == 401
    assert status(apple, token(HEADER, CLAIMS)) == 401
    assert status(apple, token({**HEADER, "kid": "OTHER"}, CLAIMS, key)) == 401


def test_the_budget_is_told_and_kept_for_a_rolling_hour(tmp_path: Path) -> None:
    scenario = Scenario.load({**MAPPING, "rate_limit": {"hour": 3, "minute": 2}})
    client = Client(SimulatedApple(tmp_path, scenario, now=lambda: START))
    told, codes = [], []
    for after in (0, 1, 2, 61, 62, 3662):
        client.after = after
        answer = client.get("/v1/apps")
        told.append(answer.headers["x-rate-limit"])
        codes.append(answer.status)
    assert codes == [200, 200, 429, 429, 429, 200]
    assert told[0] == "user-hour-lim:3;user-hour-rem:2;user-minute-lim:2;user-minute-rem:1;"
    assert client.heard[2].codes == ["RATE_LIMIT_EXCEEDED"]


@pytest.mark.parametrize(
    ("method", "path", "expected", "code"),
    [
        ("GET", "/v1/nothing", 404, "PATH_ERROR"),
        ("GET", "/v1/apps/1/nothing", 404, "PATH_ERROR"),
        ("GET", "/", 404, "PATH_ERROR"),
        ("GET", "/v1/builds/1", 404, "NOT_FOUND"),
        ("DELETE", "/v1/apps", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/apps?sort=size", 400, "PARAMETER_ERROR.INVALID"),
        ("GET", "/v1/apps?limit=201", 400, "PARAMETER_ERROR.INVALID"),
        ("GET", "/v1/apps?limit=x", 400, "PARAMETER_ERROR.INVALID"),
        ("GET", "/v1/apps?include=everything", 400, "PARAMETER_ERROR.INVALID"),
        ("GET", "/v1/apps?fields[apps]=size", 400, "PARAMETER_ERROR.INVALID"),
        ("GET", "/v1/apps?cursor=%FF", 400, "PARAMETER_ERROR.INVALID"),
        ("GET", "/v1/apps?filter[color]=red", 400, "PARAMETER_ERROR.ILLEGAL"),
        ("GET", "/v1/builds?filter[processingState]=DONE", 400, "PARAMETER_ERROR.INVALID"),
    ],
)
def test_wrong_requests_get_apples_errors(client: Client, method: str, path: str, expected: int, code: str) -> None:
    answer = client.ask(method, path)
    assert (answer.status, answer.codes) == (expected, [code])


def test_a_sort_on_builds_of_an_app_is_refused_as_observed(client: Client) -> None:
    answer = client.get(f"/v1/apps/{client.app}/builds?sort=-version")
    assert answer.codes == ["PARAMETER_ERROR.ILLEGAL"]
    assert answer.document["errors"][0]["detail"] == "The parameter 'sort' can not be used with this request"
    assert answer.document["errors"][0]["source"] == {"parameter": "sort"}


@pytest.mark.parametrize(
    ("body", "expected", "code"),
    [
        (b"{", 400, "ENTITY_INVALID"),
        (b"[]", 400, "ENTITY_INVALID"),
        (b"[" * 100_000, 400, "ENTITY_INVALID"),
        (b"\xff\xfe", 400, "ENTITY_INVALID"),
        (b'{"data": {"type": "apps"}}', 409, "ENTITY_ERROR.TYPE.INVALID"),
        (b'{"data": {"type": "buildUploads", "attributes": []}}', 409, "ENTITY_ERROR.ATTRIBUTE.REQUIRED"),
        (b'{"data": {"type": "buildUploads", "attributes": 7}}', 400, "ENTITY_INVALID"),
    ],
)
def test_a_bad_document_is_refused(client: Client, body: bytes, expected: int, code: str) -> None:
    answer = client.ask("POST", "/v1/buildUploads", body)
    assert (answer.status, answer.codes[0]) == (expected, code)
    assert client.apple.effects() == []


def test_every_missing_member_is_named(client: Client) -> None:
    answer = client.ask("POST", "/v1/buildUploads", {"data": {"type": "buildUploads"}})
    pointers = {error["source"]["pointer"] for error in answer.document["errors"]}
    assert pointers == {
        "/data/attributes/cfBundleVersion",
        "/data/attributes/cfBundleShortVersionString",
        "/data/attributes/platform",
        "/data/relationships/app",
    }


def test_the_form_of_a_request_matters(client: Client) -> None:
    assert client.ask("POST", "/v1/buildUploads", {}, Content_Type="text/plain").status == 415
    refused = client.ask("GET", "/v1/apps", Accept="text/csv")
    assert (refused.status, refused.headers["content-type"]) == (406, "text/plain")


def test_pages_are_walked_by_following_the_next_link(client: Client) -> None:
    seen, path, pages = [], "/v1/builds?limit=3&sort=version&fields[builds]=version", 0
    while path:
        answer = client.get(path)
        assert answer.document["meta"]["paging"]["total"] == 4
        seen += [build["attributes"]["version"] for build in answer.data]
        path = answer.document["links"].get("next", "")
        pages += 1
    assert (seen, pages) == (["1", "2", "10", "10"], 2)


def test_fields_narrow_the_answer(client: Client) -> None:
    app = client.get("/v1/apps?fields[apps]=name,builds").data[0]
    assert set(app["attributes"]) == {"name"}
    assert set(app["relationships"]) == {"builds"}


def test_linkage_data_is_only_there_when_included(client: Client) -> None:
    plain = client.get("/v1/builds?limit=1").data[0]["relationships"]["app"]
    asked = client.get("/v1/builds?limit=1&include=app").data[0]["relationships"]["app"]
    assert set(plain) == {"links"}
    assert asked["data"]["type"] == "apps"


def test_the_bundle_id_filter_matches_more_than_the_bundle_id(client: Client) -> None:
    found = client.get(f"/v1/apps?filter[bundleId]={BUNDLE_ID}&sort=-bundleId").data
    assert [app["attributes"]["bundleId"] for app in found] == [BUNDLE_ID + ".beta", BUNDLE_ID]
    assert len(client.get("/v1/apps?filter[bundleId]=ample.app").data) == 2


def test_builds_expire_after_ninety_days(client: Client) -> None:
    old = client.get("/v1/builds?filter[expired]=true&include=buildBetaDetail")
    assert [build["attributes"]["version"] for build in old.data] == ["1"]
    assert old.document["included"][0]["attributes"]["internalBuildState"] == "EXPIRED"


def test_export_compliance_is_asked_for_and_given_once(client: Client) -> None:
    upload = client.upload(ipa(ITSAppUsesNonExemptEncryption=None))
    client.after = 400
    build = client.get(f"/v1/buildUploads/{upload}?include=build").document["included"][0]["id"]
    detail = f"/v1/builds/{build}/buildBetaDetail"
    assert client.get(detail).data["attributes"]["internalBuildState"] == "MISSING_EXPORT_COMPLIANCE"
    assert client.change("builds", build, {"usesNonExemptEncryption": False}).status == 200
    assert client.get(detail).data["attributes"]["internalBuildState"] == "IN_BETA_TESTING"
    assert client.change("builds", build, {"usesNonExemptEncryption": False}).status == 200
    assert client.change("builds", build, {"usesNonExemptEncryption": True}).status == 409


def _groups(client: Client) -> dict[str, str]:
    return {group["attributes"]["name"]: group["id"] for group in client.get("/v1/betaGroups").data}


def _give(client: Client, group: str, build: str) -> Any:
    linkage = {"data": [{"type": "builds", "id": build}]}
    return client.ask("POST", f"/v1/betaGroups/{group}/relationships/builds", linkage)


def test_a_group_with_all_builds_has_them_and_refuses_to_be_given_one(client: Client) -> None:
    group = _groups(client)["Everyone inside"]
    builds = client.get(f"/v1/betaGroups/{group}/builds").data
    assert len(builds) == 4
    answer = _give(client, group, builds[0]["id"])
    assert (answer.status, answer.codes) == (422, ["ENTITY_UNPROCESSABLE"])
    assert answer.document["errors"][0]["detail"] == "Cannot add internal group to a build."


def test_a_build_reaches_a_chosen_group_when_it_is_ready(client: Client) -> None:
    group = _groups(client)["Chosen builds"]
    upload = client.upload(ipa())
    seen = []
    for after in (99, 150, 200, 230, 240):
        client.after = after
        build = client.get(f"/v1/buildUploads/{upload}?include=build").document["included"][0]["id"]
        seen.append(_give(client, group, build).status)
    assert seen == [404, 404, 404, 204, 204]
    assert [b["id"] for b in client.get(f"/v1/betaGroups/{group}/relationships/builds").data] == [build]
    assert [e["effect"] for e in client.apple.effects()].count("POST /v1/betaGroups/{id}/relationships/builds") == 2


def test_testers_of_a_group_are_counted(client: Client) -> None:
    answer = client.get(f"/v1/betaGroups/{_groups(client)['Everyone inside']}/betaTesters?limit=1")
    assert answer.document["meta"]["paging"]["total"] == 3
    assert len(answer.data) == 1


def test_planted_resources_are_answered_like_our_own(tmp_path: Path, client: Client) -> None:
    pages = [client.get(f"/v1/{kind}?include={names}").document for kind, names in PLANTED.items()]
    seen = {(r["type"], r["id"]): r for page in pages for r in [*page["data"], *page.get("included", [])]}
    for page in pages:
        seen.update({(r["type"], r["id"]): r for r in page["data"]})
    copy = Client(SimulatedApple(tmp_path / "copy", Scenario(), now=lambda: START))
    copy.apple.plant(seen.values())
    for path in ("/v1/builds?include=app,preReleaseVersion", "/v1/apps", "/v1/betaGroups?include=app", "/v1/bundleIds"):
        assert copy.get(path).document == client.get(path).document, path
    assert copy.apple.effects() == []


PLANTED = {"apps": "betaGroups", "builds": "app,preReleaseVersion", "betaGroups": "app,builds", "bundleIds": "app"}


def test_an_expired_build_was_valid_the_day_before(client: Client) -> None:
    path = "/v1/builds?filter[expired]=false&filter[version]=2"
    client.after = 84 * 86400
    assert len(client.get(path).data) == 1
    client.after = 86 * 86400
    assert client.get(path).data == []


def test_an_app_can_be_forgotten_with_all_that_hangs_on_it(client: Client) -> None:
    client.upload(ipa())
    before = len(client.apple.effects())
    client.apple.forget_app(BUNDLE_ID)
    assert [app["attributes"]["bundleId"] for app in client.get("/v1/apps").data] == [BUNDLE_ID + ".beta"]
    client.after = 500
    for path in ("/v1/builds", "/v1/preReleaseVersions", "/v1/buildBetaDetails"):
        assert client.get(path).data == []
    assert len(client.get("/v1/betaGroups").data) == 1
    assert len(client.get("/v1/bundleIds").data) == 2
    assert len(client.apple.effects()) == before
