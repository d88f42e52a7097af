"""A test authority in Apple's shape, so that a rehearsal signs with certificates that nobody could take for Apple's.

Subjects, marker extensions, key usages and chains follow the certificates that Apple issues (Security's SecPolicy.c and
samples of each kind); two things differ on purpose. Keys are EC P-256, where Apple's developer certificates have
RSA-2048: such keys would take most of a rehearsal's time. And the root is called "Rehearsal Root CA", so that a reader
that pins Apple's roots says "not Apple's", as it should.
"""

from __future__ import annotations

import hashlib
import json
import os
import plistlib
import uuid
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pipeline.simulator import der, twin
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa

    Subject = tuple[tuple[x509.ObjectIdentifier, str], ...]
    Extensions = list[tuple[x509.ExtensionType, bool]]

APPLE = "1.2.840.113635.100"
_LONGEST_NAME = 64
"""X.520's upper bound for names (ub-common-name)."""
_PERSON = "5SU48WRMGG"
_CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING.dotted_string
_SHA256 = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
_ECDSA_WITH_SHA256 = der.sequence(der.oid("1.2.840.10045.4.3.2"))
_DATA = der.oid("1.2.840.113549.1.7.1")
_SIGNED_DATA = der.oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE = der.oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST = der.oid("1.2.840.113549.1.9.4")
_SIGNING_TIME = der.oid("1.2.840.113549.1.9.5")


class Kind(StrEnum):
    """Kinds of leaf certificates, spelled as App Store Connect's certificateType."""

    DEVELOPMENT = "DEVELOPMENT"
    DISTRIBUTION = "DISTRIBUTION"
    IOS_DEVELOPMENT = "IOS_DEVELOPMENT"
    IOS_DISTRIBUTION = "IOS_DISTRIBUTION"
    MAC_APP_DEVELOPMENT = "MAC_APP_DEVELOPMENT"
    MAC_APP_DISTRIBUTION = "MAC_APP_DISTRIBUTION"
    MAC_INSTALLER_DISTRIBUTION = "MAC_INSTALLER_DISTRIBUTION"
    DEVELOPER_ID_APPLICATION = "DEVELOPER_ID_APPLICATION"
    DEVELOPER_ID_INSTALLER = "DEVELOPER_ID_INSTALLER"


@dataclass(frozen=True)
class _Shape:
    prefix: str
    markers: tuple[str, ...]
    usage: str = _CODE_SIGNING
    issuer: str = "wwdr"
    personal: bool = False

    @property
    def marked(self) -> tuple[tuple[str, bool], ...]:
        """Its markers as extensions: identifier, and whether it is critical."""
        return tuple((f"{APPLE}.{marker}", True) for marker in self.markers)


_SHAPES = {
    Kind.DEVELOPMENT: _Shape("Apple Development", ("6.1.2", "6.1.12"), personal=True),
    Kind.DISTRIBUTION: _Shape("Apple Distribution", ("6.1.7", "6.1.4")),
    Kind.IOS_DEVELOPMENT: _Shape("iPhone Developer", ("6.1.2",), personal=True),
    Kind.IOS_DISTRIBUTION: _Shape("iPhone Distribution", ("6.1.4",)),
    Kind.MAC_APP_DEVELOPMENT: _Shape("Mac Developer", ("6.1.12",), personal=True),
    Kind.MAC_APP_DISTRIBUTION: _Shape("3rd Party Mac Developer Application", ("6.1.7",)),
    Kind.MAC_INSTALLER_DISTRIBUTION: _Shape("3rd Party Mac Developer Installer", ("6.1.8",), f"{APPLE}.4.9"),
    Kind.DEVELOPER_ID_APPLICATION: _Shape("Developer ID Application", ("6.1.13",), issuer="developer-id"),
    Kind.DEVELOPER_ID_INSTALLER: _Shape("Developer ID Installer", ("6.1.14",), f"{APPLE}.4.13", "developer-id"),
}


@dataclass(frozen=True)
class Identity:
    """A certificate with its private key, and the certificates above it, nearest first."""

    name: str
    certificate: bytes
    key: ec.EllipticCurvePrivateKey
    chain: tuple[bytes, ...] = ()
    kind: Kind | None = None
    team_id: str = ""
    serial: int = 0
    begins: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    ends: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    issuer_name: bytes = b""
    """The issuer's Name, DER."""

    @property
    def sha1(self) -> str:
        """The certificate's SHA-1 in upper-case hex: what codesign and `security` call the identity's hash."""
        return hashlib.sha1(self.certificate, usedforsecurity=False).hexdigest().upper()

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, as the DER sequence of both numbers."""
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class Profile:
    """A provisioning profile: its plist's values, and the signed file."""

    values: Mapping[str, Any]
    data: bytes

    @property
    def name(self) -> str:
        """Its name, as the developer gave it."""
        return str(self.values["Name"])

    @property
    def uuid(self) -> str:
        """Its UUID; also its file name where Xcode keeps it."""
        return str(self.values["UUID"])


