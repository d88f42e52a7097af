"""Keys, certificates and .p12 files for tests: by OpenSSL where it is, and built by hand where no tool builds them."""

from __future__ import annotations

import functools
import hashlib
import hmac
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import algos, cms, core, keys, pkcs12
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.hazmat.primitives.serialization import pkcs12 as pfx
from cryptography.x509.oid import NameOID

from pipeline.apple.signing.encryption import Effort, derived
from pipeline.apple.signing.material import (
    Fault,
    Material,
    Unopened,
    open_identities,
    read_material,
)
from pipeline.apple.signing.trust import Anchors
from tests.rooms.signing.forge import ROOT, profile_content, sign

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = "gänsefüßchen-🪿-canary"
DISTRIBUTION = "Apple Distribution: Jörg „Ü“ [x] 🚀'Q' (ABCDE12345)"


TRUSTED = Anchors().including("Test Root", ROOT.der)
PROFILE = sign(profile_content())


class Pair:
    """A certificate that signs itself, and its key."""

    def __init__(self, name: str, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, ends: datetime) -> None:
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "ABCDE12345"),
            ]
        )
        self.private = private
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(private.public_key())
            .serial_number(1 + len(name))
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(ends)
            .sign(private, hashes.SHA256())
        )
        self.cer = self.certificate.public_bytes(Encoding.DER)
        self.pem = self.certificate.public_bytes(Encoding.PEM)
        self.key = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self.key_pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.old_key_pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def p12(self, password: str = PASSWORD, rounds: int = 2, others: Iterable[Pair] = ()) -> bytes:
        encryption = (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(rounds)
            .key_cert_algorithm(pfx.PBES.PBESv2SHA256AndAES256CBC)
            .hmac_hash(hashes.SHA256())
            .build(password.encode())
        )
        more = [each.certificate for each in others]
        return pfx.serialize_key_and_certificates(b"x", self.private, self.certificate, more, encryption)

    def locked(self, password: str = PASSWORD) -> bytes:
        told = BestAvailableEncryption(password.encode())
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, told)


@functools.cache
def pair(number: int = 0, name: str = DISTRIBUTION, bits: int = 2048, year: int = 2027) -> Pair:
    return Pair(name, rsa.generate_private_key(65_537, bits), datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC))


@functools.cache
def small_pair(number: int = 0) -> Pair:
    return Pair("Small", ec.generate_private_key(ec.SECP256R1()), NOW + timedelta(days=300))


