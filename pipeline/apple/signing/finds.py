"""What lies in a heap of bytes: certificates, keys, requests and profiles, unpacked and opened, not yet paired."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import NamedTuple

from pipeline.apple.signing.archives import Member, members
from pipeline.apple.signing.armour import LABELS, Block, as_bytes, blocks, from_base64, is_armoured
from pipeline.apple.signing.bags import MALFORMED, open_bags, open_key, wrong_password
from pipeline.apple.signing.certificates import Certificate, read_certificate
from pipeline.apple.signing.der import SEQUENCE, children, element
from pipeline.apple.signing.encryption import Effort, decrypted_pem
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.keys import public_key_sha256, read_key
from pipeline.apple.signing.sorts import Sort, pretends, sort_of
from pipeline.apple.signing.unopened import Fault, Unopened
from pipeline.values import dataclass

SIZE_LIMIT = 64 * 1024 * 1024
MOST_CERTIFICATES = 20_000
MOST_KEYS = 1_000
MOST_PROFILES = 1_000
MOST_FAULTS = 100


def reason(fault: SigningFault) -> str:
    """What the fault says, without its remedy."""
    return "; ".join(each for each in (fault.what, fault.why) if each)


def peeled(data: bytes) -> bytes:
    """The bytes without a mark of the byte order and, where that makes signing material of them, without base64."""
    if sort_of(data) is not Sort.NOTHING:
        return data
    text = as_bytes(data)
    if is_armoured(text):
        return text
    inner = from_base64(text)
    if sort_of(inner) is not Sort.NOTHING or is_armoured(inner[:4_096]):
        return inner
    return text


@dataclass(frozen=True)
class Key:
    """A private key, as PKCS #8 DER, the SHA-256 of its public key, and the part where it was."""

    der: bytes = field(repr=False)
    sha256: str
    part: int


class Told(NamedTuple):
    """A fault and where it is."""

    fault: Fault
    why: str
    remedy: str
    part: int


