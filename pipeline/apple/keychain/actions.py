"""What can be changed on a Mac so that it can sign, and how that is taken back."""

from __future__ import annotations

from typing import ClassVar

from pipeline.apple.keychain.facts import counted
from pipeline.model import Action, Risk, late
from pipeline.values import dataclass

SEARCH_LIST = "the keychain search list"


@dataclass(frozen=True)
class InstallIdentities(Action):
    """Put identities into a new keychain, and that into the search list.

    The secrets are read anew from `origins` when the time comes; the keychain's name is made then too.
    """

    risk: ClassVar[Risk] = Risk.REVERSIBLE

    sha1s: tuple[str, ...]
    names: tuple[str, ...]
    origins: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The search list: it is read and written as a whole, so one at a time."""
        return SEARCH_LIST

    def describe(self) -> str:
        return f"install {counted(len(self.sha1s), 'identity')} in a keychain of their own: {', '.join(self.names)}"


@dataclass(frozen=True)
class InstallProfile(Action):
    """Put a provisioning profile where Xcode looks for it. `installation` is the record that remembers it."""

    risk: ClassVar[Risk] = Risk.REVERSIBLE

    uuid: str
    name: str
    file: str
    origin: str
    part: int
    sha256: str
    installation: str = late()

    @property
    def subject(self) -> str:
        """The records: installing and removing must not pass each other."""
        return SEARCH_LIST

    def describe(self) -> str:
        return f"install the profile “{self.name}” ({self.uuid})"


@dataclass(frozen=True)
class RemoveKeychain(Action):
    """Take a keychain of ours away: out of the search list, its file, its profiles, and its record last."""

    risk: ClassVar[Risk] = Risk.REVERSIBLE

    id: str
    why: str

    @property
    def subject(self) -> str:
        """The search list."""
        return SEARCH_LIST

    def describe(self) -> str:
        return f"remove what install {self.id} has put on this Mac: {self.why}"
