"""A signature is worth what its chain ends in: walk from a certificate to a pinned root, checking every link."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from pipeline.apple.signing.authorities import INTERMEDIATES, ROOTS
from pipeline.apple.signing.certificates import Certificate, read_certificate
from pipeline.apple.signing.der import envelope
from pipeline.apple.signing.faults import SigningFault
from pipeline.lazily import cached_property
from pipeline.values import dataclass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes

MOST_CERTIFICATES = 64
"""How many of the certificates that come with a signature are looked at; Apple's bring three or four."""
MOST_LINKS = 32
"""How many signatures one walk checks before it gives up, so that a web of cross-signed authorities ends."""
MOST_KEY_BITS = 8192
_MOST_KEPT = 16 * 1024
"""Bytes of enclosed certificates with which a chain is remembered; Apple's have less than 6 KB."""
_MOST_WALKS = 256

RSA_PKCS1 = "RSA"
ECDSA = "ECDSA"

ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "2a864886f70d010105": (RSA_PKCS1, "sha1"),
    "2a864886f70d01010b": (RSA_PKCS1, "sha256"),
    "2a864886f70d01010c": (RSA_PKCS1, "sha384"),
    "2a864886f70d01010d": (RSA_PKCS1, "sha512"),
    "2a8648ce3d040302": (ECDSA, "sha256"),
    "2a8648ce3d040303": (ECDSA, "sha384"),
    "2a8648ce3d040304": (ECDSA, "sha512"),
}
"""Signature algorithms of Apple's certificates by their OID's content in hex; SHA-1 because its oldest links use it."""


@dataclass(frozen=True)
class Anchors:
    """The roots that are trusted: SHA-256 of the DER, lower-case hex, to a name for people.

    `certificates` holds the DER of roots that chains usually leave out, so that the last link can be checked.
    """

    roots: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[bytes, ...] = ()

    @cached_property
    def walked(self) -> dict[tuple[bytes, tuple[bytes, ...]], Chain]:
        """Chains that were found, by leaf and enclosed certificates: most signatures of a run have the same few."""
        return {}

    @cached_property
    def by_subject(self) -> Pool:
        """The roots' certificates, each once, by subject and then by its DER."""
        return _by_subject(self.certificates)

    def including(self, name: str, der: bytes) -> Anchors:
        """These anchors and one more root."""
        return replace(
            self,
            roots={**self.roots, hashlib.sha256(der).hexdigest(): name},
            certificates=(*self.certificates, der),
        )


APPLE_ROOTS = Anchors(
    {sha256: name for name, sha256, _ in ROOTS}, tuple(binascii.a2b_base64(der) for _, _, der in ROOTS)
)
"""Apple Root CA, G2 and G3."""

APPLE_INTERMEDIATES = tuple(binascii.a2b_base64(der) for _, _, der in INTERMEDIATES)
"""For chains of certificates that stand alone, as in a keychain; a signature must bring its own intermediates."""


@dataclass(frozen=True)
class Chain:
    """From a leaf towards a root: all the way when `trusted`, otherwise as far as it goes, with the reason.

    `missing` names an issuer that was not at hand: then nothing is disproved, but nothing is known either.
    """

    certificates: tuple[Certificate, ...] = ()
    trusted: bool = False
    reason: str = ""
    missing: str = ""
    anchor: str = ""
    """Name of the root it ends in, when trusted."""

    @property
    def weakest(self) -> Certificate:
        """The certificate that ends first: after it, nothing that the leaf signs is believed anew.

        Of several that end together it is the highest one, because it is what the others were cut to: Developer ID
        certificates end with their authority.

        Raises:
            ValueError: a chain without certificates.
        """
        return min(reversed(self.certificates), key=lambda each: each.not_after)

    @property
    def expires(self) -> datetime:
        """When the chain ends (aware, UTC): the earliest end among its certificates. Raises ValueError as `weakest`."""
        return self.weakest.not_after


def walk(leaf: bytes, others: Iterable[bytes], anchors: Anchors, at: datetime) -> Chain:
    """Follow issuers from `leaf` (DER or PEM) through `others` to one of `anchors`, everything valid at `at` (aware).

    Every link is checked: the signature (RSA PKCS #1 v1.5 with SHA-1 or SHA-2, ECDSA with SHA-2), the issuer's basic
    constraints, key usage and path length, and the validity of both. Revocation is not: it needs Apple's servers.

    Raises:
        SigningFault: the leaf is no certificate. Others that cannot be read are passed over.
    """
    asked = (leaf, others) if isinstance(others, tuple) else None
    known = anchors.walked.get(asked) if asked else None
    if known and all(each.valid_at(at) for each in known.certificates):
        return known
    pools = (anchors.by_subject, _by_subject(others))
    paths: list[tuple[Certificate, ...]] = [(read_certificate(leaf),)]
    best: Chain | None = None
    for _ in range(MOST_LINKS):
        if not paths:
            break
        path = paths.pop()
        tip = path[-1]
        if not tip.valid_at(at):
            verdict = Chain(path, reason=_out_of_date(tip, at))
        elif name := anchors.roots.get(tip.sha256):
            chain = Chain(path, trusted=True, anchor=name)
            # Only the way that is tried first: at any moment at which it is valid, it would be taken again.
            if asked and best is None and sum(map(len, asked[1])) <= _MOST_KEPT and len(anchors.walked) < _MOST_WALKS:
                anchors.walked[asked] = chain
            return chain
        else:
            issuers = _issuers(path, pools)
            if not isinstance(issuers, Chain):
                paths.extend([(*path, issuer) for issuer in reversed(issuers)])
                continue
            verdict = issuers
        if best is None or len(verdict.certificates) > len(best.certificates):
            best = verdict
    return best or Chain(reason=f"its issuers are too entangled: {MOST_LINKS} links were followed without an end")


