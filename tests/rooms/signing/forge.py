"""A certificate authority that is nobody's, for tests: certificates with Apple's markers, and profiles signed by them."""

from __future__ import annotations

import functools
import hashlib
import plistlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

APPLE = "1.2.840.113635.100."
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TEAM = "ABCDE12345"


@dataclass(frozen=True)
class Forged:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


@functools.cache
def _key(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def forge(
    name: str,
    issuer: Forged | None = None,
    *,
    markers: Iterable[str] = (),
    usage: str = "",
    team: str = "",
    user: str = "",
    authority: bool = False,
    path_length: int | None = None,
    begins: datetime = NOW - timedelta(days=10),
    ends: datetime = NOW + timedelta(days=300),
    key: int = 0,
) -> Forged:
    """A certificate; without an issuer it signs itself. Markers and usages are given after Apple's arc."""
    private = _key(key)
    pairs = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATIONAL_UNIT_NAME, team), (NameOID.USER_ID, user)]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs if value])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=path_length), critical=True)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ObjectIdentifier(usage)]), critical=True)
    for marker in markers:
        known = x509.UnrecognizedExtension(ObjectIdentifier(APPLE + marker), b"\x05\x00")
        builder = builder.add_extension(known, critical=True)
    return Forged(builder.sign(issuer.key if issuer else private, hashes.SHA256()), private)


ROOT = forge("Test Root", authority=True, key=1)
WWDR = forge("Test Worldwide Relations", ROOT, authority=True, path_length=0, key=2, markers=("6.2.1",))
PROFILE_SIGNER = forge("Test Profile Signing", WWDR, markers=("4.11",), key=3)
DISTRIBUTION = forge(
    f"Apple Distribution: Jörg “Ünïque” (Test) [x] ({TEAM})",
    WWDR,
    markers=("6.1.7", "6.1.4"),
    usage=CODE_SIGNING,
    team=TEAM,
    user=TEAM,
    key=4,
)
STRANGER = forge("TestFixture", markers=("4.11",), key=5)


def profile_content(**changes: Any) -> bytes:
    """An App Store profile's property list; a change to None leaves the key out."""
    content: dict[str, Any] = {
        "AppIDName": "Test",
        "ApplicationIdentifierPrefix": [TEAM],
        "CreationDate": datetime(2026, 11, 19, 12),  # noqa: DTZ001 -- plistlib writes naive dates
        "DeveloperCertificates": [DISTRIBUTION.der],
        "Entitlements": {"application-identifier": f"{TEAM}.com.example.app", "get-task-allow": False},
        "ExpirationDate": datetime(2027, 11, 19, 12),  # noqa: DTZ001
        "Name": "Example App Store",
        "Platform": ["iOS", "xrOS", "visionOS"],
        "TeamIdentifier": [TEAM],
        "TeamName": "Test",
        "UUID": "00000000-0000-4000-8000-000000000001",
        "Version": 1,
    }
    content.update(changes)
    return plistlib.dumps({key: value for key, value in content.items() if value is not None})


def sign(
    content: bytes,
    signer: Forged = PROFILE_SIGNER,
    others: Iterable[Forged] = (WWDR, ROOT),
    *,
    at: datetime | None = NOW,
    signers: int = 1,
    attributes: bool = True,
) -> bytes:
    """CMS signed data around the content."""
    held: list[cms.CMSAttribute] = [
        cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
        cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
    ]
    if at:
        moment = cms.Time(name="utc_time", value=core.UTCTime(at))
        held.append(cms.CMSAttribute({"type": "signing_time", "values": [moment]}))
    signed = cms.CMSAttributes(held)
    message = signed.dump() if attributes else content
    leaf = asn1.Certificate.load(signer.der)
    told: dict[str, Any] = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            name="issuer_and_serial_number",
            value=cms.IssuerAndSerialNumber({"issuer": leaf.issuer, "serial_number": leaf.serial_number}),
        ),
        "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
        "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
        "signature": signer.key.sign(message, ec.ECDSA(hashes.SHA256())),
    }
    if attributes:
        told["signed_attrs"] = signed
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
            "encap_content_info": {"content_type": "data", "content": content},
            "certificates": [asn1.Certificate.load(each.der) for each in (signer, *others)],
            "signer_infos": [cms.SignerInfo(told)] * signers,
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())