def attribute(kind: bytes, *values: bytes) -> bytes:
    """A CMS attribute: `kind` is an OBJECT IDENTIFIER in DER, values are DER."""
    return der.sequence(kind, der.set_of(values))


def signed_message(
    identity: Identity,
    content: bytes,
    moment: datetime,
    *,
    attached: bool = True,
    attributes: Iterable[bytes] = (),
) -> bytes:
    """CMS SignedData (RFC 5652) in DER, as Apple makes it: content type, signing time and message digest are signed.

    With `attached` False the content is not inside (code signatures). Certificates of the whole chain are enclosed.
    """
    signed = (
        attribute(_CONTENT_TYPE, _DATA),
        attribute(_SIGNING_TIME, der.utc_time(moment)),
        attribute(_MESSAGE_DIGEST, der.octets(hashlib.sha256(content).digest())),
        *attributes,
    )
    signer = der.sequence(
        der.integer(1),
        der.sequence(identity.issuer_name, der.integer(identity.serial)),
        _SHA256,
        der.set_of(signed, 0xA0),
        _ECDSA_WITH_SHA256,
        der.octets(identity.sign(der.set_of(signed))),
    )
    enclosed = der.sequence(_DATA, *((der.tlv(0xA0, der.octets(content)),) if attached else ()))
    certificates = der.tlv(0xA0, *reversed((identity.certificate, *identity.chain)))
    body = der.sequence(der.integer(1), der.tlv(0x31, _SHA256), enclosed, certificates, der.tlv(0x31, signer))
    return der.sequence(_SIGNED_DATA, der.tlv(0xA0, body))


