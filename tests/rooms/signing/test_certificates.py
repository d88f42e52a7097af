"""Certificates are told apart by markers and usages, and read however oddly they come."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID

from pipeline.apple.signing.certificates import APPLE, Certificate, CertificateKind, read_certificate
from pipeline.apple.signing.der import children, element, envelope
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
def test_two_other_readers_tell_the_same(shared_data: Path, name: str) -> None:
    data = (shared_data / f"signing/certificates/{name}.cer").read_bytes()
    ours = read_certificate(data)
    assert by_cryptography(data) == told(ours)
    assert by_asn1crypto(data) == told(ours)


def told(read: Certificate) -> dict[str, object]:
    return {
        "subject": read.subject_name,
        "team": read.team_id,
        "user": read.user_id,
        "organization": read.organization,
        "issuer": read.issuer_name,
        "unit": read.issuer_unit,
        "serial": read.serial,
        "dates": (read.not_before, read.not_after),
        "markers": read.markers,
        "usages": read.extended_key_usage,
        "authority": (read.authority, read.path_length),
        "key": read.public_key_sha256,
        "key identifier": read.key_identifier,
    }


def by_cryptography(data: bytes) -> dict[str, object]:
    read = x509.load_der_x509_certificate(data)
    values = {each.oid: each.value for each in read.extensions}

    def first(name: x509.Name, oid: x509.ObjectIdentifier) -> object:
        return next((each.value for each in name.get_attributes_for_oid(oid)), "")

    limits = values.get(ExtensionOID.BASIC_CONSTRAINTS)
    usage = values.get(ExtensionOID.KEY_USAGE)
    wide = values.get(ExtensionOID.EXTENDED_KEY_USAGE)
    identifier = values.get(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    issues = isinstance(limits, x509.BasicConstraints) and limits.ca
    issues = issues and (not isinstance(usage, x509.KeyUsage) or usage.key_cert_sign)
    key = read.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "subject": first(read.subject, NameOID.COMMON_NAME),
        "team": first(read.subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
        "user": first(read.subject, NameOID.USER_ID),
        "organization": first(read.subject, NameOID.ORGANIZATION_NAME),
        "issuer": first(read.issuer, NameOID.COMMON_NAME),
        "unit": first(read.issuer, NameOID.ORGANIZATIONAL_UNIT_NAME),
        "serial": read.serial_number,
        "dates": (read.not_valid_before_utc, read.not_valid_after_utc),
        "markers": tuple(oid.dotted_string for oid in values if oid.dotted_string.startswith(APPLE)),
        "usages": tuple(oid.dotted_string for oid in wide) if isinstance(wide, x509.ExtendedKeyUsage) else (),
        "authority": (issues, limits.path_length if isinstance(limits, x509.BasicConstraints) else None),
        "key": hashlib.sha256(key).hexdigest(),
        "key identifier": identifier.digest if isinstance(identifier, x509.SubjectKeyIdentifier) else b"",
    }


def by_asn1crypto(data: bytes) -> dict[str, object]:
    read = asn1.Certificate.load(data)
    body = read["tbs_certificate"]
    usages = read.extended_key_usage_value
    limits = read.basic_constraints_value
    names = {who: body[who].native for who in ("subject", "issuer")}
    key_usage = read.key_usage_value.native if read.key_usage_value else {"key_cert_sign"}
    return {
        "subject": names["subject"].get("common_name", ""),
        "team": names["subject"].get("organizational_unit_name", ""),
        "user": names["subject"].get("user_id", ""),
        "organization": names["subject"].get("organization_name", ""),
        "issuer": names["issuer"].get("common_name", ""),
        "unit": names["issuer"].get("organizational_unit_name", ""),
        "serial": read.serial_number,
        "dates": (read.not_valid_before, read.not_valid_after),
        "markers": tuple(
            each["extn_id"].dotted for each in body["extensions"] if each["extn_id"].dotted.startswith(APPLE)
        ),
        "usages": tuple(each.dotted for each in usages) if usages else (),
        "authority": (
            bool(limits and limits["ca"].native) and "key_cert_sign" in key_usage,
            limits["path_len_constraint"].native if limits else None,
        ),
        "key": hashlib.sha256(body["subject_public_key_info"].dump()).hexdigest(),
        "key identifier": read.key_identifier or b"",
    }


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
        (("6.58",), "", K.PROFILE_SIGNING),
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


def test_a_name_that_is_longer_than_x520_allows() -> None:
    """Apple issues such: the organization of one real certificate has 81 letters. Nothing is printed about it."""
    long = "Organization " * 7
    assert len(long) > 64
    made = forge("x").der
    short = b"\x0c\x01x"
    grown = b"\x0c" + bytes((len(long),)) + long.encode()
    assert made.count(short) == 2
    assert read_certificate(regrown(made, short, grown)).subject_name == long


def regrown(der: bytes, old: bytes, new: bytes) -> bytes:
    """The same with every occurrence of a primitive element exchanged, and all lengths around it made to fit."""
    parsed = element(der)
    if parsed.tag & 0x20 and parsed.tag != 0x20:
        body = b"".join(regrown(each.whole, old, new) for each in children(parsed, 100))
    else:
        return new if parsed.whole == old else parsed.whole
    size = len(body)
    head = bytes((size,)) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes((parsed.tag,)) + head + body


@pytest.mark.parametrize(
    ("tag", "encoding"),
    [(0x0C, "utf-8"), (0x13, "ascii"), (0x14, "latin-1"), (0x16, "ascii"), (0x1C, "utf-32-be"), (0x1E, "utf-16-be")],
)
def test_names_in_every_kind_of_string(tag: int, encoding: str) -> None:
    name = "Team" if encoding == "ascii" else "Tëam"
    new = bytes((tag, len(name.encode(encoding)))) + name.encode(encoding)
    assert read_certificate(regrown(forge("x").der, b"\x0c\x01x", new)).subject_name == name


@pytest.mark.parametrize(
    "date", [b"\x18\x0f00000101000000Z", b"\x17\x0d261320120000Z", b"\x17\x0b2611201200Z", b"\x17\x0d2611201200+1Z"]
)
def test_dates_that_are_none(date: bytes) -> None:
    made = forge("x", ends=datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)).der
    with pytest.raises(SigningFault, match="date"):
        read_certificate(regrown(made, b"\x17\x0d270102030405Z", date))


def test_a_serial_number_of_thousands_of_digits_is_refused() -> None:
    made = forge("x").der
    serial = envelope(made).fields[0].whole
    with pytest.raises(SigningFault):
        read_certificate(regrown(made, serial, b"\x02\x82\x20\x00" + b"\x01" * 0x2000))


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
