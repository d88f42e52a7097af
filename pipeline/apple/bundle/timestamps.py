"""A signer may claim any time; a timestamp (RFC 3161) is an authority's word for it, and is checked before it counts.

What is asked of it is what macOS asks: Security, tsaSupport.c (decodeTimeStampTokenWithPolicy, verifyTSTInfo) and
SecPolicy.c (SecPolicyCreateAppleTimeStamping).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.cms import Signature, SignedMessage, read_signed
from pipeline.apple.signing.der import (
    GENERALIZED_TIME,
    INTEGER,
    OBJECT_IDENTIFIER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    children,
    dotted,
    element,
    moment,
)
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import Anchors, walk
from pipeline.values import dataclass

TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
"""The extended key usage of an authority that stamps times (RFC 3161, 2.3)."""
WRONG = "the timestamp of the signature is wrong"
_TST_INFO = "1.2.840.113549.1.9.16.1.4"
_IMPRINTS = {"1.3.14.3.2.26": "sha1", "2.16.840.1.101.3.4.2.1": "sha256"}


@dataclass(frozen=True)
class Timestamp:
    """What a timestamp is worth.

    Attributes:
        at: when the signature was there (aware, UTC), proved; None without proof.
        flaw: why it is wrong; macOS then refuses the whole signature.
        doubt: why it could not be checked; then it proves nothing, and disproves nothing.
    """

    at: datetime | None = None
    flaw: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class _Stamp:
    at: datetime
    algorithm: str
    imprint: bytes


def read_timestamp(token: bytes, signature: bytes, anchors: Anchors) -> Timestamp:
    """Judge a timestamp token.

    Args:
        token: CMS signed data in DER or BER, around a TSTInfo.
        signature: the octets of the signature that it should be about.
        anchors: the roots that the authority's chain must end in, at the time that it stamped.
    """
    try:
        message = read_signed(token)
        stamp = _stamp(token, message)
    except SigningFault as fault:
        return Timestamp(flaw=f"it cannot be read: {fault}")
    signed = message.only
    if signed.intact is False:
        return Timestamp(flaw=signed.why)
    if signed.intact is None:
        return Timestamp(doubt=signed.why)
    if stamp.algorithm not in _IMPRINTS:
        return Timestamp(flaw="it is made over a digest that macOS does not take for timestamps")
    if hashlib.new(_IMPRINTS[stamp.algorithm], signature, usedforsecurity=False).digest() != stamp.imprint:
        return Timestamp(flaw="it was given for another signature")
    return _vouched(stamp.at, signed, message, anchors)


def _vouched(at: datetime, signed: Signature, message: SignedMessage, anchors: Anchors) -> Timestamp:
    try:
        authority = read_certificate(signed.certificate)
        chain = walk(signed.certificate, message.certificates, anchors, at)
    except SigningFault as fault:
        return Timestamp(flaw=f"its authority's certificate cannot be read: {fault}")
    if authority.extended_key_usage != (TIME_STAMPING,):
        return Timestamp(flaw=f"“{authority.subject_name}” may not stamp times")
    if chain.missing:
        return Timestamp(doubt=chain.reason)
    return Timestamp(at) if chain.trusted else Timestamp(flaw=chain.reason)


def signature_octets(message: bytes) -> bytes:
    """The octets of the first signer's signature in CMS signed data (RFC 5652, 5.3): what a timestamp is given for.

    Raises:
        SigningFault: it is not of that shape.
    """
    infos = children(_fields(message)[-1], 1, ber=True)
    # Before the signature come version, signer, digest algorithm, signed attributes if any, signature algorithm.
    for part in children(infos[0], ber=True)[3:] if infos else ():
        if part.tag == OCTET_STRING:
            return part.value
    raise SigningFault("The CMS signed data has no signature")


def _fields(message: bytes) -> list[Element]:
    """The fields of SignedData."""
    parts = children(element(message, ber=True), 2, ber=True)
    held = children(parts[1], 1, ber=True) if len(parts) == 2 else []
    fields = children(held[0], ber=True) if held else []
    if len(fields) < 4 or fields[2].tag != SEQUENCE or fields[-1].tag != SET:
        raise SigningFault("The data is not CMS signed data")
    return fields


def _stamp(token: bytes, message: SignedMessage) -> _Stamp:
    """The fields of TSTInfo (RFC 3161, 2.4.2) that say what was stamped, and when.

    Raises:
        SigningFault: the content is another; the time is not told to the second in UTC, which is all that macOS reads.
    """
    kind = children(_fields(token)[2], 1, ber=True)
    if not kind or dotted(kind[0].value) != _TST_INFO:
        raise SigningFault("Its content is no timestamp")
    fields = children(element(message.content))
    if [each.tag for each in fields[:5]] != [INTEGER, OBJECT_IDENTIFIER, SEQUENCE, INTEGER, GENERALIZED_TIME]:
        raise SigningFault("Its content is no timestamp", why="its fields are not those of TSTInfo")
    imprint = children(fields[2])
    algorithm = children(imprint[0], 1) if imprint else []
    if len(imprint) != 2 or not algorithm or imprint[1].tag != OCTET_STRING:
        raise SigningFault("Its content is no timestamp", why="it does not say what was stamped")
    return _Stamp(moment(fields[4]), dotted(algorithm[0].value), imprint[1].value)
