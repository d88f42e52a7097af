"""Signing material in every shape people keep it: PEM, DER, base64, profiles; and what is none of our business."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.apple.signing.certificates import CertificateKind, read_certificate
from pipeline.apple.signing.material import (
    Fault,
    open_identities,
    open_keys,
    part_of,
    pretends,
    read_material,
    request_for,
    to_p12,
)
from pipeline.apple.signing.profiles import Seal
from pipeline.apple.signing.trust import APPLE_ROOTS
from tests.rooms.signing.forge import profile_content, sign
from tests.rooms.signing.wallet import (
    DISTRIBUTION,
    PASSWORD,
    PROFILE,
    Pair,
    faults,
    names,
    no_identity,
    openssl,
    pair,
    read,
    small_pair,
    tar,
    the_fault,
    written,
)


def test_keys_and_certificates_in_any_order() -> None:
    second = pair(1, "Second")
    text = b"\r\n".join(
        [second.key_pem, pair().pem, b"# a remark", second.pem, pair().old_key_pem, pair(2, "Keyless").pem]
    )
    assert names(read(text)) == [(DISTRIBUTION, True), ("Second", True), ("Keyless", False)]
    assert {each.key for each in open_identities(text, [])} == {pair().key, second.key}


@pytest.mark.parametrize(
    "options",
    [
        ("pkcs8", "-topk8"),
        ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES"),
        ("pkcs8", "-topk8", "-v2", "des3"),
        ("rsa", "-traditional", "-aes256"),
        ("rsa", "-traditional", "-aes128"),
        ("rsa", "-traditional", "-des3"),
    ],
    ids=" ".join,
)
def test_encrypted_keys(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "key.pem").write_bytes(pair().key_pem)
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    key = openssl(tmp_path, options[0], "-in", "key.pem", "-passout", "file:password", *options[1:])
    assert b"ENCRYPTED" in key
    for text in (key + pair().pem, pair().pem + key):
        assert names(read(text, "x", PASSWORD)) == [(DISTRIBUTION, True)]
        for passwords, fault in (((), Fault.PASSWORD_NEEDED), (("x", "y"), Fault.WRONG_PASSWORD)):
            found = read(text, *passwords)
            assert names(found) == [(DISTRIBUTION, None)]
            assert faults(found) == [fault]
            assert no_identity(text, *passwords) is fault
    assert open_keys(key, [PASSWORD]) == (pair().key,)


def test_openssls_remarks_are_passed_over(tmp_path: Path) -> None:
    written(tmp_path, pair())
    text = openssl(tmp_path, "pkcs12", "-in", "a.p12", "-passin", "file:password", "-nodes")
    assert text.startswith(b"Bag Attributes")
    assert names(read(text)) == [(DISTRIBUTION, True)]
    listing = openssl(tmp_path, "x509", "-in", "a.pem", "-text")
    assert names(read(listing)) == [(DISTRIBUTION, False)]
    bundle = openssl(tmp_path, "crl2pkcs7", "-nocrl", "-certfile", "a.pem")
    assert names(read(bundle)) == [(DISTRIBUTION, False)]


def test_a_key_alone() -> None:
    for data in (pair().key, pair().key_pem, pair().old_key_pem):
        (told,) = read(data)
        assert (told.key_only, told.keyed, told.fault, told.why) == (True, None, None, "")
        assert told.public_key_sha256 == read_certificate(pair().cer).public_key_sha256
        assert no_identity(data) is Fault.NO_CERTIFICATE


def test_a_key_for_app_store_connect() -> None:
    (told,) = read(small_pair().key_pem)
    assert told.key_only
    assert told.fault is None
    assert "App Store Connect" in told.why


def test_a_request_is_neither_certificate_nor_fault() -> None:
    text = request_for(pair().key, "Name").encode()
    der = x509.load_pem_x509_csr(text).public_bytes(Encoding.DER)
    for data in (text, der, base64.encodebytes(der)):
        (told,) = read(data)
        assert (told.request, told.certificate, told.fault) == (True, None, None)
        assert told.public_key_sha256 == read_certificate(pair().cer).public_key_sha256


def test_bytes_after_the_end() -> None:
    for after in (b"\n", b"\0" * 7, b"anything"):
        assert names(read(pair().cer + after)) == [(DISTRIBUTION, False)]
        assert names(read(pair().p12() + after, PASSWORD)) == [(DISTRIBUTION, True)]


def armoured(data: bytes) -> list[bytes]:
    """The ways in which base64 lies in secrets."""
    one = base64.b64encode(data)
    lines = base64.encodebytes(data)
    return [
        one,
        lines,
        lines.replace(b"\n", b"\r\n"),
        lines.replace(b"\n", b"\\n"),
        b"\n  " + lines + b"\n\n",
        b'"' + one + b'"',
        one.rstrip(b"="),
        base64.urlsafe_b64encode(data),
        b"data:application/x-pkcs12;base64," + one,
        one + b"\n# and a remark",
        b"\xef\xbb\xbf" + lines,
        lines.decode().encode("utf-16"),
    ]


def test_base64_of_everything() -> None:
    bundle = pair().pem + pair().key_pem
    for data in (pair().p12(), bundle, tar({"a.pem": pair().pem, "b.key": pair().key})):
        for text in armoured(data):
            assert names(read(text, PASSWORD)) == [(DISTRIBUTION, True)], text[:60]
    for text in armoured(PROFILE):
        (told,) = read(text)
        assert told.profile
        assert part_of(text, 0).startswith(PROFILE)


def test_pem_as_it_survives_a_variable() -> None:
    text = pair().pem + pair().key_pem
    for each in (text.replace(b"\n", b"\\n"), text.decode().encode("utf-16"), b"\xef\xbb\xbf" + text, b"  " + text):
        assert names(read(each)) == [(DISTRIBUTION, True)]
    assert names(read(pair().pem.replace(b"\n", b" "))) == [(DISTRIBUTION, False)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-20],
        lambda text: text[: len(text) // 2],
        lambda text: text[:20],
        lambda text: text.replace(b"-----BEGIN", b"----BEGIN"),
        lambda text: text.replace(b"-----BEGIN", b"-----BEGINN"),
        lambda text: text.replace(b"BEGIN CERTIFICATE", b"BEGIN CERTIFICAT"),
        lambda text: text.replace(b"-----END", b"-----EMD"),
        lambda text: text.replace(b"-----\n", b"--\n", 1),
        lambda text: text.replace(b"\nM", b"\n*"),
        lambda text: text.replace(b"A", b"", 1),
        lambda text: text[27:],
        lambda text: b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        lambda text: b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(b"nonsense") + b"-----END CERTIFICATE-----",
    ],
)
def test_damaged_armour(damage: Callable[[bytes], bytes]) -> None:
    assert faults(read(damage(pair().pem))) == [Fault.UNREADABLE]


def test_one_damaged_block_does_not_hide_the_others() -> None:
    found = read(pair().pem[:-20] + b"\n" + pair(1, "Second").pem + pair(1, "Second").key_pem)
    assert ("Second", True) in names(found)
    assert faults(found) == [Fault.UNREADABLE]


README = b"""# Signing
Put your certificate in `certificate.p12`, or paste it:

-----BEGIN CERTIFICATE-----
MIIF...
-----END CERTIFICATE-----

-----BEGIN PRIVATE KEY-----
<your key>
-----END PRIVATE KEY-----
"""


OTHERS = {
    "nothing": b"",
    "a line": b"\n",
    "a digit": b"0",
    "a README": README,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "JSON": b'{"key": 1}',
    "a property list": b"<?xml version='1.0'?><plist><dict/></plist>",
    "a binary property list": b"bplist00" + bytes(40),
    "an old public key": b"0\x82\x01\x0a\x02\x82\x01\x01\x00" + bytes(300),
    "a public key": small_pair().public,
    "PGP": b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBF\n-----END PGP PUBLIC KEY BLOCK-----\n",
    "OpenSSH": b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n",
    "base64": base64.encodebytes(b"hello world, this is nothing at all of interest, whichever way you look at it"),
    "a packed log": gzip.compress(b"a log\n" * 100),
    "age": b"AGE-SECRET-KEY-1" + b"Q" * 58,
}


@pytest.mark.parametrize("data", OTHERS.values(), ids=OTHERS)
def test_what_is_none_of_our_business(data: bytes) -> None:
    assert read(data, PASSWORD) == ()
    assert no_identity(data) is Fault.UNREADABLE


def test_names_that_claim_something() -> None:
    for name in ("a.p12", "A.PFX", "dir/x.Cer", "b.pem", "AuthKey_1.p8", "x.mobileprovision", "x.certSigningRequest"):
        assert pretends(name)
    for name in ("README.md", "p12", "a.p12.txt", "certificate", ""):
        assert not pretends(name)


def test_names_dates_and_languages() -> None:
    strange = Pair(
        "名前 «é» \\\"'`$(x)%s{}[] \u202e🚀", small_pair().private, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    )
    (told,) = read(strange.pem)
    assert told.certificate
    assert told.certificate.not_after == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert told.certificate.subject_name.startswith("名前")
    (opened,) = open_identities(strange.p12(), [PASSWORD])
    assert opened.certificate == told.certificate
    assert open_identities(to_p12(opened, PASSWORD), [PASSWORD]) == (opened,)


def test_ten_thousand_certificates() -> None:
    """All different: the last bytes of the signature are counted up, whatever that does to it."""
    whole = bytearray(small_pair().cer)
    text = bytearray()
    for number in range(10_000):
        whole[-4:] = number.to_bytes(4, "big")
        text += b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(bytes(whole)) + b"-----END CERTIFICATE-----\n"
    found = read(bytes(text))
    assert len(found) == 10_000
    assert {each.keyed for each in found} == {False}


def test_text_that_goes_on_and_on() -> None:
    assert read(b"-" * 3_000_000) == ()
    assert read(b" " * 3_000_000) == ()
    assert faults(read(b"-----BEGIN CERTIFICATE-----\n" * 50_000)) == [Fault.UNREADABLE]
    assert faults(read(b"-----BEGIN A-----END " * 50_000)) == []
    assert read(b"MII" * 1_000_000) == ()


def test_more_certificates_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.apple.signing.finds.MOST_CERTIFICATES", 1)
    found = read(pair().pem + pair().pem + pair(1, "Second").pem + pair(2, "Keyless").pem)
    assert [name for name, _ in names(found)] == [DISTRIBUTION]
    assert faults(found) == [Fault.UNREADABLE]


def test_a_profile() -> None:
    (told,) = read(PROFILE)
    assert told.profile
    assert told.profile.seal is Seal.APPLE
    assert told.profile.path == "here"
    assert told.fault is None


def test_a_profile_without_its_signature() -> None:
    for data in (profile_content(), b"\xef\xbb\xbf" + profile_content()):
        assert the_fault(data).fault is Fault.NOT_SIGNED


def test_other_signed_messages_are_passed_over() -> None:
    settings_for_a_phone = b"<plist><dict><key>PayloadType</key><string>Configuration</string></dict></plist>"
    assert read(sign(settings_for_a_phone)) == read(sign(b"a letter")) == ()


def test_real_profiles_and_certificates(shared_data: Path) -> None:
    for path in sorted((shared_data / "signing/profiles").iterdir()):
        data = path.read_bytes()
        for each in (data, base64.encodebytes(data)):
            (told,) = read_material(each, path.name, [], APPLE_ROOTS)
            assert told.profile
            assert told.profile.uuid
    for path in sorted((shared_data / "signing/certificates").glob("*.cer")):
        (certificate,) = read_material(path.read_bytes(), path.name, [], APPLE_ROOTS)
        assert certificate.certificate
        assert certificate.keyed is False
        assert certificate.certificate.kind in CertificateKind
    for path in sorted((shared_data / "signing/bundles").iterdir()):
        assert read_material(path.read_bytes(), path.name, [], APPLE_ROOTS) == (), path.name