Pool = Mapping[bytes, Mapping[bytes, None]]
"""Each certificate once, by subject and then by its DER."""


def _by_subject(certificates: Iterable[bytes]) -> Pool:
    pool: dict[bytes, dict[bytes, None]] = {}
    for der in islice(certificates, MOST_CERTIFICATES):
        try:
            shape = envelope(der)
        except SigningFault:
            continue
        pool.setdefault(shape.subject, {})[shape.der] = None
    return pool


def _issuers(path: tuple[Certificate, ...], pools: Sequence[Pool]) -> list[Certificate] | Chain:
    """The authorities that issued the tip of a path; where there are none, the verdict on it."""
    tip = path[-1]
    shape = envelope(tip.der)
    if shape.issuer == shape.subject:
        return Chain(path, reason=f"it ends in “{tip.subject_name}”, which is not a trusted root")
    candidates = list(dict.fromkeys(each for pool in pools for each in pool.get(shape.issuer, ())))
    if not candidates:
        missing = f"{tip.issuer_name} ({tip.issuer_unit})" if tip.issuer_unit else tip.issuer_name
        return Chain(path, reason=f"the certificate of the issuer “{missing}” is missing", missing=missing)
    if shape.algorithm not in ALGORITHMS:
        return Chain(path, reason=f"“{tip.subject_name}” is signed with an algorithm that Apple does not use")
    found: list[Certificate] = []
    reason = f"“{tip.subject_name}” was not signed with the key of “{tip.issuer_name}”"
    for candidate in candidates:
        if not _link_holds(shape.der, candidate):
            continue
        try:
            issuer = read_certificate(candidate)
        except SigningFault:
            continue
        below = len(path) - 1
        if not issuer.authority or (issuer.path_length is not None and issuer.path_length < below):
            reason = f"“{issuer.subject_name}” may not issue “{tip.subject_name}”"
        elif all(issuer.sha256 != each.sha256 for each in path):
            found.append(issuer)
    return found or Chain(path, reason=reason)


@lru_cache(maxsize=2048)
def _link_holds(child_der: bytes, issuer_der: bytes) -> bool:
    child = envelope(child_der)
    family, digest = ALGORITHMS[child.algorithm]
    return signature_holds(envelope(issuer_der).public_key, family, digest, child.signature, child.signed)


def signature_holds(public_key: bytes, family: str, digest: str, signature: bytes, message: bytes) -> bool:
    """Whether `signature` over `message` was made with the private half of `public_key`.

    Args:
        public_key: a DER SubjectPublicKeyInfo.
        family: RSA_PKCS1 or ECDSA.
        digest: "sha1", "sha256", "sha384" or "sha512".
        signature: PKCS #1 v1.5, or a DER ECDSA-Sig-Value.
        message: what was signed.
    """
    try:
        verify = _verifier(public_key, family, digest)
        if verify is None:
            return False
        verify(signature, message)
    except _refusals():
        return False
    return True


@lru_cache(maxsize=64)
def _verifier(public_key: bytes, family: str, digest: str) -> Callable[[bytes, bytes], None] | None:
    """What raises unless the signature holds; None where the key is of another family, or larger than any of Apple's.

    Made once for each key: profiles of one run are signed by the same few.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    key = load_der_public_key(public_key)
    made_with = _made_with(digest)
    if isinstance(key, rsa.RSAPublicKey) and family == RSA_PKCS1 and key.key_size <= MOST_KEY_BITS:
        padded, verify_rsa = padding.PKCS1v15(), key.verify
        return lambda signature, message: verify_rsa(signature, message, padded, made_with)
    if isinstance(key, ec.EllipticCurvePublicKey) and family == ECDSA:
        scheme, verify_ec = ec.ECDSA(made_with), key.verify
        return lambda signature, message: verify_ec(signature, message, scheme)
    return None


@lru_cache(maxsize=1)
def _refusals() -> tuple[type[Exception], ...]:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    return InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError


@lru_cache(maxsize=4)
def _made_with(digest: str) -> hashes.HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    if digest == "sha1":
        return hashes.SHA1()  # noqa: S303 -- Apple's oldest links are made with it
    return {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]


def _out_of_date(certificate: Certificate, at: datetime) -> str:
    if at < certificate.not_before:
        return f"“{certificate.subject_name}” was not valid before {certificate.not_before:%Y-%m-%d}"
    return f"“{certificate.subject_name}” expired on {certificate.not_after:%Y-%m-%d}"
