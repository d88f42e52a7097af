"""What can be changed in a vault: what it holds, and who can open it. Nothing is taken out."""

from __future__ import annotations

from typing import ClassVar

from pipeline.model import Action, Risk
from pipeline.values import dataclass
from pipeline.vault.offers import OfferedIdentity, OfferedProfile


@dataclass(frozen=True)
class PublishMaterial(Action):
    """Put what one file or variable holds into the vault: only what the vault lacks.

    Attributes:
        origin: a path, or `$NAME` of a secret. What is secret is read anew from there.
    """

    risk: ClassVar[Risk] = Risk.GUARDED

    place: str
    origin: str
    identities: tuple[OfferedIdentity, ...] = ()
    profiles: tuple[OfferedProfile, ...] = ()

    @property
    def subject(self) -> str:
        """See `Action.subject`."""
        return f"vault {self.place}".rstrip()

    def describe(self) -> str:
        """See `Action.describe`."""
        return f"put {self.what} into the vault"

    @property
    def what(self) -> str:
        """What is put, and where it comes from."""
        names = [f"the identity “{each.name}”" for each in self.identities]
        names += [f"the profile “{each.name}”" for each in self.profiles]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        # The ledger keeps this for everybody, and where it lay on somebody's machine is nobody's business.
        return f"{shown} from {self.origin.rpartition('/')[2] or self.origin}"


@dataclass(frozen=True)
class Reseal(Action):
    """Encrypt the vault for these people and no others; a new vault is made.

    Attributes:
        recipients: (name, public key) of everybody who can open it from then on.
        leaving: names of those who cannot any more.
        new: whether there is no vault yet.
    """

    risk: ClassVar[Risk] = Risk.GUARDED

    place: str
    recipients: tuple[tuple[str, str], ...]
    leaving: tuple[str, ...] = ()
    new: bool = False

    @property
    def subject(self) -> str:
        """See `Action.subject`."""
        return f"vault {self.place}"

    def describe(self) -> str:
        """See `Action.describe`."""
        return f"{self.what} ({self.place})"

    @property
    def what(self) -> str:
        """What is done, for the ledger."""
        names = ", ".join(name for name, _ in self.recipients)
        without = f", without {', '.join(self.leaving)}" if self.leaving else ""
        return f"{'make a vault' if self.new else 'encrypt the vault anew'} for {names}{without}"
