"""The CMS blob of a code or installer signature: who signed, and whether the signature covers what it should.

Format: RFC 5652; Apple's own attributes are those of libsecurity_smime (cdhashes as plist and as digest list).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline.apple.bundle.faults import Excessive, Malformed
from pipeline.apple.bundle.plists import read_dictionary
from pipeline.values import dataclass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes

MOST_BYTES = 4 * 1024 * 1024
MOST_CERTIFICATES = 32
_CDHASHES = "1.2.840.113635.100.9.1"
_DIGESTS = {"sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}


@dataclass(frozen=True)
class Signer:
    """Who signed. Certificates are DER. `flaws` says what does not hold; empty means that the signature is right."""

    certificate: bytes = field(repr=False)
    others: tuple[bytes, ...] = field(repr=False)
    signed_at: datetime | None
    timestamped: bool
    flaws: tuple[str, ...]


def verify(data: bytes, content: bytes, cdhashes: Sequence[bytes] = ()) -> Signer:
    """Verify detached SignedData over `content`.

    Args:
        data: ContentInfo in BER or DER; zero bytes after it are allowed, because Apple pads the blob.
        content: what was signed: the primary code directory, or the checksum of a package's table of contents.
        cdhashes: the identities of all code directories, the primary first, to compare with Apple's attribute.

    Raises:
        Malformed: not SignedData with one signer and that signer's certificate.
    """
    if len(data) > MOST_BYTES:
        raise Excessive(f"the CMS signature is larger than {MOST_BYTES:,} bytes")
    try:
        return _verify(data, content, cdhashes)
    except Malformed:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as fault:
        raise Malformed("the CMS signature cannot be read") from fault


def _verify(data: bytes, content: bytes, cdhashes: Sequence[bytes]) -> Signer:
    from asn1crypto import cms

    info = cms.ContentInfo.load(data, strict=False)
    if info["content_type"].native != "signed_data":
        raise Malformed("the CMS signature holds no SignedData")
    signed = info["content"]
    if len(signed["signer_infos"]) != 1:
        raise Malformed(f"the CMS signature has {len(signed['signer_infos'])} signers instead of one")
    signer = signed["signer_infos"][0]
    certificates = [choice.chosen for choice in signed["certificates"] if choice.name == "certificate"]
    if len(certificates) > MOST_CERTIFICATES:
        raise Excessive(f"the CMS signature carries {len(certificates)} certificates")
    leaf = _own_certificate(signer["sid"], certificates)
    algorithm = _DIGESTS.get(str(signer["digest_algorithm"]["algorithm"].native), "")
    if not algorithm:
        raise Malformed(f"the CMS signature uses {signer['digest_algorithm']['algorithm'].native}")
    attributes = _attributes(signer)
    flaws = [*_attribute_flaws(attributes, algorithm, content, cdhashes)]
    if not _signature_holds(signer, algorithm, leaf.dump(), content):
        flaws.append("the signature was not made with the key of the certificate it names")
    others = tuple(certificate.dump() for certificate in certificates if certificate is not leaf)
    times = attributes.get("signing_time", ())
    signed_at = times[0].native if times else None
    unsigned = {attribute["type"].native for attribute in signer["unsigned_attrs"] or ()}
    timestamped = "signature_time_stamp_token" in unsigned
    return Signer(leaf.dump(), others, signed_at, timestamped, tuple(flaws))


def _own_certificate(sid: Any, certificates: Iterable[Any]) -> Any:
    for certificate in certificates:
        if sid.name == "issuer_and_serial_number":
            wanted = sid.chosen
            if (
                certificate.serial_number == wanted["serial_number"].native
                and certificate.issuer.dump() == wanted["issuer"].dump()
            ):
                return certificate
        elif certificate.key_identifier == sid.chosen.native:
            return certificate
    raise Malformed("the CMS signature does not carry the certificate of its signer")


def _attributes(signer: Any) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for attribute in signer["signed_attrs"] or ():
        name = attribute["type"].native
        if name in found:
            raise Malformed("the CMS signature holds a signed attribute twice")
        found[name] = attribute["values"]
    return found


def _attribute_flaws(
    attributes: Mapping[str, Any], algorithm: str, content: bytes, cdhashes: Sequence[bytes]
) -> Iterable[str]:
    if not attributes:
        return
    digests = attributes.get("message_digest", ())
    if len(digests) != 1 or digests[0].native != hashlib.new(algorithm, content).digest():
        yield "the CMS signature was made over something else (message digest differs)"
    if not cdhashes:
        return
    if _CDHASHES in attributes:
        told = read_dictionary(bytes(attributes[_CDHASHES][0].parsed.native), "the list of cdhashes").get("cdhashes")
        named = [each for each in told if isinstance(each, bytes)] if isinstance(told, list) else []
        if sorted(named) != sorted(cdhashes):
            yield "the CMS signature names other code directories (cdhashes differ)"
    elif len(cdhashes) > 1:
        yield f"the CMS signature covers only the first of {len(cdhashes)} code directories"


def _signature_holds(signer: Any, algorithm: str, leaf: bytes, content: bytes) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    # The signature covers the attributes as a SET, although they are sent with a context tag (RFC 5652, 5.4).
    covered = content
    if len(signer["signed_attrs"] or ()):
        covered = signer["signed_attrs"].untag().dump()
    hasher = _hasher(algorithm)
    try:
        key = x509.load_der_x509_certificate(leaf).public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signer["signature"].native, covered, padding.PKCS1v15(), hasher)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signer["signature"].native, covered, ec.ECDSA(hasher))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _hasher(algorithm: str) -> hashes.HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    if algorithm == "sha1":
        return hashes.SHA1()  # noqa: S303 (old signatures are made with it; whether they are trusted is judged elsewhere)
    return {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[algorithm]
