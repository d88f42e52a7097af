"""Apple's developer certificates are told apart by marker extensions, never by their names; this module reads both."""

from __future__ import annotations

import binascii
import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache

from pipeline.apple.signing.der import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    Element,
    Envelope,
    bounds,
    children,
    dotted,
    element,
    envelope,
    integer,
    moment,
    string,
)
from pipeline.apple.signing.faults import SigningFault
from pipeline.values import dataclass

NEVER = datetime.min.replace(tzinfo=UTC)
"""Stands for a date that was not given."""

APPLE = "1.2.840.113635.100."
"""Apple Data Security, the arc of all marker extensions and key usages below."""

SIZE_LIMIT = 256 * 1024
MOST_EXTENSIONS = 64
_MOST_KEPT = 8 * 1024
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2"


class CertificateKind(StrEnum):
    """What a certificate is for, as its marker extensions and extended key usage say."""

    APPLE_DEVELOPMENT = "APPLE_DEVELOPMENT"
    APPLE_DISTRIBUTION = "APPLE_DISTRIBUTION"
    IOS_DEVELOPMENT = "IOS_DEVELOPMENT"
    IOS_DISTRIBUTION = "IOS_DISTRIBUTION"
    MAC_DEVELOPMENT = "MAC_DEVELOPMENT"
    MAC_APP_DISTRIBUTION = "MAC_APP_DISTRIBUTION"
    MAC_INSTALLER_DISTRIBUTION = "MAC_INSTALLER_DISTRIBUTION"
    DEVELOPER_ID_APPLICATION = "DEVELOPER_ID_APPLICATION"
    DEVELOPER_ID_INSTALLER = "DEVELOPER_ID_INSTALLER"
    DEVELOPER_ID_KEXT = "DEVELOPER_ID_KEXT"
    APP_STORE = "APP_STORE"
    APP_STORE_INSTALLER = "APP_STORE_INSTALLER"
    TESTFLIGHT = "TESTFLIGHT"
    PROFILE_SIGNING = "PROFILE_SIGNING"
    PUSH = "PUSH"
    AUTHORITY = "AUTHORITY"
    OTHER = "OTHER"


@dataclass(frozen=True)
class Certificate:
    """One X.509 certificate as Apple's tools see it. Dates are aware, in UTC; digests are lower-case hex."""

    der: bytes = b""
    sha1: str = ""
    sha256: str = ""
    kind: CertificateKind = CertificateKind.OTHER
    subject_name: str = ""
    """The subject's common name."""
    team_id: str = ""
    """The subject's organizational unit: in a developer certificate, always the team."""
    user_id: str = ""
    """The team in a distribution certificate, a person in a development certificate."""
    organization: str = ""
    issuer_name: str = ""
    issuer_unit: str = ""
    """The issuer's organizational unit, which tells generations of one authority apart: G3."""
    serial: int = 0
    not_before: datetime = NEVER
    not_after: datetime = NEVER
    markers: tuple[str, ...] = ()
    """Object identifiers of Apple's own extensions (1.2.840.113635.100.…), in order of appearance."""
    extended_key_usage: tuple[str, ...] = ()
    public_key_sha256: str = ""
    """SHA-256 of the SubjectPublicKeyInfo."""
    authority: bool = False
    """Whether it may sign other certificates: basic constraints say CA, and a key usage, if any, keyCertSign."""
    path_length: int | None = None
    """How many authorities may stand between it and a leaf; None for no limit."""
    key_identifier: bytes = b""
    """The subject key identifier, by which a signature may name its signer; empty when the certificate has none."""

    def valid_at(self, moment: datetime) -> bool:
        """Whether the moment (aware) lies within the validity, both ends included (RFC 5280, 4.1.2.5)."""
        return self.not_before <= moment <= self.not_after


def read_certificate(data: bytes) -> Certificate:
    """Read one certificate from DER or PEM; bytes after it are passed over.

    Raises:
        SigningFault: the bytes hold no certificate.
    """
    if len(data) > SIZE_LIMIT:
        raise SigningFault("The certificate is too large", why=f"{len(data):,} bytes, at most {SIZE_LIMIT:,} are read")
    shape = envelope(_from_pem(data))
    return _kept(shape.der) if len(shape.der) <= _MOST_KEPT else _read(shape.der)


