"""What can be changed at the developer portal, and in the vault on the way there and back."""

from __future__ import annotations

from typing import ClassVar

from pipeline.apple.portal.kinds import name_of
from pipeline.apple.signing.certificates import CertificateKind
from pipeline.model import Action, Platform, Risk, late
from pipeline.values import dataclass


def signing_of(team_id: str) -> str:
    """The name of a team's signing material, which only one run may change at a time."""
    return f"signing material of team {team_id}" if team_id else "signing material of the team"


@dataclass(frozen=True)
class MakeKey(Action):
    """Make a private key and keep it in the vault until there is a certificate for it.

    `seen` are the paths of such keys that the vault held when this was planned: any other that somebody put there
    meanwhile will do.
    """

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    kind: CertificateKind
    seen: tuple[str, ...] = late(())

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        return f"make a key for a certificate “{name_of(self.kind)}”, in the vault"


@dataclass(frozen=True)
class CreateCertificate(Action):
    """Ask Apple for a certificate for a key that waits in the vault. `path` is the key's place in the vault."""

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    kind: CertificateKind
    path: str = late()
    public_key_sha256: str = late()

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        return f"create a certificate “{name_of(self.kind)}” at Apple"


@dataclass(frozen=True)
class KeepCertificate(Action):
    """Put a certificate beside its key in the vault. `id` is App Store Connect's; `path` is where the key waits."""

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    kind: CertificateKind
    id: str = late()
    path: str = late()

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        return f"keep the certificate “{name_of(self.kind)}” with its key in the vault"


@dataclass(frozen=True)
class CreateProfile(Action):
    """Make a provisioning profile for the App Store.

    `bundle` and `certificate` are App Store Connect's ids. `signers` are those of all certificates that would do: a
    profile with any of them is one already, if it lasts and, where the project names one, has that name.
    """

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    bundle_id: str
    platform: Platform
    profile_type: str
    wanted_name: str = ""
    name: str = late()
    bundle: str = late()
    certificate: str = late()
    signers: tuple[str, ...] = late(())

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        named = f", “{self.wanted_name}”," if self.wanted_name else ""
        return f"create an App Store profile{named} for {self.bundle_id} on {self.platform.label}"


@dataclass(frozen=True)
class KeepProfile(Action):
    """Put a profile into the vault. `id` is App Store Connect's."""

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    bundle_id: str
    platform: Platform
    id: str = late()
    uuid: str = late()

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        return f"keep the App Store profile of {self.bundle_id} for {self.platform.label} in the vault"


@dataclass(frozen=True)
class RevokeCertificate(Action):
    """Revoke a certificate at Apple: profiles that name it become invalid, and nothing brings it back.

    `serial`, `ends` and `profiles`, which is how many valid profiles of other apps name it, belong to the promise: an
    approval stands for the certificate, and for the harm, that was read about.
    """

    risk: ClassVar[Risk] = Risk.IRREVERSIBLE

    team_id: str
    kind: CertificateKind
    id: str
    serial: str
    ends: str
    profiles: int = 0

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        others = f"; {self.profiles} profiles of other apps become invalid" if self.profiles else ""
        return f"revoke the certificate “{name_of(self.kind)}” {self.serial}, which ends on {self.ends}{others}"


@dataclass(frozen=True)
class DeleteProfile(Action):
    """Delete a profile at Apple that another one has taken the place of. `why` says what is wrong with it."""

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    name: str
    uuid: str
    id: str
    why: str = late()

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        return f"delete the profile “{self.name}” ({self.uuid}) at Apple" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class DropOutlived(Action):
    """Take out of the vault what Apple has no more, or what was replaced. Nobody signs with it again."""

    risk: ClassVar[Risk] = Risk.GUARDED

    team_id: str
    paths: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The team's signing material."""
        return signing_of(self.team_id)

    def describe(self) -> str:
        return f"take what is revoked or deleted at Apple out of the vault: {', '.join(self.paths)}"
