"""Signing material in whatever shape people keep it: read by content, opened, paired, and never shown.

What bytes are is decided by how they begin, never by their name (see `sorts`); what a name claims is another question,
which `pretends` answers. Bytes that do not begin as signing material are none of our business; those that do and break
off are a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field, replace

from pipeline.apple.signing.archives import members
from pipeline.apple.signing.certificates import Certificate
from pipeline.apple.signing.der import element
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.finds import Finds, peeled, reason
from pipeline.apple.signing.keys import loaded, new_key, public_key_sha256, request_for
from pipeline.apple.signing.profiles import ProvisioningProfile, read_profile
from pipeline.apple.signing.sorts import pretends, sort_of
from pipeline.apple.signing.trust import Anchors
from pipeline.apple.signing.unopened import Fault, Unopened
from pipeline.values import dataclass

__all__ = [
    "Fault",
    "KeyedIdentity",
    "Material",
    "Unopened",
    "new_key",
    "open_identities",
    "open_keys",
    "part_of",
    "pretends",
    "public_key_sha256",
    "read_material",
    "request_for",
    "to_p12",
]

ROUNDS = 2_048
"""Of key derivation for a .p12 that is made here, as in the files that are known to be taken; it lives for a moment."""

_ELLIPTIC_HINT = (
    "an elliptic key, as App Store Connect and push notifications use; Apple's signing certificates hold RSA keys"
)
_PLIST = b"plist"
_ELLIPTIC = bytes.fromhex("06072a8648ce3d0201")


@dataclass(frozen=True)
class Material:
    """One thing found at one place; public facts only.

    Attributes:
        origin: the place: a path as given, "$SIGNING_CERTIFICATES", "vault:identities/…"; a file of an archive is
            told by its number, counted from 1: "$SIGNING_PROFILES#2".
        keyed: whether the private key of the certificate is at the same place, proved by its public key; None when
            something there stays shut.
        key_only: a private key without its certificate; `public_key_sha256` tells which.
        request: a certificate signing request; `public_key_sha256` tells whose.
        public_key_sha256: of the SubjectPublicKeyInfo, lower-case hex; empty when it is not known.
        part: the number of the file in an archive; 0 for no archive.
        why: the reason of the fault, or what to know of a key.
    """

    origin: str
    certificate: Certificate | None = None
    keyed: bool | None = None
    profile: ProvisioningProfile | None = None
    key_only: bool = False
    request: bool = False
    public_key_sha256: str = ""
    part: int = 0
    fault: Fault | None = None
    why: str = ""


@dataclass(frozen=True)
class KeyedIdentity:
    """A certificate and its private key: unencrypted PKCS #8 DER, in memory only."""

    certificate: Certificate
    key: bytes = field(repr=False)


def read_material(data: bytes, origin: str, passwords: Sequence[str], anchors: Anchors) -> tuple[Material, ...]:
    """Everything that is found in these bytes: certificates, keys, requests, profiles and faults, in this order.

    DER, PEM, PKCS #12, CMS, base64 of these, and .zip, .tar and .tar.gz with several of them. Keys and certificates
    are paired within `data`. Nothing is found in bytes that do not begin as signing material. Never raises.

    Args:
        data: the bytes.
        origin: the place, for people; goes into `Material.origin`.
        passwords: those that may open what is encrypted; tried in this order.
        anchors: the roots by which profiles' signatures are judged.
    """
    found = Finds(passwords)
    found.take(data)
    return _materials(found, origin, anchors)


def open_identities(data: bytes, passwords: Sequence[str]) -> tuple[KeyedIdentity, ...]:
    """Every certificate in these bytes whose private key is there as well: those that `read_material` calls keyed.

    Raises:
        Unopened: there is none; `fault` says why.
    """
    found = Finds(passwords)
    found.take(data)
    if identities := _identities(found):
        return identities
    for told in found.faults:
        raise Unopened("No identity could be opened", told.fault, why=told.why, remedy=told.remedy)
    if found.keys and found.certificates:
        raise Unopened("No identity was found", Fault.FOREIGN_KEY, why="the private key fits none of the certificates")
    if found.certificates:
        raise Unopened("No identity was found", Fault.NO_KEY, why="there is no private key beside the certificates")
    if found.keys:
        raise Unopened("No identity was found", Fault.NO_CERTIFICATE, why="there is a private key without certificate")
    raise Unopened("No identity was found", Fault.UNREADABLE, why="there is neither certificate nor private key")


def open_keys(data: bytes, passwords: Sequence[str]) -> tuple[bytes, ...]:
    """Every private key in these bytes, as PKCS #8 DER: for keys that lie apart from their certificates.

    Raises:
        Unopened: there is none; `fault` says why.
    """
    found = Finds(passwords)
    found.take(data)
    if found.keys:
        return tuple(each.der for each in found.keys)
    for told in found.faults:
        raise Unopened("No private key could be opened", told.fault, why=told.why, remedy=told.remedy)
    raise Unopened("No private key was found", Fault.NO_KEY)


