"""The test authority's certificates beside Apple's, and the ways in which they must not be alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, pem, x509
from cryptography.x509 import load_der_x509_certificate

from pipeline.simulator import der
from pipeline.simulator.authority import APPLE, Authority, Kind

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
TEAM = "AB12CD34EF"
SIGNING = "code_signing"
MARKERS = {
    Kind.DEVELOPMENT: ("Apple Development", {"6.1.2", "6.1.12"}, SIGNING),
    Kind.DISTRIBUTION: ("Apple Distribution", {"6.1.7", "6.1.4"}, SIGNING),
    Kind.IOS_DEVELOPMENT: ("iPhone Developer", {"6.1.2"}, SIGNING),
    Kind.IOS_DISTRIBUTION: ("iPhone Distribution", {"6.1.4"}, SIGNING),
    Kind.MAC_APP_DEVELOPMENT: ("Mac Developer", {"6.1.12"}, SIGNING),
    Kind.MAC_APP_DISTRIBUTION: ("3rd Party Mac Developer Application", {"6.1.7"}, SIGNING),
    Kind.MAC_INSTALLER_DISTRIBUTION: ("3rd Party Mac Developer Installer", {"6.1.8"}, f"{APPLE}.4.9"),
    Kind.DEVELOPER_ID_APPLICATION: ("Developer ID Application", {"6.1.13"}, SIGNING),
    Kind.DEVELOPER_ID_INSTALLER: ("Developer ID Installer", {"6.1.14"}, f"{APPLE}.4.13"),
}
SAMPLES = {
    "apple_developer.cer": Kind.DEVELOPMENT,
    "iphone_developer.cer": Kind.IOS_DEVELOPMENT,
    "mac_developer.cer": Kind.MAC_APP_DEVELOPMENT,
    "fastlane-match-dist.cer": Kind.IOS_DISTRIBUTION,
    "developer_id.cer": Kind.DEVELOPER_ID_APPLICATION,
    "developer_id_installer.cer": Kind.DEVELOPER_ID_INSTALLER,
}


def markers(certificate: x509.Certificate) -> dict[str, bool]:
    """Apple's leaf markers in a certificate, with their criticality."""
    found = {}
    for extension in certificate["tbs_certificate"]["extensions"]:
        dotted = extension["extn_id"].dotted
        if dotted.startswith(f"{APPLE}.6.1."):
            assert extension["extn_value"].contents in (b"\x05\x00", b"\x0c\x0f" + extension["extn_value"].contents[2:])
            found[dotted.removeprefix(f"{APPLE}.")] = extension["critical"].native
    return found


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind(kind: Kind) -> None:
    prefix, expected, usage = MARKERS[kind]
    identity = Authority(None, NOW).issue(kind, team_id=TEAM, organization="Example")
    leaf = x509.Certificate.load(identity.certificate, strict=True)
    subject = leaf.subject.native
    assert subject["common_name"].startswith(f"{prefix}: Example (")
    assert subject["organizational_unit_name"] == TEAM
    assert subject["organization_name"] == "Example"
    assert markers(leaf) == dict.fromkeys(expected, True)
    assert leaf.extended_key_usage_value.native == [usage]
    if "DEVELOPMENT" in kind:
        assert TEAM not in (subject["user_id"], subject["common_name"])
    else:
        assert subject["user_id"] == TEAM
        assert subject["common_name"].endswith(f"({TEAM})")


def test_chains_hold() -> None:
    authority = Authority(None, NOW)
    for kind in Kind:
        identity = authority.issue(kind, team_id=TEAM, organization="Example")
        links = [load_der_x509_certificate(link) for link in (identity.certificate, *identity.chain)]
        assert len(links) == 3
        for lower, upper in zip(links, [*links[1:], links[-1]], strict=True):
            lower.verify_directly_issued_by(upper)
            assert lower.not_valid_before_utc >= upper.not_valid_before_utc
            assert lower.not_valid_after_utc <= upper.not_valid_after_utc
        marker = "6.2.6" if "DEVELOPER_ID" in kind else "6.2.1"
        assert any(e.oid.dotted_string == f"{APPLE}.{marker}" for e in links[1].extensions)
        assert identity.chain[-1] == authority.root


def test_the_root_is_nobody_elses() -> None:
    root = x509.Certificate.load(Authority(None, NOW).root)
    assert root.subject.native["common_name"] == "Rehearsal Root CA"
    assert "Apple" not in root.subject.human_friendly


