"""Profiles, code signatures and packages are signed as CMS (RFC 5652); this module takes that apart and checks it.

Apple's own attributes are those of libsecurity_smime: the identities of all code directories (CDHashes), as a property
list and, in newer signatures, as digests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.der import (
    CONSTRUCTED_OCTET_STRING,
    CONTEXT_0,
    INTEGER,
    NULL,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    children,
    dotted,
    element,
    envelope,
    integer,
    moment,
)
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import ECDSA, MOST_CERTIFICATES, RSA_PKCS1, signature_holds
from pipeline.values import dataclass

SIZE_LIMIT = 4 * 1024 * 1024
"""Bytes. A profile with a hundred devices and thirty certificates has 80 KB, a code signature 20 KB."""
MOST_SIGNERS = 8
MOST_ATTRIBUTES = 64
MOST_PIECES = 4096
MOST_ALGORITHMS = 16
_MOST_KEPT = 16 * 1024
"""Bytes of enclosed certificates that may be remembered; Apple's have less than 6 KB."""
_LONGEST_ALGORITHM = 64
"""Bytes of an algorithm and its parameters; those that Apple uses have less than 20."""

DATA = "1.2.840.113549.1.7.1"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SIGNING_TIME = "1.2.840.113549.1.9.5"
_TIMESTAMP = "1.2.840.113549.1.9.16.2.14"
_CDHASHES = "1.2.840.113635.100.9.1"
_CDHASH_DIGESTS = "1.2.840.113635.100.9.2"
_CONTEXT_1 = 0xA1
_KEY_IDENTIFIER = 0x80
_ATTRIBUTE = [OBJECT_IDENTIFIER, SET]
_UNUSUAL_VERSION = 5
_DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_SIGNATURES = {
    "1.2.840.113549.1.1.1": (RSA_PKCS1, ""),
    "1.2.840.113549.1.1.5": (RSA_PKCS1, "sha1"),
    "1.2.840.113549.1.1.11": (RSA_PKCS1, "sha256"),
    "1.2.840.113549.1.1.12": (RSA_PKCS1, "sha384"),
    "1.2.840.113549.1.1.13": (RSA_PKCS1, "sha512"),
    "1.2.840.10045.2.1": (ECDSA, ""),
    "1.2.840.10045.4.3.2": (ECDSA, "sha256"),
    "1.2.840.10045.4.3.3": (ECDSA, "sha384"),
    "1.2.840.10045.4.3.4": (ECDSA, "sha512"),
}


@dataclass(frozen=True)
class Signature:
    """What one signer says, and whether it holds.

    Attributes:
        certificate: DER of the signer's own certificate; empty when it did not come along.
        signed_at: when, as the signer says (aware, UTC).
        intact: whether content and signature belong together and the signer's key made the signature; None when that
            could not be found out.
        why: the reason, unless it is intact.
        bare: whether it was made over the content alone, without signed attributes.
        odd: what is not as RFC 5652 has it in the frame around the signature, which is not signed; most often empty.
        cdhashes: the property list of code directories' identities that was signed with it; None without one.
        cdhash_digests: the same as (digest algorithm's object identifier, digest), whole digests; None without them.
        timestamp: the timestamp token (DER) that vouches for the time; empty without one. It is not checked here.
    """

    certificate: bytes = field(default=b"", repr=False)
    signed_at: datetime | None = None
    intact: bool | None = None
    why: str = ""
    bare: bool = False
    odd: str = ""
    cdhashes: bytes | None = field(default=None, repr=False)
    cdhash_digests: tuple[tuple[str, bytes], ...] | None = None
    timestamp: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class SignedMessage:
    """Content, and the signatures over it.

    Attributes:
        content: what was signed.
        certificates: DER of the certificates that came along.
        signatures: one for each signer, in their order.
    """

    content: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    signatures: tuple[Signature, ...] = ()

    @property
    def only(self) -> Signature:
        """The one signature; when there is none or are several, one that says so and is not known to be intact."""
        if len(self.signatures) == 1:
            return self.signatures[0]
        return Signature(why=f"it has {len(self.signatures)} signatures; Apple's has one")