def part_of(data: bytes, number: int) -> bytes:
    """The bytes of what `Material.part` numbers, base64 around it taken off; for 0, those of the whole.

    Raises:
        Unopened: there is no such part.
    """
    data = peeled(data)
    if not number:
        return data
    sort = sort_of(data)
    found = members(data, sort) if sort.archive else ()
    if not 1 <= number <= len(found) or found[number - 1].damage:
        raise Unopened("The archive has changed", Fault.UNREADABLE, why=f"it has no file {number} that can be read")
    return peeled(found[number - 1].data)


def to_p12(identity: KeyedIdentity, password: str) -> bytes:
    """A .p12 with one identity, in the encryption that `security import` of every macOS takes.

    Triple DES and a SHA-1 MAC, as OpenSSL wrote them before version 3: what it writes since then is refused with "MAC
    verification failed during PKCS12 import" (seen on macOS 14.2.1: lwouis/alt-tab-macos issue 3170; a SHA-256 MAC
    alone suffices: chris2511/xca issue 474). It protects the key on the way into a keychain, and is not for keeping.

    Raises:
        Unopened: the certificate or the key cannot be written so, or the password is empty.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

    if not password:
        raise Unopened("The .p12 cannot be made", Fault.PASSWORD_NEEDED, why="its password is empty")
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303 -- older systems verify no other
        .build(password.encode("utf-8", "surrogatepass"))
    )
    # A friendly name is written in UCS-2 (RFC 7292, 4.2.1), which has no characters beyond that.
    name = "".join(each for each in identity.certificate.subject_name if each <= "\uffff").strip()
    try:
        friendly = name.encode() or None
        certificate = x509.load_der_x509_certificate(identity.certificate.der)
        return pkcs12.serialize_key_and_certificates(friendly, loaded(identity.key), certificate, None, encryption)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        why = f"the certificate “{identity.certificate.subject_name}” or its key is damaged"
        raise Unopened("The .p12 cannot be made", Fault.UNREADABLE, why=why) from None


def _identities(found: Finds) -> tuple[KeyedIdentity, ...]:
    """Every certificate with its key."""
    keys = {each.sha256: each.der for each in found.keys}
    return tuple(
        KeyedIdentity(certificate, keys[certificate.public_key_sha256])
        for certificate, _ in found.certificates
        if certificate.public_key_sha256 in keys
    )


def _materials(found: Finds, origin: str, anchors: Anchors) -> tuple[Material, ...]:
    """All of it, without the keys themselves."""
    return (
        *_certified(found, origin),
        *_uncertified(found, origin),
        *(Material(_at(origin, part), request=True, public_key_sha256=key, part=part) for key, part in found.requests),
        *(told for data, part in found.profiles for told in _profiled(data, _at(origin, part), part, anchors)),
        *(Material(_at(origin, told.part), part=told.part, fault=told.fault, why=told.why) for told in found.faults),
    )


def _certified(found: Finds, origin: str) -> Iterator[Material]:
    keys = {each.sha256 for each in found.keys}
    absent = None if found.faults else False
    for certificate, part in found.certificates:
        key = certificate.public_key_sha256
        keyed = True if key in keys else absent
        yield Material(_at(origin, part), certificate, keyed, public_key_sha256=key, part=part)


def _uncertified(found: Finds, origin: str) -> Iterator[Material]:
    held = {certificate.public_key_sha256 for certificate, _ in found.certificates}
    for key in found.keys:
        if key.sha256 in held:
            continue
        hint = _ELLIPTIC_HINT if _ELLIPTIC in key.der[:40] else ""
        fault = None
        if any(part == key.part for _, part in found.certificates):
            fault, hint = Fault.FOREIGN_KEY, "the private key fits none of the certificates beside it"
        told = Material(_at(origin, key.part), key_only=True, public_key_sha256=key.sha256, part=key.part)
        yield replace(told, fault=fault, why=hint)


def _at(origin: str, part: int) -> str:
    return f"{origin}#{part}" if part else origin


def _profiled(data: bytes, origin: str, part: int, anchors: Anchors) -> Iterator[Material]:
    """The profile, or a fault; nothing for other signed messages, such as a configuration profile of a device."""
    try:
        profile = read_profile(data, anchors, path=origin)
    except SigningFault as fault:
        if _PLIST in data or _breaks_off(data):
            yield Material(origin, part=part, fault=Fault.UNREADABLE, why=reason(fault))
        return
    if profile.team_ids or profile.app_id_prefixes or profile.developer_certificates:
        yield Material(origin, profile=profile, part=part)


def _breaks_off(data: bytes) -> bool:
    try:
        element(data)
    except SigningFault:
        return data[1:2] != b"\x80"  # its end is marked, not counted: nobody can say
    return False
