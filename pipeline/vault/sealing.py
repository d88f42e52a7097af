"""Encryption for people: everything sealed is an age file (age-encryption.org/v1), so that plain `age -d` opens it.

The library is loaded when something is sealed or opened, not before.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from pipeline.model import UsageFault
from pipeline.values import dataclass

if TYPE_CHECKING:
    from types import ModuleType

SECRET = "AGE-SECRET-KEY-1"  # noqa: S105 - how such a secret begins
KEY_LIMIT = 64 * 1024
NAME = "SIGNING_VAULT_KEY"
KINDS = "an age key (age1…) or an SSH key (ssh-ed25519 …, ssh-rsa …)"


class NotOurs(UsageFault):
    """None of our keys opens this."""


@dataclass(frozen=True)
class OwnKey:
    """A private key of ours, and the public key that a team adds for it.

    Attributes:
        identities: opaque, of the library; they never leave this process.
        public: as it stands in a list of recipients, without a comment.
    """

    identities: tuple[Any, ...] = field(repr=False, compare=False)
    public: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The public keys, as a person reads them."""
        return ", ".join(self.public)


def _age() -> ModuleType:
    import pyrage

    age: ModuleType = pyrage
    return age


def new_identity() -> tuple[str, str]:
    """A new key: what goes into SIGNING_VAULT_KEY (secret), and what the team adds to the recipients (public)."""
    identity = _age().x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def own_key(text: str) -> OwnKey:
    """The key in a text: lines of AGE-SECRET-KEY-1…, as age-keygen writes them, or an OpenSSH private key.

    Raises:
        UsageFault: it is neither, or it is protected by a passphrase. The text is not repeated.
    """
    if len(text) > KEY_LIMIT:
        raise _unfit("it is too long to be a key")
    if "PRIVATE KEY-----" in text:
        return _of_ssh(text.replace("\r", "").strip() + "\n")
    lines = [line.strip() for line in text.splitlines()]
    secrets = [line for line in lines if line and not line.startswith("#")]
    if not secrets:
        raise _unfit("it holds no key")
    age = _age()
    try:
        identities = tuple(age.x25519.Identity.from_str(line) for line in secrets)
    except (age.IdentityError, UnicodeError):
        raise _unfit("it is neither an age identity nor an OpenSSH private key") from None
    return OwnKey(identities, tuple(str(each.to_public()) for each in identities))


def _of_ssh(text: str) -> OwnKey:
    age = _age()
    try:
        identity = age.ssh.Identity.from_buffer(text.encode("utf-8", "replace"))
    except age.IdentityError as fault:
        told = str(fault)
        if "decrypted first" in told:
            raise _unfit("the SSH key is protected by a passphrase") from None
        if "unsupported" in told:
            raise _unfit("of SSH keys, only Ed25519 and RSA keys can open a vault") from None
        raise _unfit("it is no readable OpenSSH private key") from None
    return OwnKey((identity,), (_public_of_ssh(text),))


def _public_of_ssh(text: str) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_ssh_private_key,
    )

    load = load_ssh_private_key if "OPENSSH" in text else load_pem_private_key
    try:
        public = load(text.encode("utf-8", "replace"), None).public_key()
        return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unfit("it is no readable OpenSSH private key") from None


def _unfit(why: str) -> UsageFault:
    return UsageFault(
        f"{NAME} cannot be used",
        why=why,
        remedy="give the line AGE-SECRET-KEY-1… that age-keygen writes, or an OpenSSH private key without passphrase",
    )


def plain_key(key: str) -> str:
    """A public key as it is compared: without the comment of an SSH key, and without space around it."""
    parts = key.split()
    if key.lstrip().startswith("ssh-"):
        return " ".join(parts[:2])
    return parts[0] if len(parts) == 1 else key.strip()


def fault_of(key: str) -> str:
    """Why nothing can be sealed for this public key; an empty text when it can."""
    try:
        _recipient(key)
    except UsageFault as fault:
        return fault.why
    return ""


def _recipient(key: str) -> Any:
    age = _age()
    plain = plain_key(key)
    if plain.upper().startswith(SECRET) or "PRIVATE KEY" in plain:
        raise UsageFault(
            "a recipient is named by a private key",
            why="it is a private key, and whoever reads it here can open the vault",
            remedy="name the public key (age1…), and make a new key: this one has been shown",
        )
    try:
        if not plain.startswith("ssh-"):
            return age.x25519.Recipient.from_str(plain)
        # The library passes over what follows the length that the key tells of itself.
        binascii.a2b_base64(plain.partition(" ")[2], strict_mode=True)
        return age.ssh.Recipient.from_str(plain)
    except (age.RecipientError, binascii.Error, ValueError):
        raise UsageFault(
            f"nothing can be sealed for {key[:80]!r}",
            why=f"it is not {KINDS}",
            remedy="check the key of this recipient; keys of plugins are not supported",
        ) from None


def seal(content: bytes, keys: Iterable[str]) -> bytes:
    """The content as an age file that each of the keys opens.

    Raises:
        UsageFault: one of them is no public key.
    """
    age = _age()
    sealed: bytes = age.encrypt(content, [_recipient(key) for key in keys])
    return sealed


def unseal(data: bytes, own: OwnKey) -> bytes:
    """The content of an age file.

    Raises:
        NotOurs: it was not sealed for us.
        UsageFault: it is damaged, or no age file.
    """
    age = _age()
    try:
        content: bytes = age.decrypt(data, list(own.identities))
    except age.DecryptError as fault:
        if "No matching keys" in str(fault):
            raise NotOurs("it was not sealed for our key", remedy="ask a recipient to add yours") from None
        raise UsageFault("what is sealed cannot be opened", why=str(fault).splitlines()[0]) from None
    return content


def same_keys(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists name the same people."""
    return {plain_key(key) for key in one} == {plain_key(key) for key in other}