@pytest.mark.parametrize(("name", "kind"), SAMPLES.items())
def test_extensions_are_those_of_apples_certificates(shared_data: Path, name: str, kind: Kind) -> None:
    data = (shared_data / "signing/certificates" / name).read_bytes()
    apples = x509.Certificate.load(pem.unarmor(data)[2] if pem.detect(data) else data)
    ours = x509.Certificate.load(Authority(None, NOW).issue(kind, team_id=TEAM, organization="Example").certificate)
    network = {"authority_information_access", "crl_distribution_points", f"{APPLE}.6.1.33"}

    def extensions(certificate: x509.Certificate) -> dict[str, bool]:
        entries = certificate["tbs_certificate"]["extensions"]
        return {e["extn_id"].native: e["critical"].native for e in entries if e["extn_id"].native not in network}

    assert extensions(ours) == extensions(apples)


@pytest.mark.parametrize(
    ("platform", "name"), [("iOS", "ios_provisioning_profile.cer"), ("OSX", "mac_provisioning_profile.cer")]
)
def test_profile_signers_bear_apples_marks(shared_data: Path, platform: str, name: str) -> None:
    apples = x509.Certificate.load((shared_data / "signing/certificates" / name).read_bytes())
    made = Authority(None, NOW).profile(
        name="Store", team_id=TEAM, team_name="Example", platforms=(platform,), entitlements={}, certificates=[]
    )
    message = cms.ContentInfo.load(made.data)["content"]
    serial = message["signer_infos"][0]["sid"].chosen["serial_number"].native
    (ours,) = [each.chosen for each in message["certificates"] if each.chosen.serial_number == serial]
    assert ours.subject.native["common_name"] == apples.subject.native["common_name"]
    assert ours.issuer.native["common_name"] == apples.issuer.native["common_name"]

    def marks(certificate: x509.Certificate) -> dict[str, bool]:
        entries = certificate["tbs_certificate"]["extensions"]
        return {e["extn_id"].dotted: e["critical"].native for e in entries if e["extn_id"].dotted.startswith(APPLE)}

    assert marks(ours) == marks(apples) != {}


def test_one_identity_per_kind_team_and_label() -> None:
    authority = Authority(None, NOW)

    def issue(kind: Kind = Kind.DISTRIBUTION, team: str = TEAM, label: str = "") -> str:
        return authority.issue(kind, team_id=team, organization="Example", label=label).sha1

    assert issue() == issue()
    assert len({issue(), issue(label="other"), issue(team="XY12CD34EF"), issue(Kind.DEVELOPMENT)}) == 4


def test_validity_is_as_asked() -> None:
    identity = Authority(None, NOW).issue(
        Kind.DISTRIBUTION,
        team_id=TEAM,
        organization="Example",
        begins=timedelta(days=-400),
        ends=timedelta(days=-35),
    )
    certificate = load_der_x509_certificate(identity.certificate)
    assert certificate.not_valid_after_utc == NOW - timedelta(days=35) == identity.ends


def test_long_names_fit() -> None:
    identity = Authority(None, NOW).issue(Kind.MAC_INSTALLER_DISTRIBUTION, team_id=TEAM, organization="Ünïcödé " * 20)
    assert len(identity.name.encode()) <= 64
    assert identity.name.endswith(f"({TEAM})")


def test_profiles_have_apples_keys(shared_data: Path) -> None:
    import plistlib

    def values(data: bytes) -> dict[str, object]:
        content = cms.ContentInfo.load(data)["content"]["encap_content_info"]["content"].native
        return dict(plistlib.loads(content))

    apples = values((shared_data / "signing/profiles/fastlane-match-appstore.mobileprovision").read_bytes())
    authority = Authority(None, NOW)
    made = authority.profile(
        name="Store", team_id=TEAM, team_name="Example", platforms=("iOS",), entitlements={}, certificates=[]
    )
    ours = values(made.data)
    # Both came after this sample was made.
    assert set(ours) - {"IsXcodeManaged", "DER-Encoded-Profile"} == set(apples)
    assert {key: type(value) for key, value in ours.items() if key in apples} == {
        key: type(value) for key, value in apples.items()
    }
    assert made.uuid == ours["UUID"]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths(size: int) -> None:
    from asn1crypto import core

    assert core.OctetString.load(der.octets(bytes(size)), strict=True).native == bytes(size)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, -1, -128, -129, 2**64])
def test_integers(value: int) -> None:
    from asn1crypto import core

    assert core.Integer.load(der.integer(value), strict=True).native == value


@pytest.mark.parametrize("dotted", ["1.2.840.113635.100.6.1.4", "2.5.4.3", "2.16.840.1.101.3.4.2.1"])
def test_object_identifiers(dotted: str) -> None:
    from asn1crypto import core

    assert core.ObjectIdentifier.load(der.oid(dotted), strict=True).dotted == dotted


def test_no_entitlement_holds_a_date() -> None:
    with pytest.raises(TypeError, match="datetime"):
        der.plist_value(NOW)