class Authority:
    """Issues certificates and provisioning profiles.

    Args:
        store: a file that keeps every key, readable by its owner only; what it holds already is used again. None keeps
            nothing.
        now: the hour at which things are issued, aware, in UTC.
    """

    def __init__(self, store: Path | None, now: datetime) -> None:
        self._store = store
        self.now = now.replace(microsecond=0)
        self._kept: dict[str, Identity] = {}
        self._stale = False
        if store is not None and store.exists():
            self._kept = {name: _thaw(entry) for name, entry in json.loads(store.read_bytes()).items()}

    def save(self) -> None:
        """Write all keys to the store, if anything was issued since the last time."""
        if self._store is None or not self._stale:
            return
        self._store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({name: _freeze(identity) for name, identity in self._kept.items()})
        fresh = self._store.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(self._store)
        self._stale = False

    def issue(
        self,
        kind: Kind,
        *,
        team_id: str,
        organization: str,
        person_id: str = _PERSON,
        begins: timedelta = timedelta(hours=-1),
        ends: timedelta = timedelta(days=365),
        label: str = "",
    ) -> Identity:
        """A leaf with its key. The same kind, team and `label` is the same identity every time.

        Args:
            kind: which of Apple's certificates it is like.
            team_id: the subject's OU.
            organization: the subject's O, and the name in the CN.
            person_id: the UID of a development certificate; distribution certificates carry the team's.
            begins: when it becomes valid, from now.
            ends: when it expires, from now.
            label: tells identities of one kind and team apart.
        """
        shape = _SHAPES[kind]
        return self._identity(
            f"{kind} {team_id} {label}",
            _subject(shape, team_id, organization, person_id),
            self._issuer(shape),
            self.now + begins,
            self.now + ends,
            markers=shape.marked,
            usage=shape.usage,
            kind=kind,
        )

    def certify(
        self,
        public_key: rsa.RSAPublicKey,
        kind: Kind,
        *,
        team_id: str,
        organization: str,
        begins: datetime,
        ends: datetime,
    ) -> x509.Certificate:
        """A leaf for somebody else's key, as Apple issues one for a request: only the key is taken from it."""
        shape = _SHAPES[kind]
        subject = _subject(shape, team_id, organization, _PERSON)
        leaf = x509.BasicConstraints(ca=False, path_length=None)
        extensions = _extensions(leaf, shape.marked, shape.usage, developer=True)
        issuer = self._issuer(shape)
        return _certified(public_key, subject, (issuer, issuer.key), (begins, ends), extensions)

    def issued(self) -> tuple[Identity, ...]:
        """Every leaf that it has issued together with its key, whenever and wherever it is installed."""
        return tuple(each for each in self._kept.values() if each.kind)

    def profile(
        self,
        *,
        name: str,
        team_id: str,
        team_name: str,
        platforms: Sequence[str],
        entitlements: Mapping[str, Any],
        certificates: Sequence[bytes],
        app_name: str = "",
        devices: Sequence[str] = (),
        managed: bool = False,
        begins: timedelta = timedelta(hours=-1),
        ends: timedelta = timedelta(days=365),
    ) -> Profile:
        """A provisioning profile: XML plist in CMS, in DER.

        `platforms` as the plist spells them (iOS, OSX).
        """
        created = (self.now + begins).replace(tzinfo=None)
        expires = (self.now + ends).replace(tzinfo=None)
        seed = f"{name} {team_id} {sorted(platforms)}"
        values: dict[str, Any] = {
            "AppIDName": app_name or name,
            "ApplicationIdentifierPrefix": [team_id],
            "CreationDate": created,
            "Platform": list(platforms),
            "IsXcodeManaged": managed,
            "DeveloperCertificates": list(certificates),
            "Entitlements": dict(entitlements),
            "ExpirationDate": expires,
            "Name": name,
            **({"ProvisionedDevices": list(devices)} if devices else {}),
            "TeamIdentifier": [team_id],
            "TeamName": team_name,
            "TimeToLive": (expires - created).days,
            "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, seed)),
            "Version": 1,
        }
        return Profile(values, self.sealed(values, self.now + max(begins, timedelta(days=-400))))

    def sealed(self, values: Mapping[str, Any], moment: datetime) -> bytes:
        """The file of a profile with these values, signed at that moment by the signer of its platform.

        Every profile goes through here, and each carries its second copy (DER-Encoded-Profile), as Apple's do.
        """
        copied = twin.encoded_profile(values, self._copy_signer(), moment)
        plist = plistlib.dumps({**values, twin.KEY: copied}, sort_keys=False)
        signer = self._mac_profile_signer() if "OSX" in values["Platform"] else self._ios_profile_signer()
        return signed_message(signer, plist, moment)

    @property
    def root(self) -> bytes:
        """The root's certificate, DER: what a reader must trust for this authority's chains to hold."""
        return self._root().certificate

    def _copy_signer(self) -> Identity:
        issuer = self._ca("Apple System Integration CA 4", self._root(), (f"{APPLE}.6.2.17",))
        return self._signer(twin.SIGNER, issuer, twin.SIGNER_MARKER)

    def _issuer(self, shape: _Shape) -> Identity:
        return self._wwdr() if shape.issuer == "wwdr" else self._developer_id()

    def _root(self) -> Identity:
        return self._ca("Rehearsal Root CA", None, ())

    def _wwdr(self) -> Identity:
        name = "Apple Worldwide Developer Relations Certification Authority"
        return self._ca(name, self._root(), (f"{APPLE}.6.2.1",), unit="G3", path_length=0)

    def _developer_id(self) -> Identity:
        return self._ca(
            "Developer ID Certification Authority", self._root(), (f"{APPLE}.6.2.6",), unit="G2", path_length=0
        )

    def _ios_profile_signer(self) -> Identity:
        issuer = self._ca("Apple iPhone Certification Authority", self._root(), ())
        return self._signer("Apple iPhone OS Provisioning Profile Signing", issuer, f"{APPLE}.6.2.2.1")

    def _mac_profile_signer(self) -> Identity:
        return self._signer("Mac OS X Provisioning Profile Signing", self._wwdr(), f"{APPLE}.4.11")

    def _signer(self, name: str, issuer: Identity, marker: str) -> Identity:
        subject = (
            (NameOID.COMMON_NAME, name),
            (NameOID.ORGANIZATION_NAME, "Rehearsal"),
            (NameOID.COUNTRY_NAME, "US"),
        )
        begins, ends = self.now - timedelta(days=500), self.now + timedelta(days=1500)
        return self._identity(name, subject, issuer, begins, ends, markers=((marker, False),))

    def _ca(
        self,
        name: str,
        issuer: Identity | None,
        markers: tuple[str, ...],
        *,
        unit: str = "Rehearsal Certification Authority",
        path_length: int | None = None,
    ) -> Identity:
        subject = (
            (NameOID.COMMON_NAME, name),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            (NameOID.ORGANIZATION_NAME, "Rehearsal"),
            (NameOID.COUNTRY_NAME, "US"),
        )
        begins, ends = self.now - timedelta(days=1000), self.now + timedelta(days=3650)
        marked = tuple((marker, False) for marker in markers)
        return self._identity(name, subject, issuer, begins, ends, markers=marked, ca=True, path_length=path_length)

    def _identity(
        self,
        name: str,
        subject: Subject,
        issuer: Identity | None,
        begins: datetime,
        ends: datetime,
        *,
        markers: tuple[tuple[str, bool], ...],
        usage: str = "",
        ca: bool = False,
        path_length: int | None = None,
        kind: Kind | None = None,
    ) -> Identity:
        if name in self._kept:
            return self._kept[name]
        key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=ca, path_length=path_length)
        extensions = _extensions(constraints, markers, usage, developer=kind is not None)
        signing = (issuer, issuer.key if issuer else key)
        certificate = _certified(key.public_key(), subject, signing, (begins, ends), extensions)
        common_name = next(value for oid, value in subject if oid == NameOID.COMMON_NAME)
        made = Identity(
            name=common_name,
            certificate=certificate.public_bytes(serialization.Encoding.DER),
            key=key,
            chain=(issuer.certificate, *issuer.chain) if issuer else (),
            kind=kind,
            team_id=next((v for oid, v in subject if oid == NameOID.ORGANIZATIONAL_UNIT_NAME), "") if kind else "",
            serial=certificate.serial_number,
            begins=begins,
            ends=ends,
            issuer_name=certificate.issuer.public_bytes(),
        )
        self._kept[name] = made
        self._stale = True
        return made