def read_signed(data: bytes, content: bytes | None = None) -> SignedMessage:
    """Take CMS signed data apart and check every signature in it.

    Args:
        data: ContentInfo in DER, or in BER with indefinite lengths; bytes after it are passed over, because code
            signatures are padded with zeros.
        content: what a detached signature was made over; None when the content must be inside.

    Raises:
        SigningFault: the bytes are no CMS signed data, or hold no content although none was given.
    """
    if len(data) > SIZE_LIMIT:
        raise SigningFault("The CMS signed data is too large", why=f"{len(data):,} bytes; {SIZE_LIMIT:,} are read")
    try:
        return _message(_signed_data(element(data, ber=True)), content)
    except SigningFault as fault:
        raise SigningFault("The data is not CMS signed data", why=str(fault)) from fault


def _signed_data(outer: Element) -> Element:
    if outer.tag != SEQUENCE:
        raise SigningFault("It does not begin as CMS does")
    kind, tagged = _parts(outer, OBJECT_IDENTIFIER, CONTEXT_0)
    if dotted(kind.value) != _SIGNED_DATA:
        raise SigningFault("It is another kind of CMS", why=dotted(kind.value))
    return _parts(tagged, SEQUENCE)[0]


def _message(signed: Element, given: bytes | None) -> SignedMessage:
    fields = children(signed, ber=True)
    if len(fields) < 4 or [each.tag for each in (*fields[:3], fields[-1])] != [INTEGER, SET, SEQUENCE, SET]:
        raise SigningFault("Its fields are not those of signed data")
    kind, inside = _enclosed(fields[2])
    content = inside if given is None else given
    if content is None:
        raise SigningFault("The CMS signed data holds no content", why="the signature is detached")
    tagged = tuple([each.whole for each in fields[3:-1] if each.tag == CONTEXT_0])
    few = sum(map(len, tagged)) <= _MOST_KEPT
    held, usual = _certificates(tagged) if few else _certificates.__wrapped__(tagged)
    infos = [children(info, ber=True) for info in children(fields[-1], MOST_SIGNERS + 1, ber=True) if _is_signer(info)]
    if len(infos) > MOST_SIGNERS:
        raise SigningFault("It has too many signers", why=f"at most {MOST_SIGNERS} are looked at")
    frame = _Frame(
        kind,
        content,
        held,
        frozenset([_algorithm(each) for each in children(fields[1], MOST_ALGORITHMS, ber=True)]),
        _is_number(fields[0], _version(kind, infos) if usual else _UNUSUAL_VERSION),
        inside is not None and inside != content,
    )
    return SignedMessage(content, held, tuple(_signature(info, frame) for info in infos))


@lru_cache(maxsize=32)
def _certificates(tagged: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], bool]:
    """The certificates in those fields, and whether all are of the usual form; most messages bring the same ones."""
    held = [each for field in tagged for each in children(element(field, ber=True), MOST_CERTIFICATES, ber=True)]
    return tuple(each.whole for each in held), all(each.tag == SEQUENCE for each in held)


class _Frame(NamedTuple):
    """What stands around the signers: `digests` are the algorithms announced; `fits` is whether its version does."""

    kind: str
    content: bytes
    certificates: tuple[bytes, ...]
    digests: frozenset[str]
    fits: bool
    other_inside: bool


def _is_signer(info: Element) -> bool:
    if info.tag != SEQUENCE:
        raise SigningFault("A signer's fields are not those of CMS")
    return True


def _version(kind: str, infos: Iterable[list[Element]]) -> int:
    """Which version such signed data has (RFC 5652, 5.1), when its certificates are of the usual form."""
    by_key = any(len(fields) > 1 and fields[1].tag == _KEY_IDENTIFIER for fields in infos)
    return 3 if kind != DATA or by_key else 1