def openssl(folder: Path, *arguments: str) -> bytes:
    """Run OpenSSL, whose file-making is not ours; the test is skipped where it is absent or does not know the option."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("OpenSSL's command is not here")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, check=False)
    if done.returncode and (b"legacy" in done.stderr or b"unsupported" in done.stderr or b"nknown" in done.stderr):
        pytest.skip(f"this OpenSSL cannot do that: {done.stderr[:200]!r}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def written(folder: Path, held: Pair, *options: str, password: str = PASSWORD) -> bytes:
    (folder / "a.pem").write_bytes(held.pem + held.key_pem)
    (folder / "password").write_text(password + "\n", encoding="utf-8")
    openssl(folder, "pkcs12", "-export", "-in", "a.pem", "-out", "a.p12", "-passout", "file:password", *options)
    return (folder / "a.p12").read_bytes()


def certificate_bag(der: bytes) -> pkcs12.SafeBag:
    value = pkcs12.CertBag({"cert_id": "x509", "cert_value": core.ParsableOctetString(der)})
    return pkcs12.SafeBag({"bag_id": "cert_bag", "bag_value": value})


def key_bag(der: bytes) -> pkcs12.SafeBag:
    return pkcs12.SafeBag({"bag_id": "key_bag", "bag_value": keys.PrivateKeyInfo.load(der)})


def locked_key_bag(der: bytes) -> pkcs12.SafeBag:
    value = keys.EncryptedPrivateKeyInfo.load(der)
    return pkcs12.SafeBag({"bag_id": "pkcs8_shrouded_key_bag", "bag_value": value})


def clear(*bags: pkcs12.SafeBag) -> cms.ContentInfo:
    content = pkcs12.SafeContents(list(bags)).dump()
    return cms.ContentInfo({"content_type": "data", "content": core.OctetString(content)})


def file_of(*parts: cms.ContentInfo, mac: str | None = PASSWORD, rounds: int = 2) -> bytes:
    """A .p12 of these parts, with a MAC by this password; None for no MAC."""
    content = pkcs12.AuthenticatedSafe(list(parts)).dump()
    told: dict[str, object] = {
        "version": "v3",
        "auth_safe": {"content_type": "data", "content": core.OctetString(content)},
    }
    if mac is not None:
        secret = mac.encode("utf-16-be") + b"\0\0"
        key = derived(secret, b"saltsalt", 3, rounds, 20, digest="sha1", effort=Effort()) if rounds < 1000 else b""
        told["mac_data"] = {
            "mac": {
                "digest_algorithm": {"algorithm": "sha1"},
                "digest": hmac.new(key, content, hashlib.sha1).digest(),
            },
            "mac_salt": b"saltsalt",
            "iterations": rounds,
        }
    return bytes(pkcs12.Pfx(told).dump())


def pbes2(rounds: int) -> algos.EncryptionAlgorithm:
    function = {
        "algorithm": "pbkdf2",
        "parameters": algos.Pbkdf2Params(
            {
                "salt": algos.Pbkdf2Salt(name="specified", value=b"saltsalt"),
                "iteration_count": rounds,
                "prf": {"algorithm": "sha256"},
            }
        ),
    }
    scheme = {"algorithm": "aes256_cbc", "parameters": core.OctetString(bytes(16))}
    parameters = algos.Pbes2Params({"key_derivation_func": function, "encryption_scheme": scheme})
    return algos.EncryptionAlgorithm({"algorithm": "pbes2", "parameters": parameters})


def lock(data: bytes, rounds: int = 2, password: str = PASSWORD) -> bytes:
    """AES-256 under `pbes2(rounds)`, in the blocks that it has."""
    from cryptography.hazmat.primitives.ciphers import Cipher, modes
    from cryptography.hazmat.primitives.ciphers.algorithms import AES

    key = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", rounds, 32)
    fill = 16 - len(data) % 16
    machine = Cipher(AES(key), modes.CBC(bytes(16))).encryptor()
    return machine.update(data + bytes([fill]) * fill) + machine.finalize()


def encrypted(*bags: pkcs12.SafeBag, rounds: int = 2) -> cms.ContentInfo:
    content = pkcs12.SafeContents(list(bags)).dump()
    inner = {
        "content_type": "data",
        "content_encryption_algorithm": pbes2(rounds),
        "encrypted_content": lock(content),
    }
    told = cms.EncryptedData({"version": "v0", "encrypted_content_info": inner})
    return cms.ContentInfo({"content_type": "encrypted_data", "content": told})


def read(data: bytes, *passwords: str) -> tuple[Material, ...]:
    return read_material(data, "here", passwords, TRUSTED)


def names(found: Sequence[Material]) -> list[tuple[str, bool | None]]:
    return [(each.certificate.subject_name, each.keyed) for each in found if each.certificate]


def faults(found: Sequence[Material]) -> list[Fault]:
    return [each.fault for each in found if each.fault]


def the_fault(data: bytes, *passwords: str) -> Material:
    (told,) = read(data, *passwords)
    assert told.fault
    assert told.why
    return told


def no_identity(data: bytes, *passwords: str) -> Fault:
    with pytest.raises(Unopened) as caught:
        open_identities(data, passwords)
    return caught.value.fault


def tar(files: dict[str, bytes], kind: str = "w:gz") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=kind) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return made.getvalue()


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


Packer = Callable[[dict[str, bytes]], bytes]
PACKERS: dict[str, Packer] = {"zip": packed, "tar.gz": tar, "tar": lambda files: tar(files, "w:")}
