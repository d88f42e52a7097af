""".p12 files as OpenSSL, the Keychain and others write them, and as nobody should."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from asn1crypto import algos, core, pkcs12
from cryptography.hazmat.primitives.serialization import pkcs12 as pfx

from pipeline.apple.signing.certificates import read_certificate
from pipeline.apple.signing.material import (
    Fault,
    KeyedIdentity,
    Unopened,
    open_identities,
    to_p12,
)
from tests.rooms.signing.wallet import (
    DISTRIBUTION,
    PASSWORD,
    certificate_bag,
    clear,
    encrypted,
    faults,
    file_of,
    key_bag,
    locked_key_bag,
    names,
    no_identity,
    openssl,
    pair,
    pbes2,
    read,
    small_pair,
    the_fault,
    written,
)

RC2 = ("-legacy", "-keypbe", "PBE-SHA1-RC2-40", "-certpbe", "PBE-SHA1-RC2-40")
OLD = ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1")
WAYS = {
    "today's": (),
    "old": OLD,
    "keychain's": ("-legacy",),
    "RC2": RC2,
    "RC2 with 128 bits": ("-legacy", "-keypbe", "PBE-SHA1-RC2-128", "-certpbe", "PBE-SHA1-RC2-128"),
    "two keys of DES": ("-keypbe", "PBE-SHA1-2DES", "-certpbe", "PBE-SHA1-2DES"),
    "AES-128 and SHA-512": ("-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC", "-macalg", "sha512"),
    "clear": ("-keypbe", "NONE", "-certpbe", "NONE"),
    "without MAC": ("-nomac",),
    "many rounds": ("-iter", "20000"),
}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_a_p12_of_openssl(tmp_path: Path, options: tuple[str, ...]) -> None:
    data = written(tmp_path, pair(), *options)
    assert names(read(data, "another", PASSWORD)) == [(DISTRIBUTION, True)]
    (identity,) = open_identities(data, ["another", PASSWORD])
    assert identity.certificate.der == pair().cer
    assert identity.key == pair().key


@pytest.mark.parametrize("options", [WAYS[each] for each in WAYS if each not in {"clear", "without MAC"}])
def test_a_wrong_password_is_told_as_such(tmp_path: Path, options: tuple[str, ...]) -> None:
    data = written(tmp_path, pair(), *options)
    assert the_fault(data, "wrong", "wronger").fault is Fault.WRONG_PASSWORD
    assert the_fault(data).fault is the_fault(data, "").fault is Fault.PASSWORD_NEEDED
    assert no_identity(data, "wrong") is Fault.WRONG_PASSWORD
    assert no_identity(data) is Fault.PASSWORD_NEEDED


def test_a_wrong_password_for_the_key_alone(tmp_path: Path) -> None:
    for options in (WAYS["without MAC"], ("-nomac", "-certpbe", "AES-256-CBC")):
        data = written(tmp_path, pair(), *options)
        assert names(read(data, PASSWORD)) == [(DISTRIBUTION, True)]
        for passwords, fault in (((), Fault.PASSWORD_NEEDED), (("wrong",), Fault.WRONG_PASSWORD)):
            found = read(data, *passwords)
            assert faults(found) == [fault]
            assert {keyed for _, keyed in names(found)} <= {None}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_an_empty_password_needs_none(tmp_path: Path, options: tuple[str, ...]) -> None:
    data = written(tmp_path, pair(), *options, password="")
    assert names(read(data)) == names(read(data, "some")) == [(DISTRIBUTION, True)]


def test_no_password_is_not_the_empty_one() -> None:
    content = pkcs12.AuthenticatedSafe([clear(certificate_bag(pair().cer), key_bag(pair().key))]).dump()
    for secret in (b"", b"\0\0"):  # RFC 7292, B.1: an empty password has an end, no password has nothing
        from pipeline.apple.signing.encryption import Effort, derived

        key = derived(secret, b"saltsalt", 3, 2, 20, digest="sha1", effort=Effort())
        digest = hmac.new(key, content, hashlib.sha1).digest()
        whole = pkcs12.Pfx(
            {
                "version": "v3",
                "auth_safe": {"content_type": "data", "content": core.OctetString(content)},
                "mac_data": {
                    "mac": {"digest_algorithm": {"algorithm": "sha1"}, "digest": digest},
                    "mac_salt": b"saltsalt",
                    "iterations": 2,
                },
            }
        ).dump()
        assert pfx.load_key_and_certificates(whole, None)[0] is not None
        assert names(read(whole)) == [(DISTRIBUTION, True)]


def test_certificates_without_a_key(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(pair().pem + pair(1, "Other").pem)
    openssl(tmp_path, "pkcs12", "-export", "-nokeys", "-in", "a.pem", "-out", "a.p12", "-passout", "pass:x")
    data = (tmp_path / "a.p12").read_bytes()
    assert names(read(data, "x")) == [(DISTRIBUTION, False), ("Other", False)]
    assert no_identity(data, "x") is Fault.NO_KEY


def test_separate_passwords_for_seal_and_content() -> None:
    """As `openssl pkcs12 -twopass` makes them."""
    data = file_of(clear(certificate_bag(pair().cer), locked_key_bag(pair().locked("inner"))), mac="outer")
    assert names(read(data, "outer", "inner")) == names(read(data, "inner", "outer")) == [(DISTRIBUTION, True)]
    found = read(data, "outer")
    assert names(found) == [(DISTRIBUTION, None)]
    assert faults(found) == [Fault.WRONG_PASSWORD]


@pytest.mark.parametrize("hidden", [False, True], ids=["clear", "encrypted"])
def test_several_keys_and_certificates(*, hidden: bool) -> None:
    held = [pair(), pair(1, "Second"), small_pair()]
    strangers = pair(2, "Keyless")
    bags = [certificate_bag(each.cer) for each in (*held, strangers)]
    keys = [locked_key_bag(held[0].locked()), key_bag(held[1].key), locked_key_bag(held[2].locked())]
    data = file_of((encrypted if hidden else clear)(*bags, *reversed(keys)))
    pfx.load_pkcs12(data, PASSWORD.encode())  # it is one that others open, too
    assert names(read(data, PASSWORD)) == [(DISTRIBUTION, True), ("Second", True), ("Small", True), ("Keyless", False)]
    opened = open_identities(data, [PASSWORD])
    assert [each.key for each in opened] == [each.key for each in held]


def test_a_key_that_fits_no_certificate() -> None:
    data = file_of(clear(certificate_bag(pair().cer), key_bag(pair(1, "Second").key)))
    certificate, key = read(data, PASSWORD)
    assert certificate.keyed is False
    assert (key.key_only, key.fault) == (True, Fault.FOREIGN_KEY)
    assert key.public_key_sha256 == read_certificate(pair(1, "Second").cer).public_key_sha256
    assert no_identity(data, PASSWORD) is Fault.FOREIGN_KEY


def test_bags_inside_bags() -> None:
    bag = pkcs12.SafeBag({"bag_id": "safe_contents", "bag_value": pkcs12.SafeContents([key_bag(pair().key)])})
    assert names(read(file_of(clear(certificate_bag(pair().cer), bag)), PASSWORD)) == [(DISTRIBUTION, True)]
    for _ in range(6):
        bag = pkcs12.SafeBag({"bag_id": "safe_contents", "bag_value": pkcs12.SafeContents([bag])})
    assert the_fault(file_of(clear(bag)), PASSWORD).fault is Fault.UNREADABLE


@pytest.mark.parametrize("rounds", [0, 2_000_001, 2**31 - 1, 2**64])
def test_rounds_without_end_are_not_begun(rounds: int) -> None:
    assert the_fault(file_of(clear(), mac=PASSWORD, rounds=rounds or 2**40), PASSWORD).fault is Fault.UNREADABLE
    info = {"encryption_algorithm": pbes2(rounds), "encrypted_data": bytes(32)}
    bomb = pkcs12.EncryptedPrivateKeyInfo(info).dump()
    assert the_fault(bomb, PASSWORD).fault is Fault.UNREADABLE
    for part in (clear(certificate_bag(pair().cer), locked_key_bag(bomb)), encrypted(locked_key_bag(bomb))):
        assert faults(read(file_of(part), PASSWORD)) == [Fault.UNREADABLE]


@pytest.mark.parametrize(("size", "fault"), [(32, None), (20, None), (19, Fault.UNREADABLE), (None, Fault.UNREADABLE)])
def test_a_p12_by_rfc_9579(size: int | None, fault: Fault | None) -> None:
    content = pkcs12.AuthenticatedSafe([clear(certificate_bag(pair().cer), key_bag(pair().key))]).dump()
    function = algos.KdfAlgorithm(
        {
            "algorithm": "pbkdf2",
            "parameters": algos.Pbkdf2Params(
                {
                    "salt": algos.Pbkdf2Salt(name="specified", value=b"saltsalt"),
                    "iteration_count": 3,
                    "key_length": size,
                    "prf": {"algorithm": "sha256"},
                }
            ),
        }
    )
    scheme = algos.HmacAlgorithm({"algorithm": "sha512"})
    both = core.SequenceOf([function, scheme], spec=core.Any)
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"saltsalt", 3, size or 64)
    name = algos.DigestAlgorithmId("1.2.840.113549.1.5.14")
    mac = {
        "mac": {
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": name, "parameters": core.Any(both)}),
            "digest": hmac.new(key, content, hashlib.sha512).digest(),
        },
        "mac_salt": b"NOT USED",
        "iterations": 1,
    }
    auth = {"content_type": "data", "content": core.OctetString(content)}
    data = pkcs12.Pfx({"version": "v3", "auth_safe": auth, "mac_data": mac}).dump()
    if fault:
        assert the_fault(data, PASSWORD).fault is fault
        return
    assert names(read(data, PASSWORD)) == [(DISTRIBUTION, True)]
    assert the_fault(data, "wrong").fault is Fault.WRONG_PASSWORD


def test_lengths_that_are_not_told_in_advance() -> None:
    """BER, as some tools write a .p12: elements that end where two zeros stand."""
    data = file_of(encrypted(certificate_bag(pair().cer)), clear(locked_key_bag(pair().locked())))
    assert data[:2] == b"\x30\x82"
    assert names(read(b"\x30\x80" + data[4:] + b"\0\0", PASSWORD)) == [(DISTRIBUTION, True)]


def test_a_p12_is_written_for_every_mac(tmp_path: Path) -> None:
    identity = KeyedIdentity(read_certificate(pair().cer), pair().key)
    data = to_p12(identity, PASSWORD)
    assert open_identities(data, [PASSWORD]) == (identity,)
    told = pfx.load_pkcs12(data, PASSWORD.encode())
    assert told.cert is not None
    assert told.cert.friendly_name == DISTRIBUTION.replace("🚀", "").encode()
    (tmp_path / "a.p12").write_bytes(data)
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    openssl(tmp_path, "pkcs12", "-in", "a.p12", "-noout", "-passin", "file:password")
    structure = pkcs12.Pfx.load(data)
    assert structure["mac_data"]["mac"]["digest_algorithm"]["algorithm"].native == "sha1"
    for part in structure.authenticated_safe:
        assert (
            part["content_type"].native == "encrypted_data"
            or b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03" in part.dump()
        )
        if part["content_type"].native == "encrypted_data":
            inner = part["content"]["encrypted_content_info"]["content_encryption_algorithm"]
            assert inner["algorithm"].native == "pkcs12_sha1_tripledes_3key"


def test_a_p12_that_cannot_be_written() -> None:
    certificate = read_certificate(pair().cer)
    for identity, password in (
        (KeyedIdentity(certificate, pair().key), ""),
        (KeyedIdentity(certificate, pair().key[:-5]), PASSWORD),
        (KeyedIdentity(certificate, pair(1, "Second").key), PASSWORD),
    ):
        with pytest.raises(Unopened):
            to_p12(identity, password)
