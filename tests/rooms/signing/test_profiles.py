"""Profiles are read as Xcode reads them, and believed only as far as their signature goes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.profiles import (
    MOST_DEVELOPER_CERTIFICATES,
    ProfileKind,
    ProvisioningProfile,
    Seal,
    entitlement_allows,
    read_profile,
)
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from tests.rooms.signing.forge import (
    DISTRIBUTION,
    NOW,
    PROFILE_SIGNER,
    ROOT,
    STRANGER,
    TEAM,
    WWDR,
    Forged,
    forge,
    profile_content,
    sign,
)

TRUSTED = Anchors().including("Test Root", ROOT.der)
K = ProfileKind


def real(shared_data: Path, name: str) -> ProvisioningProfile:
    return read_profile((shared_data / "signing/profiles" / name).read_bytes(), APPLE_ROOTS)


def test_a_real_profile(shared_data: Path) -> None:
    read = real(shared_data, "fastlane-match-appstore.mobileprovision")
    assert (read.seal, read.seal_reason, read.problems) == (Seal.APPLE, "", ())
    assert (read.kind, read.platforms) == (K.APP_STORE, ("iOS",))
    assert read.uuid == "736590c3-dfe8-4c25-b2eb-2404b8e65fb8"
    assert read.application_identifier == "439BBM9367.tools.fastlane.app"
    assert (read.bundle_id, read.team_ids) == ("tools.fastlane.app", ("439BBM9367",))
    assert read.expires == datetime(2016, 12, 3, 3, 2, 8, tzinfo=UTC)
    assert read.signed_at == datetime(2015, 12, 4, 3, 13, 56, tzinfo=UTC)
    assert [each.kind for each in read.developer_certificates] == [CertificateKind.IOS_DISTRIBUTION]
    assert read.signer == "Apple iPhone OS Provisioning Profile Signing"


def test_every_real_profile(shared_data: Path) -> None:
    seals = {path.name: real(shared_data, path.name).seal for path in (shared_data / "signing/profiles").iterdir()}
    assert seals == {
        "fastlane-match-appstore.mobileprovision": Seal.APPLE,
        "fastlane-match.provisionprofile": Seal.DOCTORED,
        "fastlane-test.mobileprovision": Seal.APPLE,
    }


def test_a_doctored_profile_is_still_read(shared_data: Path) -> None:
    read = real(shared_data, "fastlane-match.provisionprofile")
    assert (read.kind, read.seal_reason) == (K.MAC_APP_STORE, "its content is not what was signed")


def test_a_profile_of_a_trusted_authority() -> None:
    read = read_profile(sign(profile_content()), TRUSTED)
    assert (read.seal, read.kind, read.signer) == (Seal.APPLE, K.APP_STORE, "Test Profile Signing")
    assert read.created == datetime(2026, 11, 19, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "seal", "reason"),
    [
        (sign(profile_content(), STRANGER, ()), Seal.FOREIGN, "it ends in “TestFixture”, which is not a trusted root"),
        (sign(profile_content(), DISTRIBUTION), Seal.FOREIGN, "may not sign profiles"),
        (sign(profile_content(), forge("Unknown", WWDR)), Seal.UNKNOWN, "not known to sign profiles"),
        (sign(profile_content(), others=()), Seal.UNKNOWN, "“Test Worldwide Relations” is missing"),
        (sign(profile_content(), signers=2), Seal.UNKNOWN, "2 signatures"),
        (sign(profile_content(), signers=0), Seal.UNKNOWN, "0 signatures"),
        (sign(profile_content(), attributes=False), Seal.UNKNOWN, "no signed attributes"),
        (sign(profile_content(), at=NOW - timedelta(days=100)), Seal.FOREIGN, "was not valid before"),
        (sign(profile_content()).replace(b"Example App", b"Example Bpp"), Seal.DOCTORED, "not what was signed"),
    ],
)
def test_seals(data: bytes, seal: Seal, reason: str) -> None:
    read = read_profile(data, TRUSTED)
    assert read.seal is seal
    assert reason in read.seal_reason


def test_the_signature_must_be_the_signers() -> None:
    """The digest fits the content and the certificate is a profile signer's, but another key made the signature."""
    impostor = Forged(PROFILE_SIGNER.certificate, STRANGER.key)
    read = read_profile(sign(profile_content(), impostor), TRUSTED)
    assert (read.seal, read.seal_reason) == (Seal.DOCTORED, "the signature was not made with the signer's key")


