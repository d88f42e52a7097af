"""Profiles travel as CMS signed data (RFC 5652); this module takes them apart and checks the signature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pipeline.apple.signing.der import envelope
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.trust import ECDSA, MOST_CERTIFICATES, RSA_PKCS1, signature_holds
from pipeline.values import dataclass

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_SIGNING_TIME = "1.2.840.113549.1.9.5"
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
    "1.2.840.10045.4.3.2": (ECDSA, "sha256"),
    "1.2.840.10045.4.3.3": (ECDSA, "sha384"),
    "1.2.840.10045.4.3.4": (ECDSA, "sha512"),
}
_SET = b"\x31"


@dataclass(frozen=True)
class SignedMessage:
    """Content, and what a signature says about it.

    Attributes:
        content: what was signed.
        certificates: DER of the certificates that came along.
        signer: DER of the signer's own certificate; empty when it did not come along.
        signed_at: when, as the signer says (aware, UTC).
        intact: whether content and signature belong together and the signer's key made the signature; None when that
            could not be found out.
        why: the reason, unless it is intact.
    """

    content: bytes
    certificates: tuple[bytes, ...] = ()
    signer: bytes = b""
    signed_at: datetime | None = None
    intact: bool | None = None
    why: str = ""


def read_signed(data: bytes) -> SignedMessage:
    """Take CMS signed data apart and check its one signature.

    Raises:
        SigningFault: the bytes are no CMS signed data, or hold no content.
    """
    from asn1crypto import cms

    try:
        outer = cms.ContentInfo.load(data)
        if outer["content_type"].dotted != _SIGNED_DATA:
            raise SigningFault("The data is not CMS signed data", why=f"it is {outer['content_type'].native}")
        return _signed_message(outer["content"])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as fault:
        why = str(fault).strip().splitlines()
        raise SigningFault("The data is not CMS signed data", why=why[0] if why else "") from fault


def _signed_message(signed: Any) -> SignedMessage:
    content = signed["encap_content_info"]["content"].native
    if not isinstance(content, bytes):
        raise SigningFault("The CMS signed data holds no content", why="the signature is detached")
    certificates = tuple(
        choice.dump() for _, choice in zip(range(MOST_CERTIFICATES), signed["certificates"], strict=False)
    )
    told = SignedMessage(content, certificates)
    if len(signed["signer_infos"]) != 1:
        return replace(told, why=f"it has {len(signed['signer_infos'])} signatures; Apple's has one")
    info = signed["signer_infos"][0]
    attributes = _attributes(info["signed_attrs"])
    signed_at = attributes.get(_SIGNING_TIME)
    told = replace(
        told,
        signer=_signer(info["sid"], certificates),
        signed_at=signed_at.astimezone(UTC) if isinstance(signed_at, datetime) else None,
    )
    intact, why = _judge(signed["encap_content_info"], info, attributes, told)
    return replace(told, intact=intact, why=why)


def _judge(enclosed: Any, info: Any, attributes: Mapping[str, object], told: SignedMessage) -> tuple[bool | None, str]:
    """Whether the message is intact, in the order of RFC 5652, 5.4 and 5.6, and the reason when it is not."""
    digest = _DIGESTS.get(info["digest_algorithm"]["algorithm"].dotted, "")
    family, own_digest = _SIGNATURES.get(info["signature_algorithm"]["algorithm"].dotted, ("", ""))
    if not digest or not family:
        return None, "its algorithm is none that Apple uses"
    if not attributes:
        return None, "it has no signed attributes; Apple's has"
    if attributes.get(_CONTENT_TYPE) != enclosed["content_type"].dotted:
        return False, "the type of its content is not the one that was signed"
    if attributes.get(_MESSAGE_DIGEST) != hashlib.new(digest, told.content, usedforsecurity=False).digest():
        return False, "its content is not what was signed"
    if not told.signer:
        return None, "the signer's certificate did not come along"
    # The attributes are sent with an implicit tag and signed as the SET they are (RFC 5652, 5.4).
    message = _SET + info["signed_attrs"].dump()[1:]
    key = envelope(told.signer).public_key
    if not signature_holds(key, family, own_digest or digest, info["signature"].native, message):
        return False, "the signature was not made with the signer's key"
    return True, ""


def _signer(identifier: Any, certificates: tuple[bytes, ...]) -> bytes:
    from asn1crypto import x509

    for der in certificates:
        if identifier.name == "subject_key_identifier":
            if x509.Certificate.load(der).key_identifier == identifier.native:
                return der
            continue
        try:
            shape = envelope(der)
        except SigningFault:
            continue
        named = identifier.chosen
        if shape.issuer == named["issuer"].dump() and shape.serial == named["serial_number"].native:
            return der
    return b""


def _attributes(attributes: Any) -> dict[str, object]:
    """The value of each attribute; one that is there twice or has several values counts as absent (RFC 5652, 11)."""
    found: dict[str, object] = {}
    twice: set[str] = set()
    for attribute in attributes:
        name = attribute["type"].dotted
        if name in found or len(attribute["values"]) != 1:
            twice.add(name)
            continue
        value = attribute["values"][0]
        found[name] = value.dotted if name == _CONTENT_TYPE else value.native
    return {name: value for name, value in found.items() if name not in twice}
