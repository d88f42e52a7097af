"""People with keys, vaults of both kinds, and an age of our own that shares no line with the one that is used."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.ports.vault import Recipient, Vault, VaultChange, VaultFile
from pipeline.vault.opening import new_identity, opened

CANARY = b"canary-of-a-private-key-3f9a1c"


@dataclass(frozen=True)
class Person:
    name: str
    secret: str
    public: str

    @classmethod
    def named(cls, name: str) -> Person:
        return cls(name, *new_identity())

    @property
    def recipient(self) -> Recipient:
        return Recipient(self.name, self.public)


JANE, BOB, EVE = (Person.named(name) for name in ("jane", "bob", "eve"))


def sealed(content: bytes = CANARY, **told: str) -> VaultFile:
    return VaultFile(content, told=told)


def clear(content: bytes = b"a certificate", **told: str) -> VaultFile:
    return VaultFile(content, sealed=False, told=told)


def git(*arguments: str, cwd: Path | None = None, given: bytes = b"") -> str:
    argv = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
    done = subprocess.run(argv, cwd=cwd, input=given, capture_output=True, check=True)
    return done.stdout.decode("latin-1")


def new_place(kind: str, folder: Path, name: str = "team") -> str:
    if kind == "folder":
        return str(folder / f"{name}-vault")
    place = folder / f"{name}.git"
    git("init", "--quiet", "--bare", str(place))
    return f"file://{place}" if kind == "address" else str(place)


def at(place: str, person: Person | None, cache: Path) -> Vault:
    return opened(place, lambda: person.secret if person else None, cache=cache)


def made(place: str, cache: Path, *people: Person, put: dict[str, VaultFile] | None = None) -> Vault:
    """A vault with a first line, opened by the first of the people."""
    vault = at(place, people[0], cache)
    put = put or {"identities/aa.p8": sealed(), "identities/aa.cer": clear(kind="X")}
    vault.publish(VaultChange("", "begin", "jane", put, recipients=tuple(each.recipient for each in people)))
    return vault


def publish(vault: Vault, what: str = "more", **parts: Any) -> str:
    return vault.publish(VaultChange(vault.look().head, what, "jane", **parts))


def files_below(*tops: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for top in tops for path in top.rglob("*") if path.is_file()}


def tampering(place: str, change: Callable[[Path], None], scratch: Path) -> None:
    """Change the files of a vault by hand, whatever it lies in."""
    if not place.endswith(".git"):
        change(Path(place))
        return
    clone = scratch / f"clone-{os.urandom(4).hex()}"
    git("clone", "--quiet", place, str(clone))
    change(clone)
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message", "by hand", cwd=clone)
    git("push", "--quiet", cwd=clone)


# age-encryption.org/v1, written from its specification ----------------------------------------------------------------

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def secret_of(identity: str) -> bytes:
    """The 32 bytes of AGE-SECRET-KEY-1…; the checksum is passed over."""
    digits = [_BECH32.index(each) for each in identity.lower().rpartition("1")[2]][:-6]
    bits = "".join(f"{each:05b}" for each in digits)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, 256, 8))


def decrypted(data: bytes, identity: str) -> bytes:
    header, _, payload = data.partition(b"\n--- ")
    mac, _, payload = payload.partition(b"\n")
    key = _file_key(header.decode("ascii").splitlines(), secret_of(identity))
    wanted = hmac.new(_derived(key, b"", b"header"), header + b"\n---", hashlib.sha256).digest()
    assert hmac.compare_digest(_unpadded(mac.decode()), wanted)
    stream = ChaCha20Poly1305(_derived(key, payload[:16], b"payload"))
    body, content, number = payload[16:], b"", 0
    while True:
        chunk, body = body[: 65536 + 16], body[65536 + 16 :]
        content += stream.decrypt(number.to_bytes(11, "big") + bytes([not body]), chunk, None)
        if not body:
            return content
        number += 1


def _file_key(lines: list[str], secret: bytes) -> bytes:
    assert lines[0] == "age-encryption.org/v1"
    own = X25519PrivateKey.from_private_bytes(secret)
    public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    for line, body in pairwise(lines):
        if line.startswith("-> X25519 "):
            share = _unpadded(line.split()[2])
            shared = own.exchange(X25519PublicKey.from_public_bytes(share))
            wrap = _derived(shared, share + public, b"age-encryption.org/v1/X25519")
            try:
                return ChaCha20Poly1305(wrap).decrypt(bytes(12), _unpadded(body), None)
            except Exception:  # noqa: BLE001 -- the stanza of another recipient
                continue
    raise AssertionError("not for us")


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt or None, info).derive(key)


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
