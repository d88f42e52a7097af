"""Private keys: read from any of their shapes, judged before OpenSSL may work on them, made, and put into requests.

A key is passed on as unencrypted PKCS #8 DER, in memory only. No text that leaves this module holds a part of it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.apple.signing.der import (
    INTEGER,
    OBJECT_IDENTIFIER,
    SEQUENCE,
    Element,
    children,
    element,
)
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.unopened import Fault, Unopened

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers

MOST_KEY_BYTES = 16 * 1024
MOST_MODULUS_BYTES = 1_024 + 1
"""RSA-8192 and the zero byte before it: more would cost seconds a signature, and Apple takes 2,048 bits."""
MADE_BITS = 2_048
MOST_COMMON_NAME = 64
"""Bytes in UTF-8; characters in RFC 5280 (ub-common-name)."""

_DSA_NUMBERS, _RSA_NUMBERS = 6, 9
_OCTET_STRING = 0x04
_EXPLICIT_PARAMETERS = 0xA0
_RSA = bytes.fromhex("2a864886f70d010101")
_ELLIPTIC = bytes.fromhex("2a8648ce3d0201")


def read_key(data: bytes) -> bytes:
    """Read one unencrypted private key, RSA or elliptic: PKCS #8, PKCS #1 or SEC 1, in DER; bytes after it are ignored.

    The parts of an RSA key are compared with each other, so that a damaged one is not taken for whole.

    Returns:
        PKCS #8 DER.

    Raises:
        Unopened: it is damaged, too large, or of another algorithm.
    """
    try:
        whole = element(data)
        _judge(whole)
    except Unopened:
        raise
    except SigningFault as fault:
        raise _unreadable(fault.why) from None
    return _written(loaded(whole.whole))


def public_key_sha256(key: bytes) -> str:
    """The SHA-256 of the key's SubjectPublicKeyInfo, lower-case hex: what `Certificate.public_key_sha256` is, too.

    Args:
        key: PKCS #8 DER.

    Raises:
        Unopened: it cannot be read.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = loaded(key).public_key()
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def new_key() -> bytes:
    """A fresh RSA-2048 key, as PKCS #8 DER: what Apple asks for (developer.apple.com/help/account, "Create a CSR")."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return _written(rsa.generate_private_key(public_exponent=65_537, key_size=MADE_BITS))


def request_for(key: bytes, common_name: str) -> str:
    """A certificate signing request (PKCS #10) in PEM, signed with SHA-256.

    Args:
        key: PKCS #8 DER.
        common_name: for people; Apple writes its own into the certificate. Cut to 64 bytes.

    Raises:
        Unopened: the key cannot be read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID

    printable = "".join(each for each in common_name if each.isprintable()).strip()
    fitting = printable.encode("utf-8", "replace")[:MOST_COMMON_NAME].decode("utf-8", "ignore").strip()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, fitting or "Signing")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(loaded(key), hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode("ascii")


def _judge(whole: Element) -> None:
    """Refuse what OpenSSL would chew on for minutes, or would have to be asked about by password."""
    if whole.end > MOST_KEY_BYTES:
        raise _unreadable(f"it has {whole.end:,} bytes")
    parts = children(whole, most=12)
    tags = [part.tag for part in parts]
    if whole.tag != SEQUENCE or tags[:1] != [INTEGER]:
        raise _unreadable("it is neither PKCS #8 nor PKCS #1 nor SEC 1")
    if tags[1:3] == [SEQUENCE, _OCTET_STRING]:
        _judge_wrapped(parts[1], parts[2])
    elif tags[1:2] == [INTEGER]:
        _judge_integers(parts)
    elif tags[1:2] == [_OCTET_STRING]:
        _judge_curve([part for outer in parts[2:] if outer.tag == _EXPLICIT_PARAMETERS for part in children(outer)])
    else:
        raise _unreadable("it is neither PKCS #8 nor PKCS #1 nor SEC 1")


def _judge_wrapped(algorithm: Element, key: Element) -> None:
    named = children(algorithm)
    name = named[0].value if named and named[0].tag == OBJECT_IDENTIFIER else b""
    if name == _RSA:
        _judge_integers(children(element(key.value), most=12))
    elif name == _ELLIPTIC:
        _judge_curve(named[1:])
    else:
        raise _of_another_end("its algorithm is neither RSA nor elliptic")


def _judge_integers(parts: list[Element]) -> None:
    if len(parts) == _DSA_NUMBERS and all(part.tag == INTEGER for part in parts):
        raise _of_another_end("its algorithm is DSA")
    if len(parts) != _RSA_NUMBERS or any(part.tag != INTEGER for part in parts):
        raise _unreadable("an RSA key has nine numbers, and two primes")
    if any(len(part.value) > MOST_MODULUS_BYTES for part in parts):
        raise _unreadable("it is longer than 8,192 bits")


def _judge_curve(parameters: list[Element]) -> None:
    if not parameters or parameters[0].tag != OBJECT_IDENTIFIER:
        raise _of_another_end("its curve has no name")


def loaded(der: bytes) -> RSAPrivateKey | EllipticCurvePrivateKey:
    """The key as cryptography knows it, from DER that `read_key` gave out. Raises Unopened when it is damaged."""
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        # The proof that the primes are prime takes a hundred times as long as all the rest.
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, rsa.RSAPrivateKey) and _agrees(key.private_numbers()):
            return key
    except (ValueError, TypeError, ArithmeticError, UnsupportedAlgorithm, InternalError):
        raise _unreadable("it is damaged") from None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    raise _unreadable("its numbers do not belong together")


def _agrees(told: RSAPrivateNumbers) -> bool:
    """Whether the numbers are those of one key (RFC 8017, 3.2)."""
    public, private = told.public_numbers.e, told.d
    return (
        told.p > 1
        and told.q > 1
        and told.p * told.q == told.public_numbers.n
        and all(
            public * private % (prime - 1) == 1 and private % (prime - 1) == part
            for prime, part in ((told.p, told.dmp1), (told.q, told.dmq1))
        )
        and told.iqmp * told.q % told.p == 1
    )


def _written(key: RSAPrivateKey | EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _of_another_end(why: str) -> Unopened:
    return Unopened("The private key is for another end than signing", Fault.OTHER_ALGORITHM, why=why)


def _unreadable(why: str) -> Unopened:
    return Unopened("The private key cannot be read", Fault.UNREADABLE, why=why, remedy="export it again")
