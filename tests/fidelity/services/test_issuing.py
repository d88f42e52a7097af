"""What the simulated portal issues: real certificates for real requests, and profiles that verify."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.apple.signing.certificates import CertificateKind, read_certificate
from pipeline.apple.signing.keys import new_key, public_key_sha256, request_for
from pipeline.apple.signing.profiles import ProfileKind, Seal, read_profile
from pipeline.apple.signing.trust import APPLE_INTERMEDIATES, APPLE_ROOTS, walk
from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.authority import Authority, Kind
from pipeline.simulator.faults import Scenario
from pipeline.simulator.issuing import AuthorityIssuer, seeded
from pipeline.simulator.machine.mac import Machine

from .conftest import BUNDLE_ID, MAPPING, START, TEAM, Client
from .test_contract import Judge, judge  # noqa: F401

KINDS = {
    Kind.DISTRIBUTION: CertificateKind.APPLE_DISTRIBUTION,
    Kind.IOS_DISTRIBUTION: CertificateKind.IOS_DISTRIBUTION,
    Kind.MAC_APP_DISTRIBUTION: CertificateKind.MAC_APP_DISTRIBUTION,
    Kind.MAC_INSTALLER_DISTRIBUTION: CertificateKind.MAC_INSTALLER_DISTRIBUTION,
    Kind.DEVELOPMENT: CertificateKind.APPLE_DEVELOPMENT,
    Kind.IOS_DEVELOPMENT: CertificateKind.IOS_DEVELOPMENT,
    Kind.MAC_APP_DEVELOPMENT: CertificateKind.MAC_DEVELOPMENT,
}


@pytest.fixture(scope="module")
def key() -> bytes:
    return new_key()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority.json", START)


@pytest.fixture
def client(tmp_path: Path, authority: Authority) -> Client:
    issuer = AuthorityIssuer(authority)
    return Client(SimulatedApple(tmp_path / "apple", Scenario.load(MAPPING), now=lambda: START, issuer=issuer))


def made(client: Client, csr: str, kind: str = "DISTRIBUTION") -> Any:
    return client.create("certificates", {"csrContent": csr, "certificateType": kind})


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_for_the_key_of_the_request(
    client: Client, authority: Authority, key: bytes, kind: Kind
) -> None:
    attributes = made(client, request_for(key, "Anything"), str(kind)).data["attributes"]
    read = read_certificate(base64.b64decode(attributes["certificateContent"]))
    assert read.kind is KINDS[kind]
    assert read.team_id == TEAM
    assert read.public_key_sha256 == public_key_sha256(key)
    assert "Anything" not in read.subject_name
    assert f"{read.serial:X}" == attributes["serialNumber"]
    assert datetime.fromisoformat(attributes["expirationDate"]) == read.not_after
    anchors = APPLE_ROOTS.including("the test authority", authority.root)
    issued = Authority(authority._store, START)
    above = [issued._wwdr().certificate, *APPLE_INTERMEDIATES]
    assert issued.root == authority.root, "the keys that signed are saved"
    assert walk(read.der, above, anchors, START).trusted


def _ec() -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _short() -> str:
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    short = rsa.generate_private_key(65537, 1024)
    return request.sign(short, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _tampered() -> str:
    lines = request_for(new_key(), "A").splitlines()
    body = bytearray(base64.b64decode("".join(lines[1:-1])))
    body[-5] ^= 1
    return f"{lines[0]}\n{base64.b64encode(bytes(body)).decode()}\n{lines[-1]}\n"


@pytest.mark.parametrize("csr", [_ec, _short, _tampered, lambda: "hello", lambda: ""])
def test_what_apple_would_not_take_is_refused(client: Client, csr: Any) -> None:
    answer = made(client, csr())
    assert (answer.status, answer.codes) == (409, ["ENTITY_ERROR.ATTRIBUTE.INVALID"])
    assert client.apple.effects() == []


def test_developer_id_is_for_the_account_holder(client: Client, key: bytes) -> None:
    answer = made(client, request_for(key, "A"), "DEVELOPER_ID_APPLICATION")
    assert (answer.status, answer.codes) == (403, ["FORBIDDEN_ERROR"])


def test_expired_certificates_take_no_room(client: Client, key: bytes) -> None:
    for _ in range(3):
        assert made(client, request_for(key, "A")).status == 201
    assert made(client, request_for(key, "A")).status == 409
    client.after = timedelta(days=366).total_seconds()
    assert made(client, request_for(key, "A")).status == 201


def test_a_profile_verifies_and_is_for_the_store(client: Client, authority: Authority, key: bytes) -> None:
    certificate = made(client, request_for(key, "A")).data["id"]
    bundle = next(b["id"] for b in client.get("/v1/bundleIds").data if b["attributes"]["identifier"] == BUNDLE_ID)
    links = {"bundleId": ("bundleIds", bundle), "certificates": ("certificates", [certificate])}
    anchors = APPLE_ROOTS.including("the test authority", authority.root)
    for kind, wanted in (("IOS_APP_STORE", ProfileKind.APP_STORE), ("MAC_APP_STORE", ProfileKind.MAC_APP_STORE)):
        answer = client.create("profiles", {"name": kind, "profileType": kind}, **links).data["attributes"]
        read = read_profile(base64.b64decode(answer["profileContent"]), anchors)
        assert (read.kind, read.seal, read.bundle_id) == (wanted, Seal.APPLE, BUNDLE_ID), read.seal_reason
        assert read.uuid == answer["uuid"]
        assert [each.public_key_sha256 for each in read.developer_certificates] == [public_key_sha256(key)]


def test_every_answer_is_as_apple_describes_it(client: Client, key: bytes, judge: Judge) -> None:  # noqa: F811
    certificate = made(client, request_for(key, "A")).data["id"]
    bundle = next(b["id"] for b in client.get("/v1/bundleIds").data if b["attributes"]["identifier"] == BUNDLE_ID)
    links = {"bundleId": ("bundleIds", bundle), "certificates": ("certificates", [certificate])}
    profile = client.create("profiles", {"name": "S", "profileType": "IOS_APP_STORE"}, **links).data["id"]
    client.get("/v1/profiles?include=bundleId,certificates&limit[certificates]=50&limit=200")
    client.get("/v1/bundleIds?include=bundleIdCapabilities&limit[bundleIdCapabilities]=50&limit=200")
    client.ask("DELETE", f"/v1/profiles/{profile}")
    made(client, "no request")
    made(client, request_for(key, "A"), "DEVELOPER_ID_APPLICATION")
    client.ask("DELETE", f"/v1/certificates/{certificate}")
    assert [fault for asked in client.heard for fault in judge.faults(asked)] == []


@pytest.mark.parametrize("kind", ["certificates", "profiles"])
def test_what_is_new_is_listed_after_a_while(tmp_path: Path, key: bytes, kind: str) -> None:
    scenario = Scenario.load({**MAPPING, "portal": {f"{kind}_invisible": 20}})
    issuer = AuthorityIssuer(Authority(None, START))
    client = Client(SimulatedApple(tmp_path / "slow", scenario, now=lambda: START, issuer=issuer))
    certificate = made(client, request_for(key, "A")).data["id"]
    bundle = next(b["id"] for b in client.get("/v1/bundleIds").data if b["attributes"]["identifier"] == BUNDLE_ID)
    links = {"bundleId": ("bundleIds", bundle), "certificates": ("certificates", [certificate])}
    assert client.create("profiles", {"name": "S", "profileType": "IOS_APP_STORE"}, **links).status == 201
    assert client.get(f"/v1/{kind}").data == []
    client.after = 21
    assert len(client.get(f"/v1/{kind}").data) == 1


def test_forbidden_kinds_and_roles(tmp_path: Path, key: bytes) -> None:
    scenario = Scenario.load({**MAPPING, "portal": {"forbids": ["profiles"]}, "roles": ["DEVELOPER"]})
    issuer = AuthorityIssuer(Authority(None, START))
    client = Client(SimulatedApple(tmp_path / "strict", scenario, now=lambda: START, issuer=issuer))
    assert client.get("/v1/profiles").status == 403
    assert client.get("/v1/certificates").status == 200
    assert made(client, request_for(key, "A")).status == 403
    client.apple.forbid("certificates", "Not today")
    assert client.get("/v1/certificates").document["errors"][0]["detail"] == "Not today"


def test_the_portal_holds_what_the_mac_got_from_it(tmp_path: Path, root: Path) -> None:
    project = root / "pipeline/simulator/sample/Isometry.xcodeproj"
    machine = Machine(tmp_path / "mac", team_id="77CCZHWQL7", projects=(project,))
    identities, profiles = machine.keychain.identities, machine.keychain.profiles
    account = Scenario(team_id="77CCZHWQL7")
    apple = SimulatedApple(tmp_path / "apple", account, now=lambda: datetime.now(UTC))
    client = Client(apple)
    for _ in range(2):
        apple.plant(seeded(account, identities, profiles))
    certificates = client.get("/v1/certificates?limit=200").data
    assert {each["attributes"]["serialNumber"] for each in certificates} == {f"{i.serial:X}" for i in identities}
    assert {each["attributes"]["certificateType"] for each in certificates} == {str(i.kind) for i in identities}
    listed = client.get("/v1/profiles?limit=200&include=bundleId,certificates").data
    assert {each["attributes"]["uuid"] for each in listed} == {profile.uuid for profile in profiles}
    known = {each["id"] for each in certificates}
    for each in listed:
        assert {link["id"] for link in each["relationships"]["certificates"]["data"]} <= known
        assert each["relationships"]["bundleId"]["data"]["id"]
    (app_id,) = client.get("/v1/bundleIds").data
    held = client.get(f"/v1/bundleIds/{app_id['id']}/bundleIdCapabilities").data
    assert {each["attributes"]["capabilityType"] for each in held} == {"ICLOUD", "PUSH_NOTIFICATIONS"}
