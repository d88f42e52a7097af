"""What can be known about a vault: what it holds, for whom, who changed it, and whether that can be relied on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from pipeline.apple.signing.certificates import NEVER, Certificate
from pipeline.apple.signing.profiles import ProvisioningProfile
from pipeline.values import dataclass

IDENTITIES, PENDING, PROFILES = "identities/", "pending/", "profiles/"
CERTIFICATE, KEY = ".cer", ".p8"


@dataclass(frozen=True)
class Member:
    """Somebody who can open the vault: a name, and a public key without comment."""

    name: str = ""
    key: str = ""


@dataclass(frozen=True)
class KeptFile:
    """A file of the vault.

    Attributes:
        told: public facts about it: kind, team, name, expires (ISO 8601), serial, bundle.
        by: who put its content there, `at` when.
        leavers: names of those who could read the content once and are no recipients any more.
        certificate: of a certificate.
        profile: of a profile that we can open.
        public_key_sha256: of a private key that we can open.
        fault: why it is not what it should be; empty when it is, or when it cannot be opened by us.
    """

    path: str = ""
    sealed: bool = True
    told: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    at: datetime = NEVER
    leavers: tuple[str, ...] = ()
    certificate: Certificate | None = None
    profile: ProvisioningProfile | None = None
    public_key_sha256: str = ""
    fault: str = ""

    @property
    def name(self) -> str:
        """The last part of its path without the ending: a digest, or the UUID of a profile."""
        return self.path.rpartition("/")[2].rpartition(".")[0]

    @property
    def label(self) -> str:
        """What a person calls it."""
        return self.told.get("name") or (self.certificate.subject_name if self.certificate else "") or self.name

    @property
    def expires(self) -> datetime:
        """The end of a certificate or profile; NEVER when it is not told."""
        if self.certificate:
            return self.certificate.not_after
        try:
            told = datetime.fromisoformat(self.told.get("expires", ""))
        except ValueError:
            return NEVER
        return told if told.tzinfo else NEVER


@dataclass(frozen=True)
class DoubtedIdentity:
    """An identity that was given and is not known to be Apple's.

    Attributes:
        alien: why its chain leads to no root of Apple's; empty when that is not known.
        untraced: why that is not known.
    """

    sha1: str = ""
    name: str = ""
    origin: str = ""
    alien: str = ""
    untraced: str = ""


@dataclass(frozen=True)
class DoubtedIdentities:
    """Those of the identities that were given for the vault which are not known to be Apple's."""

    items: tuple[DoubtedIdentity, ...] = ()

    def __str__(self) -> str:
        return ", ".join(each.name for each in self.items) or "none"


@dataclass(frozen=True)
class LedgerLine:
    """One change. `proved` is whether somebody who could open the vault wrote it; None when we cannot tell."""

    number: int = 0
    at: datetime = NEVER
    by: str = ""
    what: str = ""
    put: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    resealed: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    proved: bool | None = None


@dataclass(frozen=True)
class VaultContents:
    """A vault as it was when it was looked at.

    Attributes:
        place: where it is; empty when none is configured. One that exists without a place goes with the run.
        exists: whether there is a vault at the place; a new one has neither files nor recipients.
        openable: whether our key opens it; `why` says why not.
        own: our public key; empty when we have no key.
        problems: what is wrong with it, each a sentence.
        at: when it was looked at (aware, UTC).
    """

    place: str = ""
    exists: bool = False
    openable: bool = False
    why: str = ""
    own: str = ""
    recipients: tuple[Member, ...] = ()
    files: tuple[KeptFile, ...] = ()
    lines: tuple[LedgerLine, ...] = ()
    problems: tuple[str, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        if self.exists:
            return f"{len(self.files)} files for {len(self.recipients)} recipients"
        return "a new vault" if self.place else "no vault"

    @property
    def certificates(self) -> tuple[KeptFile, ...]:
        """The certificates, which lie beside their keys."""
        return tuple(
            each for each in self.files if each.path.startswith(IDENTITIES) and each.path.endswith(CERTIFICATE)
        )

    def file(self, path: str) -> KeptFile | None:
        """The file of that path."""
        return next((each for each in self.files if each.path == path), None)

    def key_of(self, sha1: str) -> KeptFile | None:
        """The private key of the certificate with that SHA-1."""
        return self.file(f"{IDENTITIES}{sha1}{KEY}")

    def holds_identity(self, sha1: str) -> bool:
        """Whether the certificate and its key are there, whole."""
        certificate, key = self.file(f"{IDENTITIES}{sha1}{CERTIFICATE}"), self.key_of(sha1)
        if certificate is None or key is None or certificate.fault or key.fault:
            return False
        fitting = ("", certificate.certificate.public_key_sha256 if certificate.certificate else "")
        return key.public_key_sha256 in fitting

    def holds_profile(self, uuid: str) -> bool:
        """Whether the profile is there, whole."""
        return any(each.path.startswith(PROFILES) and each.name == uuid and not each.fault for each in self.files)
