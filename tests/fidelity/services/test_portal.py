"""Certificates, identifiers and profiles."""

from __future__ import annotations

import base64
import plistlib
from pathlib import Path
from typing import Any

import pytest

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.connect.portal import Issued
from pipeline.simulator.faults import Scenario

from .conftest import BUNDLE_ID, MAPPING, START, TEAM, Client

CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"


class Paper:
    def __init__(self, content: bytes, serial: str, expires: float) -> None:
        self.content = content
        self.serial = serial
        self.expires = expires


class LocalIssuer:
    """Issues numbered papers: what is signed is the authority's own affair and tested there."""

    def __init__(self) -> None:
        self.issued = 0

    def certificate(self, csr: str, certificate_type: str, team_id: str, team_name: str, now: float) -> Issued:
        if "BEGIN CERTIFICATE REQUEST" not in csr:
            raise ValueError("no PEM request")
        self.issued += 1
        return Paper(b"certificate %d" % self.issued, f"{self.issued:08X}", now + 365 * 86400)

    def profile(self, plist: dict[str, Any], now: float) -> bytes:
        return plistlib.dumps(plist)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(SimulatedApple(tmp_path, Scenario.load(MAPPING), now=lambda: START, issuer=LocalIssuer()))


def _bundle_id(client: Client) -> str:
    found = client.get(f"/v1/bundleIds?filter[identifier]={BUNDLE_ID}").data
    return str(next(entry["id"] for entry in found if entry["attributes"]["identifier"] == BUNDLE_ID))


def _certificate(client: Client) -> str:
    return str(client.create("certificates", {"csrContent": CSR, "certificateType": "DISTRIBUTION"}).data["id"])


def _profile(client: Client, name: str = "Store", kind: str = "IOS_APP_STORE") -> Any:
    links = {"bundleId": ("bundleIds", _bundle_id(client)), "certificates": ("certificates", [_certificate(client)])}
    return client.create("profiles", {"name": name, "profileType": kind}, **links)


def test_a_registered_app_has_icloud_and_push(client: Client) -> None:
    found = client.get(f"/v1/bundleIds/{_bundle_id(client)}/bundleIdCapabilities")
    assert {c["attributes"]["capabilityType"] for c in found.data} == {"ICLOUD", "PUSH_NOTIFICATIONS"}


def test_the_list_of_capabilities_takes_no_limit(client: Client) -> None:
    answer = client.get(f"/v1/bundleIds/{_bundle_id(client)}/bundleIdCapabilities?limit=10")
    assert (answer.status, answer.codes) == (400, ["PARAMETER_ERROR.ILLEGAL"])


def test_the_identifier_filter_matches_more_than_the_identifier(client: Client) -> None:
    found = client.get(f"/v1/bundleIds?filter[identifier]={BUNDLE_ID}").data
    assert {entry["attributes"]["identifier"] for entry in found} == {BUNDLE_ID, BUNDLE_ID + ".beta"}


def test_a_taken_identifier_is_refused(client: Client) -> None:
    answer = client.create("bundleIds", {"name": "N", "platform": "IOS", "identifier": BUNDLE_ID})
    assert (answer.status, answer.codes) == (409, ["ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"])
    assert client.create("bundleIds", {"name": "N", "platform": "IOS", "identifier": "com exa"}).status == 409


def test_the_fourth_distribution_certificate_is_refused(client: Client) -> None:
    for _ in range(3):
        last = _certificate(client)
    answer = client.create("certificates", {"csrContent": CSR, "certificateType": "DISTRIBUTION"})
    assert (answer.status, answer.codes) == (409, ["ENTITY_ERROR"])
    assert "already have a current" in answer.document["errors"][0]["detail"]
    assert client.ask("DELETE", f"/v1/certificates/{last}").status == 204
    assert _certificate(client) != last


def test_a_bad_request_for_a_certificate_is_refused(client: Client) -> None:
    answer = client.create("certificates", {"csrContent": "hello", "certificateType": "DISTRIBUTION"})
    assert (answer.status, answer.codes) == (409, ["ENTITY_ERROR.ATTRIBUTE.INVALID"])


def test_a_profile_holds_the_capabilities_and_the_certificates(client: Client) -> None:
    profile = _profile(client).data
    held = plistlib.loads(base64.b64decode(profile["attributes"]["profileContent"]))
    assert held["DeveloperCertificates"] == [b"certificate 1"]
    assert held["Entitlements"]["application-identifier"] == f"{TEAM}.{BUNDLE_ID}"
    assert held["Entitlements"]["aps-environment"] == "production"
    assert held["Entitlements"]["com.apple.developer.icloud-container-identifiers"] == ["iCloud.com.example.app"]
    assert held["UUID"] == profile["attributes"]["uuid"]
    assert profile["attributes"]["profileState"] == "ACTIVE"
    assert _profile(client).status == 409


@pytest.mark.parametrize("change", ["capability", "certificate"])
def test_a_profile_turns_invalid_when_what_it_rests_on_changes(client: Client, change: str) -> None:
    profile = _profile(client).data["id"]
    if change == "capability":
        client.create(
            "bundleIdCapabilities", {"capabilityType": "APP_GROUPS"}, bundleId=("bundleIds", _bundle_id(client))
        )
    else:
        certificate = client.get(f"/v1/profiles/{profile}/certificates").data[0]["id"]
        client.ask("DELETE", f"/v1/certificates/{certificate}")
    assert client.get(f"/v1/profiles/{profile}").data["attributes"]["profileState"] == "INVALID"


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    client = Client(SimulatedApple(tmp_path / "bare", Scenario.load(MAPPING), now=lambda: START))
    answer = client.create("certificates", {"csrContent": CSR, "certificateType": "DISTRIBUTION"})
    assert (answer.status, answer.codes) == (403, ["FORBIDDEN_ERROR"])


def test_an_identifier_in_use_by_an_app_stays(client: Client) -> None:
    assert client.ask("DELETE", f"/v1/bundleIds/{_bundle_id(client)}").status == 403
    made = client.create("bundleIds", {"name": "N", "platform": "IOS", "identifier": "com.example.new"}).data["id"]
    assert client.ask("DELETE", f"/v1/bundleIds/{made}").status == 204
    assert client.get(f"/v1/bundleIds/{made}").status == 404
