"""The vault: signing material that a team and its runners share, encrypted for each of them, with a ledger of who
wrote what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Protocol

from pipeline.model import Source, UsageFault
from pipeline.values import dataclass


class Moved(UsageFault):
    """Somebody else wrote to the vault since it was looked at: nothing was written; look again and plan anew."""


@dataclass(frozen=True)
class Recipient:
    """Somebody who can open the vault: a name for people, and an age public key (age1… or an SSH public key)."""

    name: str
    key: str


@dataclass(frozen=True)
class VaultEntry:
    """One file of the vault.

    Attributes:
        path: below the vault, with forward slashes, as it was put there: "identities/<sha1>.p8".
        sealed: whether it is encrypted; certificates are public and are not.
        sha256: of the stored bytes (the ciphertext of a sealed file), lower-case hex.
        size: of the stored bytes.
        told: public facts about it, so that the contents can be listed without a key: team, kind, expiry.
        by: who put its content there, `at` when; encrypting it anew for other people is not putting.
        leavers: names of those who could read this content once and are no recipients any more.
    """

    path: str
    sealed: bool = True
    sha256: str = ""
    size: int = 0
    told: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    at: datetime = datetime.min.replace(tzinfo=UTC)
    leavers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deed:
    """One line of the ledger: who changed what, when. `proved` is whether somebody who could open the vault wrote it;
    None when that cannot be checked without a key. `resealed` are the files that were only encrypted anew.
    """

    number: int
    at: datetime = datetime.min.replace(tzinfo=UTC)
    by: str = ""
    what: str = ""
    put: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    proved: bool | None = None
    resealed: tuple[str, ...] = ()


@dataclass(frozen=True)
class VaultState:
    """A vault at one moment.

    Attributes:
        place: folder or address of the repository; empty when no vault is configured. A vault without a place, but with
            a head, goes with the run: nobody else will ever open it.
        head: digest of the newest ledger line; empty for a vault that does not exist yet.
        openable: whether our own key opens it; `why` says why not.
        problems: what is wrong with it, each a sentence: a file that the ledger does not know or knows otherwise, a
            ledger line that was changed, a ledger older than what was seen here before. A line that nobody with a key
            wrote is told by its deed.
        own: our public key, where we have a key: what the team adds to its recipients.
        looked: False where a vault is configured that was not looked at; `why` says why not.
    """

    place: str = ""
    head: str = ""
    recipients: tuple[Recipient, ...] = ()
    entries: tuple[VaultEntry, ...] = ()
    deeds: tuple[Deed, ...] = ()
    openable: bool = False
    why: str = ""
    problems: tuple[str, ...] = ()
    own: str = ""
    looked: bool = True


@dataclass(frozen=True)
class VaultFile:
    """A file to be put: its content before encryption, whether it is to be encrypted, and what may be told of it."""

    content: bytes = field(repr=False)
    sealed: bool = True
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VaultChange:
    """A change of the vault, whole or not at all.

    Attributes:
        base: the head on which it was planned.
        by: who makes it; where it is empty, the vault says who runs this.
        drop: paths that go; one that is not there is passed over.
        recipients: everybody who can open it from now on; None keeps them. A new set encrypts every file anew.
    """

    base: str = ""
    what: str = ""
    by: str = ""
    put: Mapping[str, VaultFile] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    recipients: tuple[Recipient, ...] | None = None


class Vault(Protocol):
    """A vault in a folder or a git repository."""

    source: Source

    def look(self) -> VaultState:
        """What it holds. Without a configured vault, a state whose `place` is empty.

        Raises:
            UsageFault: the place cannot be read, what is there is no vault, or the repository is out of reach.
        """
        ...

    def read(self, path: str) -> bytes:
        """The decrypted content of an entry, as it was when the vault was looked at last.

        Raises:
            UsageFault: there is no such entry, no key, or it was tampered with.
        """
        ...

    def publish(self, change: VaultChange) -> str:
        """Make the change and return the new head; a change of nothing returns the head as it is.

        Raises:
            Moved: the head is no longer `change.base`.
            UsageFault: it cannot be written: no key, a broken ledger, a damaged file that the change does not mend, a
                path or a recipient that is none; or the repository is out of reach or refuses.
        """
        ...


A_CLONE = "name a clone of the vault with --vault PATH-OF-CLONE/.git"
"""What to do about a vault that was not looked at, because it lies on another machine."""

TRIES = 8
"""How often a change is planned anew because somebody else wrote to the vault meanwhile."""


def changed(vault: Vault, wanted: Callable[[VaultState], VaultChange | None]) -> bool:
    """Make the change that `wanted` asks for, seeing the vault as it is; planned anew when somebody else was faster.

    False when it asks for none. `VaultChange.base` is filled in.

    Raises:
        Moved: others wrote again and again.
        UsageFault: as `Vault.look` and `Vault.publish` do.
    """
    for left in reversed(range(TRIES)):
        state = vault.look()
        change = wanted(state)
        if change is None:
            return False
        try:
            return vault.publish(replace(change, base=state.head)) != state.head
        except Moved:
            if not left:
                raise
    return False


class NoVault:
    """Where no vault is configured."""

    source = Source.LIVE
    changed_by = "NOBODY"

    def look(self) -> VaultState:
        return VaultState()

    def read(self, path: str) -> bytes:
        raise _none(path)

    def publish(self, change: VaultChange) -> str:
        raise _none(change.what)


def _none(what: str) -> UsageFault:
    return UsageFault(
        f"there is no vault for {what}", remedy="name one with --vault, or as `signing: {vault: …}` in config/"
    )