def _is_number(told: Element, number: int) -> bool:
    return told.tag == INTEGER and told.value == bytes((number,))


def _enclosed(enclosed: Element) -> tuple[str, bytes | None]:
    """The content's type, and the content when it is inside."""
    parts = children(enclosed, ber=True)
    if not parts or parts[0].tag != OBJECT_IDENTIFIER:
        raise SigningFault("Its content has no type")
    if len(parts) == 1:
        return dotted(parts[0].value), None
    if len(parts) != 2 or parts[1].tag != CONTEXT_0:
        raise SigningFault("Its content is not where it belongs")
    held = children(parts[1], 1, ber=True)
    if held and held[0].tag == OCTET_STRING:
        return dotted(parts[0].value), held[0].value
    if not held or held[0].tag != CONSTRUCTED_OCTET_STRING:
        raise SigningFault("Its content is not a string of octets")
    pieces = children(held[0], MOST_PIECES + 1, ber=True)
    if len(pieces) > MOST_PIECES or any(piece.tag != OCTET_STRING for piece in pieces):
        raise SigningFault("Its content is not a string of octets, or in too many pieces")
    return dotted(parts[0].value), b"".join(piece.value for piece in pieces)


def _signature(fields: list[Element], frame: _Frame) -> Signature:
    signed = fields[3] if len(fields) > 3 and fields[3].tag == CONTEXT_0 else None
    rest = fields[4:] if signed else fields[3:]
    if len(fields) < 5 or len(rest) < 2 or rest[1].tag != OCTET_STRING:
        raise SigningFault("A signer's fields are not those of CMS")
    attributes, twice = _attributes(signed)
    unsigned, _ = _attributes(rest[2] if len(rest) > 2 and rest[2].tag == _CONTEXT_1 else None)
    certificate = _certificate(fields[1], frame.certificates)
    told = _Told(frame, certificate, attributes, signed.whole if signed else b"", rest[1].value)
    digest = _algorithm(fields[2])
    intact, why = _judge(told, digest, _algorithm(rest[0]), twice=twice)
    time = _single(attributes, _SIGNING_TIME)
    listed = _single(attributes, _CDHASHES)
    timestamp = unsigned.get(_TIMESTAMP, [])
    return Signature(
        certificate=certificate,
        signed_at=moment(time) if time else None,
        intact=intact,
        why=why,
        bare=signed is None,
        odd=_odd(fields, digest, frame),
        cdhashes=listed.value if listed else None,
        cdhash_digests=_digests(attributes.get(_CDHASH_DIGESTS)),
        timestamp=timestamp[0].whole if len(timestamp) == 1 else b"",
    )


def _odd(fields: list[Element], digest: str, frame: _Frame) -> str:
    if digest not in frame.digests:
        return "its digest algorithm is not among those that it announces"
    fits = frame.fits and _is_number(fields[0], 3 if fields[1].tag == _KEY_IDENTIFIER else 1)
    return "" if fits else "its version is not the one that such signed data has"


class _Told(NamedTuple):
    """What goes into the judgement on one signature; `signed` is the whole element of the signed attributes."""

    frame: _Frame
    certificate: bytes
    attributes: Mapping[str, list[Element]]
    signed: bytes
    signature: bytes