def _read(der: bytes) -> Certificate:
    shape = envelope(der)
    begins, ends = _dates(shape.fields[3])
    owner, authority = _name(shape.subject), _name(shape.issuer)
    extensions = _extensions(shape)
    markers = tuple(oid for oid in extensions if oid.startswith(APPLE))
    usages = _usages(extensions.get(_EXTENDED_KEY_USAGE))
    issues, path_length = _constraints(extensions.get(_BASIC_CONSTRAINTS))
    issues = issues and _signs_certificates(extensions.get(_KEY_USAGE))
    return Certificate(
        der=der,
        sha1=hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(der).hexdigest(),
        kind=CertificateKind.AUTHORITY if issues else _kind(markers, usages),
        subject_name=owner.get(_COMMON_NAME, ""),
        team_id=owner.get(_ORGANIZATIONAL_UNIT, ""),
        user_id=owner.get(_USER_ID, ""),
        organization=owner.get(_ORGANIZATION, ""),
        issuer_name=authority.get(_COMMON_NAME) or authority.get(_ORGANIZATION, ""),
        issuer_unit=authority.get(_ORGANIZATIONAL_UNIT, ""),
        serial=shape.serial,
        not_before=begins,
        not_after=ends,
        markers=markers,
        extended_key_usage=usages,
        public_key_sha256=hashlib.sha256(shape.public_key).hexdigest(),
        authority=issues,
        path_length=path_length,
        key_identifier=_inner(extensions[_KEY_IDENTIFIER]).value if _KEY_IDENTIFIER in extensions else b"",
    )


_kept = lru_cache(maxsize=512)(_read)
"""A certificate is read once in a run, however many profiles and signatures bring it."""


def _from_pem(data: bytes) -> bytes:
    begin = -1 if data.startswith(_DER) else data.find(b"-----BEGIN CERTIFICATE-----")
    if begin < 0:
        return data
    end = data.find(b"-----END CERTIFICATE-----", begin)
    try:
        return binascii.a2b_base64(data[begin + 27 : end if end > 0 else len(data)])
    except binascii.Error as fault:
        raise SigningFault("The certificate's PEM text is damaged", why=str(fault)) from fault


_DER = b"\x30\x82"
"""How every certificate of more than 255 bytes begins, and no text does."""
_COMMON_NAME = "2.5.4.3"
_ORGANIZATION = "2.5.4.10"
_ORGANIZATIONAL_UNIT = "2.5.4.11"
_USER_ID = "0.9.2342.19200300.100.1.1"
_BASIC_CONSTRAINTS = "2.5.29.19"
_KEY_IDENTIFIER = "2.5.29.14"
_KEY_USAGE = "2.5.29.15"
_EXTENDED_KEY_USAGE = "2.5.29.37"
_EXTENSIONS = 0xA3
_KEY_CERT_SIGN = 0x04
"""Bit 5 of KeyUsage, counted from the left of its first octet."""


def _dates(validity: Element) -> tuple[datetime, datetime]:
    pair = children(validity)
    if len(pair) != 2:
        raise SigningFault("The certificate cannot be read", why="its validity is not a beginning and an end")
    return moment(pair[0]), moment(pair[1])


@lru_cache(maxsize=512)
def _name(whole: bytes) -> dict[str, str]:
    """The first value of each attribute of a Name."""
    found: dict[str, str] = {}
    _, position, end = bounds(whole, 0, len(whole))
    while position < end:
        _, attribute, position = bounds(whole, position, end)
        while attribute < position:
            _, kind, attribute = bounds(whole, attribute, position)
            tag, begin, value = bounds(whole, kind, attribute)
            value_tag, content, value_end = bounds(whole, value, attribute)
            if tag == OBJECT_IDENTIFIER and value_end == attribute:
                told = string(value_tag, whole[content:value_end])
                if told is not None:
                    found.setdefault(dotted(whole[begin:value]), told)
    return found


def _extensions(shape: Envelope) -> dict[str, Element]:
    """The OCTET STRINGs that hold the extensions' values, by object identifier, in order of appearance."""
    found: dict[str, Element] = {}
    for tagged in shape.fields[6:]:
        if tagged.tag != _EXTENSIONS:
            continue
        for listed in children(tagged, 1):
            for extension in children(listed, MOST_EXTENSIONS):
                parts = children(extension, 3)
                if len(parts) < 2 or parts[0].tag != OBJECT_IDENTIFIER or parts[-1].tag != OCTET_STRING:
                    raise SigningFault("The certificate cannot be read", why="an extension has no name or no value")
                found[dotted(parts[0].value)] = parts[-1]
    return found


