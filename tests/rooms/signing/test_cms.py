"""One reader for all CMS: content inside or beside it, one signer or several, and what Apple signs along."""

from __future__ import annotations

import hashlib
import plistlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.cms import MOST_SIGNERS, SIZE_LIMIT, read_signed
from pipeline.apple.signing.der import children, element
from pipeline.apple.signing.faults import SigningFault
from pipeline.simulator.authority import Authority, Kind
from tests.rooms.signing.forge import DISTRIBUTION, NOW, PROFILE_SIGNER, STRANGER, WWDR, Forged

CONTENT = b"what was signed"
APPLE = "1.2.840.113635.100."


def attribute(kind: str, *values: Any) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": kind, "values": list(values)})


def raw_attribute(dotted: str, *values: bytes) -> bytes:
    return tlv(0x30, core.ObjectIdentifier(dotted).dump(), tlv(0x31, *values))


def tlv(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    return bytes((tag, 0x83)) + len(body).to_bytes(3, "big") + body


def signer(
    who: Forged,
    content: bytes = CONTENT,
    *,
    extra: tuple[bytes, ...] = (),
    unsigned: tuple[bytes, ...] = (),
    by_key: bool = False,
    bare: bool = False,
    digest: str = "sha256",
) -> bytes:
    """One SignerInfo, DER, with the usual attributes and more."""
    attributes = b"".join(
        (
            attribute("content_type", "data").dump(),
            attribute("signing_time", cms.Time({"utc_time": NOW})).dump(),
            attribute("message_digest", hashlib.new(digest, content).digest()).dump(),
            *extra,
        )
    )
    hashing = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[digest]
    covered = content if bare else tlv(0x31, attributes)
    leaf = asn1.Certificate.load(who.der)
    named = (
        tlv(0x80, read_certificate(who.der).key_identifier)
        if by_key
        else cms.IssuerAndSerialNumber({"issuer": leaf.issuer, "serial_number": leaf.serial_number}).dump()
    )
    return tlv(
        0x30,
        core.Integer(1).dump(),
        named,
        algos.DigestAlgorithm({"algorithm": digest}).dump(),
        b"" if bare else tlv(0xA0, attributes),
        algos.SignedDigestAlgorithm({"algorithm": f"{digest}_ecdsa"}).dump(),
        core.OctetString(who.key.sign(covered, ec.ECDSA(hashing))).dump(),
        tlv(0xA1, *unsigned) if unsigned else b"",
    )


def signed_data(
    *signers: bytes,
    inside: bytes | None = CONTENT,
    others: tuple[Forged, ...] = (PROFILE_SIGNER, DISTRIBUTION, WWDR),
    kind: str = "1.2.840.113549.1.7.1",
) -> bytes:
    enclosed = tlv(0xA0, core.OctetString(inside).dump()) if inside is not None else b""
    body = tlv(
        0x30,
        core.Integer(1).dump(),
        tlv(0x31, algos.DigestAlgorithm({"algorithm": "sha256"}).dump()),
        tlv(0x30, core.ObjectIdentifier(kind).dump(), enclosed),
        tlv(0xA0, *(each.der for each in others)),
        tlv(0x31, *signers),
    )
    return tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.2").dump(), tlv(0xA0, body))


def test_attached() -> None:
    message = read_signed(signed_data(signer(PROFILE_SIGNER)))
    assert message.content == CONTENT
    assert message.certificates == (PROFILE_SIGNER.der, DISTRIBUTION.der, WWDR.der)
    only = message.only
    assert (only.intact, only.why, only.certificate, only.signed_at) == (True, "", PROFILE_SIGNER.der, NOW)
    assert (only.bare, only.cdhashes, only.cdhash_digests, only.timestamp) == (False, None, None, b"")


def test_detached() -> None:
    data = signed_data(signer(PROFILE_SIGNER), inside=None)
    assert read_signed(data, CONTENT).only.intact is True
    assert read_signed(data, CONTENT).content == CONTENT
    assert read_signed(data, b"else").only.why == "its content is not what was signed"
    with pytest.raises(SigningFault, match="holds no content"):
        read_signed(data)


def test_attached_although_it_should_be_detached() -> None:
    data = signed_data(signer(PROFILE_SIGNER))
    assert read_signed(data, CONTENT).only.intact is True
    assert read_signed(data, b"else").only.why == "its content is not what it should have been made over"


def test_zeros_after_it_are_passed_over() -> None:
    assert read_signed(signed_data(signer(PROFILE_SIGNER)) + bytes(5_000)).only.intact is True


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_digests(digest: str) -> None:
    assert read_signed(signed_data(signer(PROFILE_SIGNER, digest=digest))).only.intact is True


def test_each_of_several_signers_is_told_apart() -> None:
    message = read_signed(
        signed_data(signer(PROFILE_SIGNER), signer(DISTRIBUTION, b"else"), signer(STRANGER), signer(DISTRIBUTION))
    )
    assert [each.intact for each in message.signatures] == [True, False, None, True]
    assert [each.why for each in message.signatures][1:3] == [
        "its content is not what was signed",
        "the signer's certificate did not come along",
    ]
    assert [each.certificate for each in message.signatures] == [
        PROFILE_SIGNER.der,
        DISTRIBUTION.der,
        b"",
        DISTRIBUTION.der,
    ]
    assert (message.only.intact, message.only.why) == (None, "it has 4 signatures; Apple's has one")


def test_no_signer_and_too_many() -> None:
    assert read_signed(signed_data()).only.why == "it has 0 signatures; Apple's has one"
    with pytest.raises(SigningFault, match="too many signers"):
        read_signed(signed_data(*[signer(PROFILE_SIGNER)] * (MOST_SIGNERS + 1)))


def test_a_signer_named_by_key_identifier() -> None:
    made = Authority(None, NOW).issue(Kind.DISTRIBUTION, team_id="ABCDE12345", organization="x")
    who = Forged(x509.load_der_x509_certificate(made.certificate), made.key)
    named = signer(who, by_key=True)
    assert read_signed(signed_data(named, others=(WWDR, who))).only.intact is True
    assert read_signed(signed_data(named)).only.why == "the signer's certificate did not come along"


def test_signed_without_attributes() -> None:
    only = read_signed(signed_data(signer(PROFILE_SIGNER, bare=True))).only
    assert (only.intact, only.bare, only.signed_at) == (True, True, None)
    only = read_signed(signed_data(signer(PROFILE_SIGNER, b"else", bare=True))).only
    assert only.why == "the signature was not made with the signer's key"


def test_without_attributes_only_plain_data_can_be_signed() -> None:
    """What was once signed as attributes could otherwise be passed off as content (RFC 5652, 5.3)."""
    data = signed_data(signer(PROFILE_SIGNER, bare=True), kind="1.2.840.113549.1.9.16.1.4")
    assert read_signed(data).only.why == "the type of its content was not signed"


def test_the_type_of_the_content_is_signed() -> None:
    data = signed_data(signer(PROFILE_SIGNER), kind="1.2.840.113549.1.9.16.1.4")
    assert read_signed(data).only.why == "the type of its content is not the one that was signed"


@pytest.mark.parametrize("kind", ["message_digest", "signing_time", "content_type"])
def test_an_attribute_that_is_there_twice(kind: str) -> None:
    values = {
        "message_digest": hashlib.sha256(b"else").digest(),
        "signing_time": cms.Time({"utc_time": datetime(2020, 1, 1, tzinfo=UTC)}),
        "content_type": "data",
    }
    again = attribute(kind, values[kind]).dump()
    only = read_signed(signed_data(signer(PROFILE_SIGNER, extra=(again,)))).only
    assert (only.intact, only.why) == (False, "it holds a signed attribute twice")


def test_apples_own_attributes() -> None:
    listed = plistlib.dumps({"cdhashes": [b"a" * 20, b"b" * 20]})
    sha1, sha256 = core.ObjectIdentifier("1.3.14.3.2.26"), core.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
    digests = (
        tlv(0x30, sha1.dump(), core.OctetString(b"a" * 20).dump()),
        tlv(0x30, sha256.dump(), core.OctetString(b"b" * 32).dump()),
    )
    extra = (
        raw_attribute(APPLE + "9.1", core.OctetString(listed).dump()),
        raw_attribute(APPLE + "9.2", *digests),
    )
    only = read_signed(signed_data(signer(DISTRIBUTION, extra=extra), inside=None), CONTENT).only
    assert only.intact is True
    assert only.cdhashes == listed
    assert only.cdhash_digests == (("1.3.14.3.2.26", b"a" * 20), ("2.16.840.1.101.3.4.2.1", b"b" * 32))


def test_a_timestamp_stays_readable() -> None:
    token = signed_data(signer(PROFILE_SIGNER), kind="1.2.840.113549.1.9.16.1.4")
    unsigned = (raw_attribute("1.2.840.113549.1.9.16.2.14", token),)
    only = read_signed(signed_data(signer(PROFILE_SIGNER, unsigned=unsigned))).only
    assert only.intact is True
    assert only.timestamp == token
    assert read_signed(only.timestamp).content == CONTENT


def as_ber(data: bytes, depth: int = 5) -> bytes:
    """The outermost levels with indefinite lengths, as `codesign` writes them; the content in pieces."""
    told = element(data)
    if told.tag == 0x04 and told.whole == core.OctetString(CONTENT).dump():
        halves = (CONTENT[:5], CONTENT[5:])
        return b"\x24\x80" + b"".join(core.OctetString(half).dump() for half in halves) + b"\0\0"
    inside = children(told, 100) if told.tag & 0x20 else []
    # Certificates and signers stay as they are: signatures are made over their exact bytes.
    if not depth or not inside or told.tag == 0x31 or (told.tag == 0xA0 and len(inside) > 1):
        return told.whole
    return bytes((told.tag, 0x80)) + b"".join(as_ber(each.whole, depth - 1) for each in inside) + b"\0\0"


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_indefinite_lengths(depth: int) -> None:
    loose = as_ber(signed_data(signer(PROFILE_SIGNER)), depth)
    assert loose.startswith(b"\x30\x80")
    assert (b"\x24\x80" in loose) is (depth == 5)
    for data in (loose, loose + bytes(100)):
        message = read_signed(data)
        assert message.content == CONTENT
        assert message.only.intact is True


def test_levels_without_end() -> None:
    for data in (b"\x30\x80" * 5_000, b"\x30\x80" * 20 + b"\0\0" * 20, b"\x30\x80" + b"\x04\x00" * 50_000):
        with pytest.raises(SigningFault):
            read_signed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x00",
        tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.2").dump()),
        tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.1").dump(), tlv(0xA0, core.OctetString(b"x").dump())),
        tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.2").dump(), tlv(0xA0, tlv(0x30))),
        bytes(SIZE_LIMIT + 1),
        signed_data(tlv(0x30, core.Integer(1).dump())),
    ],
)
def test_what_is_no_signed_data(data: bytes) -> None:
    with pytest.raises(SigningFault) as caught:
        read_signed(data)
    assert caught.value.what


