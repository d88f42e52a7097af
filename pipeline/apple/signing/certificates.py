"""Apple's developer certificates are told apart by marker extensions, never by their names; this module reads both."""

from __future__ import annotations

import binascii
import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.apple.signing.der import Envelope, envelope
from pipeline.apple.signing.faults import SigningFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

NEVER = datetime.min.replace(tzinfo=UTC)
"""Stands for a date that was not given."""

APPLE = "1.2.840.113635.100."
"""Apple Data Security, the arc of all marker extensions and key usages below."""

SIZE_LIMIT = 256 * 1024
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
    told = _told_strictly(shape) or _told_leniently(shape)
    return Certificate(
        der=shape.der,
        sha1=hashlib.sha1(shape.der, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(shape.der).hexdigest(),
        kind=_kind(told),
        subject_name=told.subject.get(_COMMON_NAME, ""),
        team_id=told.subject.get(_ORGANIZATIONAL_UNIT, ""),
        user_id=told.subject.get(_USER_ID, ""),
        organization=told.subject.get(_ORGANIZATION, ""),
        issuer_name=told.issuer.get(_COMMON_NAME) or told.issuer.get(_ORGANIZATION, ""),
        issuer_unit=told.issuer.get(_ORGANIZATIONAL_UNIT, ""),
        serial=shape.serial,
        not_before=told.not_before,
        not_after=told.not_after,
        markers=told.markers,
        extended_key_usage=told.usages,
        public_key_sha256=hashlib.sha256(shape.public_key).hexdigest(),
        authority=told.authority,
        path_length=told.path_length,
    )


def _from_pem(data: bytes) -> bytes:
    begin = data.find(b"-----BEGIN CERTIFICATE-----")
    if begin < 0:
        return data
    end = data.find(b"-----END CERTIFICATE-----", begin)
    try:
        return binascii.a2b_base64(data[begin + 27 : end if end > 0 else len(data)])
    except binascii.Error as fault:
        raise SigningFault("The certificate's PEM text is damaged", why=str(fault)) from fault


_COMMON_NAME = "2.5.4.3"
_ORGANIZATION = "2.5.4.10"
_ORGANIZATIONAL_UNIT = "2.5.4.11"
_USER_ID = "0.9.2342.19200300.100.1.1"
_BASIC_CONSTRAINTS = "2.5.29.19"
_KEY_USAGE = "2.5.29.15"
_EXTENDED_KEY_USAGE = "2.5.29.37"


class _Told(NamedTuple):
    subject: dict[str, str]
    issuer: dict[str, str]
    not_before: datetime
    not_after: datetime
    markers: tuple[str, ...]
    usages: tuple[str, ...]
    authority: bool
    path_length: int | None


def _told_strictly(shape: Envelope) -> _Told | None:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    if shape.serial <= 0:  # cryptography warns of these and means to refuse them one day
        return None
    try:
        read = x509.load_der_x509_certificate(shape.der)
        extensions = {each.oid.dotted_string: each.value for each in read.extensions}
        subject = _first((a.oid.dotted_string, a.value) for a in read.subject)
        issuer = _first((a.oid.dotted_string, a.value) for a in read.issuer)
        not_before, not_after = read.not_valid_before_utc, read.not_valid_after_utc
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm):
        return None
    constraints = extensions.get(_BASIC_CONSTRAINTS)
    usage = extensions.get(_KEY_USAGE)
    wide = extensions.get(_EXTENDED_KEY_USAGE)
    is_authority = isinstance(constraints, x509.BasicConstraints) and constraints.ca
    return _Told(
        subject,
        issuer,
        not_before,
        not_after,
        tuple(oid for oid in extensions if oid.startswith(APPLE)),
        tuple(oid.dotted_string for oid in wide) if isinstance(wide, x509.ExtendedKeyUsage) else (),
        is_authority and (not isinstance(usage, x509.KeyUsage) or usage.key_cert_sign),
        constraints.path_length if isinstance(constraints, x509.BasicConstraints) else None,
    )


def _told_leniently(shape: Envelope) -> _Told:
    from asn1crypto import x509

    try:
        body = x509.Certificate.load(shape.der)["tbs_certificate"]
        extensions = {str(each["extn_id"].dotted): each["extn_value"] for each in body["extensions"] or ()}
        constraints = extensions[_BASIC_CONSTRAINTS].parsed if _BASIC_CONSTRAINTS in extensions else None
        usage = extensions[_KEY_USAGE].parsed.native if _KEY_USAGE in extensions else {"key_cert_sign"}
        wide = extensions[_EXTENDED_KEY_USAGE].parsed if _EXTENDED_KEY_USAGE in extensions else ()
        return _Told(
            _first(_attributes(body["subject"])),
            _first(_attributes(body["issuer"])),
            _in_utc(body["validity"]["not_before"].native),
            _in_utc(body["validity"]["not_after"].native),
            tuple(oid for oid in extensions if oid.startswith(APPLE)),
            tuple(str(oid.dotted) for oid in wide),
            bool(constraints is not None and constraints["ca"].native and "key_cert_sign" in usage),
            constraints["path_len_constraint"].native if constraints is not None else None,
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as fault:
        raise SigningFault(
            "The certificate cannot be read", why=str(fault).splitlines()[0] if str(fault) else ""
        ) from fault


def _attributes(name: Any) -> Iterable[tuple[str, object]]:
    for relative in name.chosen:
        for attribute in relative:
            yield str(attribute["type"].dotted), attribute["value"].native


def _first(attributes: Iterable[tuple[str, object]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for oid, value in attributes:
        if isinstance(value, str):
            found.setdefault(oid, value)
    return found


def _in_utc(moment: Any) -> datetime:
    if not isinstance(moment, datetime):  # asn1crypto has a type of its own for the year 0
        raise SigningFault("The certificate cannot be read", why="a date lies before the year 1")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


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
    **dict.fromkeys(("6.2.2.1", "4.11", "12.19"), CertificateKind.PROFILE_SIGNING),
}

_KIND_NEUTRAL = frozenset({"6.1.33"})
"""The date that newer Developer ID certificates carry."""


def _kind(told: _Told) -> CertificateKind:
    if told.authority:
        return CertificateKind.AUTHORITY
    markers = frozenset(oid.removeprefix(APPLE) for oid in told.markers) - _KIND_NEUTRAL
    for usage in told.usages:
        if kind := _DEVELOPERS.get((markers, usage)):
            return kind
    alone = {_ISSUED_BY_APPLE_ALONE.get(marker, CertificateKind.OTHER) for marker in markers}
    return alone.pop() if len(alone) == 1 else CertificateKind.OTHER
