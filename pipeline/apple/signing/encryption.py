"""Encryption by password as private keys and .p12 files use it, with a limit to the work that a file may ask for.

OpenSSL would do all this, but it obeys a file that asks for billions of rounds. Decryption only.
Specifications: RFC 8018 (PBES2, PBKDF2), RFC 7292 appendices B and C (PKCS #12), RFC 1423 (PEM).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from pipeline.apple.signing import rc2
from pipeline.apple.signing.unopened import Fault, Unopened

MOST_ROUNDS = 2_000_000
"""Of one key derivation: less than a second. Files in use ask for 2,048 to 600,000."""
MOST_EFFORT = 20_000_000
"""Rounds for all that is found at one place, with all passwords: some seconds."""
MOST_SALT = 1_024

_PBES2 = "1.2.840.113549.1.5.13"
_PBKDF2 = "1.2.840.113549.1.5.12"
_PBMAC1 = "1.2.840.113549.1.5.14"

_TRIPLE_DES = "3DES"
_RC2 = "RC2"
_AES = "AES"
_PKCS12_SCHEMES = {
    "1.2.840.113549.1.12.1.3": (_TRIPLE_DES, 24),
    "1.2.840.113549.1.12.1.4": (_TRIPLE_DES, 16),
    "1.2.840.113549.1.12.1.5": (_RC2, 16),
    "1.2.840.113549.1.12.1.6": (_RC2, 5),
}
_PBES2_SCHEMES = {
    "1.2.840.113549.3.7": (_TRIPLE_DES, 24),
    "2.16.840.1.101.3.4.1.2": (_AES, 16),
    "2.16.840.1.101.3.4.1.22": (_AES, 24),
    "2.16.840.1.101.3.4.1.42": (_AES, 32),
}
_PEM_SCHEMES = {
    "DES-EDE3-CBC": (_TRIPLE_DES, 24),
    "AES-128-CBC": (_AES, 16),
    "AES-192-CBC": (_AES, 24),
    "AES-256-CBC": (_AES, 32),
}
_DIGESTS = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_FOR_KEY, _FOR_VECTOR, _FOR_MAC = 1, 2, 3
_DES_BLOCK = 8
_AES_BLOCK = 16
_LEAST_MAC_KEY, _MOST_MAC_KEY = 20, 64
_ROUNDS_A_BLOCK = 100
"""So much work is one block of RC2, in Python."""


class Effort:
    """The work that may still be spent on what is found at one place, in rounds of key derivation."""

    def __init__(self, rounds: int = MOST_EFFORT) -> None:
        self._left = rounds

    def spend(self, rounds: int) -> None:
        """Raises Unopened when more is asked for than is given to any file, or than is left."""
        if not 1 <= rounds <= min(MOST_ROUNDS, self._left):
            raise Unopened(
                "The password cannot be tried",
                Fault.UNREADABLE,
                why="the file asks for more rounds of key derivation than any in use",
                remedy="export it again",
            )
        self._left -= rounds


def decrypted(algorithm: Any, data: bytes, password: str | None, effort: Effort) -> bytes | None:
    """Decrypt what `algorithm` (asn1crypto, EncryptionAlgorithm) encrypted; None when the password is wrong.

    A wrong password is told by the padding, which is right by chance once in 256 times: judge the result too.
    No password (None) and an empty one differ in PKCS #12.

    Raises:
        Unopened: the algorithm is none of those in use, or asks for too much.
    """
    name = algorithm["algorithm"].dotted
    parameters = algorithm["parameters"]
    if name in _PKCS12_SCHEMES:
        cipher, size = _PKCS12_SCHEMES[name]
        salt, rounds = parameters["salt"].native, parameters["iterations"].native
        secret = _as_bmp(password)
        key = derived(secret, salt, _FOR_KEY, rounds, size, digest="sha1", effort=effort)
        vector = derived(secret, salt, _FOR_VECTOR, rounds, _DES_BLOCK, digest="sha1", effort=effort)
    elif name == _PBES2:
        scheme = parameters["encryption_scheme"]
        cipher, size = _PBES2_SCHEMES.get(scheme["algorithm"].dotted, ("", 0))
        if not cipher:
            raise _unknown(scheme["algorithm"].dotted)
        key = _pbkdf2(parameters["key_derivation_func"], password, size, effort)
        vector = scheme["parameters"].native
    else:
        raise _unknown(name)
    if cipher == _RC2:
        effort.spend(1 + len(data) // rc2.BLOCK * _ROUNDS_A_BLOCK)
    return _without_padding(cipher, key, vector, data)


def decrypted_pem(header: str, data: bytes, password: str) -> bytes | None:
    """Decrypt the body of a PEM block with a DEK-Info `header`: "AES-256-CBC,<vector in hex>"; None: wrong password.

    Raises:
        Unopened: the algorithm is none of those in use.
    """
    name, _, told = header.partition(",")
    cipher, size = _PEM_SCHEMES.get(name.strip().upper(), ("", 0))
    try:
        vector = bytes.fromhex(told)
    except ValueError:
        cipher = ""
    if not cipher:
        raise _unknown(name.strip()[:40])
    key = last = b""
    while len(key) < size:
        last = hashlib.md5(last + _as_utf8(password) + vector[:8], usedforsecurity=False).digest()
        key += last
    return _without_padding(cipher, key[:size], vector, data)


def mac_holds(mac: Any, content: bytes, password: str | None, effort: Effort) -> bool:
    """Whether the MAC of a PKCS #12 file (asn1crypto, MacData) was made over `content` with this password.

    Raises:
        Unopened: the algorithm is none of those in use, or asks for too much.
    """
    algorithm = mac["mac"]["digest_algorithm"]
    name = algorithm["algorithm"].dotted
    if name == _PBMAC1:
        key, digest = _pbmac1(algorithm, password, effort)
    elif name in _DIGESTS:
        digest = _DIGESTS[name]
        salt, rounds = mac["mac_salt"].native, mac["iterations"].native
        size = hashlib.new(digest, usedforsecurity=False).digest_size
        key = derived(_as_bmp(password), salt, _FOR_MAC, rounds, size, digest=digest, effort=effort)
    else:
        raise _unknown(name)
    return hmac.compare_digest(hmac.new(key, content, digest).digest(), mac["mac"]["digest"].native)


def _pbmac1(algorithm: Any, password: str | None, effort: Effort) -> tuple[bytes, str]:
    """The key and the digest of a MAC by RFC 9579, which OpenSSL 3.4 and later can write."""
    from asn1crypto import algos, core

    both = core.SequenceOf.load(algorithm["parameters"].dump(), spec=core.Any)
    function = algos.KdfAlgorithm.load(both[0].dump())
    scheme = algos.HmacAlgorithm.load(both[1].dump())
    digest = _named_digest(scheme)
    size = function["parameters"]["key_length"].native
    if size is None or not _LEAST_MAC_KEY <= size <= _MOST_MAC_KEY:  # a short key would be found by trying all of them
        raise _unknown(_PBMAC1)
    return _pbkdf2(function, password, size, effort), digest


def _pbkdf2(function: Any, password: str | None, size: int, effort: Effort) -> bytes:
    if function["algorithm"].dotted != _PBKDF2:
        raise _unknown(function["algorithm"].dotted)
    parameters = function["parameters"]
    salt, rounds = parameters["salt"].native, parameters["iteration_count"].native
    digest = _named_digest(parameters["prf"])
    effort.spend(rounds)
    return hashlib.pbkdf2_hmac(digest, _as_utf8(password or ""), salt, rounds, size)


def _named_digest(scheme: Any) -> str:
    name = str(scheme["algorithm"].native)
    if name not in _DIGESTS.values():
        raise _unknown(scheme["algorithm"].dotted)
    return name


def derived(secret: bytes, salt: bytes, purpose: int, rounds: int, size: int, *, digest: str, effort: Effort) -> bytes:
    """Key material by RFC 7292, B.2."""
    if len(salt) > MOST_SALT:
        raise Unopened("The password cannot be tried", Fault.UNREADABLE, why=f"its salt has {len(salt):,} bytes")
    make = getattr(hashlib, digest)
    block = make(usedforsecurity=False).block_size
    both = bytearray(_filled(salt, block) + _filled(secret, block))
    found = b""
    while len(found) < size:
        effort.spend(rounds)
        last = make(bytes([purpose]) * block + both, usedforsecurity=False).digest()
        for _ in range(rounds - 1):
            last = make(last).digest()
        found += last
        addend = int.from_bytes((last * (block // len(last) + 1))[:block], "big") + 1
        for start in range(0, len(both), block):
            total = int.from_bytes(both[start : start + block], "big") + addend
            both[start : start + block] = (total % (1 << 8 * block)).to_bytes(block, "big")
    return found[:size]


def _filled(data: bytes, block: int) -> bytes:
    """The data, repeated to whole blocks."""
    size = -(-len(data) // block) * block
    return (data * (size // len(data) + 1))[:size] if data else b""


def _as_bmp(password: str | None) -> bytes:
    return b"" if password is None else password.encode("utf-16-be", "surrogatepass") + b"\0\0"


def _as_utf8(password: str) -> bytes:
    try:
        # Bytes of the environment that are not UTF-8 came in as lone surrogates, and go out as those bytes.
        return password.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return password.encode("utf-8", "surrogatepass")


def _without_padding(cipher: str, key: bytes, vector: bytes, data: bytes) -> bytes | None:
    block = _AES_BLOCK if cipher == _AES else _DES_BLOCK
    if len(vector) != block or not data or len(data) % block:
        raise Unopened(
            "What is encrypted cannot be read", Fault.UNREADABLE, why="it does not consist of whole cipher blocks"
        )
    plain = rc2.decrypt(key, vector, data) if cipher == _RC2 else _decrypted(cipher, key, vector, data)
    count = plain[-1]
    if not 1 <= count <= block or plain[-count:] != bytes([count]) * count:
        return None
    return plain[:-count]


def _decrypted(cipher: str, key: bytes, vector: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    if len(key) == 16 and cipher == _TRIPLE_DES:
        key += key[:8]
    algorithm = AES(key) if cipher == _AES else TripleDES(key)
    machine = Cipher(algorithm, modes.CBC(vector)).decryptor()
    return machine.update(data) + machine.finalize()


def _unknown(name: str) -> Unopened:
    return Unopened(
        "What is encrypted cannot be read",
        Fault.UNREADABLE,
        why=f"its algorithm ({name}) is none that is read here",
        remedy="export it again, with AES or Triple DES",
    )
