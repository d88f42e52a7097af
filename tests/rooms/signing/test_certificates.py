"""Certificates are told apart by markers and usages, and read however oddly they come."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.apple.signing import certificates
from pipeline.apple.signing.certificates import CertificateKind, read_certificate
from pipeline.apple.signing.der import envelope
from pipeline.apple.signing.faults import SigningFault
from tests.rooms.signing.forge import CODE_SIGNING, DISTRIBUTION, STRANGER, TEAM, forge

K = CertificateKind

SAMPLES = {
    "apple_developer": (K.APPLE_DEVELOPMENT, "AA6YJ3JMV8"),
    "aps_development": (K.PUSH, "S56PJTAYEL"),
    "configuration_profile": (K.OTHER, "Configuration Profiles"),
    "developer_id": (K.DEVELOPER_ID_APPLICATION, "372S63A2R8"),
    "developer_id_installer": (K.DEVELOPER_ID_INSTALLER, "7Z6EMTD2C6"),
    "fastlane-match-dist": (K.IOS_DISTRIBUTION, "439BBM9367"),
    "ios_provisioning_profile": (K.PROFILE_SIGNING, ""),
    "iphone_developer": (K.IOS_DEVELOPMENT, "M2657GZ2M9"),
    "mac_app_store_installer": (K.APP_STORE_INSTALLER, ""),
    "mac_app_store_receipt": (K.OTHER, "Apple Worldwide Developer Relations"),
    "mac_developer": (K.MAC_DEVELOPMENT, "Z7P62XVNWC"),
    "mac_provisioning_profile": (K.PROFILE_SIGNING, ""),
    "osx_provisioning_profile": (K.PROFILE_SIGNING, ""),
    "sec_AppleSystemIntegrationCA4": (K.AUTHORITY, "Apple Certification Authority"),
    "sec_AppleWWDR-G3": (K.AUTHORITY, "G3"),
    "sec_AppleWWDR-G5": (K.AUTHORITY, "G5"),
    "sec_AppleiPhoneCA": (K.AUTHORITY, "Apple Certification Authority"),
    "test_ios_provisioning_profile": (K.PROFILE_SIGNING, ""),
}


def test_every_sample_is_known(shared_data: Path) -> None:
    assert {path.stem for path in (shared_data / "signing/certificates").glob("*.cer")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_real_certificates_are_classified(shared_data: Path, name: str) -> None:
    read = read_certificate((shared_data / f"signing/certificates/{name}.cer").read_bytes())
    assert (read.kind, read.team_id) == SAMPLES[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_both_parsers_tell_the_same(shared_data: Path, name: str) -> None:
    shape = envelope((shared_data / f"signing/certificates/{name}.cer").read_bytes())
    strict = certificates._told_strictly(shape)
    assert strict is not None
    assert certificates._told_leniently(shape) == strict


def test_all_fields_of_a_real_certificate(shared_data: Path) -> None:
    read = read_certificate((shared_data / "signing/certificates/developer_id_installer.cer").read_bytes())
    assert read.subject_name == "Developer ID Installer: Wireshark Foundation, Inc. (7Z6EMTD2C6)"
    assert (read.user_id, read.organization) == ("7Z6EMTD2C6", "Wireshark Foundation, Inc.")
    assert read.issuer_name == "Developer ID Certification Authority"
    assert (read.not_before.date().isoformat(), read.not_after.date().isoformat()) == ("2018-10-04", "2023-10-05")
    assert read.not_after.tzinfo is UTC
    assert read.markers == ("1.2.840.113635.100.6.1.14",)
    assert read.extended_key_usage == ("1.2.840.113635.100.4.13",)
    assert not read.authority


@pytest.mark.parametrize(
    ("markers", "usage", "kind"),
    [
        (("6.1.7",), CODE_SIGNING, K.MAC_APP_DISTRIBUTION),
        (("6.1.7", "6.1.4"), CODE_SIGNING, K.APPLE_DISTRIBUTION),
        (("6.1.4", "6.1.7"), CODE_SIGNING, K.APPLE_DISTRIBUTION),
        (("6.1.8",), "1.2.840.113635.100.4.9", K.MAC_INSTALLER_DISTRIBUTION),
        (("6.1.8",), CODE_SIGNING, K.OTHER),
        (("6.1.13", "6.1.33"), CODE_SIGNING, K.DEVELOPER_ID_APPLICATION),
        (("6.1.18",), CODE_SIGNING, K.DEVELOPER_ID_KEXT),
        (("6.1.25.1",), CODE_SIGNING, K.TESTFLIGHT),
        (("6.1.9",), "", K.APP_STORE),
        (("6.1.9.1",), "", K.APP_STORE),
        (("12.19",), "", K.PROFILE_SIGNING),
        (("6.1.9", "12.19"), "", K.OTHER),
        (("6.1.4",), "", K.OTHER),
        (("6.1.2", "6.1.4"), CODE_SIGNING, K.OTHER),
        ((), CODE_SIGNING, K.OTHER),
    ],
)
def test_kinds_without_samples(markers: tuple[str, ...], usage: str, kind: CertificateKind) -> None:
    name = "Apple Distribution: a name proves nothing (ABCDE12345)"
    assert read_certificate(forge(name, markers=markers, usage=usage).der).kind is kind


def test_an_authority_is_no_signer_whatever_its_markers() -> None:
    made = forge("x", markers=("6.1.4",), usage=CODE_SIGNING, authority=True)
    assert read_certificate(made.der).kind is K.AUTHORITY


def test_names_may_hold_anything() -> None:
    name = 'Ünï "quoted" (b) [c] \\ 🎉\nsecond line'
    assert read_certificate(forge(name, team="T\"e'am").der).subject_name == name


def test_the_last_date_of_all() -> None:
    read = read_certificate(forge("x", ends=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)).der)
    assert read.not_after == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("more", [b"\0", b"\0" * 500, b"garbage", b"\x30\x03\x02\x01\x00"])
def test_bytes_after_the_certificate_are_passed_over(more: bytes) -> None:
    assert read_certificate(DISTRIBUTION.der + more) == read_certificate(DISTRIBUTION.der)


def test_pem_with_text_around_it() -> None:
    text = f"SHA-1 hash: ABC\n{DISTRIBUTION.pem}trailing"
    assert read_certificate(text.encode()) == read_certificate(DISTRIBUTION.der)


def test_a_serial_number_that_is_not_positive_is_read_leniently() -> None:
    der = DISTRIBUTION.der
    shape = envelope(der)
    serial = shape.serial.to_bytes((shape.serial.bit_length() + 8) // 8, "big", signed=True)
    at = der.index(serial)
    negative = read_certificate(der[:at] + bytes([serial[0] | 0x80]) + der[at + 1 :])
    assert negative.serial < 0
    assert (negative.kind, negative.team_id) == (K.APPLE_DISTRIBUTION, TEAM)


def test_an_extension_that_is_there_twice_is_read_leniently() -> None:
    made = forge("x", markers=("6.1.4", "6.1.7"), usage=CODE_SIGNING).der
    doubled = made.replace(bytes.fromhex("2a864886f763640607"), bytes.fromhex("2a864886f763640604"))
    doubled = doubled.replace(bytes.fromhex("2a864886f76364060107"), bytes.fromhex("2a864886f76364060104"))
    assert doubled != made
    assert read_certificate(doubled).kind is K.IOS_DISTRIBUTION


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",
        b"\x30\x84\xff\xff\xff\xff",
        b"not a certificate",
        b"\x30\x03\x02\x01\x00",
        b"-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----",
        b"-----BEGIN CERTIFICATE-----\nA",
        base64.b64encode(STRANGER.der),
        b"\0" * 300_000,
        STRANGER.der[:-1],
    ],
)
def test_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(SigningFault) as caught:
        read_certificate(data)
    assert caught.value.what