def _certified(
    public_key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    subject: Subject,
    issuer: tuple[Identity | None, ec.EllipticCurvePrivateKey],
    validity: tuple[datetime, datetime],
    extensions: Extensions,
) -> x509.Certificate:
    """A certificate, signed with the issuer's key; a root has no issuer but itself."""
    owner = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    parent, signing_key = issuer
    builder = (
        x509.CertificateBuilder(extensions=[])
        .subject_name(owner)
        .issuer_name(x509.load_der_x509_certificate(parent.certificate).subject if parent else owner)
        .public_key(public_key)
        .serial_number(int.from_bytes(os.urandom(16), "big") >> 1)
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signing_key, hashes.SHA256())


def _extensions(
    constraints: x509.BasicConstraints, markers: tuple[tuple[str, bool], ...], usage: str, *, developer: bool
) -> Extensions:
    """What tells the kind of a certificate; those of developers carry Apple's policy."""
    found: Extensions = [(constraints, True), (_key_usage(ca=constraints.ca), True)]
    if developer:
        policy = x509.PolicyInformation(x509.ObjectIdentifier(f"{APPLE}.5.1"), None)
        found.append((x509.CertificatePolicies([policy]), False))
    if usage:
        found.append((x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), True))
    marked = ((x509.UnrecognizedExtension(x509.ObjectIdentifier(marker), der.NULL), crit) for marker, crit in markers)
    return [*found, *marked]


def _subject(shape: _Shape, team_id: str, organization: str, person_id: str) -> Subject:
    suffix = "DD5YMVP48D" if shape.personal else team_id
    room = _LONGEST_NAME - len(f"{shape.prefix}:  ({suffix})")
    return (
        (NameOID.USER_ID, person_id if shape.personal else team_id),
        (NameOID.COMMON_NAME, f"{shape.prefix}: {_cut(organization, room)} ({suffix})"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, team_id),
        (NameOID.ORGANIZATION_NAME, _cut(organization, _LONGEST_NAME)),
        (NameOID.COUNTRY_NAME, "US"),
    )


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _freeze(identity: Identity) -> dict[str, Any]:
    key = identity.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "name": identity.name,
        "certificate": b64encode(identity.certificate).decode(),
        "key": b64encode(key).decode(),
        "chain": [b64encode(link).decode() for link in identity.chain],
        "kind": identity.kind,
        "team_id": identity.team_id,
        "serial": identity.serial,
        "begins": identity.begins.isoformat(),
        "ends": identity.ends.isoformat(),
        "issuer_name": b64encode(identity.issuer_name).decode(),
    }


def _thaw(entry: Mapping[str, Any]) -> Identity:
    key = serialization.load_der_private_key(b64decode(entry["key"]), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the store of the test authority holds a key that it never made")
    return Identity(
        name=entry["name"],
        certificate=b64decode(entry["certificate"]),
        key=key,
        chain=tuple(b64decode(link) for link in entry["chain"]),
        kind=Kind(entry["kind"]) if entry["kind"] else None,
        team_id=entry["team_id"],
        serial=entry["serial"],
        begins=datetime.fromisoformat(entry["begins"]),
        ends=datetime.fromisoformat(entry["ends"]),
        issuer_name=b64decode(entry["issuer_name"]),
    )