def test_content_in_too_many_pieces() -> None:
    held = tlv(0x24, *[core.OctetString(b"x").dump()] * 5_000)
    enclosed = tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.1").dump(), tlv(0xA0, held))
    body = tlv(0x30, core.Integer(1).dump(), tlv(0x31), enclosed, tlv(0x31))
    with pytest.raises(SigningFault, match="pieces"):
        read_signed(tlv(0x30, core.ObjectIdentifier("1.2.840.113549.1.7.2").dump(), tlv(0xA0, body)))


def test_the_real_ones_as_another_reader_sees_them(shared_data: Path) -> None:
    for path in (shared_data / "signing/profiles").iterdir():
        data = path.read_bytes()
        body = cms.ContentInfo.load(data)["content"]
        info = body["signer_infos"][0]
        message = read_signed(data)
        assert message.content == body["encap_content_info"]["content"].native
        assert message.certificates == tuple(each.dump() for each in body["certificates"])
        told = {each["type"].native: each["values"][0].native for each in info["signed_attrs"]}
        assert message.only.signed_at == told["signing_time"]
        leaf = asn1.Certificate.load(message.only.certificate)
        assert leaf.serial_number == info["sid"].native["serial_number"]


DATA = signed_data(signer(PROFILE_SIGNER, unsigned=(raw_attribute("1.2.840.113549.1.9.16.2.14", tlv(0x30)),)))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.9999), st.integers(1, 255)), min_size=1, max_size=4), st.floats(0.3, 1))
def test_damage_is_a_fault_or_noticed(flips: list[tuple[float, int]], kept: float) -> None:
    changed = bytearray(DATA)
    for at, mask in flips:
        changed[int(at * len(DATA))] ^= mask
    try:
        message = read_signed(bytes(changed[: int(kept * len(DATA)) + 1]))
    except SigningFault:
        return
    if message.only.intact:
        assert message.content == CONTENT
        assert message.only.signed_at in (NOW, None)


def test_the_frame_is_not_signed_and_looked_at_all_the_same() -> None:
    good = signed_data(signer(PROFILE_SIGNER))
    version, digests, own = (good.index(each) for each in (b"\x02\x01\x01\x31", b"\x31\x83", b"\x02\x01\x01\x30"))
    assert read_signed(good).only.odd == ""
    for place in (version, own):
        odd = read_signed(good[: place + 2] + b"\x03" + good[place + 3 :]).only
        assert (odd.intact, odd.odd) == (True, "its version is not the one that such signed data has")
    oid = good.index(bytes.fromhex("608648016503040201"), digests) + 8
    odd = read_signed(good[:oid] + b"\x02" + good[oid + 1 :]).only
    assert odd.odd == "its digest algorithm is not among those that it announces"
    assert read_signed(signed_data(signer(PROFILE_SIGNER, by_key=True))).only.odd
    with pytest.raises(SigningFault, match="does not begin as CMS does"):
        read_signed(b"\x31" + good[1:])
