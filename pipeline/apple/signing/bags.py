"""PKCS #12, the .p12 files in which identities travel (RFC 7292): all keys and certificates, not only the first pair.

cryptography returns one key of a file, obeys any number of rounds, and refuses the file for one odd certificate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any

from pipeline.apple.signing.encryption import Effort, decrypted, mac_holds
from pipeline.apple.signing.unopened import Fault, Unopened
from pipeline.values import dataclass

SIZE_LIMIT = 4 * 1024 * 1024
MOST_BAGS = 4_000
MOST_DEPTH = 4
"""Of bags inside bags."""

MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
"""What asn1crypto raises over damaged structures."""

_DATA = "1.2.840.113549.1.7.1"
_ENCRYPTED_DATA = "1.2.840.113549.1.7.6"
_BAG = "1.2.840.113549.1.12.10.1."
_KEY, _LOCKED_KEY, _CERTIFICATE, _NESTED = _BAG + "1", _BAG + "2", _BAG + "3", _BAG + "6"
_X509 = "1.2.840.113549.1.9.22.1"
_SEQUENCE = 0x30
_INDEFINITE = 0x80


@dataclass(frozen=True)
class Bags:
    """What a .p12 holds: DER of certificates, PKCS #8 DER of keys, and what in it stays shut."""

    certificates: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = field(default=(), repr=False)
    faults: tuple[Unopened, ...] = ()


def open_bags(data: bytes, passwords: Sequence[str], effort: Effort) -> Bags:
    """Open a .p12 with the first password that fits; an empty one and none at all are tried as well.

    Raises:
        Unopened: WRONG_PASSWORD or PASSWORD_NEEDED; UNREADABLE for damaged files.
    """
    from asn1crypto import pkcs12

    if len(data) > SIZE_LIMIT:
        raise _unreadable(f"it has {len(data):,} bytes, at most {SIZE_LIMIT:,} are read")
    try:
        file = pkcs12.Pfx.load(data)
        safe = file["auth_safe"]
        if safe["content_type"].dotted != _DATA:
            raise _unreadable("it is sealed with a signature in place of a password")
        content = safe["content"].native
        tried = tuple(dict.fromkeys((*passwords, "", None)))
        if file["mac_data"]:
            fitting = _fitting(file["mac_data"], content, tried, effort)
            tried = (fitting, *(each for each in tried if each != fitting))
        return _Opening(tried, effort).all_of(content)
    except MALFORMED:
        raise _unreadable("it breaks off, or its structure is damaged") from None


def open_key(data: bytes, passwords: Sequence[str], effort: Effort) -> bytes:
    """Open one encrypted PKCS #8 key (RFC 5958, 3), in DER. Returns PKCS #8 DER, not yet judged.

    Raises:
        Unopened: WRONG_PASSWORD or PASSWORD_NEEDED; UNREADABLE for a damaged one.
    """
    from asn1crypto import keys

    try:
        return _Opening(tuple(dict.fromkeys((*passwords, ""))), effort).key_in(keys.EncryptedPrivateKeyInfo.load(data))
    except MALFORMED:
        raise Unopened("The private key cannot be read", Fault.UNREADABLE, why="it breaks off") from None


def wrong_password(passwords: Sequence[str | None]) -> Unopened:
    """The error when none of these opens what is encrypted."""
    if not any(passwords):
        return Unopened(
            "It is encrypted, and no password was given",
            Fault.PASSWORD_NEEDED,
            remedy="set SIGNING_CERTIFICATES_PASSWORD",
        )
    return Unopened(
        "It is encrypted, and the password is not the right one",
        Fault.WRONG_PASSWORD,
        remedy="set SIGNING_CERTIFICATES_PASSWORD to the password it was exported with",
    )


def _fitting(mac: Any, content: bytes, passwords: Sequence[str | None], effort: Effort) -> str | None:
    for password in passwords:
        if mac_holds(mac, content, password, effort):
            return password
    raise wrong_password(passwords)


class _Opening:
    """One walk through the bags, with the passwords in the order in which they are tried."""

    def __init__(self, passwords: Sequence[str | None], effort: Effort) -> None:
        self._passwords = passwords
        self._effort = effort
        self._bags = 0

    def all_of(self, content: bytes) -> Bags:
        from asn1crypto import pkcs12

        certificates: list[bytes] = []
        keys: list[bytes] = []
        faults: list[Unopened] = []
        for part in pkcs12.AuthenticatedSafe.load(content):
            self._count()
            for bag in self._bags_in(pkcs12.SafeContents.load(self._safe(part))):
                kind, value = bag["bag_id"].dotted, bag["bag_value"]
                if kind == _CERTIFICATE and value["cert_id"].dotted == _X509:
                    certificates.append(bytes(value["cert_value"]))
                elif kind == _KEY:
                    keys.append(value.untag().dump())
                elif kind == _LOCKED_KEY:
                    try:
                        keys.append(self.key_in(value))
                    except Unopened as fault:
                        faults.append(fault)
        return Bags(tuple(certificates), tuple(keys), tuple(faults))

    def key_in(self, locked: Any) -> bytes:
        return self._unlocked(locked["encryption_algorithm"], locked["encrypted_data"].native)

    def _safe(self, part: Any) -> bytes:
        kind = part["content_type"].dotted
        if kind == _DATA:
            content: bytes = part["content"].native
            return content
        if kind != _ENCRYPTED_DATA:
            raise _unreadable("it is encrypted for a certificate in place of a password")
        inner = part["content"]["encrypted_content_info"]
        return self._unlocked(inner["content_encryption_algorithm"], inner["encrypted_content"].native)

    def _bags_in(self, contents: Any, depth: int = 1) -> Iterator[Any]:
        for bag in contents:
            self._count(depth)
            if bag["bag_id"].dotted == _NESTED:
                yield from self._bags_in(bag["bag_value"], depth + 1)
            else:
                yield bag

    def _count(self, depth: int = 0) -> None:
        self._bags += 1
        if self._bags > MOST_BAGS or depth > MOST_DEPTH:
            raise _unreadable(f"it holds more than {MOST_BAGS:,} bags, or too many inside each other")

    def _unlocked(self, algorithm: Any, data: bytes) -> bytes:
        for password in self._passwords:
            plain = decrypted(algorithm, data, password, self._effort)
            if plain is not None and _is_one_sequence(plain):
                return plain
        raise wrong_password(self._passwords)


def _is_one_sequence(data: bytes) -> bool:
    """Whether the length that the data begins with is its own: chance gets past the padding, but not past this."""
    if len(data) < 2 or data[0] != _SEQUENCE:
        return False
    octets = data[1] & ~_INDEFINITE
    if data[1] == _INDEFINITE:
        return True
    if data[1] < _INDEFINITE:
        return len(data) == 2 + data[1]
    return len(data) == 2 + octets + int.from_bytes(data[2 : 2 + octets], "big")


def _unreadable(why: str) -> Unopened:
    return Unopened("The .p12 cannot be read", Fault.UNREADABLE, why=why, remedy="export it again")