class Finds:
    """What was found so far. Holds private keys, so it shows nothing of itself."""

    def __init__(self, passwords: Sequence[str]) -> None:
        self._passwords = tuple(dict.fromkeys(passwords))
        self._effort = Effort()
        self._seen: set[str] = set()
        self.certificates: list[tuple[Certificate, int]] = []
        self.keys: list[Key] = []
        self.requests: list[tuple[str, int]] = []
        self.profiles: list[tuple[bytes, int]] = []
        self.faults: list[Told] = []

    def take(self, data: bytes) -> None:
        """Read the bytes, and what is packed in them."""
        if len(data) > SIZE_LIMIT:
            sort = sort_of(data)
            if sort is not Sort.NOTHING and not sort.archive:
                self._fail(SigningFault("", why=f"it has {len(data):,} bytes; at most {SIZE_LIMIT:,} are read"), 0)
            return None
        data = peeled(data)
        sort = sort_of(data)
        if not sort.archive:
            return self._take_one(data, sort, 0)
        try:
            packed = members(data, sort)
        except Unopened as fault:
            return self._fail(fault, 0)
        for number, member in enumerate(packed, 1):
            self._take_member(member, number)
        return None

    def _take_member(self, member: Member, number: int) -> None:
        if member.damage:
            if pretends(member.name):
                self._fail(SigningFault("", why=member.damage), number)
            return
        data = peeled(member.data)
        sort = sort_of(data)
        if not sort.archive:
            self._take_one(data, sort, number)
        elif member.name.lower().endswith((".zip", ".tar", ".gz", ".tgz")):
            self._fail(SigningFault("", why="an archive inside an archive is not opened"), number)

    def _take_one(self, data: bytes, sort: Sort, part: int) -> None:
        if sort is Sort.NOTHING:
            if is_armoured(data):
                for block in blocks(data):
                    self._take_block(block, part)
            return
        try:
            self._take_sort(data, sort, part)
        except SigningFault as fault:
            self._fail(fault, part)

    def _take_block(self, block: Block, part: int) -> None:
        name = f"the PEM block “{block.label}”" if block.label else "the PEM block"
        if block.damage:
            return self._fail(SigningFault("", why=f"{name} is damaged: {block.damage}"), part)
        try:
            if block.cipher:
                return self._add_key(self._old_pem_key(block), part)
            sort = sort_of(block.data)
            if sort is Sort.NOTHING or sort.archive:
                if block.label in LABELS:
                    self._fail(SigningFault("", why=f"{name} does not hold what it says"), part)
                return None
            return self._take_sort(block.data, sort, part)
        except SigningFault as fault:
            return self._fail(fault, part)

    def _old_pem_key(self, block: Block) -> bytes:
        for password in self._passwords:
            plain = decrypted_pem(block.cipher, block.data, password)
            if plain is not None and sort_of(plain) is Sort.KEY:
                return plain
        raise wrong_password(self._passwords)

    def _take_sort(self, data: bytes, sort: Sort, part: int) -> None:
        if sort is Sort.CERTIFICATE:
            self._add_certificate(data, part)
        elif sort is Sort.KEY:
            self._add_key(data, part)
        elif sort is Sort.LOCKED_KEY:
            self._add_key(open_key(data, self._passwords, self._effort), part)
        elif sort is Sort.BAGS:
            self._take_bags(data, part)
        elif sort is Sort.REQUEST:
            self.requests.append((_requested(data), part))
        elif sort is Sort.SIGNED:
            listed = _listed(data)
            for der in listed:
                self._attempt(self._add_certificate, der, part)
            if not listed and len(self.profiles) < MOST_PROFILES:
                self.profiles.append((data, part))
        elif sort is Sort.BARE_PROFILE:
            why = "a provisioning profile without Apple's signature around it"
            raise Unopened("", Fault.NOT_SIGNED, why=why, remedy="download the profile again")

    def _take_bags(self, data: bytes, part: int) -> None:
        bags = open_bags(data, self._passwords, self._effort)
        for der in bags.certificates:
            self._attempt(self._add_certificate, der, part)
        for key in bags.keys:
            self._attempt(self._add_key, key, part)
        for fault in bags.faults:
            self._fail(fault, part)

    def _attempt(self, add: Callable[[bytes, int], None], data: bytes, part: int) -> None:
        try:
            add(data, part)
        except SigningFault as fault:
            self._fail(fault, part)

    def _add_certificate(self, data: bytes, part: int) -> None:
        certificate = read_certificate(data)
        if certificate.sha256 in self._seen:
            return
        if len(self.certificates) >= MOST_CERTIFICATES:
            raise SigningFault("", why=f"it holds more than {MOST_CERTIFICATES:,} certificates")
        self._seen.add(certificate.sha256)
        self.certificates.append((certificate, part))

    def _add_key(self, data: bytes, part: int) -> None:
        if len(self.keys) >= MOST_KEYS:
            raise SigningFault("", why=f"it holds more than {MOST_KEYS:,} private keys")
        der = read_key(data)
        sha256 = public_key_sha256(der)
        if all(sha256 != each.sha256 for each in self.keys):
            self.keys.append(Key(der, sha256, part))

    def _fail(self, fault: SigningFault, part: int) -> None:
        told = Told(
            fault.fault if isinstance(fault, Unopened) else Fault.UNREADABLE,
            reason(fault),
            fault.remedy,
            part,
        )
        if told not in self.faults and len(self.faults) < MOST_FAULTS:
            self.faults.append(told)


def _listed(data: bytes) -> tuple[bytes, ...]:
    """The certificates of a message that holds nothing else: a .p7b, as `openssl crl2pkcs7` makes them."""
    from asn1crypto import cms

    try:
        signed = cms.ContentInfo.load(data)["content"]
        if signed["encap_content_info"]["content"].native is not None:
            return ()
        return tuple(choice.dump() for choice in signed["certificates"])
    except MALFORMED:
        return ()


def _requested(data: bytes) -> str:
    """The public key's SHA-256 of a certificate signing request (RFC 2986, 4.1), which is not judged any further."""
    whole = element(data)
    parts = children(whole)
    fields = children(parts[0]) if parts else []
    if len(parts) != 3 or len(fields) < 3 or fields[2].tag != SEQUENCE:
        raise SigningFault("The certificate signing request cannot be read", why="it is damaged")
    return hashlib.sha256(fields[2].whole).hexdigest()
