"""No secret gets out of the reader, and no damage makes it believe in a pair that is none."""

from __future__ import annotations

import base64
import random
import traceback
import zipfile
from collections.abc import Sequence

import pytest
from asn1crypto import cms, core
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.apple.signing.der import envelope
from pipeline.apple.signing.material import (
    Fault,
    Material,
    Unopened,
    open_identities,
    request_for,
)
from tests.rooms.signing.wallet import (
    PASSWORD,
    PROFILE,
    Pair,
    certificate_bag,
    clear,
    encrypted,
    faults,
    file_of,
    key_bag,
    packed,
    pair,
    read,
    small_pair,
    tar,
)

QUICK = settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


def secrets_of(held: Pair) -> list[str]:
    private = held.private.private_numbers()
    number = private.d if isinstance(private, rsa.RSAPrivateNumbers) else private.private_value
    raw = number.to_bytes(-(-number.bit_length() // 8), "big")
    body = held.key_pem.split(b"\n")
    return [
        PASSWORD,
        str(number)[:40],
        hex(number)[2:40],
        repr(raw[4:12])[2:-1],
        base64.b64encode(raw[3:30]).decode(),
        body[-4].decode() if len(body) > 6 else body[2].decode()[:30],
    ]


def test_no_secret_shows() -> None:
    held = pair()
    shapes = [
        held.p12(),
        held.p12("other"),
        held.pem + held.key_pem,
        held.key,
        held.key[:-40],
        held.key_pem[:-50],
        file_of(clear(certificate_bag(held.cer), key_bag(held.key))),
        file_of(clear(key_bag(held.key)))[:-100],
        tar({"a.key": held.key_pem, "b.p12": held.p12()}),
        base64.b64encode(held.key),
    ]
    for data in shapes:
        told = [repr(read(data, PASSWORD)), str(read(data, PASSWORD))]
        try:
            told.append(repr(open_identities(data, [PASSWORD])))
        except Unopened as fault:
            told += [*traceback.format_exception(fault), repr(fault), repr(vars(fault)), fault.remedy]
        for secret in secrets_of(held):
            assert not any(secret in text for text in told)


def believed(data: bytes, passwords: Sequence[str] = (PASSWORD,)) -> tuple[Material, ...]:
    """What is read, after it was proved that every certificate called keyed has a key that signs for it."""
    found = read(data, *passwords)
    keyed = [each.certificate for each in found if each.keyed]
    try:
        opened = open_identities(data, passwords)
    except Unopened:
        opened = ()
    assert keyed == [each.certificate for each in opened]
    for each in opened:
        key = load_der_private_key(each.key, None)
        public = load_der_public_key(envelope(each.certificate.der).public_key)
        if isinstance(key, rsa.RSAPrivateKey) and isinstance(public, rsa.RSAPublicKey):
            public.verify(
                key.sign(b"x", padding.PKCS1v15(), hashes.SHA256()), b"x", padding.PKCS1v15(), hashes.SHA256()
            )
        else:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            assert isinstance(public, ec.EllipticCurvePublicKey)
            public.verify(key.sign(b"x", ec.ECDSA(hashes.SHA256())), b"x", ec.ECDSA(hashes.SHA256()))
    return found


def shapes() -> dict[str, bytes]:
    held = small_pair()
    return {
        "p12": held.p12(rounds=1),
        "clear p12": file_of(clear(certificate_bag(held.cer), key_bag(held.key)), mac=None),
        "encrypted p12": file_of(encrypted(certificate_bag(held.cer), key_bag(held.key)), mac=None),
        "PEM": held.pem + held.key_pem,
        "cer": held.cer,
        "key": held.key,
        "request": request_for(held.key, "x").encode(),
        "base64": base64.encodebytes(held.p12(rounds=1)),
    }


SHAPES = shapes()
PACKED = {
    "zip": packed({"a.cer": small_pair().cer, "b.key": small_pair().key}),
    "stored": packed({"a.cer": small_pair().cer, "b.key": small_pair().key}, zipfile.ZIP_STORED),
    "tar": tar({"a.cer": small_pair().cer, "b.key": small_pair().key}, "w:"),
    "tar.gz": tar({"a.cer": small_pair().cer, "b.key": small_pair().key}),
    "profile": PROFILE,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_truncation(shape: str) -> None:
    whole = SHAPES[shape]
    wanted = {each.keyed for each in believed(whole) if each.certificate}
    for end in range(len(whole)):
        found = read(whole[:end], PASSWORD)
        assert all(each.fault or each.certificate or each.key_only or each.request for each in found)
        if end > 20 and whole[end:].strip() and shape in {"p12", "clear p12", "encrypted p12", "cer", "key"}:
            assert faults(found) == [Fault.UNREADABLE], end
        if any(each.keyed for each in found):
            assert wanted == {True}
            believed(whole[:end])


damage = st.tuples(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 255)), min_size=1, max_size=4), st.booleans()
)


@pytest.mark.parametrize("shape", [*SHAPES, *PACKED])
@QUICK
@given(how=damage)
def test_damage(shape: str, how: tuple[list[tuple[int, int]], bool]) -> None:
    flips, cut = how
    changed = bytearray({**SHAPES, **PACKED}[shape])
    for place, mask in flips:
        changed[place % len(changed)] ^= mask
    believed(bytes(changed[: flips[0][0] % len(changed)] if cut else changed))


def test_every_flip_of_a_clear_p12() -> None:
    """The one shape in which nothing but the comparison of the public keys stands between a key and a certificate."""
    whole = SHAPES["clear p12"]
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << random.Random(place).randrange(8)
        believed(bytes(changed))


@QUICK
@given(st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    for head in (b"", b"0\x82", b"PK\x03\x04", b"\x1f\x8b\x08", b"-----BEGIN CERTIFICATE-----\n"):
        believed(head + data)


@QUICK
@given(st.text(alphabet="-BEGIN DCRTFAPVKY\n MI=\\:", max_size=300))
def test_random_text(text: str) -> None:
    believed(text.encode())


def test_depth() -> None:
    """Elements inside elements, thousands deep, in a shape that makes a reader descend."""
    deep = b"\x30\x80" * 20_000
    head = file_of(clear())[:20]
    assert faults(read(head + deep, PASSWORD)) == [Fault.UNREADABLE]
    nested = core.Null().dump()
    for _ in range(3_000):
        nested = core.Sequence(contents=nested).dump() if len(nested) < 60_000 else nested
    inner = cms.ContentInfo({"content_type": "data", "content": core.OctetString(nested)})
    assert faults(read(file_of(inner), PASSWORD)) in ([Fault.UNREADABLE], [])
