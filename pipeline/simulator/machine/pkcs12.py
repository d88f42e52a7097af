"""PKCS #12 as `security import` reads it: the password-based encryption of 1999 and a SHA-1 MAC, and nothing newer.

Newer files (AES, SHA-256 MAC), as OpenSSL 3 writes them by default, end in "MAC verification failed" on many versions
of macOS; so they do here (solar2d/demo-app-store-automation#15). Source of the format: RFC 7292.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Any

from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.simulator.authority import Identity

LIMIT = 8 * 1024 * 1024
MOST_ROUNDS = 1_000_000
ROUNDS = 2048

_DATA, _ENCRYPTED = "data", "encrypted_data"
_TRIPLE_DES = "pkcs12_sha1_tripledes_3key"
_KEY, _IV, _MAC = 1, 2, 3


class UnknownFormat(ValueError):
    """The file is no PKCS #12 at all."""


class WrongPassword(ValueError):
    """The MAC does not fit: another password, or a kind of MAC that macOS does not know."""


@dataclass(frozen=True)
class Bag:
    """What a file holds: certificates with whose key it came, and certificates alone; all DER."""

    identities: tuple[bytes, ...] = ()
    certificates: tuple[bytes, ...] = ()


def read(data: bytes, password: str) -> Bag:
    """The identities and the other certificates of a file.

    Raises:
        UnknownFormat: it is no PKCS #12.
        WrongPassword: the MAC does not fit.
    """
    from asn1crypto import pkcs12

    if len(data) > LIMIT:
        raise UnknownFormat
    try:
        pfx = pkcs12.Pfx.load(data, strict=True)
        if quickly := _one_identity(pfx, data, password):
            return quickly
        safe = pfx["auth_safe"]["content"].native
        _verify(pfx["mac_data"], safe, password)
        keys: list[bytes] = []
        certificates: list[bytes] = []
        for contents in _contents(pfx.authenticated_safe, password):
            for bag in contents:
                _sort(bag, password, keys, certificates)
    except WrongPassword:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        raise UnknownFormat from fault
    owned = tuple(each for each in certificates if _public_key(each) in keys)
    return Bag(owned, tuple(each for each in certificates if each not in owned))


def write(identities: Sequence[Identity], password: str) -> bytes:
    """One file with several identities and the intermediates above them, as Keychain Access exports it."""
    from asn1crypto import algos, pkcs12
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.serialization.pkcs12 import PBES, serialize_key_and_certificates
    from cryptography.x509 import load_der_x509_certificate

    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ROUNDS)
        .key_cert_algorithm(PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # the only MAC that every macOS reads
        .build(password.encode())
    )
    contents: list[Any] = []
    told: set[bytes] = set()
    for identity in identities:
        above = [load_der_x509_certificate(each) for each in identity.chain[:-1] if each not in told]
        told.update(identity.chain)
        leaf = load_der_x509_certificate(identity.certificate)
        alone = serialize_key_and_certificates(identity.name.encode(), identity.key, leaf, above, encryption)
        contents += list(pkcs12.Pfx.load(alone).authenticated_safe)
    safe = pkcs12.AuthenticatedSafe(contents).dump()
    salt = os.urandom(8)
    mac = hmac.digest(_derived(password, salt, ROUNDS, _MAC, 20), safe, "sha1")
    return bytes(
        pkcs12.Pfx(
            {
                "version": "v3",
                "auth_safe": {"content_type": "data", "content": safe},
                "mac_data": {
                    "mac": {"digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha1"}), "digest": mac},
                    "mac_salt": salt,
                    "iterations": ROUNDS,
                },
            }
        ).dump()
    )


