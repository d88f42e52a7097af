"""Private keys: all their shapes, damaged ones, and ones that are made to keep a reader busy."""

from __future__ import annotations

import hashlib
import traceback
from pathlib import Path

import pytest
from asn1crypto import core, keys
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.signing import rc2
from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.encryption import Effort, decrypted
from pipeline.apple.signing.keys import new_key, public_key_sha256, read_key, request_for
from pipeline.apple.signing.unopened import Fault, Unopened
from tests.rooms.signing.wallet import lock, openssl, pair, pbes2, small_pair


def der(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat) -> bytes:
    return private.private_bytes(Encoding.DER, form, NoEncryption())


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("held", [pair(), small_pair()], ids=["RSA", "elliptic"])
def test_every_shape_becomes_pkcs8(held: object, form: PrivateFormat) -> None:
    assert read_key(der(held.private, form) + b"\nafter") == held.key  # type: ignore[attr-defined]


def test_the_digest_of_a_key_is_that_of_its_certificate() -> None:
    for held in (pair(), small_pair()):
        assert public_key_sha256(held.key) == read_certificate(held.cer).public_key_sha256


def test_a_new_key_is_what_apple_asks_for() -> None:
    made = load_der_private_key(new_key(), None)
    assert isinstance(made, rsa.RSAPrivateKey)
    assert made.key_size == 2048
    assert made.private_numbers().public_numbers.e == 65_537
    assert new_key() != new_key()


def test_a_request_is_signed_with_the_key_and_bears_the_name() -> None:
    request = x509.load_pem_x509_csr(request_for(pair().key, "Jörg “Ü” 🚀\n\0").encode())
    assert request.is_signature_valid
    assert isinstance(request.signature_hash_algorithm, hashes.SHA256)
    (name,) = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "Jörg “Ü” 🚀"
    public = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(public).hexdigest() == public_key_sha256(pair().key)


@pytest.mark.parametrize(
    ("given_name", "common_name"), [("ü" * 200, "ü" * 32), ("x" * 200, "x" * 64), ("", "Signing"), (" \n ", "Signing")]
)
def test_a_request_has_a_common_name_that_fits(given_name: str, common_name: str) -> None:
    request = x509.load_pem_x509_csr(request_for(small_pair().key, given_name).encode())
    assert [each.value for each in request.subject] == [common_name]


def test_openssl_accepts_the_request(tmp_path: Path) -> None:
    (tmp_path / "a.csr").write_text(request_for(pair().key, "Name"))
    assert b"BEGIN CERTIFICATE REQUEST" in openssl(tmp_path, "req", "-in", "a.csr", "-verify")


def refused(data: bytes, fault: Fault = Fault.UNREADABLE) -> Unopened:
    with pytest.raises(Unopened) as caught:
        read_key(data)
    assert caught.value.fault is fault
    return caught.value


DSA = core.SequenceOf([core.Integer(each) for each in range(6)], spec=core.Integer).dump()


def test_keys_that_apple_does_not_certify_are_told() -> None:
    edwards = ed25519.Ed25519PrivateKey.generate()
    for form in (edwards.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), DSA):
        refused(form, Fault.OTHER_ALGORITHM)


def rsa_of(**changes: int) -> bytes:
    """A key in PKCS #1 with some of its numbers changed."""
    told = keys.RSAPrivateKey.load(der(pair().private, PrivateFormat.TraditionalOpenSSL)).native
    told.pop("other_prime_infos")
    return bytes(keys.RSAPrivateKey({**told, **changes}).dump())


@pytest.mark.parametrize("number", ["modulus", "private_exponent", "prime1", "prime2", "exponent1", "coefficient"])
@pytest.mark.parametrize("value", [0, 1, 3, 2**2047 + 1, 2**9000 + 1])
def test_numbers_that_do_not_belong_together(number: str, value: int) -> None:
    refused(rsa_of(**{number: value}))


def test_large_keys_are_refused_before_any_work() -> None:
    assert "bytes" in refused(rsa_of(modulus=2**200_000 + 1)).why
    assert "8,192 bits" in refused(rsa_of(modulus=2**9_000 + 1)).why


def test_a_curve_by_its_numbers_is_refused() -> None:
    told = keys.PrivateKeyInfo.load(small_pair().key)
    info = {
        "version": 0,
        "private_key_algorithm": {
            "algorithm": "ec",
            "parameters": keys.ECDomainParameters(name="implicit_ca", value=core.Null()),
        },
        "private_key": told["private_key"].parsed,
    }
    refused(keys.PrivateKeyInfo(info).dump(), Fault.OTHER_ALGORITHM)


def test_every_truncation_is_told() -> None:
    for whole in (small_pair().key, der(small_pair().private, PrivateFormat.TraditionalOpenSSL)):
        for end in range(len(whole)):
            refused(whole[:end])


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_bit_is_told_or_makes_another_whole_key(place: int, mask: int) -> None:
    changed = bytearray(pair().key)
    changed[place % len(changed)] ^= mask
    try:
        found = read_key(bytes(changed))
    except Unopened as fault:
        told = "".join(traceback.format_exception(fault))
    else:
        told = ""
        load_der_private_key(found, None)  # proves primes and exponents, unlike the reader; raises when they are not
    assert not any(part in told for part in canaries(pair().key))


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    refused(data)


def canaries(key: bytes) -> list[str]:
    """Pieces of a key as they could show up in a text."""
    middle = key[60:]
    return [middle[:8].hex(), repr(middle[:6])[2:-1], str(middle[:6])[2:-1]]


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=8, max_size=8), st.integers(1, 20), st.data())
def test_rc2_is_that_of_the_specification(key: bytes, vector: bytes, count: int, data: st.DataObject) -> None:
    plain = data.draw(st.binary(min_size=8 * count, max_size=8 * count))
    machine = Cipher(RC2(key), modes.CBC(vector)).encryptor()
    assert rc2.decrypt(key, vector, machine.update(plain) + machine.finalize()) == plain


def test_rc2_by_the_vector_of_the_specification() -> None:
    key = bytes.fromhex("88bca90e90875a7f0f79c384627bafb2")
    assert rc2.decrypt(key, bytes(8), bytes.fromhex("2269552ab0f85ca6")) == bytes(8)


def test_rounds_beyond_reason_are_refused_at_once() -> None:
    for rounds in (0, -1, 2_000_001, 2**31, 2**20_000):
        with pytest.raises(Unopened) as caught:
            decrypted(pbes2(rounds), bytes(32), "x", Effort())
        assert "rounds" in caught.value.why


def test_effort_is_counted_over_all_tries() -> None:
    effort = Effort(5)
    locked = lock(b"plain", rounds=2)
    assert decrypted(pbes2(2), locked, "wrong", effort) != b"plain"
    decrypted(pbes2(2), locked, "wrong", effort)
    with pytest.raises(Unopened):
        decrypted(pbes2(2), locked, "wrong", effort)