def _judge(told: _Told, digest_algorithm: str, signature_algorithm: str, *, twice: bool) -> tuple[bool | None, str]:
    """Whether the message is intact, in the order of RFC 5652, 5.4 and 5.6, and the reason when it is not."""
    frame, digest = told.frame, _DIGESTS.get(digest_algorithm, "")
    family, own_digest = _SIGNATURES.get(signature_algorithm, ("", ""))
    if not digest or not family:
        return None, "its algorithm is none that Apple uses"
    if twice:
        return False, "it holds a signed attribute twice"
    if frame.other_inside:
        return False, "its content is not what it should have been made over"
    if told.signed:
        named = _single(told.attributes, _CONTENT_TYPE)
        if named is None or dotted(named.value) != frame.kind:
            return False, "the type of its content is not the one that was signed"
        digested = _single(told.attributes, _MESSAGE_DIGEST)
        if digested is None or digested.value != _digest(digest, frame.content):
            return False, "its content is not what was signed"
    elif frame.kind != DATA:
        return False, "the type of its content was not signed"
    if not told.certificate:
        return None, "the signer's certificate did not come along"
    # The attributes are sent with an implicit tag and signed as the SET they are (RFC 5652, 5.4).
    message = bytes((SET,)) + told.signed[1:] if told.signed else frame.content
    key = envelope(told.certificate).public_key
    if not signature_holds(key, family, own_digest or digest, told.signature, message):
        return False, "the signature was not made with the signer's key"
    return True, ""


def _digest(algorithm: str, content: bytes) -> bytes:
    make: Callable[..., hashlib._Hash] = getattr(hashlib, algorithm)
    return make(content, usedforsecurity=False).digest()


def _parts(parent: Element, *tags: int) -> list[Element]:
    """The first elements inside, which must have these tags."""
    found = children(parent, len(tags), ber=True)
    if [each[1] for each in found] != [*tags]:
        raise SigningFault("Its fields are not those of CMS")
    return found


def _algorithm(identifier: Element) -> str:
    """An algorithm without parameters, as all of Apple's are; empty for others (RFC 3370, 2.1 and 3.2; RFC 5754)."""
    return _bare_algorithm(identifier.whole) if identifier.end - identifier.start <= _LONGEST_ALGORITHM else ""


@lru_cache(maxsize=64)
def _bare_algorithm(whole: bytes) -> str:
    identifier = element(whole, ber=True)
    parts = children(identifier, 3, ber=True) if identifier.tag == SEQUENCE else []
    if not parts or parts[0].tag != OBJECT_IDENTIFIER:
        return ""
    if [(each.tag, each.value) for each in parts[1:]] not in ([], [(NULL, b"")]):
        return ""
    return dotted(parts[0].value)


def _certificate(identifier: Element, certificates: Iterable[bytes]) -> bytes:
    """The certificate that a signer names, by issuer and serial number or by key identifier; empty when none is it."""
    named = children(identifier) if identifier.tag == SEQUENCE else []
    for der in certificates:
        try:
            shape = envelope(der)
        except SigningFault:
            continue
        if identifier.tag == _KEY_IDENTIFIER:
            if read_certificate(shape.der).key_identifier == identifier.value:
                return der
        elif (
            len(named) == 2
            and named[1].tag == INTEGER
            and shape.issuer == named[0].whole
            and shape.serial == integer(named[1])
        ):
            return der
    return b""


def _attributes(tagged: Element | None) -> tuple[dict[str, list[Element]], bool]:
    """The values of each attribute, and whether one is there twice."""
    found: dict[str, list[Element]] = {}
    twice = False
    for attribute in children(tagged, MOST_ATTRIBUTES) if tagged else ():
        pair = children(attribute, 2, ber=True)
        if [each[1] for each in pair] != _ATTRIBUTE:
            raise SigningFault("Its fields are not those of CMS")
        named, values = pair
        name = dotted(named.value)
        twice = twice or name in found
        found[name] = children(values, MOST_ATTRIBUTES, ber=True)
    return found, twice


def _single(attributes: Mapping[str, list[Element]], name: str) -> Element | None:
    """An attribute's value; one with several values counts as absent (RFC 5652, 11)."""
    values = attributes.get(name, [])
    return values[0] if len(values) == 1 else None


def _digests(values: list[Element] | None) -> tuple[tuple[str, bytes], ...] | None:
    if values is None:
        return None
    pairs = [_parts(value, OBJECT_IDENTIFIER, OCTET_STRING) for value in values]
    return tuple((dotted(algorithm.value), digest.value) for algorithm, digest in pairs)