def test_without_a_signing_time_the_date_of_creation_counts() -> None:
    assert read_profile(sign(profile_content(), at=None), TRUSTED).seal is Seal.APPLE
    long_ago = datetime(2020, 1, 1)  # noqa: DTZ001
    assert read_profile(sign(profile_content(CreationDate=long_ago), at=None), TRUSTED).seal is Seal.FOREIGN


@pytest.mark.parametrize(
    ("platforms", "everywhere", "devices", "debuggable", "kind"),
    [
        (["iOS"], True, None, False, K.ENTERPRISE),
        (["iOS"], None, ["x"], True, K.DEVELOPMENT),
        (["iOS"], None, ["x"], False, K.AD_HOC),
        (["iOS", "xrOS", "visionOS"], None, None, False, K.APP_STORE),
        (["tvOS"], None, None, False, K.APP_STORE),
        (["iOS"], None, None, True, K.OTHER),
        (["OSX"], True, None, False, K.DEVELOPER_ID),
        (["OSX"], None, ["x"], True, K.MAC_DEVELOPMENT),
        (["OSX"], None, None, False, K.MAC_APP_STORE),
        (None, None, None, False, K.OTHER),
    ],
)
def test_kinds(
    platforms: list[str] | None, everywhere: bool | None, devices: list[str] | None, debuggable: bool, kind: K
) -> None:
    content = profile_content(
        Platform=platforms,
        ProvisionsAllDevices=everywhere,
        ProvisionedDevices=devices,
        Entitlements={"application-identifier": "T.x", "get-task-allow": debuggable},
    )
    read = read_profile(sign(content), TRUSTED)
    assert (read.kind, read.devices) == (kind, len(devices or ()))


@pytest.mark.parametrize(
    ("entitlements", "prefixes", "bundle_id"),
    [
        ({"application-identifier": f"{TEAM}.com.example.app"}, [TEAM], "com.example.app"),
        ({"com.apple.application-identifier": f"{TEAM}.com.example.app"}, [TEAM], "com.example.app"),
        ({"application-identifier": "OLDPREFIX1.com.example.*"}, ["OLDPREFIX1"], "com.example.*"),
        ({"application-identifier": "OTHER.com.example"}, [TEAM], "com.example"),
        ({"application-identifier": f"{TEAM}.*"}, None, "*"),
        ({}, [TEAM], ""),
    ],
)
def test_bundle_identifiers(entitlements: dict[str, Any], prefixes: list[str] | None, bundle_id: str) -> None:
    content = profile_content(Entitlements=entitlements, ApplicationIdentifierPrefix=prefixes)
    assert read_profile(sign(content), TRUSTED).bundle_id == bundle_id


@pytest.mark.parametrize(
    ("pattern", "bundle_id", "covered"),
    [
        ("com.example.app", "com.example.app", True),
        ("com.example.app", "com.example.app2", False),
        ("com.example.*", "com.example.app", True),
        ("com.example.*", "com.example.", False),
        ("com.example.*", "com.example", False),
        ("*", "anything", True),
        ("*", "", False),
        ("", "", False),
    ],
)
def test_covers(pattern: str, bundle_id: str, covered: bool) -> None:
    assert ProvisioningProfile(bundle_id=pattern).covers(bundle_id) is covered


def test_a_key_that_is_given_twice_is_told() -> None:
    content = profile_content().replace(
        b"<key>Version</key>", b"<key>Name</key><string>Other</string><key>Version</key>"
    )
    assert read_profile(sign(content), TRUSTED).problems == ("The key “Name” is given twice",)


def test_certificates_that_cannot_be_read_are_told() -> None:
    read = read_profile(sign(profile_content(DeveloperCertificates=[b"x", DISTRIBUTION.der, "text"])), TRUSTED)
    assert len(read.developer_certificates) == 1
    assert [problem[:34] for problem in read.problems] == [f"Its developer certificate {n} cannot" for n in (1, 3)]


@pytest.mark.parametrize("value", [1, "x", [1, 2], True, b"x", {}])
@pytest.mark.parametrize("key", ["Name", "Platform", "Entitlements", "TeamIdentifier", "ExpirationDate", "UUID"])
def test_values_of_another_type(key: str, value: object) -> None:
    assert read_profile(sign(profile_content(**{key: value})), TRUSTED).seal is Seal.APPLE