def _one_identity(pfx: Any, data: bytes, password: str) -> Bag | None:
    """What OpenSSL reads of a file with one key, in a hundredth of the time; None where there are more, or it fails."""
    from asn1crypto import pkcs12
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    if pfx["mac_data"].native is None or pfx["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native != "sha1":
        return None
    open_parts = [each for each in pfx.authenticated_safe if each["content_type"].native == _DATA]
    bags = [bag for part in open_parts for bag in pkcs12.SafeContents.load(part["content"].native)]
    locked = [bag["bag_value"] for bag in bags if bag["bag_id"].native == "pkcs8_shrouded_key_bag"]
    if len(locked) != 1 or locked[0]["encryption_algorithm"]["algorithm"].native != _TRIPLE_DES:
        return None
    try:
        opened = load_pkcs12(data, password.encode())
    except ValueError:
        return None
    if opened.cert is None:
        return None
    others = (each.certificate.public_bytes(Encoding.DER) for each in opened.additional_certs)
    return Bag((opened.cert.certificate.public_bytes(Encoding.DER),), tuple(dict.fromkeys(others)))


def _verify(told: Any, safe: bytes, password: str) -> None:
    if told.native is None or told["mac"]["digest_algorithm"]["algorithm"].native != "sha1":
        raise WrongPassword
    rounds = told["iterations"].native
    if not 0 < rounds <= MOST_ROUNDS:
        raise WrongPassword
    key = _derived(password, told["mac_salt"].native, rounds, _MAC, 20)
    if not hmac.compare_digest(hmac.digest(key, safe, "sha1"), told["mac"]["digest"].native):
        raise WrongPassword


def _contents(safes: Any, password: str) -> Iterator[Any]:
    from asn1crypto import pkcs12

    for each in safes:
        kind = each["content_type"].native
        if kind == _DATA:
            yield pkcs12.SafeContents.load(each["content"].native)
        elif kind == _ENCRYPTED:
            sealed = each["content"]["encrypted_content_info"]
            algorithm = sealed["content_encryption_algorithm"]
            yield pkcs12.SafeContents.load(_decrypted(algorithm, sealed["encrypted_content"].native, password))


def _sort(bag: Any, password: str, keys: list[bytes], certificates: list[bytes]) -> None:
    kind, value = bag["bag_id"].native, bag["bag_value"]
    if kind == "pkcs8_shrouded_key_bag":
        keys.append(_public_half(_decrypted(value["encryption_algorithm"], value["encrypted_data"].native, password)))
    elif kind == "key_bag":
        keys.append(_public_half(value.dump()))
    elif kind == "cert_bag" and value["cert_id"].native == "x509":
        certificates.append(value["cert_value"].parsed.dump())


def _public_half(key: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

    public = load_der_private_key(key, None).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_key(certificate: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    public = load_der_x509_certificate(certificate).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _decrypted(algorithm: Any, data: bytes, password: str) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    if algorithm["algorithm"].native != _TRIPLE_DES:
        raise ValueError("an encryption that macOS does not import")
    salt, rounds = algorithm["parameters"]["salt"].native, algorithm["parameters"]["iterations"].native
    if not 0 < rounds <= MOST_ROUNDS:
        raise ValueError("rounds out of bounds")
    key, start = (_derived(password, salt, rounds, which, size) for which, size in ((_KEY, 24), (_IV, 8)))
    opener = Cipher(TripleDES(key), modes.CBC(start)).decryptor()
    unpadder = PKCS7(64).unpadder()
    return unpadder.update(opener.update(data) + opener.finalize()) + unpadder.finalize()


def _derived(password: str, salt: bytes, rounds: int, purpose: int, size: int) -> bytes:
    """RFC 7292, appendix B.2, with SHA-1: blocks of 64 bytes, results of 20."""
    block = 64
    secret = (password + "\0").encode("utf-16-be")
    start = b"".join((each * block)[: block * -(-len(each) // block)] for each in (salt, secret))
    made = b""
    while len(made) < size:
        piece = bytes([purpose]) * block + start
        for _ in range(rounds):
            piece = hashlib.sha1(piece, usedforsecurity=False).digest()
        made += piece
        addend = int.from_bytes((piece * 4)[:block], "big") + 1
        mixed = (
            (int.from_bytes(start[at : at + block], "big") + addend) % (1 << (8 * block))
            for at in range(0, len(start), block)
        )
        start = b"".join(each.to_bytes(block, "big") for each in mixed)
    return made[:size]