def _constraints(extension: Element | None) -> tuple[bool, int | None]:
    """Whether it is an authority, and how long a path may follow (RFC 5280, 4.2.1.9)."""
    if extension is None:
        return False, None
    parts = children(_inner(extension))
    authority = bool(parts) and parts[0].tag == BOOLEAN and parts[0].value != b"\0"
    lengths = [integer(part) for part in parts if part.tag == INTEGER]
    return authority, lengths[0] if lengths else None


def _signs_certificates(extension: Element | None) -> bool:
    if extension is None:
        return True
    bits = _inner(extension)
    return bits.tag == BIT_STRING and len(bits.value) > 1 and bool(bits.value[1] & _KEY_CERT_SIGN)


def _usages(extension: Element | None) -> tuple[str, ...]:
    if extension is None:
        return ()
    listed = children(_inner(extension), MOST_EXTENSIONS)
    return tuple(dotted(each.value) for each in listed if each.tag == OBJECT_IDENTIFIER)


def _inner(extension: Element) -> Element:
    return element(extension.data, extension.content, extension.end)


_DEVELOPERS: dict[tuple[frozenset[str], str], CertificateKind] = {
    (frozenset({"6.1.2", "6.1.12"}), CODE_SIGNING): CertificateKind.APPLE_DEVELOPMENT,
    (frozenset({"6.1.7", "6.1.4"}), CODE_SIGNING): CertificateKind.APPLE_DISTRIBUTION,
    (frozenset({"6.1.2"}), CODE_SIGNING): CertificateKind.IOS_DEVELOPMENT,
    (frozenset({"6.1.4"}), CODE_SIGNING): CertificateKind.IOS_DISTRIBUTION,
    (frozenset({"6.1.12"}), CODE_SIGNING): CertificateKind.MAC_DEVELOPMENT,
    (frozenset({"6.1.7"}), CODE_SIGNING): CertificateKind.MAC_APP_DISTRIBUTION,
    (frozenset({"6.1.8"}), APPLE + "4.9"): CertificateKind.MAC_INSTALLER_DISTRIBUTION,
    (frozenset({"6.1.13"}), CODE_SIGNING): CertificateKind.DEVELOPER_ID_APPLICATION,
    (frozenset({"6.1.14"}), APPLE + "4.13"): CertificateKind.DEVELOPER_ID_INSTALLER,
    (frozenset({"6.1.13", "6.1.18"}), CODE_SIGNING): CertificateKind.DEVELOPER_ID_KEXT,
    (frozenset({"6.1.18"}), CODE_SIGNING): CertificateKind.DEVELOPER_ID_KEXT,
    (frozenset({"6.1.10"}), APPLE + "4.10"): CertificateKind.APP_STORE_INSTALLER,
    (frozenset({"6.3.1"}), CLIENT_AUTHENTICATION): CertificateKind.PUSH,
}
"""Markers (after Apple's arc) and the extended key usage that goes with them: Security, SecPolicy.c and samples."""

_ISSUED_BY_APPLE_ALONE: dict[str, CertificateKind] = {
    **dict.fromkeys(("6.1.3", "6.1.9", "6.1.24", "6.1.3.1", "6.1.9.1", "6.1.24.1"), CertificateKind.APP_STORE),
    **dict.fromkeys(("6.1.25.1", "6.1.25.2"), CertificateKind.TESTFLIGHT),
    **dict.fromkeys(("6.2.2.1", "6.58", "4.11", "12.19"), CertificateKind.PROFILE_SIGNING),
}
"""Of the profile signers, iOS's has 6.2.2.1 until 2024 and 6.58 since (samples of 2025 and 2026), macOS's 4.11;
12.19 signs the copy in DER."""

_KIND_NEUTRAL = frozenset({"6.1.33"})
"""The date that newer Developer ID certificates carry."""


def _kind(markers: tuple[str, ...], usages: tuple[str, ...]) -> CertificateKind:
    own = frozenset(oid.removeprefix(APPLE) for oid in markers) - _KIND_NEUTRAL
    for usage in usages:
        if kind := _DEVELOPERS.get((own, usage)):
            return kind
    alone = {_ISSUED_BY_APPLE_ALONE.get(marker, CertificateKind.OTHER) for marker in own}
    return alone.pop() if len(alone) == 1 else CertificateKind.OTHER