LAUGHS = b"".join(
    (
        b'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a0 "ha">',
        *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">'.encode() for n in range(1, 12)),
        b"]><plist><dict><key>Name</key><string>&a11;</string></dict></plist>",
    )
)
"""A billion laughs, and a hundred more: each name means the one before it ten times."""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<plist>",
        b"<plist><array/></plist>",
        b"<plist><dict><key>a</key></dict></plist>",
        b"<plist><dict><date>x</date></dict></plist>",
        b"<plist><dict><key>a</key><integer>x</integer></dict></plist>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><plist><dict><key>&a;</key><true/></dict></plist>',
        b'<?xml version="1.0" encoding="nonsense"?><plist><dict/></plist>',
        b"bplist00\xff",
        b"<plist><dict><key>a</key><date>0000-01-01T00:00:00Z</date></dict></plist>",
        b"<plist>" + b"<array>" * 40 + b"</array>" * 40 + b"</plist>",
        b"<plist><dict><key>a</key>" + b"<array>" * 40 + b"</array>" * 40 + b"</dict></plist>",
        b"<plist>" + b"<dict><key>a</key>" * 30_000 + b"<true/>" + b"</dict>" * 30_000 + b"</plist>",
        LAUGHS,
    ],
)
def test_content_that_is_no_property_list(content: bytes) -> None:
    with pytest.raises(SigningFault):
        read_profile(sign(content), TRUSTED)


@pytest.mark.parametrize("data", [b"", b"\x30\x80", profile_content(), PROFILE_SIGNER.der, b"\x30" * 5_000])
def test_what_is_no_profile(data: bytes) -> None:
    with pytest.raises(SigningFault):
        read_profile(data, TRUSTED)


def test_the_last_date_of_all() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001
    assert read_profile(sign(profile_content(ExpirationDate=last)), TRUSTED).expires == last.replace(tzinfo=UTC)


def test_names_may_hold_anything() -> None:
    name = 'Ünï "quoted" (b) [c] \\ 🎉\nsecond <line> & ]]>'
    read = read_profile(sign(profile_content(Name=name, TeamName=name, AppIDName=name)), TRUSTED)
    assert (read.name, read.team_name, read.app_id_name, read.seal) == (name, name, name, Seal.APPLE)


def test_a_key_that_is_given_twice_inside_entitlements_is_told() -> None:
    content = profile_content().replace(
        b"<key>get-task-allow</key>", b"<key>get-task-allow</key><true/><key>get-task-allow</key>"
    )
    assert read_profile(sign(content), TRUSTED).problems == ("The key “get-task-allow” is given twice",)


def test_ten_thousand_certificates_in_one_profile_are_not_all_read() -> None:
    content = profile_content(DeveloperCertificates=[DISTRIBUTION.der] * 10_000)
    with pytest.raises(SigningFault, match="too large"):
        read_profile(sign(content), TRUSTED)
    read = read_profile(sign(profile_content(DeveloperCertificates=[b"\x30"] * 10_000)), TRUSTED)
    assert len(read.problems) == MOST_DEVELOPER_CERTIFICATES


def test_a_profile_that_is_too_large() -> None:
    with pytest.raises(SigningFault, match="too large"):
        read_profile(bytes(17 * 1024 * 1024), TRUSTED)


@pytest.mark.parametrize(
    ("granted", "claimed", "allowed"),
    [
        ("*", "anything", True),
        ("*", ["CloudKit"], True),
        ("*", "*", False),
        ("*", ["*"], False),
        ("T.*", "T.com.example", True),
        ("T.*", "U.com.example", False),
        ("T.*", "T.", True),
        (["T.*"], ["T."], True),
        ("T.*", "T", False),
        ("T.com.example", "T.com.example", True),
        ("T.com.example", "T.com.example2", False),
        (["T.*", "com.apple.token"], ["T.a", "com.apple.token"], True),
        (["T.*"], ["T.a", "U.a"], False),
        (["T.*"], ["T.*"], True),
        (["*"], ["*"], False),
        (["Development", "Production"], "Production", True),
        (["Development"], "Production", False),
        ("Production", ["Production"], False),
        (["a"], [], True),
        (["a"], [["a"]], False),
        ([["a"]], ["a"], False),
        (True, True, True),
        (True, False, False),
        (False, True, False),
        (True, 1, False),
        (1, True, False),
        (3, 3, True),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ("true", True, False),
    ],
)
def test_entitlements(granted: object, claimed: object, allowed: bool) -> None:
    assert entitlement_allows(granted, claimed) is allowed
